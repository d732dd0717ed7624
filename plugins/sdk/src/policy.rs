//! The policy's side of the contract as a trait.

use std::marker::PhantomData;

use crate::bindings::policy::exports::reap::plugin::policy::{Guest, Subject, Vote};
use crate::held::{Held, held, keep};
use crate::{Description, Error, Fact, Settings, Timestamp};

/// A plugin that votes on sessions.
///
/// The same subjects at the same `now` must give the same votes: the host replays
/// recorded ones. So a policy asks no clock and rolls no dice.
pub trait Policy: Sized + 'static {
    /// What the plugin is and which settings it takes.
    fn describe() -> Description;

    /// Makes the plugin from its settings, the fallbacks filled in. A wrong one is
    /// [`Error::Invalid`] with a sentence for the operator.
    fn configure(settings: &Settings) -> Result<Self, Error>;

    /// Votes on one session. Whatever is unclear is [`Vote::Abstain`].
    fn vote(&self, now: Timestamp, subject: &Subject) -> Vote;

    /// Votes on all of them: one vote for each, in their order. Write this one
    /// where a vote needs the other sessions, or can fail; a fault counts as
    /// `keep` for all that were asked about.
    fn evaluate(&self, now: Timestamp, subjects: &[Subject]) -> Result<Vec<Vote>, Error> {
        Ok(subjects.iter().map(|subject| self.vote(now, subject)).collect())
    }
}

/// The exported functions of a policy, each passed on to its trait.
#[doc(hidden)]
pub struct PolicyExport<T>(PhantomData<T>);

impl<T: Policy + Held> Guest for PolicyExport<T> {
    fn describe() -> Result<Description, Error> {
        Ok(T::describe())
    }

    fn configure(settings: Vec<Fact>) -> Result<(), Error> {
        keep(T::configure(&Settings::new(settings))?);
        Ok(())
    }

    fn evaluate(now: Timestamp, subjects: Vec<Subject>) -> Result<Vec<Vote>, Error> {
        held::<T>()?.evaluate(now, &subjects)
    }
}
