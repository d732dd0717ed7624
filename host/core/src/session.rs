//! One session, as its backend describes it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{Address, Incarnation, Key};
use crate::time::{Span, Timestamp};

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The one session that its owner is built around; never ended.
    Main,
    /// A person talks to it.
    Interactive,
    /// A timer started it.
    Cron,
    /// Another session started it for a part of its work.
    Subagent,
    /// An outside event started it.
    Hook,
    /// It works in the background for a person or a session.
    Worker,
    /// None of these, or not known.
    Other,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Main, Self::Interactive, Self::Cron, Self::Subagent, Self::Hook, Self::Worker, Self::Other];

    /// The word for it in selectors, tables and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Interactive => "interactive",
            Self::Cron => "cron",
            Self::Subagent => "subagent",
            Self::Hook => "hook",
            Self::Worker => "worker",
            Self::Other => "other",
        }
    }
}

/// What a session is doing, as far as its backend can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// Something is at work in it.
    Running,
    /// It lives and waits.
    Idle,
    /// What ran in it has ended; only the record is left.
    Stopped,
    /// The backend cannot tell.
    Unknown,
}

impl Activity {
    /// Every activity.
    pub const ALL: [Self; 4] = [Self::Running, Self::Idle, Self::Stopped, Self::Unknown];

    /// The word for it in selectors, tables and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Idle => "idle",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
        }
    }
}

/// One process. A pid alone is no identity: a sweep killed a live agent because
/// its pid had been used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process id.
    pub pid: u32,
    /// The kernel's clock ticks since boot at its start (field 22 of
    /// `/proc/PID/stat`). Only good for comparing: unlike a time of day made
    /// from it, it does not change when the clock is set.
    pub started: u64,
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} (start {})", self.pid, self.started)
    }
}

/// A value of a setting or a fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A number with a fraction.
    Real(f64),
    /// Free text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// A moment.
    Time {
        /// When.
        time: Timestamp,
    },
    /// A length of time.
    Span {
        /// How long.
        span: Span,
    },
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Real(real) => write!(f, "{real}"),
            Self::Text(text) => f.write_str(text),
            Self::Texts(texts) => f.write_str(&texts.join(", ")),
            Self::Time { time } => write!(f, "{time}"),
            Self::Span { span } => write!(f, "{span}"),
        }
    }
}

/// A named value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Lower case with dashes, such as `dead-panes`.
    pub name: String,
    /// What it says.
    pub value: Value,
}

/// One session as its backend sees it. Field by field as in `wit/types.wit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its native name inside the instance, unique there.
    pub key: Key,
    /// Changes whenever the same key comes to mean another session.
    pub incarnation: Incarnation,
    /// The name that people know it by. It identifies nothing.
    pub title: String,
    /// What it is for.
    pub kind: Kind,
    /// What it is doing.
    pub activity: Activity,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it last did or was told something.
    pub last_active: Option<Timestamp>,
    /// Whether somebody is looking at it right now.
    pub attached: bool,
    /// The session that made it.
    pub parent: Option<Address>,
    /// Its working directory.
    pub cwd: Option<String>,
    /// The processes that live in it, as far as they are known.
    pub processes: Vec<ProcessId>,
    /// The tokens that its context holds.
    pub tokens: Option<u64>,
    /// Why it must never be ended, where that is so.
    pub protected: Option<String>,
    /// What only its backend knows.
    pub extra: Vec<Fact>,
}

/// A session that a record and the subject of each pass share, since nearly all
/// stay as they were. Written and read as a plain one.
#[derive(Debug, Clone, PartialEq)]
pub struct Shared(Arc<Session>);

impl From<Session> for Shared {
    fn from(session: Session) -> Self {
        Self(Arc::new(session))
    }
}

impl Deref for Shared {
    type Target = Session;
    fn deref(&self) -> &Session {
        &self.0
    }
}

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Shared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Session::deserialize(deserializer).map(Self::from)
    }
}

impl Session {
    /// The value of an extra fact.
    pub fn fact(&self, name: &str) -> Option<&Value> {
        self.extra.iter().find(|fact| fact.name == name).map(|fact| &fact.value)
    }
}
