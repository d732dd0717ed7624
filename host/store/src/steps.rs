//! The steps of the core, written down, and its state read back.
//!
//! A step says what it changed, so a steady pass over ten thousand sessions
//! writes a handful of rows. Everything that one step changed belongs into one
//! [`Store::write`](crate::Store::write): half a step would be a state that the
//! core was never in.

use std::collections::{BTreeMap, HashMap};

use reap_core::event::Event;
use reap_core::ids::{Handle, PluginName};
use reap_core::limits::HeldPlan;
use reap_core::notes::{Note, notes};
use reap_core::record::{Course, Record};
use reap_core::state::{Changes, Memory, State};
use reap_core::time::Timestamp;

use crate::error::StoreError;
use crate::journal::NewEntry;
use crate::store::{Txn, View};

/// The core's records, by handle.
const RECORDS: &str = "records";
/// How it goes with a session, by handle, where only that changed since its
/// record was written.
const COURSES: &str = "courses";
/// Its locks, by directory.
const LOCKS: &str = "locks";
/// Its held plans, by backend.
const HELD: &str = "held";
/// The plans that were offered to the operator, by backend.
const OFFERED: &str = "offered";
/// The clocks at its last pass.
const CLOCK: &str = "clock";
/// There is one of them, and it has no name of its own.
const LAST: &str = "last";

impl Txn<'_> {
    /// Writes what changed of the state.
    pub fn keep(&mut self, state: &State, changes: &Changes) -> Result<(), StoreError> {
        let changed = changes.records.iter().filter_map(|handle| state.record(handle));
        self.remember(RECORDS, changed.map(|record| (record.handle.as_str(), record)))?;
        // Those have the newest course in them.
        self.forget(COURSES, changes.records.iter().map(Handle::as_str))?;
        let changed = changes.courses.difference(&changes.records);
        let courses = changed.filter_map(|handle| Some((handle.as_str(), state.record(handle)?.course())));
        let courses: Vec<_> = courses.collect();
        self.remember(COURSES, courses.iter().map(|(handle, course)| (*handle, course)))?;
        for part in [RECORDS, COURSES] {
            self.forget(part, changes.forgotten.iter().map(Handle::as_str))?;
        }
        if changes.locks {
            self.replace(LOCKS, state.locks().iter().map(|lock| (lock.directory.as_str(), lock)))?;
        }
        if changes.held {
            self.replace(HELD, by_backend(state.held()))?;
            self.replace(OFFERED, by_backend(state.offered()))?;
        }
        self.remember(CLOCK, state.clock().map(|clock| (LAST, clock)))
    }

    /// Journals what happened, and tells the number of each event's entry: runs
    /// that say the same of many sessions share one (see [`reap_core::notes`]).
    pub fn tell(&mut self, at: Timestamp, events: &[Event]) -> Result<Vec<u64>, StoreError> {
        let notes: Vec<_> = notes(events).collect();
        let entries = notes.iter().map(|note| NewEntry::new(note.kind(), note.session(), note));
        let entries: Vec<_> = entries.collect::<Result<_, _>>()?;
        let mut numbers = Vec::with_capacity(events.len());
        let mut lengths = notes.iter().map(Note::len);
        self.push(at, entries, |seq| numbers.extend(std::iter::repeat_n(seq, lengths.next().unwrap_or(0))))?;
        Ok(numbers)
    }
}

fn by_backend(plans: &BTreeMap<PluginName, HeldPlan>) -> impl Iterator<Item = (&str, &HeldPlan)> {
    plans.iter().map(|(backend, plan)| (backend.as_str(), plan))
}

impl View<'_> {
    /// What the core remembers.
    pub fn memory(&self) -> Result<Memory, StoreError> {
        let mut courses: HashMap<String, Course> = self.remembered(COURSES)?.into_iter().collect();
        let newest = |(handle, record): (String, Record)| match courses.remove(&handle) {
            Some(course) => record.with(course),
            None => record,
        };
        let records = self.remembered(RECORDS)?.into_iter().map(newest).collect();
        Ok(Memory {
            clock: self.recall(CLOCK, LAST)?,
            records,
            locks: self.values(LOCKS)?,
            held: self.values(HELD)?,
            offered: self.values(OFFERED)?,
        })
    }
}
