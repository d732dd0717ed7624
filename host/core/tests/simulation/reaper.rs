//! The reaper under test: the real pure core, with a store that writes only
//! what a step says has changed.
//!
//! The store's own simulation plays the same histories and puts a reaper with a
//! real one in the place of this.

use std::collections::BTreeMap;
use std::sync::Arc;

use reap_core::cycle::Rules;
use reap_core::event::Event;
use reap_core::ids::{Address, Handle, Incarnation};
use reap_core::limits::approve;
use reap_core::listing::Observation;
use reap_core::outcome::Outcome;
use reap_core::plan::{Item, Plan};
use reap_core::proof::Proofs;
use reap_core::record::Record;
use reap_core::state::{Memory, State, Step};
use reap_core::subject::Subject;
use reap_core::vote::Ballot;

use crate::pass::{Outcomes, Pass, after, rules, same, think};

#[derive(Default)]
pub struct Reaper {
    pub state: State,
    rules: Rules,
    /// What was worked out and is not written yet.
    pending: Option<Step>,
    store: Memory,
    records: BTreeMap<Handle, Record>,
    /// Intents without outcome.
    open: Vec<Item>,
}

impl Reaper {
    pub fn new() -> Self {
        Self { rules: rules(), ..Self::default() }
    }

    /// Works out what follows from what is seen.
    pub fn pass(
        &mut self,
        observation: &Arc<Observation>,
        proofs: &Proofs,
        votes: impl FnOnce(&[Subject]) -> Vec<Ballot>,
    ) -> Pass {
        let (step, pass) = think(std::mem::take(&mut self.state), observation, proofs, &self.rules, votes);
        self.pending = Some(step);
        pass
    }

    /// Writes that.
    pub fn write(&mut self) {
        let step = self.pending.take().expect("a pass");
        self.keep(step);
    }

    /// Writes what is going to be ended.
    pub fn intend(&mut self, plan: &Plan) {
        self.open.clone_from(&plan.items);
    }

    /// A session is killed.
    pub fn kills(&mut self, handle: &Handle) {
        assert!(self.open.iter().any(|item| item.handle == *handle), "no end without an intent");
    }

    /// Writes how it went.
    pub fn settle(&mut self, outcomes: &Outcomes) {
        self.open.retain(|item| !outcomes.iter().any(|(handle, _)| *handle == item.handle));
        assert!(self.open.is_empty(), "each intent gets its outcome");
    }

    /// Takes over how it went.
    pub fn note(&mut self, outcomes: &Outcomes) -> Vec<Event> {
        let step = after(std::mem::take(&mut self.state), outcomes, &self.rules);
        let events = step.events.clone();
        self.keep(step);
        events
    }

    pub fn approve(&mut self, id: &str) -> Plan {
        let state = std::mem::take(&mut self.state);
        let now = state.now();
        let (step, plan) = approve(state, id, now).unwrap_or_else(|refused| panic!("{}", refused.error));
        self.keep(step);
        plan
    }

    fn keep(&mut self, step: Step) {
        let Step { state, changes, .. } = step;
        for handle in &changes.forgotten {
            self.records.remove(handle);
        }
        for handle in &changes.records {
            let record = state.record(handle).expect("what changed is there").clone();
            self.records.insert(handle.clone(), record);
        }
        for handle in changes.courses.difference(&changes.records) {
            let course = state.record(handle).expect("what changed is there").course();
            let record = self.records.remove(handle).expect("it was written before");
            self.records.insert(handle.clone(), record.with(course));
        }
        self.store.clock = state.clock().cloned();
        if changes.locks {
            self.store.locks = state.locks().iter().cloned().collect();
        }
        if changes.held {
            self.store.held = state.held().values().cloned().collect();
            self.store.offered = state.offered().values().cloned().collect();
        }
        self.state = state;
    }

    /// The daemon is started anew, with what its store holds, read from text. It
    /// looks after what may have been done, and nobody wrote down.
    pub fn restart(&mut self, look: impl Fn(&Address, &Incarnation) -> Outcome) -> Vec<Event> {
        self.pending = None;
        let memory = Memory { records: self.records.values().cloned().collect(), ..self.store.clone() };
        let text = serde_json::to_string(&memory).expect("JSON");
        let memory: Memory = serde_json::from_str(&text).expect("the same again");
        self.state = State::try_from(memory).expect("what was stored makes sense");
        let open = std::mem::take(&mut self.open);
        let looked = |item: Item| (item.handle, look(&item.address, &item.incarnation));
        let outcomes: Vec<_> = open.into_iter().map(looked).collect();
        self.note(&outcomes)
    }

    /// The store holds what the state does, but for the last sights.
    pub fn check(&mut self) {
        let stored = Memory { records: self.records.values().cloned().collect(), ..self.store.clone() };
        same(stored, self.state.memory());
    }
}
