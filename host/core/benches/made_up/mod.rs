//! What the benchmarks of a cycle look at: one server with many sessions.

use std::collections::BTreeSet;

use reap_core::cycle::Rules;
use reap_core::guard::{GuardRules, Here};
use reap_core::ids::{BootId, Generation, Incarnation, Instance, Key, PluginName};
use reap_core::listing::{Extent, Listing, Observation};
use reap_core::locks::LockRules;
use reap_core::proof::Proofs;
use reap_core::selector::Selector;
use reap_core::session::{Activity, Kind, ProcessId, Session};
use reap_core::time::{Span, Timestamp};
use reap_core::vote::{Ballot, Vote};

const START: u64 = 1_785_576_600_000;
const EVERY: u64 = 30_000;

fn name(text: &str) -> PluginName {
    PluginName::new(text).expect("a plugin name")
}

/// These sessions, as they are seen in that cycle. One in a hundred does
/// something between two cycles.
pub fn observation(numbers: std::ops::Range<usize>, cycle: u64) -> Observation {
    let ago = |seconds| Timestamp::from_millis(START - Span::from_secs(seconds).millis());
    let session = |number: usize| Session {
        key: Key::new(format!("${number}")),
        incarnation: Incarnation::new("4711.99.1785490200"),
        title: format!("build-{number}"),
        kind: Kind::Worker,
        activity: Activity::Idle,
        created: Some(ago(90_000)),
        last_active: Some(ago(86_400).plus(Span::from_secs(if number % 100 == 99 { cycle } else { 0 }))),
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
        sessions: numbers.map(session).collect(),
    };
    Observation { at: Timestamp::from_millis(START + cycle * EVERY), listings: vec![listing], faults: vec![] }
}

pub fn proofs(cycle: u64) -> Proofs {
    Proofs {
        boot: BootId::new("5d1e5b0a-7a7f-4a56-9c0d-8c4d1ea5a001"),
        uptime: Span::from_millis(1_000_000 + cycle * EVERY),
        answered: BTreeSet::from([name("tmux")]),
        gone: BTreeSet::new(),
        alive: BTreeSet::new(),
    }
}

/// Three policies: of a hundred sessions, one is kept by a policy with a reason
/// and one is called an orphan.
pub fn ballots(count: usize) -> Vec<Ballot> {
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

pub fn rules() -> Rules {
    let select = |text: &str| Selector::parse(text).expect("a selector");
    let protect = ["title:keep-*", "label:team=core", "hook:*"];
    Rules {
        guard: GuardRules { protect: protect.map(select).to_vec(), ..GuardRules::default() },
        locks: LockRules { automatic: vec![select("cwd:/home/me/app-1*")] },
        ..Rules::default()
    }
}

/// Where Reap runs: in none of them.
pub fn here() -> Here {
    Here { ancestors: vec![ProcessId { pid: 3, started: 7 }] }
}
