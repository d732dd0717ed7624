//! The core's random histories with the real store in a folder.
//!
//! World, histories and checks are the core's, and so is the story of a peer's
//! 26 hours. What is added: the reaper is cut short between any two steps of a
//! cycle, opens its store anew and looks after the intents that it finds open;
//! nothing is ended twice or without an intent, and the journal verifies.
//!
//! A seed that fails is printed; `REAP_SIMULATION_SEED=N cargo test --release
//! -p reap-store --test simulation` plays it alone, and
//! `REAP_SIMULATION_HISTORIES=N` plays so many.

#![allow(clippy::print_stderr, reason = "a seed that fails must be told")]

#[path = "../../../core/tests/simulation/pass.rs"]
mod pass;
mod reaper;
#[path = "../../../core/tests/simulation/seen.rs"]
mod seen;
#[path = "../../../core/tests/simulation/story.rs"]
mod story;
#[path = "../../../core/tests/simulation/trial.rs"]
mod trial;
#[path = "../../../core/tests/simulation/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use seen::Seen;

/// Many short histories: what a crash can do shows soon after it.
const LENGTH: trial::Length = trial::Length { stretches: 1, troubled: 90 };
const SEEDS: u64 = 320;
/// Where each write waits for a disk.
const SEEDS_ON_DISK: u64 = 40;
const THREADS: u64 = 2;

#[test]
fn random_histories_hold_every_rule() {
    if let Ok(text) = std::env::var("REAP_SIMULATION_SEED") {
        play(text.parse().expect("REAP_SIMULATION_SEED is a whole number"), &mut Seen::default());
        return;
    }
    let seeds = match std::env::var("REAP_SIMULATION_HISTORIES") {
        Ok(text) => text.parse().expect("REAP_SIMULATION_HISTORIES is a whole number"),
        Err(_) if reaper::in_memory().is_some() => SEEDS,
        Err(_) => SEEDS_ON_DISK,
    };
    let share = |thread| {
        move || {
            let mut seen = Seen::default();
            (1..=seeds).filter(|seed| seed % THREADS == thread).for_each(|seed| play(seed, &mut seen));
            seen
        }
    };
    let mut seen = Seen::default();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(share(thread))).collect();
        for played in threads {
            seen.add(&played.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
    });
    if seeds >= SEEDS {
        seen.is_lively(3);
    }
}

fn play(seed: u64, seen: &mut Seen) {
    let played = catch_unwind(AssertUnwindSafe(|| trial::play(seed, LENGTH, seen)));
    played.unwrap_or_else(|panic| {
        eprintln!("the history of seed {seed} failed; REAP_SIMULATION_SEED={seed} plays it again");
        resume_unwind(panic)
    });
}
