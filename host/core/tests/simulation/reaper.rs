//! The reaper under test: the real pure core, with a store that writes only
//! what a step says has changed.

use std::collections::BTreeMap;

use reap_core::backoff::settle;
use reap_core::event::Event;
use reap_core::guard::{GuardRules, Here};
use reap_core::ids::Handle;
use reap_core::judge::{Judged, judge};
use reap_core::limits::approve;
use reap_core::listing::Observation;
use reap_core::locks::{self, LockRules};
use reap_core::outcome::Outcome;
use reap_core::plan::Plan;
use reap_core::proof::Proofs;
use reap_core::reconcile::{RecordRules, reconcile};
use reap_core::record::Record;
use reap_core::selector::Selector;
use reap_core::state::{Memory, State, Step};
use reap_core::subject::{Subject, survey_with};
use reap_core::sweep::{SweepRules, sweep};
use reap_core::vote::Ballot;

pub struct Reaper {
    pub state: State,
    store: Memory,
    records: BTreeMap<Handle, Record>,
    pub records_rules: RecordRules,
    pub sweep_rules: SweepRules,
    guard: GuardRules,
    locks: LockRules,
}

pub struct Pass {
    pub events: Vec<Event>,
    pub judged: Vec<Judged>,
    pub plan: Plan,
}

impl Reaper {
    pub fn new() -> Self {
        Self {
            state: State::default(),
            store: Memory::default(),
            records: BTreeMap::new(),
            records_rules: RecordRules::default(),
            sweep_rules: SweepRules::default(),
            guard: GuardRules::default(),
            locks: LockRules { automatic: vec![Selector::everything()] },
        }
    }

    pub fn pass(
        &mut self,
        observation: &Observation,
        proofs: &Proofs,
        votes: impl FnOnce(&[Subject]) -> Vec<Ballot>,
    ) -> Pass {
        let state = std::mem::take(&mut self.state);
        let step = reconcile(state, observation, proofs, &self.records_rules);
        let subjects = survey_with(observation, Some(&step.state));
        let step = step.then(|state| locks::refresh(state, &subjects, &self.locks));
        let ballots = votes(&subjects);
        let judged = judge(subjects, &ballots, &self.guard, &Here { ancestors: Vec::new() });
        let mut plan = None;
        let step = step.then(|state| {
            let (step, made) = sweep(state, &judged, observation.unknown(), &self.sweep_rules);
            plan = Some(made);
            step
        });
        Pass { events: self.keep(step), judged, plan: plan.expect("a sweep makes a plan") }
    }

    pub fn settle(&mut self, handle: &Handle, outcome: &Outcome) -> Vec<Event> {
        let state = std::mem::take(&mut self.state);
        let now = state.now();
        let step = settle(state, handle, outcome, now, &self.sweep_rules.backoff);
        self.keep(step)
    }

    pub fn approve(&mut self, id: &str) {
        let state = std::mem::take(&mut self.state);
        let now = state.now();
        let step = approve(state, id, now).unwrap_or_else(|refused| panic!("{}", refused.error));
        self.keep(step);
    }

    fn keep(&mut self, step: Step) -> Vec<Event> {
        let Step { state, events, changes, .. } = step;
        for handle in &changes.forgotten {
            self.records.remove(handle);
        }
        for handle in &changes.records {
            let record = state.record(handle).expect("what changed is there").clone();
            self.records.insert(handle.clone(), record);
        }
        self.store.clock = state.clock().cloned();
        if changes.locks {
            self.store.locks = state.locks().iter().cloned().collect();
        }
        if changes.held {
            self.store.held = state.held().values().cloned().collect();
        }
        self.state = state;
        events
    }

    /// The daemon is started anew, with what its store holds, read from text.
    pub fn restart(&mut self) {
        let memory = Memory { records: self.records.values().cloned().collect(), ..self.store.clone() };
        let text = serde_json::to_string(&memory).expect("JSON");
        let memory: Memory = serde_json::from_str(&text).expect("the same again");
        self.state = State::try_from(memory).expect("what was stored makes sense");
    }

    /// The store holds what the state does, but for the last sights.
    pub fn check_store(&self) {
        let sightless =
            |record: &Record| Record { last_seen: record.first_seen, seen_times: 0, ..record.clone() };
        let memory = self.state.memory();
        assert_eq!(
            self.records.values().map(sightless).collect::<Vec<_>>(),
            memory.records.iter().map(sightless).collect::<Vec<_>>(),
            "the changes of each step make up the state"
        );
        assert_eq!((&self.store.locks, &self.store.held), (&memory.locks, &memory.held));
    }
}
