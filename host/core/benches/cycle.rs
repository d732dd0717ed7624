//! How long the pure middle takes for one of the daemon's cycles:
//! `cargo bench -p reap-core --bench cycle`.
//!
//! Bounds: a steady cycle of 10,000 sessions at most 10 ms, of 100,000 at most
//! 12 times that, and the cycle in which all 10,000 vanish at most 60 ms.

#![allow(clippy::print_stdout, reason = "a benchmark is run to be read")]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use reap_core::guard::{GuardRules, Here};
use reap_core::ids::{BootId, Generation, Incarnation, Instance, Key, PluginName};
use reap_core::judge::judge;
use reap_core::listing::{Extent, Listing, Observation};
use reap_core::locks::{self, LockRules};
use reap_core::proof::{Proofs, questions};
use reap_core::reconcile::{RecordRules, reconcile};
use reap_core::selector::Selector;
use reap_core::session::{Activity, Kind, ProcessId, Session};
use reap_core::state::State;
use reap_core::subject::survey_with;
use reap_core::sweep::{SweepRules, sweep};
use reap_core::time::{Span, Timestamp};
use reap_core::vote::{Ballot, Vote};

const START: u64 = 1_785_576_600_000;
const CYCLE: u64 = 30_000;

fn name(text: &str) -> PluginName {
    PluginName::new(text).expect("a plugin name")
}

fn observation(count: usize, cycle: u64) -> Observation {
    let ago = |seconds| Some(Timestamp::from_millis(START - Span::from_secs(seconds).millis()));
    let session = |number: usize| Session {
        key: Key::new(format!("${number}")),
        incarnation: Incarnation::new("4711.99.1785490200"),
        title: format!("build-{number}"),
        kind: Kind::Worker,
        activity: Activity::Idle,
        created: ago(90_000),
        last_active: ago(86_400),
        attached: number.is_multiple_of(10),
        parent: None,
        cwd: Some(format!("/home/me/app-{}", number % 50)),
        processes: vec![ProcessId { pid: 1000 + number as u32, started: 7 }],
        tokens: None,
        protected: None,
        extra: Vec::new(),
    };
    let listing = Listing {
        backend: name("tmux"),
        instance: Instance::new("/tmp/tmux-1000/default"),
        label: "default".to_owned(),
        generation: Some(Generation::new("4711-99")),
        server: Some(ProcessId { pid: 4711, started: 99 }),
        extent: Extent::Complete,
        sessions: (0..count).map(session).collect(),
    };
    Observation { at: Timestamp::from_millis(START + cycle * CYCLE), listings: vec![listing], faults: vec![] }
}

fn proofs(cycle: u64) -> Proofs {
    Proofs {
        boot: BootId::new("boot"),
        uptime: Span::from_millis(1_000_000 + cycle * CYCLE),
        answered: BTreeSet::from([name("tmux")]),
        gone: BTreeSet::new(),
        alive: BTreeSet::new(),
    }
}

/// Three policies: of a hundred sessions, one is kept by a policy with a reason
/// and one is called an orphan.
fn ballots(count: usize) -> Vec<Ballot> {
    let vote = |number: usize| match number % 100 {
        7 => Vote::Keep("it has children that live".to_owned()),
        13 => Vote::Orphan("idle for a day, nothing but its shell inside".to_owned()),
        _ => Vote::Abstain,
    };
    let ballot = |policy| Ballot {
        policy: name(policy),
        shadow: false,
        votes: (0..count).map(|number| Some(Ok(vote(number)))).collect(),
    };
    ["dead-panes", "idle-shell", "cron-done"].map(ballot).to_vec()
}

struct Rules {
    guard: GuardRules,
    records: RecordRules,
    sweep: SweepRules,
    locks: LockRules,
}

/// The parts of a cycle, each with its time.
#[derive(Default)]
struct Times([Duration; 6]);

const PARTS: [&str; 6] = ["question", "reconcile", "survey", "judge", "locks", "sweep"];

fn cycle(
    state: State,
    observation: &Observation,
    proofs: &Proofs,
    ballots: &[Ballot],
    rules: &Rules,
    times: &mut Times,
) -> State {
    let here = Here { ancestors: vec![ProcessId { pid: 3, started: 7 }] };
    let mut begun = Instant::now();
    let mut lap = |part: usize| {
        times.0[part] = begun.elapsed();
        begun = Instant::now();
    };
    black_box(questions(&state, observation));
    lap(0);
    let state = black_box(reconcile(state, observation, proofs, &rules.records)).state;
    lap(1);
    let subjects = survey_with(observation, Some(&state));
    lap(2);
    let judged = judge(subjects, ballots, &rules.guard, &here);
    lap(3);
    let subjects: Vec<_> = judged.iter().map(|judged| &judged.subject).collect();
    let state = black_box(locks::refresh(state, subjects, &rules.locks)).state;
    lap(4);
    let (step, plan) = sweep(state, &judged, Vec::new(), &rules.sweep);
    black_box(plan);
    lap(5);
    step.state
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn measure(count: usize, rules: &Rules) -> f64 {
    let ballots = ballots(count);
    let mut state = State::default();
    let mut best = (Duration::MAX, Times::default());
    for number in 0..if count > 10_000 { 12 } else { 60 } {
        let (observation, proofs) = (observation(count, number), proofs(number));
        let mut times = Times::default();
        let begun = Instant::now();
        state = cycle(state, &observation, &proofs, &ballots, rules, &mut times);
        if number > 2 && begun.elapsed() < best.0 {
            best = (begun.elapsed(), times);
        }
    }
    let parts: Vec<String> = best.1.0.iter().map(|part| format!("{:>9.2}", millis(*part))).collect();
    // All vanish, confirmed by the second look.
    let vanish = |state: State, number: u64| {
        let (observation, proofs) = (observation(0, number), proofs(number));
        let begun = Instant::now();
        let state = cycle(state, &observation, &proofs, &[], rules, &mut Times::default());
        (begun.elapsed(), state)
    };
    let (missed, state) = vanish(state, 100);
    let (gone, state) = vanish(state, 101);
    assert!(state.records().all(|record| !record.present()), "all have vanished");
    println!(
        "{count:>8} {} {:>9.2}   {:>8.2} {:>8.2}",
        parts.join(" "),
        millis(best.0),
        millis(missed),
        millis(gone)
    );
    millis(best.0)
}

fn main() {
    let protect = ["title:keep-*", "label:team=core", "hook:*"];
    let select = |text: &str| Selector::parse(text).expect("a selector");
    let rules = Rules {
        guard: GuardRules { protect: protect.map(select).to_vec(), ..GuardRules::default() },
        records: RecordRules::default(),
        sweep: SweepRules::default(),
        locks: LockRules { automatic: vec![select("cwd:/home/me/app-1*")] },
    };
    let heads: Vec<String> = PARTS.iter().map(|part| format!("{part:>9}")).collect();
    println!("sessions {}    steady   all gone: missed, stopped (ms)", heads.join(" "));
    measure(1_000, &rules);
    let steady = measure(10_000, &rules);
    let large = measure(100_000, &rules);
    println!("100,000 cost {:.1} times as much as 10,000", large / steady);
}
