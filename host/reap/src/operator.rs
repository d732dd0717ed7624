//! What the operator does with the memory: approve what is held, lock and free
//! directories.

use std::convert::Infallible;

use reap_core::ids::Handle;
use reap_core::limits::{self, ApproveError, Notice};
use reap_core::locks::{self, Directory, Lock, LockError};
use reap_core::offers;
use reap_core::plan::Plan;
use reap_core::state::Refused;

use crate::apply::{Applied, ApplyError};
use crate::caller::Caller;
use crate::clock::now;
use crate::engine::Reap;
use crate::memory::MemoryError;
use crate::pass::Pass;

/// Why a plan was not approved, or not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// It cannot be approved.
    #[error(transparent)]
    Refused(#[from] ApproveError),
    /// It was approved, and could not be carried out.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// Why a directory was not locked or freed.
#[derive(Debug, thiserror::Error)]
pub enum LockingError {
    /// A rule refuses it.
    #[error(transparent)]
    Refused(#[from] LockError),
    /// It could not be written down.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

impl From<MemoryError> for ApprovalError {
    fn from(error: MemoryError) -> Self {
        Self::Apply(error.into())
    }
}

impl Reap {
    /// Takes out of a plan what is over the limits of its backend, and keeps that
    /// for the operator's approval.
    ///
    /// # Errors
    /// When it cannot be written down. Then nothing can be approved.
    pub async fn hold_back(&self, plan: Plan, pass: &Pass) -> Result<Plan, MemoryError> {
        let listed = pass.listed();
        let (plan, held) = limits::hold(plan, &listed, &self.rules.sweep, Notice::Approve);
        if !held.is_empty() {
            let (rules, at) = (self.rules.sweep.clone(), now());
            let kept = self.memory.keep(move |keeper| {
                let offer =
                    |state| Ok::<_, Refused<Infallible>>((offers::offer(state, held, &listed, &rules), ()));
                keeper.step_or_not(at, offer).map(drop)
            });
            kept.await??;
        }
        Ok(plan)
    }

    /// The same without keeping anything: what a dry run shows.
    pub fn without_excess(&self, plan: Plan, pass: &Pass) -> Plan {
        limits::hold(plan, &pass.listed(), &self.rules.sweep, Notice::Shown).0
    }

    /// Approves a held plan and ends at once what of it still qualifies.
    ///
    /// # Errors
    /// When no such plan is held, and as with [`Reap::apply`].
    pub async fn approve(&self, id: &str, caller: &Caller) -> Result<Applied, ApprovalError> {
        let turn = self.turns.take().await;
        let (name, at) = (id.to_owned(), now());
        let plan = self.memory.keep(move |keeper| {
            // Where it cannot be written down that the plan is used up, it is not.
            keeper.step_or_not(at, |state| limits::approve(state, &name, at))
        });
        let plan = plan.await?.map_err(MemoryError::from)??;
        let applied = self.carry_out(&plan, caller, &turn).await?;
        Ok(self.with_refusals(applied).await)
    }

    /// Locks a directory, for a person or for a session.
    pub async fn lock(&self, directory: Directory, holder: LockFor) -> Result<Lock, LockingError> {
        if matches!(holder, LockFor::Session(_)) {
            self.refresh().await?;
        }
        let at = now();
        let locked = self.memory.keep(move |keeper| {
            let of = directory.clone();
            let taken = keeper.step_or_not(at, |state| {
                let step = match &holder {
                    LockFor::Person(name) => locks::take_by_hand(state, of, name, at),
                    LockFor::Session(handle) => locks::take_for(state, of, handle, at),
                };
                step.map(|step| (step, ()))
            })?;
            Ok(taken.and_then(|()| {
                keeper.state().locks().get(&directory).cloned().ok_or(LockError::NotLocked(directory))
            }))
        });
        Ok(locked.await?.map_err(MemoryError::Store)??)
    }

    /// Frees a directory, whoever has it.
    pub async fn unlock(&self, directory: Directory) -> Result<(), LockingError> {
        let at = now();
        let freed = self.memory.keep(move |keeper| {
            keeper.step_or_not(at, |state| locks::free(state, &directory).map(|step| (step, ())))
        });
        Ok(freed.await?.map_err(MemoryError::Store)??)
    }

    /// The locked directories.
    pub async fn locks(&self) -> Result<Vec<Lock>, MemoryError> {
        self.memory.recall(|state| state.locks().iter().cloned().collect()).await
    }
}

/// For whom a directory is to be locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockFor {
    /// A person, by the name they give.
    Person(String),
    /// A session that lives.
    Session(Handle),
}
