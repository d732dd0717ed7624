//! Ending sessions: all of a process at once or none, many side by side, and what is
//! answered where there is nothing to end.

use std::fs;
use std::time::Duration;

use super::stage::{AT_ONCE, Stage, id};
use crate::support::World;

/// Two sessions of one process, both orphans, one of them protected: nothing ends, and
/// the reason says why.
#[test]
fn a_process_with_another_session_is_left_alone() {
    let protect = format!("protect = [\"key:{}\"]\n{AT_ONCE}", id(2));
    let world = World::with(&protect);
    let Some(stage) = Stage::open(&world) else { return };
    let modes = format!("session={} session={} mcp=1", id(1), id(2));
    let family = stage.start(&["gateway", "kiro-cli", "acp"], &modes, 5);
    stage.orphan(&family);
    let all = stage.alive(&family);
    stage.reap(&["cleanup", "--yes"]).exits(5).says(&["its process also holds", &id(2), "end all of them"]);
    assert_eq!(stage.alive(&family), all);
    assert!(stage.file(&id(1), "lock").exists());
    let facts = stage.reap(&["show", "--json", &id(1)]).exits(0).json().at("/extra");
    assert_eq!(facts.find("/name", "shared-with").at("/value/0").text(), id(2));
}

#[test]
fn all_sessions_of_a_process_end_together() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let modes = format!("session={} session={} mcp=1", id(1), id(2));
    let family = stage.start(&["gateway", "kiro-cli", "acp"], &modes, 5);
    stage.reap(&["kill", "--yes", &id(1), &id(2)]).exits(0);
    assert_eq!(stage.alive(&family), [family.of("gateway")], "the host is not theirs");
    assert!(!stage.file(&id(1), "lock").exists() && !stage.file(&id(2), "lock").exists());
}

/// A clean-up holds so many back; a person who names them all does not want that.
#[test]
fn a_hundred_that_ignore_term_end_side_by_side() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let families: Vec<_> = (0..100)
        .map(|n| {
            let modes = format!("session={} ignore-term ignore-hup", id(n));
            stage.start(&["gateway", "kiro-cli", "acp"], &modes, 3)
        })
        .collect();
    let ids: Vec<String> = (0..100).map(id).collect();
    let words: Vec<&str> = ["kill", "--yes"].into_iter().chain(ids.iter().map(String::as_str)).collect();
    let ran = stage.reap(&words).exits(0);
    assert!(ran.took <= Duration::from_secs(8), "it took {:?}", ran.took);
    for (family, id) in families.iter().zip(&ids) {
        assert!(!family.of("backend").lives() && !family.of("wrapper").lives());
        assert!(!stage.file(id, "lock").exists());
    }
}

/// What `kiro_session_end` of kiro-cli-mcp would be asked.
#[test]
fn what_is_not_there_is_said_plainly() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    stage
        .reap(&["kill", "--yes", &id(1)])
        .exits(3)
        .says(&["no session has the handle, address, key or title"]);
    let family = stage.start(&["gateway", "kiro-cli", "acp"], &format!("session={}", id(1)), 3);
    stage.reap(&["kill", "--yes", &id(1)]).exits(0);
    stage.reap(&["kill", "--yes", &id(1)]).exits(3);
    assert!(family.of("gateway").lives());
}

/// A plan that was made before the session was resumed does not end the new one.
#[test]
fn a_session_that_was_resumed_since_is_another() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let first = stage.start(&["gateway", "kiro-cli", "acp"], &format!("session={}", id(1)), 3);
    stage.orphan(&first);
    let plan = world.path("plan.json").to_string_lossy().into_owned();
    stage.reap(&["plan", "-o", &plan]).exits(0);
    for role in ["wrapper", "backend"] {
        first.of(role).signal(rustix::process::Signal::KILL);
        crate::support::holds("its end", || !first.of(role).lives());
    }
    let second = stage.start(&["gateway", "kiro-cli", "acp"], &format!("session={}", id(1)), 3);
    let all = stage.alive(&second);
    stage.reap(&["apply", "--yes", &plan]).exits(5);
    assert_eq!(stage.alive(&second), all);
}

/// A turn is written at its end, so that a transcript may not grow for an hour. A host
/// that lives is what counts.
#[test]
fn a_long_turn_is_no_reason() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let family = stage.start(&["gateway", "kiro-cli", "acp"], &format!("session={} spin", id(1)), 3);
    for ending in ["json", "jsonl", "lock"] {
        let file = fs::File::options().write(true).open(stage.file(&id(1), ending)).expect("a file");
        let hours_ago = std::time::SystemTime::now() - Duration::from_secs(36_000);
        file.set_modified(hours_ago).expect("our own file");
    }
    let all = stage.alive(&family);
    stage.reap(&["cleanup", "--yes"]).exits(0);
    assert_eq!(stage.alive(&family), all);
}
