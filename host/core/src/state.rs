//! What is remembered between two passes, and what one step did to it.
//!
//! The state is a value: each function takes it and gives it back in a
//! [`Step`], with the events that happened and the names of what changed, so
//! that a store writes only that. It lives in memory as tables; [`Memory`] is the
//! same as plain lists, for a store to write and read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::hash::Quick;
use crate::ids::{Address, BootId, Handle, Instance, Key, PluginName};
use crate::limits::HeldPlan;
use crate::listing::{Listing, Observation};
use crate::locks::{Lock, Locks};
use crate::record::{Record, Standing};
use crate::records::{Known, Place, Records, Site};
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

/// The instances that have sessions on record.
pub(crate) type Sites = HashMap<PluginName, HashMap<Instance, Site>>;

/// Everything that is remembered.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub(crate) clock: Option<Reading>,
    pub(crate) passed: Span,
    pub(crate) records: Records,
    pub(crate) sites: Sites,
    left: BTreeSet<(Timestamp, Handle)>,
    pub(crate) locks: Locks,
    pub(crate) held: BTreeMap<PluginName, HeldPlan>,
    pub(crate) offered: BTreeMap<PluginName, HeldPlan>,
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
    /// The plans of commands that wait for the operator.
    #[serde(default)]
    pub offered: Vec<HeldPlan>,
}

/// Why a memory cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored state contradicts itself: {0}; restore it from a backup, or begin with an empty one")]
pub struct Contradiction(String);

/// What one step did.
#[derive(Debug, Clone, Default)]
#[must_use = "a step that is dropped takes the state with it"]
pub struct Step {
    /// The state after it.
    pub state: State,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What is to be written.
    pub changes: Changes,
    departed: HashSet<Handle, Quick>,
}

/// A step that was not taken.
#[derive(Debug, Clone)]
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
    /// The records that are new or changed in more than their course and the time
    /// and the count of their last sight.
    pub records: HashSet<Handle>,
    /// Those of which the course changed. They may be among the others too.
    pub courses: HashSet<Handle>,
    /// The records that are no more.
    pub forgotten: HashSet<Handle>,
    /// Some lock.
    pub locks: bool,
    /// Some held or offered plan.
    pub held: bool,
}

impl Changes {
    /// These changes and then others. What was forgotten may have come back since.
    pub fn follow(&mut self, later: Self) {
        self.records.retain(|handle| !later.forgotten.contains(handle));
        self.courses.retain(|handle| !later.forgotten.contains(handle));
        self.forgotten.retain(|handle| !later.records.contains(handle));
        self.records.extend(later.records);
        self.courses.extend(later.courses);
        self.forgotten.extend(later.forgotten);
        self.locks |= later.locks;
        self.held |= later.held;
    }
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
        self.records.at(self.records.find(handle)?)
    }

    /// What is remembered of the session that is to be found at this address.
    pub fn at(&self, address: &Address) -> Option<&Record> {
        self.find(&address.backend, &address.instance, &address.key).map(|(_, record)| record)
    }

    pub(crate) fn find(
        &self,
        backend: &PluginName,
        instance: &Instance,
        key: &Key,
    ) -> Option<(Place, &Record)> {
        let place = self.sites.get(backend)?.get(instance)?.find(key)?;
        Some((place, self.records.at(place)?))
    }

    pub(crate) fn instance(&self, backend: &PluginName, instance: &Instance) -> Known<'_> {
        let site = self.sites.get(backend).and_then(|sites| sites.get(instance));
        Known::of(site, &self.records)
    }

    /// All records, in no order.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
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

    /// The plans of commands that were over the limits, by backend. No sweep
    /// touches them, for what a command plans needs no mark.
    pub fn offered(&self) -> &BTreeMap<PluginName, HeldPlan> {
        &self.offered
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
                unseen.extend(site.hidden(&self.records, listings));
            }
        }
        unseen
    }

    /// The state as plain lists, in a stable order.
    pub fn memory(&self) -> Memory {
        let mut records: Vec<Record> = self.records.iter().cloned().collect();
        records.sort_by(|a, b| a.handle.cmp(&b.handle));
        Memory {
            clock: self.clock.clone(),
            records,
            locks: self.locks.iter().cloned().collect(),
            held: self.held.values().cloned().collect(),
            offered: self.offered.values().cloned().collect(),
        }
    }
}

impl TryFrom<Memory> for State {
    type Error = Contradiction;

    fn try_from(memory: Memory) -> Result<Self, Contradiction> {
        let mut state = Self { clock: memory.clock, ..Self::default() };
        for record in memory.records {
            if state.records.find(&record.handle).is_some() {
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
        for offered in memory.offered {
            if let Some(other) = state.offered.insert(offered.backend.clone(), offered) {
                return Err(Contradiction(format!("two plans are offered for {}", other.backend)));
            }
        }
        Ok(state)
    }
}

impl State {
    /// Puts a record in that is not there yet.
    fn insert(&mut self, mut record: Record) -> Place {
        if record.present() {
            // One name for all that are to be found here: quicker to compare.
            let Address { backend, instance, .. } = &record.address;
            let (backend, instance) = self.site(backend.clone(), instance.clone()).name();
            (record.address.backend, record.address.instance) = (backend, instance);
        }
        let place = self.records.put(record);
        self.arrange(place);
        place
    }

    /// The site of an instance. It is made where there is none.
    fn site(&mut self, backend: PluginName, instance: Instance) -> &mut Site {
        let sites = self.sites.entry(backend.clone()).or_default();
        sites.entry(instance.clone()).or_insert_with(|| Site::new(backend, instance))
    }

    /// Lists a record where its standing says.
    fn arrange(&mut self, place: Place) {
        let Some(record) = self.records.at(place) else { return };
        match record.standing.left() {
            Some(at) => drop(self.left.insert((at, record.handle.clone()))),
            None => {
                let Address { backend, instance, key } = record.address.clone();
                self.site(backend, instance).enter(key, place);
            }
        }
    }

    /// Takes a record off the list that its standing put it on.
    fn unlist(&mut self, place: Place) {
        let Self { records, sites, left, .. } = self;
        let Some(record) = records.at(place) else { return };
        match record.standing.left() {
            Some(at) => drop(left.remove(&(at, record.handle.clone()))),
            None => {
                let site = sites.get_mut(&record.address.backend);
                if let Some(site) = site.and_then(|sites| sites.get_mut(&record.address.instance)) {
                    site.leave(&record.address.key);
                }
            }
        }
    }
}

impl Step {
    /// A step that did nothing yet.
    pub fn of(state: State) -> Self {
        Self { state, ..Self::default() }
    }

    /// A step that changes nothing and says what happened elsewhere.
    pub fn telling(state: State, events: Vec<Event>) -> Self {
        Self { events, ..Self::of(state) }
    }

    /// This step and then another on its state, as one.
    pub fn then(self, next: impl FnOnce(State) -> Step) -> Step {
        let Self { state, mut events, mut changes, mut departed } = self;
        let later = next(state);
        events.extend(later.events);
        changes.follow(later.changes);
        departed.extend(later.departed);
        Self { state: later.state, events, changes, departed }
    }

    /// Puts a record in, or in the place of the one with its handle.
    pub(crate) fn put(&mut self, record: Record) {
        if let Some(place) = self.state.records.find(&record.handle) {
            self.state.unlist(place);
        }
        self.changes.records.insert(record.handle.clone());
        self.state.insert(record);
    }

    /// Changes the course of a record, and not whether it is present.
    pub(crate) fn change(&mut self, handle: &Handle, change: impl FnOnce(&mut Record)) {
        if let Some(place) = self.state.records.find(handle) {
            self.change_at(place, change);
        }
    }

    /// The same, where its place is known.
    pub(crate) fn change_at(&mut self, place: Place, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.state.records.at_mut(place) {
            change(record);
            self.changes.courses.insert(record.handle.clone());
        }
    }

    /// A session is gone: it leaves its site, its mark and what was tried on it.
    pub(crate) fn leave(&mut self, place: Place, standing: Standing) {
        self.state.unlist(place);
        if let Some(record) = self.state.records.at_mut(place) {
            record.standing = standing;
            crate::marks::clear(record);
            self.departed.insert(record.handle.clone());
            self.changes.courses.insert(record.handle.clone());
        }
        self.state.arrange(place);
    }

    /// Drops the records of sessions that left before `limit`.
    pub(crate) fn prune(&mut self, limit: Timestamp) {
        while let Some((_, handle)) = self.state.left.first().filter(|(at, _)| *at < limit).cloned() {
            self.state.left.pop_first();
            let place = self.state.records.find(&handle);
            if let Some(record) = place.and_then(|place| self.state.records.remove(place)) {
                self.events.push(Event::Pruned { session: record.who() });
            }
            self.changes.records.remove(&handle);
            self.changes.courses.remove(&handle);
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
        for record in state.records.iter_mut() {
            record.shift(by);
            if told_times_too {
                record.lag.created = record.lag.created.and(by);
                record.lag.last_active = record.lag.last_active.and(by);
            }
            self.changes.records.insert(record.handle.clone());
        }
        state.left = state.left.iter().map(|(at, handle)| (at.moved(by), handle.clone())).collect();
        self.changes.locks |= state.locks.shift(by);
        for held in state.held.values_mut().chain(state.offered.values_mut()) {
            held.since = held.since.moved(by);
            self.changes.held = true;
        }
    }
}
