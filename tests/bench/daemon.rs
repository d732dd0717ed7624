//! What a daemon costs that runs for months: its idle memory, and what becomes of
//! memory and disk over thousands of cycles. `cargo bench -p reap --bench daemon`,
//! or with `-- 1000` for fewer cycles.
//!
//! A target that is missed is printed as OVER and fails nothing: a benchmark is no
//! test.

#![allow(clippy::print_stdout, reason = "it is a program that prints")]

use std::fs;
use std::time::{Duration, Instant};

#[path = "../e2e/support/mod.rs"]
mod support;

use support::{Daemon, World};

/// Cycles only when they are asked for.
const SLOW: &str = "[daemon]\nevery = \"1h\"\n";

/// Cycles after which the daemon has met everything that it keeps.
const WARM: u32 = 300;

fn main() {
    let cycles = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(10_000);
    let world = World::with(SLOW);
    let server = world.server("main");
    let sessions: Vec<String> = (0..20).map(|number| format!("worker-{number}")).collect();
    for name in &sessions {
        server.sleeper(name);
    }
    let daemon = world.daemon();
    for _ in 0..20 {
        daemon.cycle();
    }
    let idle = resident(&daemon);
    println!("idle, all bundled plugins: {} resident; allowed 40.0 MB{}", mega(idle), over(idle, 40_000_000));

    run(&daemon, WARM);
    let before = (resident(&daemon), journal(&daemon));
    let began = Instant::now();
    run(&daemon, cycles);
    let took = began.elapsed();
    let after = (resident(&daemon), journal(&daemon));
    let each = Duration::from_nanos(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / u64::from(cycles));
    println!(
        "{cycles} cycles of {} sessions: {:.1} ms each, asked over the socket",
        sessions.len(),
        each.as_secs_f64() * 1e3
    );
    // Pages that come and go with the threads, and no more than that.
    println!(
        "memory {} before, {} after; allowed a tenth more{}",
        mega(before.0),
        mega(after.0),
        over(after.0, before.0 + before.0 / 10)
    );
    println!("journal {} before, {} after; database {}", before.1.0, after.1.0, mega(after.1.1));
}

fn run(daemon: &Daemon<'_>, cycles: u32) {
    for _ in 0..cycles {
        daemon.cycle();
    }
}

/// Resident memory in bytes.
fn resident(daemon: &Daemon<'_>) -> u64 {
    let path = format!("/proc/{}/status", daemon.process.pid);
    let status = fs::read_to_string(path).expect("the daemon runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line of the kernel");
    let number = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
    number * 1024
}

/// Entries of the journal, and bytes of the database.
fn journal(daemon: &Daemon<'_>) -> (u64, u64) {
    let status = daemon.http().get("/v1/status").is(200).json();
    let number = |place: &str| status.at(place).to_string().parse().expect("a number");
    (number("/journal/entries"), number("/journal/database_bytes"))
}

fn mega(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn over(is: u64, allowed: u64) -> &'static str {
    if is > allowed { "  OVER" } else { "" }
}
