//! One cycle of the pure middle: (state, observation, proofs, votes, rules) →
//! (new state, plan, events). It comes in two halves, because the policies vote
//! in between, on subjects that know what is remembered of them.
//!
//! A daemon, a command, a back-test and a simulation all go this way. Only what
//! they do with the plan differs.

use crate::guard::{GuardRules, Here};
use crate::judge::{Judged, judge};
use crate::listing::Observation;
use crate::locks::{self, LockRules};
use crate::plan::Plan;
use crate::proof::Proofs;
use crate::reconcile::{RecordRules, reconcile};
use crate::state::{State, Step};
use crate::subject::{Subject, survey_with};
use crate::sweep::{SweepRules, sweep};
use crate::vote::Ballot;

/// Everything that the operator can set of a cycle.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    /// When a session is gone, and how long its record is kept.
    pub records: RecordRules,
    /// Who locks where they work.
    pub locks: LockRules,
    /// What is never ended.
    pub guard: GuardRules,
    /// What is ended, and how much of it at once.
    pub sweep: SweepRules,
}

/// The first half: what was seen is taken over.
#[derive(Debug)]
pub struct Surveyed {
    /// The state with what was seen in it.
    pub step: Step,
    /// What the policies are to be asked about.
    pub subjects: Vec<Subject>,
}

/// The second half: what follows from the votes.
#[derive(Debug)]
pub struct Decided {
    /// The state with the marks and the held plans in it.
    pub step: Step,
    /// Each session with its verdict and with what speaks against ending it.
    pub judged: Vec<Judged>,
    /// What is to be ended now.
    pub plan: Plan,
}

/// Takes over a full observation. Its subjects are to be voted on next.
pub fn take_in(state: State, observation: &Observation, proofs: &Proofs, rules: &Rules) -> Surveyed {
    let step = reconcile(state, observation, proofs, &rules.records);
    let subjects = survey_with(observation, Some(&step.state));
    let step = step.then(|state| locks::refresh(state, &subjects, &rules.locks));
    Surveyed { step, subjects }
}

/// Judges the subjects of [`take_in`] by the ballots, counts the marks and makes
/// the plan. `observation` and `subjects` are those of the first half, and the
/// state has taken over nothing else since.
pub fn decide(
    state: State,
    observation: &Observation,
    subjects: Vec<Subject>,
    ballots: &[Ballot],
    here: &Here,
    rules: &Rules,
) -> Decided {
    let judged = judge(subjects, ballots, &rules.guard, here);
    let (step, plan) = sweep(state, &judged, observation.unknown(), &rules.sweep);
    Decided { step, judged, plan }
}
