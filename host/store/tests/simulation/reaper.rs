//! The reaper under test: the real pure core on a real store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reap_core::cycle::Rules;
use reap_core::event::Event;
use reap_core::ids::{Address, Handle, Incarnation};
use reap_core::limits::approve;
use reap_core::listing::Observation;
use reap_core::outcome::Outcome;
use reap_core::plan::{Item, Plan};
use reap_core::proof::Proofs;
use reap_core::state::{State, Step};
use reap_core::subject::Subject;
use reap_core::time::Span;
use reap_core::vote::Ballot;
use reap_store::intents::{Intent, Journalled, Settled, Settlement};
use reap_store::retention::Limits;
use reap_store::tombstones::{Fate, Tombstone};
use reap_store::verify::Verdict;
use reap_store::{Settings, Store};
use serde_json::json;
use tempfile::TempDir;

use crate::pass::{Outcomes, Pass, after, rules, same, think};

/// Checks between two looks at everything, and lettings-go.
const THOROUGH: u32 = 40;

pub struct Reaper {
    pub state: State,
    rules: Rules,
    /// What was worked out and is not written yet.
    pending: Option<(Step, Arc<Observation>)>,
    // Before the folder, so that it is closed first.
    store: Option<Store>,
    folder: TempDir,
    /// The leaves to end what is going to be ended.
    leaves: BTreeMap<Handle, Journalled>,
    /// Everything that was killed.
    killed: BTreeSet<Handle>,
    checks: u32,
}

/// A folder in which nothing waits for a disk, where the system has one.
pub fn in_memory() -> Option<&'static Path> {
    Some(Path::new("/dev/shm")).filter(|path| tempfile::tempdir_in(path).is_ok())
}

fn open(folder: &Path, state: &State) -> Store {
    let settings = Settings { boot: "boot-1".to_owned(), wait: Duration::ZERO, now: state.now() };
    Store::open(folder, &settings).expect("a store")
}

/// So little that letting go is tried as well.
fn limits() -> Limits {
    let small = Limits {
        journal_bytes: 32 << 10,
        journal_floor: 50,
        observation_bytes: 32 << 10,
        ..Limits::default()
    };
    Limits { journal_age: Span::from_secs(14 * 24 * 3600), ..small }
}

impl Reaper {
    pub fn new() -> Self {
        let folder = in_memory().map_or_else(tempfile::tempdir, tempfile::tempdir_in).expect("a folder");
        let state = State::default();
        Self {
            rules: rules(),
            pending: None,
            store: Some(open(folder.path(), &state)),
            state,
            folder,
            leaves: BTreeMap::new(),
            killed: BTreeSet::new(),
            checks: 0,
        }
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("it is open")
    }

    /// Works out what follows from what is seen.
    pub fn pass(
        &mut self,
        observation: &Arc<Observation>,
        proofs: &Proofs,
        votes: impl FnOnce(&[Subject]) -> Vec<Ballot>,
    ) -> Pass {
        let (step, pass) = think(std::mem::take(&mut self.state), observation, proofs, &self.rules, votes);
        self.pending = Some((step, Arc::clone(observation)));
        pass
    }

    /// Writes that.
    pub fn write(&mut self) {
        let (step, observation) = self.pending.take().expect("a pass");
        self.keep(step, Some(&observation));
    }

    fn keep(&mut self, step: Step, seen: Option<&Arc<Observation>>) {
        let written = self.store().write(|txn| {
            txn.keep(&step.state, &step.changes)?;
            txn.tell(step.state.now(), &step.events)?;
            seen.map_or(Ok(()), |seen| txn.observe(seen))
        });
        written.expect("kept");
        self.state = step.state;
    }

    /// Writes what is going to be ended.
    pub fn intend(&mut self, plan: &Plan) {
        let now = self.state.now();
        let tombstones: Vec<Tombstone> = plan.items.iter().map(tombstone).collect();
        let intent = |tombstone| Intent { tombstone, why: json!({ "plan": plan.id }) };
        let intents: Vec<_> = tombstones.iter().map(intent).collect();
        let leaves = self.store().intend(now, &intents).expect("journalled");
        self.leaves = leaves.into_iter().map(|leave| (leave.handle().clone(), leave)).collect();
    }

    /// A session is killed.
    pub fn kills(&mut self, handle: &Handle) {
        assert!(self.leaves.contains_key(handle), "no end without a journalled intent");
        assert!(self.killed.insert(handle.clone()), "{handle} is ended twice");
    }

    /// Writes how it went.
    pub fn settle(&mut self, outcomes: &Outcomes) {
        let now = self.state.now();
        let mut leaves = std::mem::take(&mut self.leaves);
        let settlement = |(handle, outcome): &(Handle, Outcome)| Settlement {
            owed: leaves.remove(handle).expect("it was intended").into(),
            outcome: Settled::from(outcome),
            detail: json!(outcome),
        };
        let settlements = outcomes.iter().map(settlement).collect();
        self.store().settle(now, settlements).expect("settled");
        assert!(leaves.is_empty(), "each intent gets its outcome");
    }

    /// Takes over how it went.
    pub fn note(&mut self, outcomes: &Outcomes) -> Vec<Event> {
        let step = after(std::mem::take(&mut self.state), outcomes, &self.rules);
        let events = step.events.clone();
        self.keep(step, None);
        events
    }

    pub fn approve(&mut self, id: &str) -> Plan {
        let state = std::mem::take(&mut self.state);
        let now = state.now();
        let (step, plan) = approve(state, id, now).unwrap_or_else(|refused| panic!("{}", refused.error));
        self.keep(step, None);
        plan
    }

    /// The daemon is started anew, with what its store holds. It looks after
    /// what may have been done, and nobody wrote down.
    pub fn restart(&mut self, look: impl Fn(&Address, &Incarnation) -> Outcome) -> Vec<Event> {
        let last = std::mem::take(&mut self.state);
        (self.pending, self.store) = (None, None);
        self.leaves.clear();
        self.store = Some(open(self.folder.path(), &last));
        let memory = self.store().view().memory().expect("readable");
        self.state = State::try_from(memory).expect("what was stored makes sense");
        let open = self.store().open_intents().expect("readable");
        let (mut outcomes, mut settlements) = (Vec::new(), Vec::new());
        for intent in open {
            let outcome = look(&intent.address, &intent.incarnation);
            let settled = Settled::from(&outcome);
            settlements.push(Settlement { owed: intent.owed, outcome: settled, detail: json!(outcome) });
            outcomes.push((intent.handle, outcome));
        }
        let now = self.state.now();
        self.store().settle(now, settlements).expect("settled");
        let events = self.note(&outcomes);
        self.check_everything();
        events
    }

    /// The store holds what the state does, but for the last sights.
    pub fn check(&mut self) {
        let stored = self.store().view().memory().expect("readable");
        same(stored, self.state.memory());
        self.checks += 1;
        if self.checks.is_multiple_of(THOROUGH) {
            let now = self.state.now();
            self.store().prune(now, &limits()).expect("pruned");
            self.check_everything();
        }
    }

    /// The journal verifies, and tells of each end.
    fn check_everything(&mut self) {
        let killed = self.killed.clone();
        let store = self.store();
        let Verdict::Sound(sound) = store.verify(None).expect("readable") else {
            panic!("the journal is broken: {:?}", store.verify(None));
        };
        assert_eq!(sound.open_intents, 0, "an intent without outcome");
        assert!(sound.anchored);
        let tombstones = store.view().tombstones(None).expect("readable");
        assert!(tombstones.iter().all(|kept| kept.fate != Fate::Open));
        let buried: BTreeSet<Handle> = tombstones.iter().map(|kept| kept.tombstone.handle()).collect();
        assert!(killed.is_subset(&buried), "an end without a tombstone");
    }
}

fn tombstone(item: &Item) -> Tombstone {
    Tombstone {
        address: item.address.clone(),
        incarnation: item.incarnation.clone(),
        title: item.title.clone(),
        body: json!({}),
    }
}
