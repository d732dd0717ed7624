//! What was recorded comes back pass by pass, whatever happened in between.

use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;
use reap_core::ids::{Generation, Incarnation, Instance, Key, PluginName};
use reap_core::listing::{Extent, Listing, Observation, Unknown};
use reap_core::session::{Activity, Fact, Kind, ProcessId, Session, Value};
use reap_core::time::{Span, Timestamp};
use reap_store::Store;
use reap_store::retention::Limits;

use crate::support::{NOW, folder, later, open};

fn session(key: usize, state: u8) -> Session {
    Session {
        key: Key::new(format!("${key}")),
        incarnation: Incarnation::new("1785490200"),
        title: format!("build \"{}\" ü", state % 3),
        kind: Kind::Worker,
        activity: if state.is_multiple_of(2) { Activity::Idle } else { Activity::Running },
        created: Some(NOW),
        last_active: (!state.is_multiple_of(5)).then(|| later(u64::from(state))),
        attached: state.is_multiple_of(7),
        parent: None,
        cwd: None,
        processes: vec![ProcessId { pid: u32::from(state), started: 7 }],
        tokens: Some(u64::MAX),
        protected: None,
        extra: vec![Fact { name: "load".to_owned(), value: Value::Real(f64::from(state) / 7.0) }],
    }
}

fn listing(instance: usize, sessions: Vec<Session>) -> Listing {
    Listing {
        backend: PluginName::new("tmux").expect("a name"),
        instance: Instance::new(format!("server-{instance}")),
        label: "default".to_owned(),
        generation: Some(Generation::new("4711-99")),
        server: None,
        extent: Extent::Complete,
        sessions,
    }
}

fn pass(at: Timestamp, listings: Vec<Listing>) -> Arc<Observation> {
    Arc::new(Observation { at, listings, faults: Vec::new() })
}

fn sorted(observation: &Observation) -> Observation {
    let mut observation = observation.clone();
    observation.listings.sort_by(|a, b| a.instance.cmp(&b.instance));
    observation.listings.iter_mut().for_each(|listing| listing.sessions.sort_by(|a, b| a.key.cmp(&b.key)));
    observation
}

fn replayed(store: &Store, from: Timestamp, until: Timestamp) -> Vec<Observation> {
    let mut all = Vec::new();
    let show = |seen: &Observation| {
        all.push(seen.clone());
        ControlFlow::Continue(())
    };
    store.view().replay(from, until, show).expect("replayed");
    all
}

fn record(store: &mut Store, passes: &[Arc<Observation>]) {
    for pass in passes {
        store.write(|txn| txn.observe(pass)).expect("kept");
    }
}

fn everything(store: &Store) -> Vec<Observation> {
    replayed(store, Timestamp::from_millis(0), Timestamp::from_millis(u64::MAX))
}

#[test]
fn a_steady_pass_costs_a_few_bytes() {
    let folder = folder();
    let mut store = open(folder.path());
    let sessions: Vec<_> = (0..500).map(|key| session(key, 1)).collect();
    record(&mut store, &[pass(NOW, vec![listing(0, sessions.clone())])]);
    let whole = store.view().sizes().expect("sizes").pass_bytes;
    let steady: Vec<_> = (1..=100).map(|n| pass(later(n), vec![listing(0, sessions.clone())])).collect();
    record(&mut store, &steady);
    let after = store.view().sizes().expect("sizes");
    assert_eq!(after.passes, 101);
    assert!(whole > 100_000 && after.pass_bytes - whole < 100 * 40, "{whole} and {after:?}");
    let mut one = sessions;
    one[7] = session(7, 8);
    record(&mut store, &[pass(later(200), vec![listing(0, one)])]);
    assert!(store.view().sizes().expect("sizes").pass_bytes - after.pass_bytes < 400);
}

#[test]
fn a_replay_shows_the_time_that_was_asked_for() {
    let folder = folder();
    let mut store = open(folder.path());
    let passes: Vec<_> =
        (0..10).map(|n| pass(later(n * 30), vec![listing(0, vec![session(0, n as u8)])])).collect();
    record(&mut store, &passes[..5]);
    drop(store);
    // A new start has nothing to compare with and begins with a keyframe.
    let mut store = open(folder.path());
    record(&mut store, &passes[5..]);
    let times = |from, until| -> Vec<u64> {
        let seen = replayed(&store, later(from), later(until));
        seen.iter().map(|seen| seen.at.since(NOW).millis() / 30_000).collect()
    };
    assert_eq!(times(0, 1000), (0..10).collect::<Vec<_>>());
    assert_eq!(times(60, 120), [2, 3]);
    assert_eq!(times(200, 1000), [7, 8, 9]);
    assert!(times(9000, 10_000).is_empty());
    let mut first = 0;
    let broken_off = store.view().replay(NOW, later(1000), |_| {
        first += 1;
        ControlFlow::Break(())
    });
    assert!(broken_off.is_ok() && first == 1);
}

#[test]
fn old_and_heavy_observations_go_by_whole_groups() {
    let folder = folder();
    let mut store = open(folder.path());
    let big = |n: u64| {
        let sessions = (0..40).map(|key| session(key, (n % 200) as u8)).collect();
        pass(later(n * 60), vec![listing(0, sessions)])
    };
    let passes: Vec<_> = (0..120).map(big).collect();
    record(&mut store, &passes);
    let before = store.view().sizes().expect("sizes");
    let kept = Limits { observation_age: Span::from_secs(3600), ..Limits::default() };
    let pruned = store.prune(later(119 * 60), &kept).expect("pruned");
    assert!(pruned.passes > 0, "{before:?}");
    let left = everything(&store);
    assert!(left.len() >= 60 && left.len() < 120, "{}", left.len());
    let expected: Vec<_> = passes[120 - left.len()..].iter().map(|pass| sorted(pass)).collect();
    assert_eq!(left, expected, "what is left is whole");

    let small = Limits { observation_bytes: before.pass_bytes / 4, ..Limits::default() };
    store.prune(later(119 * 60), &small).expect("pruned");
    let after = store.view().sizes().expect("sizes");
    assert!(after.passes > 0 && after.pass_bytes <= before.pass_bytes / 4, "{before:?} {after:?}");
    let nothing = Limits { observation_bytes: 0, observation_age: Span::ZERO, ..Limits::default() };
    store.prune(later(1_000_000), &nothing).expect("pruned");
    assert!(!everything(&store).is_empty(), "the newest group stays");
    record(&mut store, &[big(121)]);
    assert_eq!(everything(&store).last().map(|seen| seen.at), Some(later(121 * 60)));
}

#[test]
fn a_pass_that_contradicts_itself_is_kept_and_the_next_one_is_whole() {
    let (one, two) = (session(1, 1), session(2, 2));
    let other = Session { title: "other".to_owned(), ..two.clone() };
    let cases = [
        ("a new one twice", vec![one.clone(), two.clone(), other.clone()]),
        ("a known one twice", vec![one.clone(), one.clone()]),
        ("all anew, one of them twice", vec![two.clone(), session(3, 3), other.clone()]),
    ];
    for (what, doubled) in cases {
        let folder = folder();
        let mut store = open(folder.path());
        let sessions = [vec![one.clone()], doubled, vec![two.clone(), one.clone()], vec![two.clone()]];
        let told = sessions.into_iter().zip(1..).map(|(all, n)| pass(later(n), vec![listing(0, all)]));
        let passes: Vec<_> = told.collect();
        record(&mut store, &passes);
        let expected: Vec<_> = passes.iter().map(|pass| sorted(pass)).collect();
        assert_eq!(everything(&store), expected, "{what}");
    }
}

/// One change of a made-up world.
#[derive(Debug, Clone)]
enum Change {
    Session { instance: usize, key: usize, state: u8 },
    Gone { instance: usize, key: usize },
    Instance { instance: usize },
    Extent { instance: usize, extent: Extent },
    Generation { instance: usize, generation: Option<u8> },
    Fault { reason: u8 },
    Shuffle,
    Doubled { instance: usize },
    Repeated { instance: usize },
    NewStart,
    TimeBack,
}

fn change() -> impl Strategy<Value = Change> {
    let (instance, key) = (0_usize..3, 0_usize..6);
    let extent = prop_oneof![
        Just(Extent::Complete),
        Just(Extent::Partial("cut".to_owned())),
        Just(Extent::Failed("timed out".to_owned())),
    ];
    prop_oneof![
        8 => (instance.clone(), key.clone(), any::<u8>())
            .prop_map(|(instance, key, state)| Change::Session { instance, key, state }),
        3 => (instance.clone(), key).prop_map(|(instance, key)| Change::Gone { instance, key }),
        1 => instance.clone().prop_map(|instance| Change::Instance { instance }),
        1 => (instance.clone(), extent).prop_map(|(instance, extent)| Change::Extent { instance, extent }),
        1 => (instance.clone(), any::<Option<u8>>())
            .prop_map(|(instance, generation)| Change::Generation { instance, generation }),
        1 => any::<u8>().prop_map(|reason| Change::Fault { reason }),
        1 => Just(Change::Shuffle),
        1 => instance.clone().prop_map(|instance| Change::Doubled { instance }),
        1 => instance.prop_map(|instance| Change::Repeated { instance }),
        1 => Just(Change::NewStart),
        1 => Just(Change::TimeBack),
    ]
}

/// Takes the change to the world. Contradictions last for one pass only.
fn change_world(world: &mut Observation, change: &Change) {
    let place = |world: &Observation, instance: usize| {
        let name = Instance::new(format!("server-{instance}"));
        world.listings.iter().position(|listing| listing.instance == name)
    };
    match change {
        Change::Session { instance, key, state } => {
            let at = place(world, *instance).unwrap_or_else(|| {
                world.listings.push(listing(*instance, Vec::new()));
                world.listings.len() - 1
            });
            let sessions = &mut world.listings[at].sessions;
            let new = session(*key, *state);
            sessions.retain(|session| session.key != new.key);
            sessions.push(new);
        }
        Change::Gone { instance, key } => {
            if let Some(at) = place(world, *instance) {
                world.listings[at].sessions.retain(|session| session.key != Key::new(format!("${key}")));
            }
        }
        Change::Instance { instance } => match place(world, *instance) {
            Some(at) => drop(world.listings.remove(at)),
            None => world.listings.push(listing(*instance, vec![session(1, 1)])),
        },
        Change::Extent { instance, extent } => {
            if let Some(at) = place(world, *instance) {
                world.listings[at].extent = extent.clone();
            }
        }
        Change::Generation { instance, generation } => {
            if let Some(at) = place(world, *instance) {
                world.listings[at].generation = generation.map(|start| Generation::new(start.to_string()));
            }
        }
        Change::Fault { reason } => {
            let backend = PluginName::new("openclaw").expect("a name");
            let fault = Unknown { backend, instance: None, reason: format!("fault {}", reason % 3) };
            world.faults = if reason.is_multiple_of(2) { vec![fault] } else { Vec::new() };
        }
        Change::Shuffle => {
            world.listings.reverse();
            world.listings.iter_mut().for_each(|listing| listing.sessions.reverse());
        }
        Change::Doubled { .. } | Change::Repeated { .. } | Change::NewStart | Change::TimeBack => {}
    }
}

/// The world as a backend that contradicts itself would tell it.
fn told(world: &Observation, change: &Change) -> Observation {
    let mut told = world.clone();
    match change {
        Change::Doubled { instance } => {
            if let Some(first) = told.listings.get_mut(*instance).map(|listing| &mut listing.sessions)
                && let Some(session) = first.first().cloned()
            {
                first.push(session);
            }
        }
        Change::Repeated { instance } => {
            if let Some(listing) = told.listings.get(*instance).cloned() {
                told.listings.push(listing);
            }
        }
        _ => {}
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_pass_can_be_seen_again(changes in proptest::collection::vec(change(), 1..40)) {
        let folder = folder();
        let mut store = open(folder.path());
        let mut world = Observation { at: NOW, listings: Vec::new(), faults: Vec::new() };
        let mut expected = Vec::new();
        for change in &changes {
            match change {
                Change::NewStart => {
                    drop(store);
                    store = open(folder.path());
                }
                Change::TimeBack => world.at = Timestamp::from_millis(world.at.millis() - 90_000),
                change => change_world(&mut world, change),
            }
            world.at = world.at.plus(Span::from_secs(30));
            let seen = told(&world, change);
            record(&mut store, &[Arc::new(seen.clone())]);
            expected.push(sorted(&seen));
        }
        prop_assert_eq!(everything(&store), expected);
        store.examine().expect("sound");
    }
}
