//! What one pass over all backends and policies found. Plain data, so that a
//! command can get it from the daemon and go on as with its own.

use std::collections::BTreeMap;

use reap_core::ids::{Instance, PluginName};
use reap_core::judge::Judged;
use reap_core::listing::{Extent, Listing, Observation, Unknown};
use reap_core::time::Timestamp;
use reap_core::vote::Ballot;
use serde::{Deserialize, Serialize};

/// What one pass found. The subjects of `judged` and the votes of each ballot
/// are in the same order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pass {
    /// When it was seen.
    pub at: Timestamp,
    /// The backends that were asked, and those that should have been.
    pub backends: Vec<PluginName>,
    /// What each policy said.
    pub ballots: Vec<Ballot>,
    /// Each session with its verdict and with what speaks against ending it.
    pub judged: Vec<Judged>,
    /// What could not be looked at, or not wholly.
    pub unknown: Vec<Unknown>,
    /// Where there is positively nothing.
    pub absent: Vec<Absent>,
    /// Policies that failed while they were asked.
    pub faults: Vec<PolicyFault>,
    /// Why nothing of earlier passes is known, where that is so.
    pub forgotten: Option<String>,
}

impl Pass {
    /// How many sessions are listed of each backend.
    pub fn listed(&self) -> BTreeMap<PluginName, usize> {
        let mut listed = BTreeMap::new();
        for judged in &self.judged {
            *listed.entry(judged.subject.address.backend.clone()).or_default() += 1;
        }
        listed
    }
}

/// An instance in which there is positively nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// Its backend.
    pub backend: PluginName,
    /// The instance.
    pub instance: Instance,
    /// How that is known, in words for a person.
    pub reason: String,
}

/// A policy that failed. It counts as `keep` for every session that it was
/// asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyFault {
    /// Which policy.
    pub policy: PluginName,
    /// How it failed.
    pub reason: String,
}

impl Absent {
    /// Where an observation says so.
    pub(crate) fn all(observation: &Observation) -> Vec<Self> {
        observation.listings.iter().filter_map(Self::of).collect()
    }

    fn of(listing: &Listing) -> Option<Self> {
        let Extent::Absent(reason) = &listing.extent else { return None };
        Some(Self {
            backend: listing.backend.clone(),
            instance: listing.instance.clone(),
            reason: reason.clone(),
        })
    }
}
