//! What the backends answered, and how much each answer is worth.
//!
//! The trap this module is built against: a reaper that read every error as "no
//! sessions" marked 400 of 400 live ones as gone when a gateway was down for one
//! call. Here an answer that is not complete says so in its type, and absence
//! can only be read from one that is. Nor is an answer believed that contradicts
//! itself, such as one that names two sessions with one key.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::clean;
use crate::hash::Quick;
use crate::ids::{Address, Generation, Instance, Key, PluginName};
use crate::session::{ProcessId, Session};
use crate::time::Timestamp;

/// How much of an instance a listing shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "extent", content = "reason")]
pub enum Extent {
    /// All its sessions are listed.
    Complete,
    /// Some may be missing, and why.
    Partial(String),
    /// The backend looked, and there is positively nothing.
    Absent(String),
    /// The backend could not look. Nothing follows from that.
    Failed(String),
}

impl Extent {
    /// Whether a session that is not listed can be taken for absent.
    pub fn shows_absence(&self) -> bool {
        matches!(self, Self::Complete | Self::Absent(_))
    }

    /// Why it is not known what the instance holds, where that is so.
    pub fn doubt(&self) -> Option<&str> {
        match self {
            Self::Partial(reason) | Self::Failed(reason) => Some(reason),
            Self::Complete | Self::Absent(_) => None,
        }
    }
}

/// What one instance answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// The backend that asked.
    pub backend: PluginName,
    /// The instance that answered.
    pub instance: Instance,
    /// A short name for tables.
    pub label: String,
    /// Which start of that server it was, where known.
    pub generation: Option<Generation>,
    /// The process whose life is this generation, where there is one.
    pub server: Option<ProcessId>,
    /// How much is shown.
    pub extent: Extent,
    /// The sessions.
    pub sessions: Vec<Session>,
}

impl Listing {
    /// The sessions that were really seen. A backend that could not look, or
    /// found nothing there, has seen none, whatever it lists.
    pub fn seen(&self) -> &[Session] {
        match self.extent {
            Extent::Complete | Extent::Partial(_) => &self.sessions,
            Extent::Absent(_) | Extent::Failed(_) => &[],
        }
    }

    /// Why it is not known what the instance holds, where that is so: the
    /// backend says it, or its answer contradicts itself.
    pub fn doubt(&self) -> Option<String> {
        self.extent.doubt().map(str::to_owned).or_else(|| self.contradiction())
    }

    /// How the answer contradicts itself, where it does.
    fn contradiction(&self) -> Option<String> {
        if matches!(self.extent, Extent::Absent(_)) && !self.sessions.is_empty() {
            return Some("the backend says that nothing is there and lists sessions all the same".to_owned());
        }
        let mut keys = HashSet::with_capacity_and_hasher(self.sessions.len(), Quick);
        if self.sessions.iter().all(|session| keys.insert(&session.key)) {
            return None; // the rule, and cheaper to find out than which are doubled
        }
        let doubled = self.doubled();
        let first = doubled.first()?;
        Some(format!(
            "the backend lists {} more than once, such as {}; which of the rows is true is not known",
            if doubled.len() == 1 { "a key".to_owned() } else { format!("{} keys", doubled.len()) },
            clean::line(first.as_str()),
        ))
    }

    /// The keys that more than one of its sessions claim.
    pub fn doubled(&self) -> Vec<&Key> {
        let mut times: HashMap<&Key, u32> = HashMap::with_capacity(self.sessions.len());
        let mut doubled = Vec::new();
        for session in &self.sessions {
            let times = times.entry(&session.key).or_default();
            *times += 1;
            if *times == 2 {
                doubled.push(&session.key);
            }
        }
        doubled
    }

    /// What this answer is worth. Absence counts only in a complete listing of a
    /// known generation: without it nobody can say that the server answered
    /// which held the session.
    fn answer(&self) -> Answer {
        let contradiction = self.contradiction();
        let contradicts = contradiction.is_some();
        let nameless = self.generation.is_none() && !matches!(self.extent, Extent::Absent(_));
        let unknown_start = || "the backend does not say which start of its server answered".to_owned();
        let doubt = self.extent.doubt().map(str::to_owned).or(contradiction);
        Answer { doubt: doubt.or_else(|| nameless.then(unknown_start)), contradicts }
    }
}

/// Something that could not be looked at, or not wholly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// The backend.
    pub backend: PluginName,
    /// The instance; nothing when the whole backend is meant.
    pub instance: Option<Instance>,
    /// Why, in words for a person.
    pub reason: String,
}

/// Everything that was seen in one pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// When it was seen.
    pub at: Timestamp,
    /// What the instances answered.
    pub listings: Vec<Listing>,
    /// Backends that gave no answer at all.
    pub faults: Vec<Unknown>,
}

const REPEATED: &str =
    "the backend lists this instance more than once; which of the answers is true is not known";

impl Observation {
    /// All that is not known, backends and instances alike.
    pub fn unknown(&self) -> Vec<Unknown> {
        let mut unknown = self.faults.clone();
        let mut met = HashMap::with_capacity(self.listings.len());
        for listing in &self.listings {
            let times: &mut u32 = met.entry((&listing.backend, &listing.instance)).or_default();
            *times += 1;
            let repeated = (*times == 2).then(|| REPEATED.to_owned());
            unknown.extend(listing.doubt().into_iter().chain(repeated).map(|reason| Unknown {
                backend: listing.backend.clone(),
                instance: Some(listing.instance.clone()),
                reason,
            }));
        }
        unknown
    }
}

/// Says of a session that is not listed whether that means anything.
#[derive(Debug)]
pub struct Answers<'a> {
    instances: HashMap<(&'a PluginName, &'a Instance), Answer>,
    faults: &'a [Unknown],
}

/// What one instance's answer is worth.
#[derive(Debug)]
struct Answer {
    /// Why absence from it means nothing, where that is so.
    doubt: Option<String>,
    /// Whether not even what it shows can be believed.
    contradicts: bool,
}

impl<'a> Answers<'a> {
    /// The answers of one pass.
    pub fn of(observation: &'a Observation) -> Self {
        let mut instances = HashMap::with_capacity(observation.listings.len());
        for listing in &observation.listings {
            instances
                .entry((&listing.backend, &listing.instance))
                .and_modify(|answer| *answer = Answer { doubt: Some(REPEATED.to_owned()), contradicts: true })
                .or_insert_with(|| listing.answer());
        }
        Self { instances, faults: &observation.faults }
    }

    /// Why a session that should be at this address and is not listed cannot be
    /// taken for absent. Nothing when it can.
    pub fn doubt_absence(&self, address: &Address) -> Option<String> {
        self.doubt_instance(&address.backend, &address.instance)
    }

    /// The same for any session of an instance.
    pub(crate) fn doubt_instance(&self, backend: &PluginName, instance: &Instance) -> Option<String> {
        match self.instances.get(&(backend, instance)) {
            Some(answer) => answer.doubt.clone(),
            None => Some(self.silence(backend, instance)),
        }
    }

    /// Whether the listing, or another of the same instance, contradicts it, so
    /// that nothing of it can be believed.
    pub(crate) fn contradicts(&self, listing: &Listing) -> bool {
        self.instances.get(&(&listing.backend, &listing.instance)).is_none_or(|answer| answer.contradicts)
    }

    /// Whether some fault concerns the instance.
    pub(crate) fn concerned(&self, backend: &PluginName, instance: &Instance) -> bool {
        self.fault(backend, instance).is_some()
    }

    fn silence(&self, backend: &PluginName, instance: &Instance) -> String {
        let fault = self.fault(backend, instance);
        fault.map_or_else(|| "its instance gave no answer".to_owned(), |fault| fault.reason.clone())
    }

    fn fault(&self, backend: &PluginName, instance: &Instance) -> Option<&'a Unknown> {
        let concerns = |fault: &&Unknown| {
            fault.backend == *backend && fault.instance.as_ref().is_none_or(|other| other == instance)
        };
        self.faults.iter().find(concerns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{address, listing, session};

    fn extents() -> [Extent; 4] {
        [
            Extent::Complete,
            Extent::Partial("cut".into()),
            Extent::Absent("no socket".into()),
            Extent::Failed("timed out".into()),
        ]
    }

    fn pass(listings: Vec<Listing>) -> Observation {
        Observation { at: Timestamp::from_millis(0), listings, faults: Vec::new() }
    }

    #[test]
    fn only_a_look_that_succeeded_has_seen_something() {
        let seen = extents().map(|extent| Listing { extent, ..listing(vec![session("$1")]) }.seen().len());
        assert_eq!(seen, [1, 1, 0, 0]);
    }

    #[test]
    fn absence_shows_only_in_complete_answers_of_a_known_generation() {
        for known in [true, false] {
            let shows = extents().map(|extent| {
                let mut listing = Listing { extent, ..listing(vec![]) };
                listing.generation = listing.generation.filter(|_| known);
                Answers::of(&pass(vec![listing])).doubt_absence(&address("$9")).is_none()
            });
            assert_eq!(shows, [known, false, true, false], "generation known: {known}");
        }
    }

    #[test]
    fn an_answer_that_contradicts_itself_is_doubted() {
        let twice = listing(vec![session("$1"), session("$2"), session("$1"), session("$1")]);
        let full = Listing { extent: Extent::Absent("gone".into()), ..listing(vec![session("$1")]) };
        let cases = [
            (vec![twice], "lists a key more than once, such as $1"),
            (vec![full], "nothing is there and lists sessions"),
            (vec![listing(vec![session("$1")]), listing(vec![])], "lists this instance more than once"),
        ];
        for (listings, words) in cases {
            let pass = pass(listings);
            let unknown = pass.unknown();
            assert_eq!(unknown.len(), 1, "{words}");
            assert!(unknown[0].reason.contains(words), "{}", unknown[0].reason);
            assert!(Answers::of(&pass).doubt_absence(&address("$9")).is_some(), "{words}");
        }
    }

    #[test]
    fn silence_is_explained_by_the_fault_of_the_backend() {
        let mut pass = pass(vec![]);
        let doubt = |pass: &Observation| Answers::of(pass).doubt_absence(&address("$9"));
        assert_eq!(doubt(&pass).as_deref(), Some("its instance gave no answer"));
        let backend = address("$9").backend;
        pass.faults.push(Unknown { backend, instance: None, reason: "it trapped".into() });
        assert_eq!(doubt(&pass).as_deref(), Some("it trapped"));
    }
}
