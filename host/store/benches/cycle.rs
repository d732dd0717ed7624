//! A whole cycle, core and store together, and ten thousand of them:
//! `cargo bench -p reap-store --bench cycle`.
//!
//! A target that is missed is printed as OVER and fails nothing: a benchmark is
//! no test. Votes are made up beforehand; what policies cost is measured
//! elsewhere.

#![allow(clippy::print_stdout, reason = "a benchmark is run to be read")]

use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reap_core::cycle::{Rules, decide, take_in};
use reap_core::proof::questions;
use reap_core::state::State;
use reap_core::time::Timestamp;
use reap_core::vote::Ballot;
use reap_store::retention::Limits;
use reap_store::verify::Verdict;
use reap_store::{Settings, Store};
use tempfile::TempDir;

#[path = "../../core/benches/made_up/mod.rs"]
mod made_up;

use made_up::{ballots, here, observation, proofs, rules};

/// The one that the program runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    println!("{:<34} {:>8} {:>8} {:>8}  (ms)", "median", "core", "store", "both");
    let small = Daemon::new().steady(10_000, 40);
    print("10,000 steady", small, 25.0);
    let large = Daemon::new().steady(100_000, 10);
    print("100,000 steady", large, 12.0 * 25.0);
    let ratio = millis(large.both()) / millis(small.both());
    println!("100,000 cost {ratio:.1} times as much as 10,000; 12: {}", verdict(ratio <= 12.0));
    let [missed, gone] = Daemon::new().vanish(10_000);
    print("10,000 vanish: missed", missed, 60.0);
    print("10,000 vanish: known to be gone", gone, 60.0);
    endure(10_000);
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What one cycle took.
#[derive(Clone, Copy)]
struct Times {
    core: Duration,
    store: Duration,
}

impl Times {
    fn both(self) -> Duration {
        self.core + self.store
    }

    fn median(mut all: Vec<Self>) -> Self {
        all.sort_by_key(|times| times.both());
        all[all.len() / 2]
    }
}

fn print(name: &str, times: Times, allowed: f64) {
    let both = millis(times.both());
    let verdict = verdict(both <= allowed);
    let (core, store) = (millis(times.core), millis(times.store));
    println!("{name:<34} {core:>8.2} {store:>8.2} {both:>8.2}  of {allowed:.0} {verdict}");
}

fn verdict(within: bool) -> &'static str {
    if within { "within" } else { "OVER" }
}

/// A state and its store.
struct Daemon {
    folder: TempDir,
    store: Store,
    state: State,
    rules: Rules,
    cycles: u64,
}

impl Daemon {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings =
            Settings { boot: "b".repeat(36), wait: Duration::ZERO, now: Timestamp::from_millis(0) };
        let store = Store::open(folder.path(), &settings).expect("a store");
        Self { folder, store, state: State::default(), rules: rules(), cycles: 0 }
    }

    fn cycle(&mut self, numbers: Range<usize>, ballots: &[Ballot]) -> Times {
        let (seen, proofs) = (Arc::new(observation(numbers, self.cycles)), proofs(self.cycles));
        self.cycles += 1;
        let state = std::mem::take(&mut self.state);
        let begun = Instant::now();
        black_box(questions(&state, &seen));
        let surveyed = take_in(state, &seen, &proofs, &self.rules);
        let subjects = surveyed.subjects;
        let step = surveyed.step.then(|state| {
            let decided = decide(state, &seen, subjects, ballots, &here(), &self.rules);
            black_box(decided.plan);
            decided.step
        });
        let core = begun.elapsed();
        let written = self.store.write(|txn| {
            txn.keep(&step.state, &step.changes)?;
            txn.tell(seen.at, &step.events)?;
            txn.observe(&seen)
        });
        written.expect("kept");
        drop(seen);
        let store = begun.elapsed() - core;
        self.state = step.state;
        Times { core, store }
    }

    fn steady(&mut self, count: usize, rounds: usize) -> Times {
        let ballots = ballots(count);
        for _ in 0..4 {
            self.cycle(0..count, &ballots); // everything is seen for the first time
        }
        self.prune();
        Times::median((0..rounds).map(|_| self.cycle(0..count, &ballots)).collect())
    }

    /// All vanish: once missed, then known to be gone.
    fn vanish(mut self, count: usize) -> [Times; 2] {
        self.steady(count, 4);
        let times = [(); 2].map(|()| self.cycle(0..0, &[]));
        assert!(self.state.records().all(|record| !record.present()), "all have vanished");
        times
    }

    fn prune(&mut self) {
        let limits = Limits { journal_bytes: 4 << 20, observation_bytes: 8 << 20, ..Limits::default() };
        self.store.prune(self.state.now(), &limits).expect("pruned");
    }
}

/// Some 400 sessions, of which four come and four go in each cycle.
fn endure(cycles: usize) {
    const SESSIONS: usize = 400;
    const CHURN: usize = 4;
    let mut daemon = Daemon::new();
    daemon.rules.records.retention = reap_core::time::Span::from_secs(3600);
    let ballots = ballots(SESSIONS);
    let (mut most, mut first) = ((0, 0), 0);
    let begun = Instant::now();
    for number in 0..cycles {
        daemon.cycle(number * CHURN..number * CHURN + SESSIONS, &ballots);
        if number % 20 == 19 {
            daemon.prune();
            let sizes = daemon.store.view().sizes().expect("sizes");
            most = (sizes.entry_bytes.max(most.0), sizes.pass_bytes.max(most.1));
        }
        if number == cycles / 10 {
            first = memory();
        }
    }
    let (last, took) = (memory(), begun.elapsed());
    println!("\n{cycles} cycles of {SESSIONS} sessions with {CHURN} that come and {CHURN} that go in each");
    println!("{:>9.2} ms a cycle, all told", millis(took) / cycles as f64);
    let flat = last <= first + first / 10;
    println!("{first:>9} KiB of memory after a tenth, {last} KiB at the end: {}", verdict(flat));
    let (journal, observations) = (most.0 >> 10, most.1 >> 10);
    println!("{journal:>9} KiB of journal at most, of 4096: {}", verdict(journal <= 4096));
    println!("{observations:>9} KiB of observations at most, of 8192: {}", verdict(observations <= 8192));
    let sound = matches!(daemon.store.verify(None), Ok(Verdict::Sound(_)));
    let database = std::fs::metadata(daemon.folder.path().join("reap.db")).map_or(0, |file| file.len() >> 10);
    println!(
        "{database:>9} KiB of database, and the journal {}",
        if sound { "verifies" } else { "is BROKEN" }
    );
}

/// What this process holds in memory, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux system");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it is there");
    line.split_ascii_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number")
}
