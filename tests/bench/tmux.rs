//! How fast Reap is with tmux, as ratios to tmux itself measured in the same run:
//! `cargo bench -p reap --bench tmux`.
//!
//! Times alone say little on a machine that does other things, so each round asks
//! tmux and Reap in turn. A target that is missed is printed as OVER and fails
//! nothing: a benchmark is no test.

#![allow(clippy::print_stdout, reason = "it is a program that prints")]

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../e2e/support/mod.rs"]
mod support;

use support::{Server, World, holds};

/// The fields that the tmux plugin asks for stand in its manifest.
const MANIFEST: &str = include_str!("../../plugins/tmux/tmux.toml");

/// Everything is an orphan at once, and all of it may be ended at once.
const AT_ONCE: &str = "[policies.idle-shell]\nafter = \"0s\"\n[limits]\nper_cycle = 1000\npercent = 100\n";

fn main() {
    println!("Each line: median (least) of all rounds.");
    // Reap looks at all of them, tmux at none.
    println!("{} other processes run on this machine.\n", processes());
    println!("reap ls, warm, and a bare tmux list-panes -a with the same fields; allowed 1.5 x + 10 ms");
    for (sessions, rounds) in [(1, 30), (100, 30), (1000, 15)] {
        listing(sessions, rounds);
    }
    println!("\nthe first run, nothing compiled yet, until its first output; allowed 2 s");
    first_run(5);
    println!("\nthe end of 100 sessions of one plain shell each; allowed 3 s");
    ending(100, 3);
}

fn processes() -> usize {
    let entries = std::fs::read_dir("/proc").expect("a Linux system");
    entries.flatten().filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok()).count()
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

/// Asks tmux, Reap, tmux, Reap and so on.
fn listing(sessions: usize, rounds: usize) {
    let world = World::new();
    let server = shells(&world, sessions);
    let format = same_fields();
    let tmux = || timed(server.command(&["list-panes", "-a", "-F", &format]), sessions);
    let reap = || timed(world.reap_command(&["ls"]), sessions + 1);
    for _ in 0..3 {
        tmux();
        reap();
    }
    let (bare, ours): (Vec<_>, Vec<_>) = (0..rounds).map(|_| (tmux(), reap())).unzip();
    let (bare, ours) = (Times::of(bare), Times::of(ours));
    let allowed = bare.median() * 3 / 2 + Duration::from_millis(10);
    println!(
        "{sessions:>6} sessions: tmux {:<20} reap {:<20} ratio {:.2}, allowed {:<9} {}",
        bare.in_words(),
        ours.in_words(),
        ours.median().as_secs_f64() / bare.median().as_secs_f64(),
        millis(allowed),
        verdict(ours.median(), allowed),
    );
}

/// Runs a command, which must print that many lines.
fn timed(mut command: Command, lines: usize) -> Duration {
    let since = Instant::now();
    let output = command.stdin(Stdio::null()).output().expect("it can be started");
    let took = since.elapsed();
    let printed = output.stdout.iter().filter(|byte| **byte == b'\n').count();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(printed, lines, "lines of {command:?}");
    took
}

/// What the plugin asks of sessions and, within each, of its panes, as the row of
/// a pane.
fn same_fields() -> String {
    let manifest: toml::Table = MANIFEST.parse().expect("the manifest is TOML");
    let words = manifest["asks"]["commands"]["scan"]["run"].as_array().expect("a command line");
    let words: Vec<&str> = words.iter().filter_map(|word| word.as_str()).collect();
    let at = words.iter().position(|word| *word == "list-sessions").expect("a part of the scan");
    let format = words[at..].iter().skip_while(|word| **word != "-F").nth(1).expect("its format");
    let (before, rest) = format.split_once("#{W:#{P:").expect("it goes through windows and panes");
    let (panes, after) = rest.split_once("}}").expect("and comes to an end");
    format!("{before}{panes}{after}")
}

/// A server with that many sessions of one plain shell each.
fn shells(world: &World, count: usize) -> Server<'_> {
    let server = world.server("bench");
    let lines: String =
        (0..count).map(|number| format!("new-session -d -x 80 -y 24 -s job-{number}\n")).collect();
    let file = world.write("sessions.conf", lines).to_string_lossy().into_owned();
    server.tmux(&["start-server", ";", "source-file", &file]);
    holds("a prompt in every session", || {
        let cursors = server.tmux(&["list-panes", "-a", "-F", "#{cursor_x}"]);
        cursors.lines().filter(|column| *column != "0").count() == count
    });
    server
}

fn first_run(rounds: usize) {
    let times = (0..rounds).map(|_| {
        let world = World::cold();
        shells(&world, 1);
        let mut command = world.reap_command(&["ls"]);
        let since = Instant::now();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("reap can be started");
        let mut first = [0];
        child.stdout.take().expect("it has a pipe").read_exact(&mut first).expect("it prints something");
        let took = since.elapsed();
        child.wait().expect("it is our child");
        took
    });
    let times = Times::of(times.collect());
    println!(
        "                 reap {:<20} {}",
        times.in_words(),
        verdict(times.median(), Duration::from_secs(2))
    );
}

/// All at once with Reap, which also makes sure of the processes, and one by one
/// with tmux, which does not.
fn ending(sessions: usize, rounds: usize) {
    let ours = Times::of((0..rounds).map(|_| ended_by_reap(sessions)).collect());
    let bare = Times::of((0..rounds).map(|_| ended_by_tmux(sessions)).collect());
    println!(
        "{sessions:>6} sessions: reap cleanup {:<20} {}; a loop of tmux kill-session {}",
        ours.in_words(),
        verdict(ours.median(), Duration::from_secs(3)),
        bare.in_words(),
    );
}

fn ended_by_reap(sessions: usize) -> Duration {
    let world = World::with(AT_ONCE);
    let server = shells(&world, sessions);
    let mut cleanup = world.reap_command(&["cleanup", "--yes", "--json"]);
    let since = Instant::now();
    let output = cleanup.stdin(Stdio::null()).output().expect("reap can be started");
    let took = since.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(server.ids().is_empty(), "sessions are left");
    took
}

fn ended_by_tmux(sessions: usize) -> Duration {
    let world = World::new();
    let server = shells(&world, sessions);
    let ids = server.ids();
    let since = Instant::now();
    for id in &ids {
        let output = server.command(&["kill-session", "-t", id]).output().expect("tmux can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    since.elapsed()
}
