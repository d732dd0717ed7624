//! How fast Reap is with kiro-cli, by its stand-in, beside a bare walk of `/proc` in the
//! same run: `cargo bench -p reap --bench kiro`. Needs root, or user namespaces.
//!
//! A target that is missed is printed as OVER and fails nothing: a benchmark is no test.

#![allow(clippy::print_stdout, reason = "it is a program that prints")]

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[path = "../e2e/support/mod.rs"]
mod support;

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../e2e/kiro/stage.rs"]
mod stage;

use stage::{AT_ONCE, Stage, detach, id};
use support::World;

const TREES: usize = 1_000;
const ROUNDS: usize = 15;
const ENDED: usize = 100;

/// How long they may take to start.
const START: Duration = Duration::from_secs(40);

/// The argument with which this program is the walk.
const WALK: &str = "--walk";

fn main() {
    if std::env::args().any(|word| word == WALK) {
        return walk();
    }
    println!("Each line: median (least) of all rounds.");
    println!("reap ls of {TREES} live trees of 3 processes; allowed 150 ms");
    listing();
    println!("\nthe end of {ENDED} sessions whose processes ignore TERM; allowed 8 s");
    ending();
}

/// The least that a scan must do: the status and the arguments of every process.
fn walk() {
    let entries = fs::read_dir("/proc").expect("a Linux system").flatten();
    let mut bytes = 0;
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok()) {
        for file in ["stat", "cmdline"] {
            bytes += fs::read(entry.path().join(file)).map_or(0, |read| read.len());
        }
    }
    println!("{bytes}");
}

fn listing() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    crowd(&stage, TREES, "");
    let this = std::env::current_exe().expect("it runs");
    let bare = || timed(stage.inside(&this).arg(WALK), 1);
    let ours = || timed(stage.inside(env!("CARGO_BIN_EXE_reap")).arg("ls"), TREES + 1);
    for _ in 0..3 {
        bare();
        ours();
    }
    let (bare, ours): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| (bare(), ours())).unzip();
    let (bare, ours) = (Times::of(bare), Times::of(ours));
    println!(
        "  a walk of /proc {:<20} reap {:<20} ratio {:.2}  {}",
        bare.in_words(),
        ours.in_words(),
        ours.median().as_secs_f64() / bare.median().as_secs_f64(),
        verdict(ours.median(), Duration::from_millis(150)),
    );
}

fn ending() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    crowd(&stage, ENDED, "ignore-term ignore-hup");
    let ids: Vec<String> = (0..ENDED).map(id).collect();
    let mut kill = stage.inside(env!("CARGO_BIN_EXE_reap"));
    kill.args(["kill", "--yes"]).args(&ids);
    let since = Instant::now();
    let output = kill.stdin(Stdio::null()).output().expect("reap can be started");
    let took = since.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!(
        "  reap kill {}, of which 5 s are the grace  {}",
        millis(took),
        verdict(took, Duration::from_secs(8))
    );
}

/// Starts many families at once, a gateway, a wrapper and a backend each.
fn crowd(stage: &Stage<'_>, count: usize, modes: &str) {
    let ready = stage.world.path("ready-crowd");
    fs::create_dir(&ready).expect("a folder");
    let mut command = stage.inside(stage.world.path("bin/crowd"));
    command.arg(count.to_string()).env("STANDIN", modes);
    command.env("STANDIN_BIN", stage.world.path("bin")).env("STANDIN_READY", &ready);
    detach(&mut command);
    let until = Instant::now() + START;
    let are_ready = || fs::read_dir(&ready).map_or(0, Iterator::count);
    while are_ready() < 3 * count + 1 {
        assert!(Instant::now() < until, "{} processes are ready", are_ready());
        thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a command, which must print that many lines.
fn timed(command: &mut Command, lines: usize) -> Duration {
    let since = Instant::now();
    let output = command.stdin(Stdio::null()).output().expect("it can be started");
    let took = since.elapsed();
    let printed = output.stdout.iter().filter(|byte| **byte == b'\n').count();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(printed, lines, "lines of {command:?}");
    took
}

/// The times of all rounds.
struct Times(Vec<Duration>);

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    fn median(&self) -> Duration {
        self.0[self.0.len() / 2]
    }

    fn in_words(&self) -> String {
        format!("{} ({})", millis(self.median()), millis(self.0[0]))
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn verdict(took: Duration, allowed: Duration) -> &'static str {
    if took <= allowed { "within" } else { "OVER" }
}
