//! What one pass over all backends and policies found.

use reap_core::ids::PluginName;
use reap_core::judge::Judged;
use reap_core::listing::{Observation, Unknown};
use reap_core::vote::Ballot;

/// What one pass found. The subjects of `judged` and the votes of each ballot
/// are in the same order.
#[derive(Debug)]
pub struct Pass {
    /// What the backends answered.
    pub observation: Observation,
    /// What each policy said.
    pub ballots: Vec<Ballot>,
    /// Each session with its verdict and with what speaks against ending it.
    pub judged: Vec<Judged>,
    /// Policies that failed while they were asked.
    pub faults: Vec<PolicyFault>,
}

/// A policy that failed. It counts as `keep` for every session that it was
/// asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFault {
    /// Which policy.
    pub policy: PluginName,
    /// How it failed.
    pub reason: String,
}

impl Pass {
    /// What could not be looked at.
    pub fn unknown(&self) -> Vec<Unknown> {
        self.observation.unknown()
    }
}
