//! How long the pure middle takes for a pass: `cargo bench -p reap-core`.
//!
//! What matters is the last column: the cost of one session must not grow with
//! their number.

#![allow(clippy::print_stdout, reason = "a benchmark is run to be read")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use reap_core::guard::{GuardRules, Here};
use reap_core::ids::{Address, Generation, Incarnation, Instance, Key, PluginName};
use reap_core::judge::judge;
use reap_core::listing::{Extent, Listing, Observation};
use reap_core::permit::{Fresh, Permit};
use reap_core::plan::{Lifts, Plan};
use reap_core::selector::Selector;
use reap_core::session::{Activity, Kind, ProcessId, Session};
use reap_core::subject::survey;
use reap_core::time::{Span, Timestamp};
use reap_core::vote::{Ballot, Vote};

const NOW: Timestamp = Timestamp::from_millis(1_785_576_600_000);

fn name(text: &str) -> PluginName {
    PluginName::new(text).expect("a plugin name")
}

/// Sessions that each descend from the one before, as in one endless task.
fn observation(count: usize) -> Observation {
    let instance = Instance::new("/tmp/tmux-1000/default");
    let address = |number: usize| Address {
        backend: name("tmux"),
        instance: instance.clone(),
        key: Key::new(format!("${number}")),
    };
    let ago = |seconds| Some(Timestamp::from_millis(NOW.millis() - Span::from_secs(seconds).millis()));
    let session = |number: usize| Session {
        key: address(number).key,
        incarnation: Incarnation::new("1785490200"),
        title: format!("build-{number}"),
        kind: Kind::Worker,
        activity: Activity::Idle,
        created: ago(90_000),
        last_active: ago(86_400),
        attached: number.is_multiple_of(10),
        parent: number.checked_sub(1).map(address),
        cwd: Some("/home/me/app".to_owned()),
        processes: vec![ProcessId { pid: 1000 + number as u32, started: 7 }],
        tokens: None,
        protected: None,
        extra: Vec::new(),
    };
    let listing = Listing {
        backend: name("tmux"),
        instance: instance.clone(),
        label: "default".to_owned(),
        generation: Some(Generation::new("4711-99")),
        server: None,
        extent: Extent::Complete,
        sessions: (0..count).map(session).collect(),
    };
    Observation { at: NOW, listings: vec![listing], faults: Vec::new() }
}

fn ballots(count: usize) -> Vec<Ballot> {
    let ballot = |policy| Ballot {
        policy: name(policy),
        shadow: false,
        votes: vec![Some(Ok(Vote::Orphan("idle for a day, nothing but its shell inside".to_owned()))); count],
    };
    ["dead-panes", "idle-shell", "cron-done"].map(ballot).to_vec()
}

/// The shortest of five runs, and what the last one gave.
fn best<T>(mut run: impl FnMut() -> T) -> (Duration, T) {
    let mut timed = || {
        let start = Instant::now();
        let given = black_box(run());
        (start.elapsed(), given)
    };
    let mut best = timed();
    for _ in 0..4 {
        let (time, given) = timed();
        best = (time.min(best.0), given);
    }
    best
}

fn main() {
    let here = Here { ancestors: vec![ProcessId { pid: 1000, started: 7 }] };
    let protect = ["title:keep-*", "label:team=core", "hook:*"];
    let protect = protect.map(|text| Selector::parse(text).expect("a selector")).to_vec();
    let rules = GuardRules { protect, ..GuardRules::default() };
    let selector = Selector::parse("orphaned older:1h").expect("a selector");

    println!("sessions   survey    judge     plan  permits   in all, µs a session");
    for count in [100, 1_000, 10_000, 100_000] {
        let observation = observation(count);
        let ballots = ballots(count);
        let (surveying, subjects) = best(|| survey(&observation));
        // Judging takes the subjects: their copies are made outside the time.
        let mut copies: Vec<_> = (0..5).map(|_| subjects.clone()).collect();
        let (judging, judged) = best(|| judge(copies.pop().unwrap_or_default(), &ballots, &rules, &here));
        let lifetime = Span::from_secs(900);
        let (planning, plan) =
            best(|| Plan::cleanup(&judged, Vec::new(), &selector, Lifts::default(), NOW, lifetime));
        let (permitting, permits) = best(|| {
            let fresh = Fresh::new(&observation, &judged);
            plan.items.iter().filter(|item| Permit::issue(item, plan.made, &fresh).is_ok()).count()
        });
        assert_eq!(permits, plan.items.len(), "nothing changed, so every item gets its permit");
        let all = surveying + judging + planning + permitting;
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "{count:>8} {:>8.2} {:>8.2} {:>8.2} {:>8.2}   {:.2}",
            millis(surveying),
            millis(judging),
            millis(planning),
            millis(permitting),
            all.as_secs_f64() * 1e6 / count as f64,
        );
    }
}
