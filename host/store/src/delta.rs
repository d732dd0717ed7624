//! What changed from one observation to the next.
//!
//! Of ten thousand sessions a few change between two passes, and of those mostly
//! one field. So a delta names the fields. The order of listings and sessions
//! means nothing and is not kept: [`canonical`] says what is.

use std::collections::{HashMap, HashSet};

use reap_core::ids::{Generation, Instance, Key, PluginName};
use reap_core::listing::{Extent, Listing, Observation, Unknown};
use reap_core::session::{ProcessId, Session};
use reap_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is different in the next observation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Delta {
    at: Timestamp,
    /// Nothing when they are the same as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    faults: Option<Vec<Unknown>>,
    /// Instances that are not listed any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gone: Vec<(PluginName, Instance)>,
    /// Instances that were not listed before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    new: Vec<Listing>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changed: Vec<Changed>,
}

/// What is different in one listing.
#[derive(Debug, Serialize, Deserialize)]
struct Changed {
    backend: PluginName,
    instance: Instance,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<Head>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gone: Vec<Key>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    new: Vec<Session>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changed: Vec<(Key, Map<String, Value>)>,
}

/// All of a listing but its sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Head {
    label: String,
    generation: Option<Generation>,
    server: Option<ProcessId>,
    extent: Extent,
}

impl Head {
    fn of(listing: &Listing) -> Self {
        Self {
            label: listing.label.clone(),
            generation: listing.generation.clone(),
            server: listing.server,
            extent: listing.extent.clone(),
        }
    }
}

type Place<'a> = (&'a PluginName, &'a Instance);

fn place(listing: &Listing) -> Place<'_> {
    (&listing.backend, &listing.instance)
}

/// Whether the observation names no instance and no key twice. One that does
/// contradicts itself; it is kept as it is, for a back-test must see that too.
pub(crate) fn is_plain(observation: &Observation) -> bool {
    by_place(&observation.listings).is_some()
        && observation.listings.iter().all(|listing| are_plain(&listing.sessions))
}

fn are_plain(sessions: &[Session]) -> bool {
    let mut keys = HashSet::with_capacity(sessions.len());
    sessions.iter().all(|session| keys.insert(&session.key))
}

/// What is different in `new`, where `old` is plain. Nothing when `new` is not.
pub(crate) fn diff(old: &Observation, new: &Observation) -> Option<Delta> {
    let before = by_place(&old.listings)?;
    let after = by_place(&new.listings)?;
    let gone = before.keys().filter(|place| !after.contains_key(*place));
    let mut delta = Delta {
        at: new.at,
        faults: (old.faults != new.faults).then(|| new.faults.clone()),
        gone: gone.map(|(backend, instance)| ((*backend).clone(), (*instance).clone())).collect(),
        new: Vec::new(),
        changed: Vec::new(),
    };
    for listing in &new.listings {
        match before.get(&place(listing)) {
            None if are_plain(&listing.sessions) => delta.new.push(listing.clone()),
            None => return None,
            Some(before) => delta.changed.extend(changed(before, listing)?),
        }
    }
    delta.gone.sort();
    Some(delta)
}

fn by_place(listings: &[Listing]) -> Option<HashMap<Place<'_>, &Listing>> {
    let map: HashMap<_, _> = listings.iter().map(|listing| (place(listing), listing)).collect();
    (map.len() == listings.len()).then_some(map)
}

/// The outer option: whether it can be said. The inner one: whether there is
/// anything to say.
fn changed(old: &Listing, new: &Listing) -> Option<Option<Changed>> {
    let mut delta = Changed {
        backend: new.backend.clone(),
        instance: new.instance.clone(),
        head: Some(Head::of(new)).filter(|head| *head != Head::of(old)),
        gone: Vec::new(),
        new: Vec::new(),
        changed: Vec::new(),
    };
    let mut before = Before::of(&old.sessions);
    for session in &new.sessions {
        match before.meet(&session.key) {
            Meeting::Again => return None,
            Meeting::Stranger => delta.new.push(session.clone()),
            Meeting::Same(was) if was == session => {}
            Meeting::Same(was) => delta.changed.push((session.key.clone(), fields(was, session)?)),
        }
    }
    if !are_plain(&delta.new) {
        return None;
    }
    delta.gone = before.unmet();
    let quiet =
        delta.head.is_none() && delta.gone.is_empty() && delta.new.is_empty() && delta.changed.is_empty();
    Some((!quiet).then_some(delta))
}

/// The sessions of the pass before, to be met again. They mostly come in the
/// order of then, so a table is only made when one does not.
struct Before<'a> {
    sessions: &'a [Session],
    met: Vec<bool>,
    next: usize,
    by_key: Option<HashMap<&'a Key, usize>>,
}

/// So many that are gone are passed over without a look into the table.
const AHEAD: usize = 4;

enum Meeting<'a> {
    /// It was there before.
    Same(&'a Session),
    /// It was not.
    Stranger,
    /// Its key was met in this pass already.
    Again,
}

impl<'a> Before<'a> {
    fn of(sessions: &'a [Session]) -> Self {
        Self { sessions, met: vec![false; sessions.len()], next: 0, by_key: None }
    }

    fn meet(&mut self, key: &Key) -> Meeting<'a> {
        let Some(place) = self.find(key) else { return Meeting::Stranger };
        match std::mem::replace(&mut self.met[place], true) {
            true => Meeting::Again,
            false => Meeting::Same(&self.sessions[place]),
        }
    }

    fn find(&mut self, key: &Key) -> Option<usize> {
        let mut ahead = self.sessions[self.next..].iter().take(AHEAD);
        if let Some(passed) = ahead.position(|session| session.key == *key) {
            self.next += passed + 1;
            return Some(self.next - 1);
        }
        let all = self.sessions;
        let index = || all.iter().enumerate().map(|(place, session)| (&session.key, place)).collect();
        self.by_key.get_or_insert_with(index).get(key).copied()
    }

    /// The keys of those that were not met, sorted.
    fn unmet(self) -> Vec<Key> {
        let unmet = self.sessions.iter().zip(self.met).filter(|(_, met)| !met);
        let mut keys: Vec<Key> = unmet.map(|(session, _)| session.key.clone()).collect();
        keys.sort();
        keys
    }
}

fn fields(old: &Session, new: &Session) -> Option<Map<String, Value>> {
    let (Ok(Value::Object(old)), Ok(Value::Object(new))) =
        (serde_json::to_value(old), serde_json::to_value(new))
    else {
        return None;
    };
    Some(new.into_iter().filter(|(name, value)| old.get(name) != Some(value)).collect())
}

/// Why a delta does not fit the observation before it.
#[derive(Debug, thiserror::Error)]
#[error("it changes {0}, which the pass before it does not have")]
pub(crate) struct NoFit(String);

impl Delta {
    /// Makes the next observation of the one before it, which is canonical.
    pub fn apply(self, to: &mut Observation) -> Result<(), NoFit> {
        to.at = self.at;
        if let Some(faults) = self.faults {
            to.faults = faults;
        }
        let gone: HashSet<Place<'_>> =
            self.gone.iter().map(|(backend, instance)| (backend, instance)).collect();
        to.listings.retain(|listing| !gone.contains(&place(listing)));
        for changed in self.changed {
            let found = to.listings.iter_mut();
            let mut found = found.filter(|listing| place(listing) == (&changed.backend, &changed.instance));
            let listing = found.next().ok_or_else(|| NoFit(format!("instance {}", changed.instance)))?;
            changed.apply(listing)?;
        }
        to.listings.extend(self.new);
        Ok(())
    }
}

impl Changed {
    fn apply(self, to: &mut Listing) -> Result<(), NoFit> {
        if let Some(Head { label, generation, server, extent }) = self.head {
            (to.label, to.generation, to.server, to.extent) = (label, generation, server, extent);
        }
        // In canonical order the keys of both are sorted.
        if !self.gone.is_empty() {
            to.sessions.retain(|session| self.gone.binary_search(&session.key).is_err());
        }
        for (key, fields) in self.changed {
            let no_fit = || NoFit(format!("session {key}"));
            let place =
                to.sessions.binary_search_by(|session| session.key.cmp(&key)).map_err(|_| no_fit())?;
            let session = &mut to.sessions[place];
            let Ok(Value::Object(mut whole)) = serde_json::to_value(&*session) else { return Err(no_fit()) };
            whole.extend(fields);
            *session = serde_json::from_value(Value::Object(whole)).map_err(|_| no_fit())?;
        }
        to.sessions.extend(self.new);
        Ok(())
    }
}

/// The same observation with listings by backend and instance, and sessions by
/// key: what comes back from a replay.
pub(crate) fn canonical(mut observation: Observation) -> Observation {
    observation.listings.sort_by(|a, b| place(a).cmp(&place(b)));
    for listing in &mut observation.listings {
        listing.sessions.sort_by(|a, b| a.key.cmp(&b.key));
    }
    observation
}
