//! Golden cases: sessions in, votes out, in TOML that people can write.
//!
//! What a case does not say of its session is not known of it, so that a case shows
//! all that its vote rests on.

use std::fmt;

use reap_core::ids::{Address, Incarnation, Instance, Key, PluginName};
use reap_core::listing::{Extent, Listing, Observation};
use reap_core::session::{Activity, Fact, Kind, ProcessId, Session, Value};
use reap_core::subject::{Mark, ParentState, Subject, survey};
use reap_core::time::{Span, Timestamp};
use reap_core::vote::Vote;
use serde::Deserialize;
use serde::de::Error as _;

/// The moment at which cases are voted on. Any would do; this one never changes.
pub const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A file of cases.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// The policy's settings in all cases, as in `[policies.NAME]`.
    #[serde(default)]
    pub settings: toml::Table,
    /// The cases, in their order.
    #[serde(default, rename = "case")]
    pub all: Vec<Case>,
}

/// One case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// Settings of this case alone, over those of all.
    #[serde(default)]
    pub settings: toml::Table,
    /// The session.
    #[serde(default)]
    pub session: Drawn,
    /// The vote that it must get.
    pub vote: Expected,
    /// Words that the reason must hold.
    pub reason: Option<String>,
}

/// A vote without its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// It must not be ended.
    Keep,
    /// Nobody needs it.
    Orphan,
    /// Nothing to say, or not even asked.
    Abstain,
}

impl Expected {
    /// Whether this is such a vote.
    pub fn is(self, vote: &Vote) -> bool {
        matches!(
            (self, vote),
            (Self::Keep, Vote::Keep(_)) | (Self::Orphan, Vote::Orphan(_)) | (Self::Abstain, Vote::Abstain)
        )
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "keep",
            Self::Orphan => "orphan",
            Self::Abstain => "abstain",
        })
    }
}

/// A session as a case draws it. The names are those that scripts read.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drawn {
    /// Its backend.
    pub backend: String,
    /// Its instance.
    pub instance: String,
    /// Its native name.
    pub key: String,
    /// Changes when the key comes to mean another session.
    pub incarnation: String,
    /// The name that people know it by.
    pub title: String,
    /// What it is for.
    pub kind: Kind,
    /// What it is doing.
    pub activity: Activity,
    /// Time since it was made.
    pub age: Option<Length>,
    /// Time since it was last active.
    pub idle: Option<Length>,
    /// Whether somebody looks at it.
    pub attached: bool,
    /// The session that made it.
    pub parent: Option<Made>,
    /// Its working directory.
    pub cwd: Option<String>,
    /// How many processes live in it.
    pub processes: u32,
    /// The tokens that its context holds.
    pub tokens: Option<u64>,
    /// Why it must never be ended.
    pub protected: Option<String>,
    /// What only its backend knows.
    pub extra: toml::Table,
    /// For how long Reap has known it.
    pub seen_for: Length,
    /// How often Reap has seen it.
    pub seen_times: u32,
    /// That it was voted an orphan before.
    pub mark: Option<Marked>,
    /// How its parent does.
    pub parent_state: ParentState,
    /// How many sessions name it as their parent.
    pub live_children: u32,
    /// What was found out besides.
    pub facts: toml::Table,
}

/// A length of time as people write it: "30m".
#[derive(Debug, Clone, Copy, Default)]
pub struct Length(pub Span);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// Where the session that made it is to be found.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// Its backend.
    pub backend: PluginName,
    /// Its instance.
    pub instance: String,
    /// Its native name.
    pub key: String,
}

/// That it was voted an orphan before.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marked {
    /// How long ago it was first.
    pub since: Length,
    /// How often in a row.
    pub times: u32,
}

impl Default for Drawn {
    fn default() -> Self {
        Self {
            backend: "tmux".to_owned(),
            instance: "test".to_owned(),
            key: "$1".to_owned(),
            incarnation: "1".to_owned(),
            title: "test".to_owned(),
            kind: Kind::Other,
            activity: Activity::Unknown,
            age: None,
            idle: None,
            attached: false,
            parent: None,
            cwd: None,
            processes: 0,
            tokens: None,
            protected: None,
            extra: toml::Table::new(),
            seen_for: Length::default(),
            seen_times: 1,
            mark: None,
            parent_state: ParentState::None,
            live_children: 0,
            facts: toml::Table::new(),
        }
    }
}

impl Drawn {
    /// The session as a policy is told of it.
    pub fn subject(&self) -> Result<Subject, String> {
        let listing = Listing {
            backend: PluginName::new(self.backend.as_str()).map_err(|error| error.to_string())?,
            instance: Instance::new(self.instance.clone()),
            label: self.instance.clone(),
            generation: None,
            server: None,
            extent: Extent::Complete,
            sessions: vec![self.session()?],
        };
        let seen = survey(&Observation { at: NOW, listings: vec![listing], faults: Vec::new() });
        let subject = seen.into_iter().next().ok_or("the session is not listed")?;
        let mark = self.mark.as_ref();
        Ok(Subject {
            seen_for: self.seen_for.0,
            seen_times: self.seen_times,
            mark: mark.map(|mark| Mark { since: ago(mark.since), times: mark.times }),
            parent: self.parent_state,
            live_children: self.live_children,
            facts: facts(&self.facts)?,
            ..subject
        })
    }

    fn session(&self) -> Result<Session, String> {
        Ok(Session {
            key: Key::new(self.key.clone()),
            incarnation: Incarnation::new(self.incarnation.clone()),
            title: self.title.clone(),
            kind: self.kind,
            activity: self.activity,
            created: self.age.map(ago),
            last_active: self.idle.map(ago),
            attached: self.attached,
            parent: self.parent.as_ref().map(|made| Address {
                backend: made.backend.clone(),
                instance: Instance::new(made.instance.clone()),
                key: Key::new(made.key.clone()),
            }),
            cwd: self.cwd.clone(),
            processes: (0..self.processes).map(|n| ProcessId { pid: 1_000 + n, started: 1 }).collect(),
            tokens: self.tokens,
            protected: self.protected.clone(),
            extra: facts(&self.extra)?,
        })
    }
}

fn ago(length: Length) -> Timestamp {
    Timestamp::from_millis(NOW.millis().saturating_sub(length.0.millis()))
}

fn facts(table: &toml::Table) -> Result<Vec<Fact>, String> {
    table.iter().map(|(name, told)| Ok(Fact { name: name.clone(), value: value(name, told)? })).collect()
}

fn value(name: &str, told: &toml::Value) -> Result<Value, String> {
    let length = |key: &str| told.get(key).and_then(toml::Value::as_str).map(str::parse::<Span>);
    if let Some(span) = length("span") {
        return span.map(|span| Value::Span { span }).map_err(|error| format!("{name}: {error}"));
    }
    if let Some(span) = length("ago") {
        return span
            .map(|span| Value::Time { time: ago(Length(span)) })
            .map_err(|error| format!("{name}: {error}"));
    }
    match told {
        toml::Value::Float(real) => Ok(Value::Real(*real)),
        other => plain(other).ok_or_else(|| {
            format!(
                "{name}: expected a text, a number, true or false, a list of texts, {{ span = \"30m\" }} or \
                 {{ ago = \"30m\" }}"
            )
        }),
    }
}

/// The value of a setting, as it stands in `reap.toml`.
pub(super) fn plain(told: &toml::Value) -> Option<Value> {
    match told {
        toml::Value::String(text) => Some(Value::Text(text.clone())),
        toml::Value::Integer(number) => Some(Value::Number(*number)),
        toml::Value::Boolean(flag) => Some(Value::Flag(*flag)),
        toml::Value::Array(all) => {
            let texts = all.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<_>>()?;
            Some(Value::Texts(texts))
        }
        _ => None,
    }
}

impl Cases {
    /// Reads a file of cases. The error names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let cases: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        match cases.all.is_empty() {
            true => {
                Err("there is no [[case]] in it, and nothing that is not tried is known to work".to_owned())
            }
            false => Ok(cases),
        }
    }
}
