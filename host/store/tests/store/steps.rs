//! Steps of the core, kept and read back.

use std::collections::BTreeSet;

use reap_core::cycle::{Rules, take_in};
use reap_core::ids::{BootId, Generation, Incarnation, Key};
use reap_core::listing::{Extent, Listing, Observation};
use reap_core::locks::LockRules;
use reap_core::notes::{LONGEST, MANY, Many};
use reap_core::proof::Proofs;
use reap_core::selector::Selector;
use reap_core::session::{Activity, Kind, Session};
use reap_core::state::{Memory, State, Step};
use reap_core::time::Span;
use reap_store::journal::Query;

use crate::support::{address, folder, journal, later, open};

fn session(number: usize) -> Session {
    Session {
        key: Key::new(format!("${number}")),
        incarnation: Incarnation::new("first"),
        title: "a \"title\"".to_owned(),
        kind: Kind::Worker,
        activity: Activity::Idle,
        created: None,
        last_active: None,
        attached: false,
        parent: None,
        cwd: Some(format!("/srv/{}", number % 3)),
        processes: Vec::new(),
        tokens: None,
        protected: None,
        extra: Vec::new(),
    }
}

/// What comes of seeing so many sessions, half a minute after the last look.
fn look(state: State, count: usize, cycle: u64) -> Step {
    let reap_core::ids::Address { backend, instance, .. } = address("");
    let proofs = Proofs {
        boot: BootId::new("boot-1"),
        uptime: Span::from_secs(1000 + 30 * cycle),
        answered: BTreeSet::from([backend.clone()]),
        gone: BTreeSet::new(),
        alive: BTreeSet::new(),
    };
    let listing = Listing {
        backend,
        instance,
        label: "default".to_owned(),
        generation: Some(Generation::new("1")),
        server: None,
        extent: Extent::Complete,
        sessions: (0..count).map(session).collect(),
    };
    let seen = Observation { at: later(30 * cycle), listings: vec![listing], faults: Vec::new() };
    let rules = Rules { locks: LockRules { automatic: vec![Selector::everything()] }, ..Rules::default() };
    take_in(state, &seen, &proofs, &rules).step
}

/// All but the last sights, which are not written each time.
fn sightless(memory: &Memory) -> Memory {
    let mut memory = memory.clone();
    for record in &mut memory.records {
        (record.last_seen, record.seen_times) = (record.first_seen, 0);
    }
    memory
}

#[test]
fn what_is_read_back_is_the_state() {
    let folder = folder();
    let mut store = open(folder.path());
    let mut state = State::try_from(store.view().memory().expect("readable")).expect("an empty state");
    // They come, some go, come back, and all are gone and forgotten.
    for (cycle, count) in [(1, 50), (2, 40), (3, 45), (4, 30), (5, 0), (6, 0), (4000, 0)] {
        let step = look(state, count, cycle);
        store.write(|txn| txn.keep(&step.state, &step.changes)).expect("kept");
        let memory = store.view().memory().expect("readable");
        assert_eq!(sightless(&memory), sightless(&step.state.memory()), "cycle {cycle}");
        state = State::try_from(memory).expect("the same again");
    }
    assert_eq!(state.records().count(), 0);
}

#[test]
fn a_mass_takes_few_entries_and_each_session_is_found_in_them() {
    let folder = folder();
    let mut store = open(folder.path());
    let count = 2 * LONGEST + 100;
    let step = look(State::default(), count, 1);
    let numbers = store.write(|txn| txn.tell(later(30), &step.events)).expect("kept");
    assert_eq!(numbers.len(), step.events.len());
    assert_eq!(numbers.last(), Some(&store.head().seq));
    let many: Vec<_> = journal(&store).into_iter().filter(|entry| entry.kind.ends_with(MANY)).collect();
    assert_eq!(many.len(), 3);
    let told: BTreeSet<String> = many
        .iter()
        .flat_map(|entry| serde_json::from_value::<Many>(entry.payload.clone()).expect("many").sessions)
        .map(|(handle, _)| handle.to_string())
        .collect();
    assert_eq!(told.len(), count);
    for record in step.state.records().take(20) {
        let about = Query { handle: Some(&record.handle), ..Query::default() };
        let found = store.view().journal(&about).expect("readable");
        let seen = found.iter().filter(|entry| entry.kind == format!("session.seen{MANY}"));
        assert_eq!(seen.count(), 1, "{}", record.handle);
    }
}
