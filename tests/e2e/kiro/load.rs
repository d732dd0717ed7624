//! How busy a session was of late: known once a daemon has looked twice.

use super::stage::{AT_ONCE, Stage, detach, id};
use crate::support::{World, holds};

/// What is known besides of a session: how much of a processor it used between two looks.
#[track_caller]
fn recent(stage: &Stage<'_>, n: usize) -> Option<u64> {
    let facts = stage.reap(&["show", "--json", &id(n)]).exits(0).json().at("/facts").list();
    let fact = facts.into_iter().find(|fact| fact.at("/name").text() == "cpu-recent")?;
    Some(fact.at("/value").number())
}

#[test]
fn between_two_looks_of_a_daemon() {
    let world = World::with(&format!("[daemon]\nevery = \"1s\"\n{AT_ONCE}"));
    let Some(stage) = Stage::open(&world) else { return };
    let words = ["gateway", "kiro-cli", "acp"];
    let busy = stage.start(&words, &format!("session={} spin", id(1)), 3);
    stage.start(&words, &format!("session={}", id(2)), 3);
    assert_eq!((recent(&stage, 1), recent(&stage, 2)), (None, None), "nobody looked before");
    detach(stage.inside(world.program()).arg("daemon"));
    holds("the load of both", || recent(&stage, 1).is_some_and(|percent| percent > 0));
    assert_eq!(recent(&stage, 2), Some(0));

    // It was busy all its life, and is so no more.
    busy.of("backend").signal(rustix::process::Signal::STOP);
    holds("the end of its work", || recent(&stage, 1) == Some(0));
    let facts = stage.reap(&["show", "--json", &id(1)]).exits(0).json().at("/extra");
    assert!(facts.find("/name", "cpu").at("/value/span").number() > 0);
    busy.of("backend").signal(rustix::process::Signal::CONT);
}
