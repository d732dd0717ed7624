//! One cycle: observe, reconcile, vote, judge, plan, write, act, settle.
//!
//! The middle is [`reap_core::cycle`]; this feeds it and does what it says. What
//! a cycle changes in the memory is on the disk before anything is ended by it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reap_core::cycle;
use reap_core::listing::{Observation, Unknown};
use reap_core::plan::Plan;
use reap_core::proof::{Proofs, questions};
use reap_core::state::{State, Step};
use reap_core::time::Span;
use reap_runtime::process::alive;
use serde::{Deserialize, Serialize};

use crate::apply::{Applied, ApplyError};
use crate::caller::Caller;
use crate::clock::{now, uptime};
use crate::config::DaemonMode;
use crate::engine::Reap;
use crate::memory::MemoryError;
use crate::pass::{Absent, Pass};

/// What one cycle found and did.
#[derive(Debug)]
pub struct Cycle {
    /// What it found.
    pub pass: Pass,
    /// What is to be ended, what is not yet, and what is held.
    pub plan: Plan,
    /// What was ended of it. Nothing when nothing was to be.
    pub applied: Option<Applied>,
    /// What it cost.
    pub cost: Cost,
    /// Why nothing could be let go of what is too old or too much, where that is so.
    pub unpruned: Option<String>,
}

/// The time that the parts of a cycle took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Asking the backends.
    pub observe: u64,
    /// Holding that against what is remembered.
    pub reconcile: u64,
    /// Asking the policies.
    pub vote: u64,
    /// Judging, planning and writing.
    pub decide: u64,
    /// Looking again, ending and verifying.
    pub act: u64,
}

impl Cost {
    /// All of it together.
    pub fn total(&self) -> u64 {
        self.observe + self.reconcile + self.vote + self.decide + self.act
    }
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, more: Self) {
        self.observe += more.observe;
        self.reconcile += more.reconcile;
        self.vote += more.vote;
        self.decide += more.decide;
        self.act += more.act;
    }
}

/// How long journal and observations may grow before something is let go.
const PRUNE_EVERY: Duration = Duration::from_secs(300);

/// Everything that was seen in one full look.
pub(crate) struct Seen {
    pub observation: Arc<Observation>,
    uptime: Span,
    answered: BTreeSet<reap_core::ids::PluginName>,
}

impl Reap {
    /// Runs one cycle. Orphans that are due are ended where `mode` says so.
    ///
    /// # Errors
    /// When the memory cannot be read or written. Then nothing is ended, and what
    /// was seen is written with the next cycle that can.
    pub async fn cycle(&self, mode: DaemonMode) -> Result<Cycle, ApplyError> {
        let turn = self.turns.take().await;
        let (mut watch, mut cost) = (Watch::start(), Cost::default());
        let seen = self.observe_all().await;
        cost.observe = watch.lap();
        let subjects = Arc::new(self.take_in(&seen).await?);
        // Before the plan: what a crash interrupted is tried again after a pause, and not
        // at once. Its command may have outlived the crash.
        self.settle_left_open(&seen.observation).await?;
        cost.reconcile = watch.lap();
        let at = seen.observation.at;
        let ballots = Arc::new(self.ballots(at, &subjects).await);
        cost.vote = watch.lap();
        let subjects = Arc::unwrap_or_clone(subjects);
        let (observation, votes) = (seen.observation.clone(), ballots.clone());
        let (rules, here) = (self.rules.clone(), self.here.clone());
        let refused = self.refusals();
        let decided = self.memory.keep(move |keeper| {
            keeper.step(|state| Step::telling(state, refused));
            let (judged, plan) = keeper.steps(|state| {
                let cycle::Decided { step, judged, plan } =
                    cycle::decide(state, &observation, subjects, &votes, &here, &rules);
                (step, (judged, plan))
            });
            keeper.flush(at, Some(&observation)).map(|()| (judged, plan))
        });
        let (judged, plan) = decided.await??;
        cost.decide = watch.lap();
        let pass = self.pass(&seen.observation, Arc::unwrap_or_clone(ballots), judged, None);
        let applied = match mode {
            DaemonMode::Enforce if !plan.items.is_empty() => {
                Some(self.carry_out(&plan, &Caller::ourselves(), &turn).await?)
            }
            DaemonMode::Enforce | DaemonMode::Observe => None,
        };
        cost.act = watch.lap();
        // Last, and no reason to call the rest undone: a nearly full disk may keep what the
        // cycle wrote and have no room for a clean-up.
        let unpruned = self.prune().await.err().map(|error| error.to_string());
        Ok(Cycle { pass, plan, applied, cost, unpruned })
    }

    /// Asks all backends for all that they have.
    pub(crate) async fn observe_all(&self) -> Seen {
        let uptime = uptime();
        let observation = self.observe().await;
        let silent = |backend: &reap_core::ids::PluginName| {
            observation.faults.iter().any(|fault: &Unknown| fault.backend == *backend)
        };
        let answered = self.backends.iter().map(|backend| backend.name().clone());
        let answered = answered.filter(|backend| !silent(backend)).collect();
        Seen { observation: Arc::new(observation), uptime, answered }
    }

    /// The first half of a cycle. What it changes is written with the second.
    async fn take_in(&self, seen: &Seen) -> Result<Vec<reap_core::subject::Subject>, MemoryError> {
        let observation = seen.observation.clone();
        let (boot, uptime, answered) = (self.memory.boot().clone(), seen.uptime, seen.answered.clone());
        let rules = self.rules.clone();
        self.memory
            .keep(move |keeper| {
                let (gone, alive) = look_up(keeper.state(), &observation);
                let proofs = Proofs { boot, uptime, answered, gone, alive };
                keeper.steps(|state| {
                    let cycle::Surveyed { step, subjects } =
                        cycle::take_in(state, &observation, &proofs, &rules);
                    (step, subjects)
                })
            })
            .await
    }

    /// Takes over what is to be seen now, and plans and ends nothing. For what
    /// needs to know which sessions live.
    pub(crate) async fn refresh(&self) -> Result<(), MemoryError> {
        let _turn = self.turns.take().await;
        let seen = self.observe_all().await;
        self.take_in(&seen).await?;
        let at = seen.observation.at;
        Ok(self.memory.keep(move |keeper| keeper.flush(at, None)).await??)
    }

    /// Lets go what is too old or too much, every few minutes.
    async fn prune(&self) -> Result<(), MemoryError> {
        let due = {
            let mut last = self.pruned.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let due = last.is_none_or(|last| last.elapsed() >= PRUNE_EVERY);
            if due {
                *last = Some(Instant::now());
            }
            due
        };
        if due {
            let keep = self.config.keep.clone();
            self.memory.keep(move |keeper| keeper.prune(now(), &keep).map(drop)).await??;
        }
        Ok(())
    }

    /// A pass, from what was found.
    pub(crate) fn pass(
        &self,
        observation: &Observation,
        ballots: Vec<reap_core::vote::Ballot>,
        judged: Vec<reap_core::judge::Judged>,
        forgotten: Option<String>,
    ) -> Pass {
        let mut backends: Vec<_> = self.backends.iter().map(|backend| backend.name().clone()).collect();
        backends.extend(observation.faults.iter().map(|unknown| unknown.backend.clone()));
        backends.sort();
        backends.dedup();
        let faults = self.voters().iter().zip(&ballots).filter_map(|(voter, ballot)| voter.fault_in(ballot));
        Pass {
            at: observation.at,
            backends,
            faults: faults.collect(),
            unknown: observation.unknown(),
            absent: Absent::all(observation),
            ballots,
            judged,
            forgotten,
        }
    }
}

/// Which of the processes that would settle something are gone, and which live.
fn look_up(
    state: &State,
    observation: &Observation,
) -> (BTreeSet<reap_core::session::ProcessId>, BTreeSet<reap_core::session::ProcessId>) {
    questions(state, observation).into_iter().partition(|process| !alive(*process))
}

/// Tells the time between two moments.
struct Watch(Instant);

impl Watch {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn lap(&mut self) -> u64 {
        let lap = self.0.elapsed();
        self.0 = Instant::now();
        u64::try_from(lap.as_millis()).unwrap_or(u64::MAX)
    }
}
