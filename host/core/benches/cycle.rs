//! How long the pure middle takes for one of the daemon's cycles:
//! `cargo bench -p reap-core --bench cycle`.
//!
//! A target that is missed is printed as OVER and fails nothing: a benchmark is
//! no test. `cargo bench -p reap-store --bench cycle` measures the same cycles
//! with the store.

#![allow(clippy::print_stdout, reason = "a benchmark is run to be read")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use reap_core::cycle::Rules;
use reap_core::judge::judge;
use reap_core::listing::Observation;
use reap_core::locks;
use reap_core::proof::{Proofs, questions};
use reap_core::reconcile::reconcile;
use reap_core::state::State;
use reap_core::subject::survey_with;
use reap_core::sweep::sweep;
use reap_core::vote::Ballot;

mod made_up;

use made_up::{ballots, here, observation, proofs, rules};

/// The one that the program runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTS: [&str; 6] = ["question", "reconcile", "survey", "locks", "judge", "sweep"];

/// The parts of a cycle, each with its time.
#[derive(Clone, Copy, Default)]
struct Times([Duration; PARTS.len()]);

impl Times {
    fn whole(&self) -> Duration {
        self.0.iter().sum()
    }
}

/// One cycle as in `reap_core::cycle`, taken apart.
fn cycle(
    state: State,
    observation: &Observation,
    proofs: &Proofs,
    ballots: &[Ballot],
    rules: &Rules,
) -> (State, Times) {
    let mut times = Times::default();
    let mut begun = Instant::now();
    let mut lap = |part: usize| {
        times.0[part] = begun.elapsed();
        begun = Instant::now();
    };
    black_box(questions(&state, observation));
    lap(0);
    let step = reconcile(state, observation, proofs, &rules.records);
    lap(1);
    let subjects = survey_with(observation, Some(&step.state));
    lap(2);
    let step = step.then(|state| locks::refresh(state, &subjects, &rules.locks));
    lap(3);
    let judged = judge(subjects, ballots, &rules.guard, &here());
    lap(4);
    let (swept, plan) = sweep(step.state, &judged, observation.unknown(), &rules.sweep);
    black_box((plan, step.events, step.changes));
    drop(judged);
    lap(5);
    (swept.state, times)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The median of the steady cycles, and those in which all vanish: missed at
/// the first, gone at the second.
fn measure(count: usize, rules: &Rules) -> (Times, [Times; 2]) {
    let ballots = ballots(count);
    let mut state = State::default();
    let mut all = Vec::new();
    for number in 0..if count > 10_000 { 16 } else { 60 } {
        let (observation, proofs) = (observation(0..count, number), proofs(number));
        let (next, times) = cycle(state, &observation, &proofs, &ballots, rules);
        state = next;
        if number > 3 {
            all.push(times); // the first ones see everything for the first time
        }
    }
    all.sort_by_key(Times::whole);
    let vanish = [100, 101].map(|number| {
        let (observation, proofs) = (observation(0..0, number), proofs(number));
        let (next, times) = cycle(std::mem::take(&mut state), &observation, &proofs, &[], rules);
        state = next;
        times
    });
    assert!(state.records().all(|record| !record.present()), "all have vanished");
    (all[all.len() / 2], vanish)
}

fn verdict(within: bool) -> &'static str {
    if within { "within" } else { "OVER" }
}

fn print(name: &str, times: &Times, allowed: Option<f64>) {
    let parts: Vec<String> = times.0.iter().map(|part| format!("{:>9.2}", millis(*part))).collect();
    let whole = millis(times.whole());
    let verdict = allowed
        .map_or_else(String::new, |allowed| format!("  of {allowed:.0} {}", verdict(whole <= allowed)));
    println!("{name:<24} {} {whole:>9.2}{verdict}", parts.join(" "));
}

fn main() {
    let rules = rules();
    let heads: Vec<String> = PARTS.iter().map(|part| format!("{part:>9}")).collect();
    println!("{:<24} {}     whole (ms)", "median", heads.join(" "));
    let (thousand, _) = measure(1_000, &rules);
    print("1,000 steady", &thousand, None);
    let (steady, [missed, gone]) = measure(10_000, &rules);
    print("10,000 steady", &steady, Some(10.0));
    let (large, _) = measure(100_000, &rules);
    print("100,000 steady", &large, Some(120.0));
    print("10,000 vanish: missed", &missed, Some(60.0));
    print("10,000 vanish: gone", &gone, Some(60.0));
    let ratio = millis(large.whole()) / millis(steady.whole());
    println!("100,000 cost {ratio:.1} times as much as 10,000; 12: {}", verdict(ratio <= 12.0));
}
