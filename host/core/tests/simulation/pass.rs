//! A cycle as the simulations play it, whatever store the reaper has.

use reap_core::backoff::settle;
use reap_core::cycle::{Rules, decide, take_in};
use reap_core::event::Event;
use reap_core::guard::Here;
use reap_core::ids::Handle;
use reap_core::judge::Judged;
use reap_core::listing::Observation;
use reap_core::locks::LockRules;
use reap_core::outcome::Outcome;
use reap_core::plan::Plan;
use reap_core::proof::Proofs;
use reap_core::record::Record;
use reap_core::selector::Selector;
use reap_core::state::{Memory, State, Step};
use reap_core::subject::Subject;
use reap_core::vote::Ballot;

/// How ends went.
pub type Outcomes = [(Handle, Outcome)];

pub struct Pass {
    pub events: Vec<Event>,
    pub judged: Vec<Judged>,
    pub plan: Plan,
}

/// The half of a cycle before the acts, with the votes as the tests want them.
pub fn think(
    state: State,
    observation: &Observation,
    proofs: &Proofs,
    rules: &Rules,
    votes: impl FnOnce(&[Subject]) -> Vec<Ballot>,
) -> (Step, Pass) {
    let surveyed = take_in(state, observation, proofs, rules);
    let ballots = votes(&surveyed.subjects);
    let (subjects, mut after) = (surveyed.subjects, None);
    let step = surveyed.step.then(|state| {
        let here = Here { ancestors: Vec::new() };
        let decided = decide(state, observation, subjects, &ballots, &here, rules);
        after = Some((decided.judged, decided.plan));
        decided.step
    });
    let (judged, plan) = after.expect("it was decided");
    let pass = Pass { events: step.events.clone(), judged, plan };
    (step, pass)
}

/// Everybody locks where they work.
pub fn rules() -> Rules {
    Rules { locks: LockRules { automatic: vec![Selector::everything()] }, ..Rules::default() }
}

/// What follows from how the ends went.
pub fn after(state: State, outcomes: &Outcomes, rules: &Rules) -> Step {
    outcomes.iter().fold(Step::of(state), |step, (handle, outcome)| {
        step.then(|state| {
            let now = state.now();
            settle(state, handle, outcome, now, &rules.sweep.backoff)
        })
    })
}

/// The changes of each step make up the state, but for the last sights.
pub fn same(stored: Memory, state: Memory) {
    let sightless = |memory: Memory| {
        let records = memory.records.into_iter();
        let records = records.map(|r| Record { last_seen: r.first_seen, seen_times: 0, ..r }).collect();
        Memory { records, ..memory }
    };
    assert_eq!(sightless(stored), sightless(state));
}
