//! What is remembered of one session from pass to pass.

use serde::{Deserialize, Serialize};

use crate::backoff::Retry;
use crate::event::Who;
use crate::ids::{Address, BootId, Generation, Handle, Label};
use crate::marks::Tally;
use crate::proof::Proof;
use crate::session::{ProcessId, Session, Shared};
use crate::time::{Shift, Timestamp};

/// How a session on record stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "standing")]
pub enum Standing {
    /// It was listed when its instance was last known to list everything.
    Live,
    /// It was absent where absence counts, but not often enough.
    Missing {
        /// How often.
        misses: u32,
        /// Since when.
        since: Timestamp,
        /// When it was last counted.
        counted: Timestamp,
    },
    /// It is gone, without Reap's doing.
    Stopped {
        /// Since when that is known.
        at: Timestamp,
        /// How.
        proof: Proof,
    },
    /// Reap ended it.
    Ended {
        /// When.
        at: Timestamp,
    },
}

impl Standing {
    /// When it left, where it did.
    pub fn left(&self) -> Option<Timestamp> {
        match self {
            Self::Live | Self::Missing { .. } => None,
            Self::Stopped { at, .. } | Self::Ended { at } => Some(*at),
        }
    }
}

/// How far the clock was moved since the backend told a time and has not told
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lag {
    /// For the moment when the session was made.
    pub created: Shift,
    /// For the moment when it was last active.
    pub last_active: Shift,
}

/// What is remembered of one session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its handle.
    pub handle: Handle,
    /// Where it is, or was, to be found.
    pub address: Address,
    /// The short name of its instance.
    pub label: Label,
    /// The start of its server that it was last seen in, where known.
    pub generation: Option<Generation>,
    /// The process whose life is that generation, where there is one.
    pub server: Option<ProcessId>,
    /// The start of the machine that it was last seen in.
    pub boot: BootId,
    /// The session as it was last seen.
    pub session: Shared,
    /// When it was seen first.
    pub first_seen: Timestamp,
    /// When it was seen last. This, `seen_times` and `load` change with every pass,
    /// and alone they do not make a record a changed one.
    pub last_seen: Timestamp,
    /// How often it was seen.
    pub seen_times: u32,
    /// How it stands.
    pub standing: Standing,
    /// The votes that call it an orphan, as far as they follow each other.
    pub tally: Option<Tally>,
    /// The failed attempts to end it.
    pub retry: Option<Retry>,
    /// What the clock did to the times that its backend tells.
    pub lag: Lag,
    /// How much of a processor it used between the last two looks, in percent, where
    /// that is [known](crate::load).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<u32>,
}

/// How it goes with a session: what changes of its record although the session
/// itself stays as it is. Where thousands vanish at once, this is all that has to
/// be written of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// How it stands.
    pub standing: Standing,
    /// The votes that call it an orphan.
    pub tally: Option<Tally>,
    /// The failed attempts to end it.
    pub retry: Option<Retry>,
}

impl Record {
    /// How it goes with it.
    pub fn course(&self) -> Course {
        Course { standing: self.standing.clone(), tally: self.tally, retry: self.retry.clone() }
    }

    /// The record with another course.
    pub fn with(self, course: Course) -> Self {
        let Course { standing, tally, retry } = course;
        Self { standing, tally, retry, ..self }
    }

    /// The session, for an event.
    pub fn who(&self) -> Who {
        Who { handle: self.handle.clone(), address: self.address.clone() }
    }

    /// Whether it is still to be found, or may be.
    pub fn present(&self) -> bool {
        self.standing.left().is_none()
    }

    /// When the session was made, by the clock as it goes now.
    pub fn created(&self) -> Option<Timestamp> {
        self.session.created.map(|time| time.moved(self.lag.created.forward()))
    }

    /// When the session was last active, by the clock as it goes now.
    pub fn last_active(&self) -> Option<Timestamp> {
        self.session.last_active.map(|time| time.moved(self.lag.last_active.forward()))
    }

    /// Takes over what a backend says now. Tells whether that is news.
    pub(crate) fn renew(&mut self, session: &Session) -> bool {
        if *self.session == *session {
            return false;
        }
        // A time that is told anew is told by the clock as it goes now.
        if self.session.created != session.created {
            self.lag.created = Shift::default();
        }
        if self.session.last_active != session.last_active {
            self.lag.last_active = Shift::default();
        }
        self.session = session.clone().into();
        true
    }

    /// Moves everything that Reap noted by the clock along with the clock.
    pub(crate) fn shift(&mut self, by: Shift) {
        for time in [&mut self.first_seen, &mut self.last_seen] {
            *time = time.moved(by);
        }
        match &mut self.standing {
            Standing::Live => {}
            Standing::Missing { since, counted, .. } => {
                *since = since.moved(by);
                *counted = counted.moved(by);
            }
            Standing::Stopped { at, .. } | Standing::Ended { at } => *at = at.moved(by),
        }
        if let Some(tally) = &mut self.tally {
            tally.voted = tally.voted.moved(by);
        }
        if let Some(retry) = &mut self.retry {
            retry.not_before = retry.not_before.moved(by);
        }
    }
}
