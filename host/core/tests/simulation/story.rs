//! What happened to a peer, at its size: after 26 hours of hook sessions that
//! came and went it showed 394 active sessions, none of which had a process to
//! look at, and 79 locks. Its next version forgot 400 of 400 when the gateway
//! was down for one call.

use std::collections::BTreeSet;
use std::sync::Arc;

use reap_core::event::Event;
use reap_core::ids::{BootId, Generation, Incarnation, Instance, Key, PluginName};
use reap_core::listing::{Extent, Listing, Observation, Unknown};
use reap_core::proof::Proofs;
use reap_core::session::{Activity, Kind, Session};
use reap_core::time::{Span, Timestamp};

use crate::pass::Pass;
use crate::reaper::Reaper;

const START: u64 = 1_785_576_600_000;
const CYCLE: u64 = 30_000;
const SESSIONS: usize = 394;
const DIRECTORIES: usize = 79;
const CYCLES: u64 = 26 * 120;
/// The gateway is down for half an hour in the middle.
const DOWN: std::ops::Range<u64> = 1_560..1_620;

fn hook(number: u64, made: u64) -> Session {
    Session {
        key: Key::new(format!("hook:{number}")),
        incarnation: Incarnation::new(number.to_string()),
        title: format!("hook {number}"),
        kind: Kind::Hook,
        activity: Activity::Running,
        created: Some(Timestamp::from_millis(made)),
        last_active: Some(Timestamp::from_millis(made)),
        attached: false,
        parent: None,
        cwd: Some(format!("/srv/{}", number as usize % DIRECTORIES)),
        processes: Vec::new(),
        tokens: None,
        protected: None,
        extra: Vec::new(),
    }
}

fn look(cycle: u64, alive: &[Session], down: bool) -> (Observation, Proofs) {
    let backend = PluginName::new("openclaw").expect("a plugin name");
    let listing = Listing {
        backend: backend.clone(),
        instance: Instance::new("ws://127.0.0.1:18789"),
        label: "gateway".into(),
        generation: Some(Generation::new("1")),
        server: None,
        extent: Extent::Complete,
        sessions: alive.to_vec(),
    };
    let fault = Unknown { backend: backend.clone(), instance: None, reason: "connection refused".into() };
    let observation = Observation {
        at: Timestamp::from_millis(START + cycle * CYCLE),
        listings: if down { Vec::new() } else { vec![listing] },
        faults: if down { vec![fault] } else { Vec::new() },
    };
    let proofs = Proofs {
        boot: BootId::new("boot"),
        uptime: Span::from_millis(1_000_000 + cycle * CYCLE),
        answered: if down { BTreeSet::new() } else { BTreeSet::from([backend]) },
        gone: BTreeSet::new(),
        alive: BTreeSet::new(),
    };
    (observation, proofs)
}

/// One cycle, in which nobody votes.
fn cycle(reaper: &mut Reaper, cycle: u64, alive: &[Session], down: bool) -> Pass {
    let (observation, proofs) = look(cycle, alive, down);
    let pass = reaper.pass(&Arc::new(observation), &proofs, |_| Vec::new());
    reaper.write();
    pass
}

#[test]
fn the_peers_26_hours_end_with_nothing_stale() {
    let mut reaper = Reaper::new();
    let mut alive: Vec<Session> = (0..SESSIONS as u64).map(|number| hook(number, START)).collect();
    let mut next = SESSIONS as u64;
    let mut most = 0;
    for number in 0..CYCLES {
        let down = DOWN.contains(&number);
        // Four hook sessions end and four begin, also while nobody can look.
        for place in 0..4 {
            let index = (number as usize * 4 + place) % SESSIONS;
            alive[index] = hook(next, START + number * CYCLE);
            next += 1;
        }
        let before = reaper.state.locks().iter().count();
        let pass = cycle(&mut reaper, number, &alive, down);
        let state = &reaper.state;
        let present = state.records().filter(|record| record.present()).count();
        most = most.max(state.records().count());
        if down {
            let left = pass.events.iter().filter(|event| {
                matches!(event, Event::Stopped { .. } | Event::Missing { .. } | Event::LockFreed { .. })
            });
            assert_eq!(left.count(), 0, "cycle {number}: nothing is known, so nothing changes");
            assert_eq!(state.locks().iter().count(), before);
            assert_eq!(state.doubts().count(), 1);
        } else if number != DOWN.end {
            // Those that ended in the last cycle wait for their confirmation.
            assert!(present <= SESSIONS + 4, "cycle {number}: {present} records of {SESSIONS} sessions");
            assert_eq!(state.locks().iter().count(), DIRECTORIES, "cycle {number}");
        }
        assert_eq!(pass.plan.items, [], "nobody voted");
    }
    let rate = 4 * 24 * 120;
    assert!(most <= SESSIONS + rate + 250, "records are pruned while it runs: {most}");
    for number in CYCLES..CYCLES + 2 {
        cycle(&mut reaper, number, &[], false);
    }
    let state = &reaper.state;
    assert_eq!(state.records().filter(|record| record.present()).count(), 0, "stale sessions");
    assert_eq!(state.locks().iter().count(), 0, "stale locks");
    cycle(&mut reaper, CYCLES + 24 * 120 + 4, &[], false);
    assert_eq!(reaper.state.records().count(), 0, "nothing is kept for ever");
    reaper.check();
}
