//! Reap as a user who is not root, among processes of others: what cannot be looked at is
//! unknown, and nothing is ended for it.

use std::fs;

use super::stage::{AT_ONCE, Stage, id};
use crate::support::{World, holds};

/// A stage of nobody. Nothing where the test is not root, who alone may become another.
fn stage(world: &World) -> Option<Stage<'_>> {
    world.user()?;
    world.configure(AT_ONCE);
    Stage::open(world)
}

#[track_caller]
fn lock_of(stage: &Stage<'_>) -> String {
    let facts = stage.reap(&["show", "--json", &id(1)]).exits(0).json().at("/extra");
    facts.find("/name", "lock").at("/value").text().to_owned()
}

/// The lock names a process that may not be signalled, whose start may not even be read:
/// nobody can tell who wrote it.
#[track_caller]
fn is_unknown(hidden: bool) {
    let world = World::of_nobody();
    let Some(stage) = stage(&world) else { return };
    let Some((pid, stranger)) = stage.stranger() else { return };
    if hidden {
        stage.hide_processes_of_others();
    }
    let lock = format!(r#"{{"pid":{pid},"started_at":"2020-01-02T03:04:05Z"}}"#);
    fs::write(stage.file(&id(1), "lock"), lock).expect("a lock");
    assert_eq!(lock_of(&stage), "unknown");
    assert_eq!(stage.list().find("/key", &id(1)).at("/verdict/vote").text(), "abstain");
    stage.reap(&["cleanup", "--yes"]).exits(0);
    stage.reap(&["kill", "--yes", "--force", &id(1)]).exits(5).says(&["its lock was not removed"]);
    assert!(stranger.lives() && stage.file(&id(1), "lock").exists());
}

#[test]
fn a_process_that_may_not_be_signalled() {
    is_unknown(false);
}

#[test]
fn a_process_whose_start_cannot_be_read() {
    is_unknown(true);
}

/// The first process of the machine is root's and not to be seen. It takes orphans over
/// all the same.
#[test]
fn orphans_of_a_first_process_that_cannot_be_seen() {
    for hidden in [false, true] {
        let world = World::of_nobody();
        let Some(stage) = stage(&world) else { return };
        if hidden {
            stage.hide_processes_of_others();
        }
        let words = ["gateway", "kiro-cli", "acp"];
        let orphan = stage.start(&words, &format!("session={} mcp=1", id(1)), 5);
        let sibling = stage.start(&words, &format!("session={} mcp=1", id(2)), 5);
        let all = stage.alive(&sibling);
        stage.orphan(&orphan);
        stage.reap(&["cleanup", "--yes"]).exits(0).says(&["its lock was removed"]);
        holds("its end", || stage.alive(&orphan).is_empty());
        assert_eq!(stage.alive(&sibling), all);
    }
}
