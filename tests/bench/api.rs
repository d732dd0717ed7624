//! How fast the daemon answers: `cargo bench -p reap --bench api`.
//!
//! Asked over its socket by a client that parses nothing, so the times are the
//! daemon's own. A target that is missed is printed as OVER and fails nothing: a
//! benchmark is no test.

#![allow(clippy::print_stdout, reason = "it is a program that prints")]

use std::thread;
use std::time::{Duration, Instant};

#[path = "../e2e/support/mod.rs"]
mod support;

use support::{Http, World};

/// A backend that lists ten thousand sessions which nobody knows.
const CROWD: &str =
    "[plugins]\nfolders = [\"plugins\"]\n[backends.hostile]\nattack = \"crowd\"\n[daemon]\nevery = \"1h\"\n";

const SESSIONS: usize = 10_000;

fn main() {
    let world = World::with(CROWD);
    world.add_hostile_backend();
    let daemon = world.daemon();
    daemon.cycle();
    let http = daemon.http();
    let answer = http.get("/v1/sessions").is(200);
    let listed = answer.json().list().len();
    assert_eq!(listed, SESSIONS);
    println!("{listed} sessions, an answer of {} KiB; each line: median (least)", answer.body.len() / 1024);
    println!("GET /v1/sessions; allowed 50 ms");
    told("one client", asked(&http, "/v1/sessions", 40), Some(50));
    let ten = thread::scope(|scope| {
        let clients: Vec<_> = (0..10).map(|_| scope.spawn(|| asked(&http, "/v1/sessions", 10))).collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    told("ten clients at once, each", ten, None);
    println!("other questions");
    for path in ["/v1/sessions?selector=key:s77", "/v1/sessions/s77", "/v1/about", "/v1/status", "/metrics"] {
        told(path, asked(&http, path, 40), None);
    }
}

fn asked(http: &Http, path: &str, rounds: usize) -> Vec<Duration> {
    let ask = |_| {
        let since = Instant::now();
        http.get(path).is(200);
        since.elapsed()
    };
    (0..rounds).map(ask).collect()
}

fn told(what: &str, mut times: Vec<Duration>, allowed: Option<u64>) {
    times.sort();
    let (median, least) = (times[times.len() / 2], times[0]);
    let verdict = match allowed {
        Some(allowed) if median > Duration::from_millis(allowed) => "OVER",
        Some(_) => "within",
        None => "",
    };
    println!("{what:>32}: {:.1} ms ({:.1} ms) {verdict}", millis(median), millis(least));
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
