//! The state and its store, together: what a step changes is written, and what
//! was written is told.

use std::path::Path;
use std::sync::Arc;

use reap_core::event::Event;
use reap_core::ids::Handle;
use reap_core::listing::Observation;
use reap_core::state::{Changes, Refused, State, Step};
use reap_core::time::Timestamp;
use reap_store::intents::{Intent, Journalled, OpenIntent, Settlement};
use reap_store::journal::NewEntry;
use reap_store::retention::{Limits, Pruned};
use reap_store::{Reader, Settings, Store, StoreError};
use serde_json::Value;
use tokio::sync::broadcast;

use super::MemoryError;
use crate::events::Noted;

/// Events that wait for a disk that refuses to be written to. Beyond these the
/// oldest are dropped, and the journal says how many: it must not fill the
/// memory as well.
const MOST_WAITING: usize = 100_000;

/// The one writer's view of the memory.
pub(crate) struct Keeper {
    store: Store,
    state: State,
    waiting: Waiting,
    /// Outcomes that the disk refused.
    owed: Vec<Settlement>,
    events: broadcast::Sender<Noted>,
}

/// What is to be written with the next flush.
#[derive(Clone, Default)]
struct Waiting {
    events: Vec<Event>,
    changes: Changes,
    dropped: u64,
    /// Entries that are no events of the core.
    notes: Vec<(&'static str, Option<Handle>, Value)>,
}

/// Outcomes that are not in the journal, and why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("what was done is not in the journal yet: {0}")]
pub(crate) struct Unwritten(pub String);

/// What the store in this folder remembers, read beside its writer.
pub(super) fn state_of(folder: &Path) -> Result<State, MemoryError> {
    match Reader::open(folder) {
        Ok(mut reader) => Ok(State::try_from(reader.snapshot(|view| view.memory())?)?),
        Err(StoreError::Missing { .. }) => Ok(State::default()),
        Err(error) => Err(error.into()),
    }
}

impl Keeper {
    pub(super) fn open(
        folder: &Path,
        settings: &Settings,
        events: broadcast::Sender<Noted>,
    ) -> Result<Self, MemoryError> {
        let store = Store::open(folder, settings)?;
        let state = State::try_from(store.view().memory()?)?;
        Ok(Self { store, state, waiting: Waiting::default(), owed: Vec::new(), events })
    }

    /// Whether all is on the disk.
    pub fn is_idle(&self) -> bool {
        self.owed.is_empty() && self.waiting.is_empty()
    }

    /// What is remembered.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The store, to look into.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Takes a step. What it changes is written with the next flush.
    pub fn step(&mut self, step: impl FnOnce(State) -> Step) {
        let step = step(std::mem::take(&mut self.state));
        self.take(step);
    }

    /// Takes a step that may be refused, and writes it at once. When the disk refuses,
    /// it is as if nobody had asked: what somebody was told to have failed must not come
    /// true later.
    pub fn step_or_not<T, E>(
        &mut self,
        at: Timestamp,
        step: impl FnOnce(State) -> Result<(Step, T), Refused<E>>,
    ) -> Result<Result<T, E>, StoreError> {
        let (before, waiting) = (self.state.clone(), self.waiting.clone());
        match step(std::mem::take(&mut self.state)) {
            Ok((step, answer)) => {
                self.take(step);
                if let Err(error) = self.flush(at, None) {
                    (self.state, self.waiting) = (before, waiting);
                    return Err(error);
                }
                Ok(Ok(answer))
            }
            Err(Refused { state, error }) => {
                self.state = *state;
                Ok(Err(error))
            }
        }
    }

    /// Gives the state for a step whose parts are wanted one by one.
    pub fn steps<T>(&mut self, steps: impl FnOnce(State) -> (Step, T)) -> T {
        let (step, answer) = steps(std::mem::take(&mut self.state));
        self.take(step);
        answer
    }

    fn take(&mut self, step: Step) {
        let Step { state, events, changes, .. } = step;
        self.state = state;
        self.waiting.take(events, changes);
    }

    /// Notes something for the journal that is no event of the core.
    pub fn note(&mut self, kind: &'static str, session: Option<Handle>, what: Value) {
        self.waiting.notes.push((kind, session, what));
    }

    /// Writes all that waits, in one transaction, and then tells the events. When
    /// the disk refuses, it waits on.
    pub fn flush(&mut self, at: Timestamp, seen: Option<&Arc<Observation>>) -> Result<(), StoreError> {
        self.settle_owed(at)?;
        let (state, waiting) = (&self.state, &self.waiting);
        let mut entries = Vec::new();
        let written = self.store.write(|txn| {
            seen.map_or(Ok(()), |seen| txn.observe(seen))?;
            txn.keep(state, &waiting.changes)?;
            for (kind, session, what) in &waiting.notes {
                txn.append(at, [NewEntry::new(*kind, session.as_ref(), what)?])?;
            }
            if waiting.dropped > 0 {
                let lost = serde_json::json!({ "events": waiting.dropped });
                txn.append(at, [NewEntry::new("events.dropped", None, &lost)?])?;
            }
            entries = txn.tell(at, &waiting.events)?;
            Ok(())
        });
        // It is kept all the same then, and must not be written twice.
        if let Err(error) = written
            && !matches!(error, StoreError::HeadNotNoted { .. })
        {
            return Err(error);
        }
        let waiting = std::mem::take(&mut self.waiting);
        for noted in Noted::of(&entries, at, waiting.events) {
            // Nobody need listen.
            let _ = self.events.send(noted);
        }
        Ok(())
    }

    /// Journals these intents. Any error means: do not act.
    pub fn intend(&mut self, at: Timestamp, intents: &[Intent<'_>]) -> Result<Vec<Journalled>, StoreError> {
        self.store.intend(at, intents)
    }

    /// Writes outcomes down. Those that the disk refuses are written with the
    /// next flush that succeeds.
    pub fn settle(&mut self, at: Timestamp, settlements: Vec<Settlement>) -> Result<(), Unwritten> {
        self.owed.extend(settlements);
        self.settle_owed(at).map_err(|error| Unwritten(error.to_string()))
    }

    fn settle_owed(&mut self, at: Timestamp) -> Result<(), StoreError> {
        if self.owed.is_empty() {
            return Ok(());
        }
        self.store.settle(at, std::mem::take(&mut self.owed)).map_err(|unsettled| {
            self.owed = unsettled.settlements;
            *unsettled.source
        })
    }

    /// The intents that a crash left without outcome.
    pub fn left_open(&self) -> Result<Vec<OpenIntent>, StoreError> {
        let mut open = self.store.open_intents()?;
        open.retain(|intent| !self.owed.iter().any(|owed| owed.owed.seq() == intent.owed.seq()));
        Ok(open)
    }

    /// Lets go what is too old or too much.
    pub fn prune(&mut self, at: Timestamp, limits: &Limits) -> Result<Pruned, StoreError> {
        self.store.prune(at, limits)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.notes.is_empty()
            && self.dropped == 0
            && self.changes == Changes::default()
    }

    fn take(&mut self, events: Vec<Event>, changes: Changes) {
        self.events.extend(events);
        let over = self.events.len().saturating_sub(MOST_WAITING);
        self.events.drain(..over);
        self.dropped += over as u64;
        self.changes.follow(changes);
    }
}
