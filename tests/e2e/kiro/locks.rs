//! Locks: whom they name, and when they are removed.

use std::fs;

use super::stage::{AT_ONCE, Stage, id};
use crate::support::{Json, World};

/// A lock as kiro-cli writes it.
fn lock(pid: u32, since: &str) -> String {
    format!(r#"{{"pid":{pid},"started_at":"{since}"}}"#)
}

const LONG_AGO: &str = "2020-01-02T03:04:05Z";

#[track_caller]
fn fact(stage: &Stage<'_>, key: &str, name: &str) -> String {
    let facts = stage.reap(&["show", "--json", key]).exits(0).json().at("/extra");
    facts.find("/name", name).at("/value").text().to_owned()
}

#[track_caller]
fn row(stage: &Stage<'_>, key: &str) -> Json {
    stage.list().find("/key", key)
}

#[test]
fn a_stale_one_is_removed_and_its_session_can_be_resumed() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let family = stage.start(&["gateway", "kiro-cli", "acp"], &format!("session={}", id(1)), 3);
    for role in ["gateway", "wrapper", "backend"] {
        family.of(role).signal(rustix::process::Signal::KILL);
        crate::support::holds("its end", || !family.of(role).lives());
    }
    assert_eq!(fact(&stage, &id(1), "lock"), "stale");
    assert_eq!(row(&stage, &id(1)).at("/activity").text(), "stopped");
    let resume = fact(&stage, &id(1), "resume");
    assert!(resume.ends_with(&format!("kiro-cli chat --resume-id {}", id(1))), "{resume}");
    stage.reap(&["cleanup", "--dry-run"]).exits(0).says(&["the process in its lock has ended"]);
    stage.reap(&["cleanup", "--yes"]).exits(0).says(&["its lock was removed"]);
    assert!(!stage.file(&id(1), "lock").exists());
    assert!(stage.file(&id(1), "json").exists() && stage.file(&id(1), "jsonl").exists());
    assert!(stage.list().list().is_empty());
}

/// The pid in the lock is that of another program by now.
#[test]
fn a_pid_that_was_used_again_is_never_signalled() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let other = stage.start(&["vim"], "", 1);
    fs::write(stage.file(&id(1), "lock"), lock(other.pid("vim"), LONG_AGO)).expect("a lock");
    assert_eq!(fact(&stage, &id(1), "lock"), "reused");
    stage.reap(&["cleanup", "--yes"]).exits(0);
    stage.reap(&["kill", "--yes", "--force", &id(1)]).exits(5).says(&["its lock was not removed"]);
    assert!(other.of("vim").lives() && stage.file(&id(1), "lock").exists());
}

/// Another user's process cannot be looked at. Whether it wrote the lock is not known, so
/// the lock stays.
#[test]
fn a_pid_of_another_user_is_unknown() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let Some((pid, stranger)) = stage.stranger() else { return };
    fs::write(stage.file(&id(1), "lock"), lock(pid, LONG_AGO)).expect("a lock");
    assert_eq!(fact(&stage, &id(1), "lock"), "unknown");
    stage.reap(&["cleanup", "--yes"]).exits(0);
    stage.reap(&["kill", "--yes", "--force", &id(1)]).exits(5).says(&["its lock was not removed"]);
    assert!(stranger.lives() && stage.file(&id(1), "lock").exists());
}

/// The pid in the lock is that of a kiro-cli that was started later, and is in use.
#[test]
fn a_kiro_that_was_started_later_is_never_ended() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let family = stage.start(&["gateway", "kiro-cli", "acp"], &format!("session={} mcp=1", id(2)), 5);
    fs::write(stage.file(&id(1), "lock"), lock(family.pid("backend"), LONG_AGO)).expect("a lock");
    let all = stage.alive(&family);
    assert_eq!(fact(&stage, &id(1), "lock"), "reused");
    assert!(row(&stage, &id(1)).at("/processes").list().is_empty());
    stage.reap(&["cleanup", "--yes"]).exits(0);
    stage.reap(&["kill", "--yes", "--force", &id(1)]).exits(5);
    assert_eq!(stage.alive(&family), all);
    assert_eq!(fact(&stage, &id(2), "lock"), "live");
}

/// A clean end leaves no lock, and nothing to list.
#[test]
fn a_session_without_lock_and_process_is_a_record() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    fs::write(stage.file(&id(1), "json"), "{}").expect("a sidecar");
    fs::write(stage.file(&id(1), "jsonl"), "").expect("a transcript");
    assert!(stage.list().list().is_empty());
}
