//! What embedders and the API's clients hear: events, as they were journalled.

use reap_core::event::Event;
use reap_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// Events that one listener may lag behind. Who falls further back is told how
/// many it missed, and finds them in the journal.
pub(crate) const BACKLOG: usize = 1024;

/// An event that is in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    /// The number of its entry in the journal. Whoever has heard it and comes
    /// back later finds there what came after it.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// Another event stands in the same entry, and comes next: one that says the
    /// same of another session. Who was told only a part of them has not heard
    /// the entry yet.
    #[serde(skip)]
    pub more: bool,
}

impl Noted {
    /// Events that were written at this moment, each with the number of its entry.
    pub(crate) fn of(entries: &[u64], at: Timestamp, events: Vec<Event>) -> impl Iterator<Item = Self> {
        let next = entries.iter().skip(1).map(Some).chain([None]);
        let numbers = entries.iter().zip(next).map(|(seq, next)| (*seq, next == Some(seq)));
        numbers.zip(events).map(move |((seq, more), event)| Self { seq, at, event, more })
    }
}

/// Hears every event from the moment of its making.
#[derive(Debug)]
pub struct Events(pub(crate) broadcast::Receiver<Noted>);

/// What a listener gets next.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// An event.
    Event(Box<Noted>),
    /// It listened too slowly, and missed so many. The journal has them.
    Missed(u64),
}

impl Events {
    /// Waits for the next event. Nothing when Reap is gone, and none will come.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.0.recv().await {
            Ok(noted) => Some(Heard::Event(Box::new(noted))),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
