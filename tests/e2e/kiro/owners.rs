//! Whose a runtime is: who took it over when its owner ended, and what cannot be told.

use super::stage::{AT_ONCE, Stage, id};
use crate::support::World;

/// The word for the owner of session 1.
#[track_caller]
fn owner(stage: &Stage<'_>) -> String {
    let facts = stage.reap(&["show", "--json", &id(1)]).exits(0).json().at("/extra");
    facts.find("/name", "owner").at("/value").text().to_owned()
}

#[track_caller]
fn vote(stage: &Stage<'_>) -> String {
    stage.list().find("/key", &id(1)).at("/verdict/vote").text().to_owned()
}

/// An orphan is one whoever took it over: pid 1, `systemd --user`, or anything else.
#[track_caller]
fn is_found(around: &[&str], count: usize) {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let words: Vec<&str> = around.iter().copied().chain(["gateway", "kiro-cli", "acp"]).collect();
    let family = stage.start(&words, &format!("session={}", id(1)), count);
    assert_eq!((owner(&stage).as_str(), vote(&stage).as_str()), ("intact", "abstain"));
    stage.orphan(&family);
    assert_eq!((owner(&stage).as_str(), vote(&stage).as_str()), ("gone", "orphan"));
    stage.reap(&["cleanup", "--yes"]).exits(0);
    assert!(!family.of("backend").lives());
}

#[test]
fn taken_over_by_the_first_process() {
    is_found(&[], 3);
}

#[test]
fn taken_over_by_the_users_systemd() {
    is_found(&["systemd", "--user"], 4);
}

#[test]
fn taken_over_by_something_else() {
    is_found(&["supervisor"], 4);
}

/// Started by what takes over orphans: nobody can tell it from one.
#[test]
fn a_service_is_not_an_orphan() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let family = stage.start(&["systemd", "--user", "kiro-cli", "acp"], &format!("session={}", id(1)), 3);
    assert_eq!((owner(&stage).as_str(), vote(&stage).as_str()), ("unknown", "abstain"));
    stage.reap(&["cleanup", "--yes"]).exits(0);
    assert!(family.of("backend").lives());
}

/// The process in the lock is dead; its wrapper, which waits for nobody, is not.
#[test]
fn a_recorded_process_that_is_dead() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let family = stage.start(&["gateway", "kiro-cli", "acp"], &format!("session={} mcp=1", id(1)), 5);
    family.of("backend").signal(rustix::process::Signal::KILL);
    crate::support::holds("the end of the wrapper", || !family.of("wrapper").lives());
    let row = stage.list().find("/key", &id(1));
    assert_eq!(row.at("/activity").text(), "stopped");
    stage.reap(&["cleanup", "--yes"]).exits(0);
    assert!(!stage.file(&id(1), "lock").exists() && family.of("gateway").lives());
}

/// Its arguments are no longer those of kiro-cli. It holds the lock, by its start; but
/// nothing says that it may be ended.
#[test]
fn arguments_that_changed() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let family = stage.start(&["gateway", "kiro-cli-chat", "acp"], &format!("session={} renamed", id(1)), 2);
    stage.orphan(&family);
    let facts = stage.reap(&["show", "--json", &id(1)]).exits(0).json().at("/extra");
    assert_eq!(facts.find("/name", "lock").at("/value").text(), "unknown");
    stage.reap(&["cleanup", "--yes"]).exits(0);
    stage.reap(&["kill", "--yes", "--force", &id(1)]).exits(5);
    assert!(family.of("renamed").lives() && stage.file(&id(1), "lock").exists());
}
