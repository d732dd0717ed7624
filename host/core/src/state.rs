//! What is remembered between two passes, and what one step did to it.
//!
//! The state is a value: each function takes it and gives it back in a
//! [`Step`], with the events that happened and the names of what changed, so
//! that a store writes only that. It lives in memory as maps; [`Memory`] is the
//! same as plain lists, for a store to write and read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::ids::{Address, BootId, Handle, Instance, Key, PluginName};
use crate::limits::HeldPlan;
use crate::listing::{Listing, Observation};
use crate::locks::{Lock, Locks};
use crate::record::{Record, Standing};
use crate::time::{Span, Timestamp};

/// The clocks at one pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The time of day.
    pub at: Timestamp,
    /// Which start of the machine it was.
    pub boot: BootId,
    /// Time since that start, asleep included.
    pub uptime: Span,
}

/// Everything that is remembered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub(crate) clock: Option<Reading>,
    pub(crate) passed: Span,
    pub(crate) records: HashMap<Handle, Record>,
    pub(crate) sites: HashMap<PluginName, HashMap<Instance, Site>>,
    left: BTreeSet<(Timestamp, Handle)>,
    pub(crate) locks: Locks,
    pub(crate) held: BTreeMap<PluginName, HeldPlan>,
}

/// One instance, with the sessions that are to be found there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Site {
    pub present: HashMap<Key, Handle>,
    pub doubt: Option<String>,
    /// How many of those that are present were seen in this pass.
    pub seen: usize,
}

impl Site {
    /// The sessions that none of these listings shows.
    fn hidden(&self, listings: &[&Listing]) -> Vec<&Handle> {
        if let [listing] = listings
            && listing.seen().iter().filter(|session| self.present.contains_key(&session.key)).count()
                == self.present.len()
        {
            return Vec::new(); // the rule, and cheaper to find out than which are hidden
        }
        let shown = listings.iter().flat_map(|listing| listing.seen());
        let shown: HashSet<&Key> = shown.map(|session| &session.key).collect();
        self.present.iter().filter(|(key, _)| !shown.contains(key)).map(|(_, handle)| handle).collect()
    }
}

/// One instance's sessions on record, found once for many questions.
pub(crate) struct Known<'a> {
    site: Option<&'a Site>,
    records: &'a HashMap<Handle, Record>,
}

impl<'a> Known<'a> {
    /// The session that is to be found under this key.
    pub fn record(&self, key: &Key) -> Option<&'a Record> {
        self.records.get(self.site?.present.get(key)?)
    }
}

/// The state as plain lists, for a store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The clocks at the last pass.
    pub clock: Option<Reading>,
    /// What is remembered of each session.
    pub records: Vec<Record>,
    /// The locked directories.
    pub locks: Vec<Lock>,
    /// The plans that wait for the operator.
    pub held: Vec<HeldPlan>,
}

/// Why a memory cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored state contradicts itself: {0}; restore it from a backup, or begin with an empty one")]
pub struct Contradiction(String);

/// What one step did.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use = "a step that is dropped takes the state with it"]
pub struct Step {
    /// The state after it.
    pub state: State,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What is to be written.
    pub changes: Changes,
    departed: HashSet<Handle>,
}

/// A step that was not taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused<E> {
    /// The state as it was. Boxed, or it would make every good answer large.
    pub state: Box<State>,
    /// Why.
    pub error: E,
}

impl<E> Refused<E> {
    pub(crate) fn new(state: State, error: E) -> Self {
        Self { state: Box::new(state), error }
    }
}

/// What of the state changed. The clock does so with every pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The records that are new or changed in more than the time and the count
    /// of their last sight.
    pub records: HashSet<Handle>,
    /// The records that are no more.
    pub forgotten: HashSet<Handle>,
    /// Some lock.
    pub locks: bool,
    /// Some held plan.
    pub held: bool,
}

impl State {
    /// The time of the last pass.
    pub fn now(&self) -> Timestamp {
        self.clock.as_ref().map_or(Timestamp::from_millis(0), |clock| clock.at)
    }

    /// The clocks at the last pass.
    pub fn clock(&self) -> Option<&Reading> {
        self.clock.as_ref()
    }

    /// The time between the last two passes, as far as it can be vouched for.
    pub fn passed(&self) -> Span {
        self.passed
    }

    /// What is remembered of a session.
    pub fn record(&self, handle: &Handle) -> Option<&Record> {
        self.records.get(handle)
    }

    /// What is remembered of the session that is to be found at this address.
    pub fn at(&self, address: &Address) -> Option<&Record> {
        self.instance(&address.backend, &address.instance).record(&address.key)
    }

    pub(crate) fn instance(&self, backend: &PluginName, instance: &Instance) -> Known<'_> {
        let site = self.sites.get(backend).and_then(|sites| sites.get(instance));
        Known { site, records: &self.records }
    }

    /// All records, in no order.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// The instances of which it is not known what they hold, and why. Only
    /// such as have sessions on record.
    pub fn doubts(&self) -> impl Iterator<Item = (&PluginName, &Instance, &str)> {
        let sites = self.sites.iter().flat_map(|(backend, sites)| sites.iter().map(move |s| (backend, s)));
        sites.filter_map(|(backend, (instance, site))| Some((backend, instance, site.doubt.as_deref()?)))
    }

    /// The locked directories.
    pub fn locks(&self) -> &Locks {
        &self.locks
    }

    /// The plans that wait for the operator, by backend.
    pub fn held(&self) -> &BTreeMap<PluginName, HeldPlan> {
        &self.held
    }

    /// The sessions that should be to be found and are in no listing.
    pub(crate) fn unseen(&self, observation: &Observation) -> Vec<&Record> {
        let mut seen: HashMap<(&PluginName, &Instance), Vec<&Listing>> = HashMap::new();
        for listing in &observation.listings {
            seen.entry((&listing.backend, &listing.instance)).or_default().push(listing);
        }
        let mut unseen = Vec::new();
        for (backend, sites) in &self.sites {
            for (instance, site) in sites {
                let listings = seen.get(&(backend, instance)).map_or(&[][..], Vec::as_slice);
                let hidden = site.hidden(listings).into_iter();
                unseen.extend(hidden.filter_map(|handle| self.records.get(handle)));
            }
        }
        unseen
    }

    /// The state as plain lists, in a stable order.
    pub fn memory(&self) -> Memory {
        let mut records: Vec<Record> = self.records.values().cloned().collect();
        records.sort_by(|a, b| a.handle.cmp(&b.handle));
        Memory {
            clock: self.clock.clone(),
            records,
            locks: self.locks.iter().cloned().collect(),
            held: self.held.values().cloned().collect(),
        }
    }
}

impl TryFrom<Memory> for State {
    type Error = Contradiction;

    fn try_from(memory: Memory) -> Result<Self, Contradiction> {
        let mut state = Self { clock: memory.clock, ..Self::default() };
        for record in memory.records {
            if state.records.contains_key(&record.handle) {
                return Err(Contradiction(format!("two records have the handle {}", record.handle)));
            }
            if record.present() && state.at(&record.address).is_some() {
                return Err(Contradiction(format!("two sessions are at {}", record.address)));
            }
            state.insert(record);
        }
        for lock in memory.locks {
            let directory = lock.directory.clone();
            if state.locks.insert(lock).is_some() {
                return Err(Contradiction(format!("{directory} is locked twice")));
            }
        }
        for held in memory.held {
            if let Some(other) = state.held.insert(held.backend.clone(), held) {
                return Err(Contradiction(format!("two plans are held for {}", other.backend)));
            }
        }
        Ok(state)
    }
}

impl State {
    fn insert(&mut self, record: Record) {
        let Address { backend, instance, key } = record.address.clone();
        match record.standing.left() {
            Some(at) => {
                self.left.insert((at, record.handle.clone()));
            }
            None => {
                let site = self.sites.entry(backend).or_default().entry(instance).or_default();
                site.present.insert(key, record.handle.clone());
            }
        }
        self.records.insert(record.handle.clone(), record);
    }

    /// The record without its place among the others, to be put back changed.
    fn take(&mut self, handle: &Handle) -> Option<Record> {
        let record = self.records.remove(handle)?;
        match record.standing.left() {
            Some(at) => {
                self.left.remove(&(at, record.handle.clone()));
            }
            None => {
                let sites = self.sites.get_mut(&record.address.backend);
                if let Some(site) = sites.and_then(|sites| sites.get_mut(&record.address.instance)) {
                    site.present.remove(&record.address.key);
                }
            }
        }
        Some(record)
    }
}

impl Step {
    /// A step that did nothing yet.
    pub fn of(state: State) -> Self {
        Self { state, ..Self::default() }
    }

    /// This step and then another on its state, as one.
    pub fn then(self, next: impl FnOnce(State) -> Step) -> Step {
        let Self { state, events, changes, departed } = self;
        let mut step = next(state);
        step.events.splice(0..0, events);
        step.changes.records.extend(changes.records);
        step.changes.forgotten.extend(changes.forgotten);
        let Changes { records, forgotten, .. } = &mut step.changes;
        records.retain(|handle| !forgotten.contains(handle));
        step.changes.locks |= changes.locks;
        step.changes.held |= changes.held;
        step.departed.extend(departed);
        step
    }

    /// Puts a record in, or in the place of the one with its handle.
    pub(crate) fn put(&mut self, record: Record) {
        self.state.take(&record.handle);
        self.changes.records.insert(record.handle.clone());
        self.state.insert(record);
    }

    /// Changes a record in something else than its standing.
    pub(crate) fn change(&mut self, handle: &Handle, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.state.records.get_mut(handle) {
            change(record);
            self.changes.records.insert(handle.clone());
        }
    }

    /// A session is gone: it leaves its place, its mark and what was tried on it.
    pub(crate) fn leave(&mut self, handle: &Handle, standing: Standing) {
        if let Some(mut record) = self.state.take(handle) {
            record.standing = standing;
            crate::marks::clear(&mut record);
            self.departed.insert(record.handle.clone());
            self.put(record);
        }
    }

    /// Drops the records of sessions that left before `limit`.
    pub(crate) fn prune(&mut self, limit: Timestamp) {
        while let Some((at, handle)) = self.state.left.first().cloned()
            && at < limit
        {
            if let Some(record) = self.state.take(&handle) {
                self.events.push(Event::Pruned { session: record.who() });
            } else {
                self.state.left.pop_first(); // cannot be, and must not loop for ever
            }
            self.changes.records.remove(&handle);
            self.changes.forgotten.insert(handle);
        }
    }

    /// Frees the locks of the sessions that left in this step.
    pub(crate) fn free_departed(&mut self, reason: &str) {
        let departed = std::mem::take(&mut self.departed);
        if !departed.is_empty() {
            self.free_locks(reason, |lock| {
                lock.holder.session().is_some_and(|who| departed.contains(&who.handle))
            });
        }
    }

    pub(crate) fn free_locks(&mut self, reason: &str, free: impl Fn(&Lock) -> bool) {
        for lock in self.state.locks.remove_if(free) {
            let Lock { directory, holder, .. } = lock;
            self.events.push(Event::LockFreed { directory, holder, reason: reason.to_owned() });
            self.changes.locks = true;
        }
    }

    /// Moves all that was noted by the clock along with the clock.
    pub(crate) fn shift(&mut self, by: crate::time::Shift, told_times_too: bool) {
        let state = &mut self.state;
        for record in state.records.values_mut() {
            record.shift(by);
            if told_times_too {
                record.lag.created = record.lag.created.and(by);
                record.lag.last_active = record.lag.last_active.and(by);
            }
            self.changes.records.insert(record.handle.clone());
        }
        state.left = state.left.iter().map(|(at, handle)| (at.moved(by), handle.clone())).collect();
        self.changes.locks |= state.locks.shift(by);
        for held in state.held.values_mut() {
            held.since = held.since.moved(by);
            self.changes.held = true;
        }
    }
}
