//! Between the contract's types and the core's.
//!
//! What comes from a plugin is checked here, once: sizes are bounded, and a row
//! that cannot be right is left out with the listing marked as partial, so that
//! nothing is concluded from its absence.

use reap_core::ids::{Address, Generation, Incarnation, Instance, Key, PluginName};
use reap_core::listing::{Extent, Listing};
use reap_core::outcome::{Outcome, Survivor};
use reap_core::session::{Activity, Fact, Kind, ProcessId, Session, Value};
use reap_core::subject::{ParentState, Subject};
use reap_core::time::{Span, Timestamp};
use reap_core::vote::Vote;

use crate::bindings::{backend_exports, policy_exports, types};
use crate::error::{CallError, PluginError};
use crate::host::{Description, Setting, SettingKind};

/// The longest key, incarnation or instance, in bytes. One that is longer
/// cannot be cut: it would come to name another session.
const LONGEST_ID: usize = 4096;
/// The longest title, reason or other text that is only shown, in characters.
const LONGEST_TEXT: usize = 4096;
/// The most extra facts of a session.
const MOST_FACTS: usize = 64;
/// The most processes of a session.
const MOST_PROCESSES: usize = 65_536;
/// The most texts in one value.
const MOST_TEXTS: usize = 4096;

pub(crate) fn process_id(process: &types::Process) -> ProcessId {
    ProcessId { pid: process.pid, started: process.started }
}

pub(crate) fn process(id: ProcessId) -> types::Process {
    types::Process { pid: id.pid, started: id.started }
}

/// Text that is only shown, cut to a sensible length.
fn text(text: String) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

fn value(value: types::Value) -> Value {
    match value {
        types::Value::Text(inner) => Value::Text(text(inner)),
        types::Value::Number(number) => Value::Number(number),
        types::Value::Real(real) => Value::Real(real),
        types::Value::Flag(flag) => Value::Flag(flag),
        types::Value::Time(time) => Value::Time { time: Timestamp::from_millis(time) },
        types::Value::Span(span) => Value::Span { span: Span::from_millis(span) },
        types::Value::Texts(texts) => Value::Texts(texts.into_iter().take(MOST_TEXTS).map(text).collect()),
    }
}

fn value_out(value: &Value) -> types::Value {
    match value {
        Value::Text(text) => types::Value::Text(text.clone()),
        Value::Number(number) => types::Value::Number(*number),
        Value::Real(real) => types::Value::Real(*real),
        Value::Flag(flag) => types::Value::Flag(*flag),
        Value::Time { time } => types::Value::Time(time.millis()),
        Value::Span { span } => types::Value::Span(span.millis()),
        Value::Texts(texts) => types::Value::Texts(texts.clone()),
    }
}

pub(crate) fn facts_out(facts: &[Fact]) -> Vec<types::Fact> {
    facts.iter().map(fact_out).collect()
}

fn fact_out(fact: &Fact) -> types::Fact {
    types::Fact { name: fact.name.clone(), value: value_out(&fact.value) }
}

/// A session that cannot be right, and why.
struct BadSession(String);

/// An id that is empty or too long names nothing.
fn bad_id(id: &str) -> bool {
    id.is_empty() || id.len() > LONGEST_ID
}

fn session(from: types::Session) -> Result<Session, BadSession> {
    for (what, id) in [("key", &from.key), ("incarnation", &from.incarnation)] {
        if bad_id(id) {
            return Err(BadSession(format!("a session's {what} is {} bytes long", id.len())));
        }
    }
    // A fact that was dropped silently could be the one that an operator's
    // protect rule looks at.
    if from.extra.len() > MOST_FACTS {
        return Err(BadSession(format!("a session has {} facts, more than {MOST_FACTS}", from.extra.len())));
    }
    if from.processes.len() > MOST_PROCESSES {
        return Err(BadSession(format!("a session lists {} processes", from.processes.len())));
    }
    let parent = from.parent.and_then(|parent| {
        // A parent with a name that nothing can have is no parent.
        if bad_id(&parent.instance) || bad_id(&parent.key) {
            return None;
        }
        let backend = PluginName::new(parent.backend).ok()?;
        Some(Address { backend, instance: Instance::new(parent.instance), key: Key::new(parent.key) })
    });
    Ok(Session {
        key: Key::new(from.key),
        incarnation: Incarnation::new(from.incarnation),
        title: text(from.title),
        kind: kind(from.kind),
        activity: activity(from.activity),
        created: from.created.map(Timestamp::from_millis),
        last_active: from.last_active.map(Timestamp::from_millis),
        attached: from.attached,
        parent,
        cwd: from.cwd.map(text),
        processes: from.processes.iter().map(process_id).collect(),
        tokens: from.tokens,
        protected: from.protected.map(text),
        extra: from
            .extra
            .into_iter()
            .map(|fact| Fact { name: text(fact.name), value: value(fact.value) })
            .collect(),
    })
}

pub(crate) fn session_out(from: &Session) -> types::Session {
    session_with(from, None)
}

fn session_with(from: &Session, wanted: Option<&[String]>) -> types::Session {
    let asked = |fact: &&Fact| wanted.is_none_or(|wanted| wanted.contains(&fact.name));
    types::Session {
        key: from.key.as_str().to_owned(),
        incarnation: from.incarnation.as_str().to_owned(),
        title: from.title.clone(),
        kind: kind_out(from.kind),
        activity: activity_out(from.activity),
        created: from.created.map(Timestamp::millis),
        last_active: from.last_active.map(Timestamp::millis),
        attached: from.attached,
        parent: from.parent.as_ref().map(|parent| types::Address {
            backend: parent.backend.as_str().to_owned(),
            instance: parent.instance.as_str().to_owned(),
            key: parent.key.as_str().to_owned(),
        }),
        cwd: from.cwd.clone(),
        processes: from.processes.iter().copied().map(process).collect(),
        tokens: from.tokens,
        protected: from.protected.clone(),
        extra: from.extra.iter().filter(asked).map(fact_out).collect(),
    }
}

pub(crate) fn listing(backend: &PluginName, from: backend_exports::Listing) -> Listing {
    let mut extent = match from.extent {
        backend_exports::Extent::Complete => Extent::Complete,
        backend_exports::Extent::Partial(why) => Extent::Partial(text(why)),
        backend_exports::Extent::Absent(why) => Extent::Absent(text(why)),
        backend_exports::Extent::Failed(error) => Extent::Failed(plugin_error(error).to_string()),
    };
    if bad_id(&from.instance) || from.generation.as_deref().is_some_and(bad_id) {
        extent = Extent::Failed(format!("it names itself with {} bytes", from.instance.len()));
    }
    let mut sessions = Vec::with_capacity(from.sessions.len());
    for one in from.sessions {
        match session(one) {
            Ok(one) => sessions.push(one),
            Err(BadSession(why)) => extent = Extent::Partial(format!("{why}; it was left out")),
        }
    }
    if !sessions.is_empty() && matches!(extent, Extent::Absent(_)) {
        extent = Extent::Partial("it says that nothing is there, and lists sessions".to_owned());
    }
    Listing {
        backend: backend.clone(),
        instance: Instance::new(from.instance),
        label: text(from.label),
        generation: from.generation.map(Generation::new),
        server: from.server.as_ref().map(process_id),
        extent,
        sessions,
    }
}

/// A subject, with those of its extra facts that the policy wants: all where
/// `wanted` is nothing.
pub(crate) fn subject_out(from: &Subject, wanted: Option<&[String]>) -> policy_exports::Subject {
    policy_exports::Subject {
        handle: from.handle.as_str().to_owned(),
        backend: from.address.backend.as_str().to_owned(),
        instance: from.address.instance.as_str().to_owned(),
        session: session_with(&from.session, wanted),
        age: from.age.map(Span::millis),
        idle: from.idle.map(Span::millis),
        seen_for: from.seen_for.millis(),
        seen_times: from.seen_times,
        mark: from.mark.map(|mark| policy_exports::Mark { since: mark.since.millis(), times: mark.times }),
        parent: match from.parent {
            ParentState::None => policy_exports::ParentState::None,
            ParentState::Alive => policy_exports::ParentState::Alive,
            ParentState::Gone => policy_exports::ParentState::Gone,
            ParentState::Unknown => policy_exports::ParentState::Unknown,
        },
        live_children: from.live_children,
        facts: facts_out(&from.facts),
    }
}

pub(crate) fn vote(from: policy_exports::Vote) -> Vote {
    match from {
        policy_exports::Vote::Keep(why) => Vote::Keep(text(why)),
        policy_exports::Vote::Orphan(why) => Vote::Orphan(text(why)),
        policy_exports::Vote::Abstain => Vote::Abstain,
    }
}

pub(crate) fn outcome(from: backend_exports::Outcome) -> Outcome {
    let survivors: Vec<Survivor> = from
        .survivors
        .into_iter()
        .map(|one| Survivor { process: process_id(&one.process), reason: text(one.reason) })
        .collect();
    match from.verdict {
        backend_exports::Verdict::Ended if survivors.is_empty() => {
            Outcome::Ended { notes: from.notes.into_iter().map(text).collect() }
        }
        backend_exports::Verdict::Ended => Outcome::Failed {
            reason: "the session was ended, but processes of it live on".to_owned(),
            survivors,
        },
        backend_exports::Verdict::Skipped(why) => Outcome::Skipped { reason: text(why) },
        backend_exports::Verdict::Failed(error) => {
            Outcome::Failed { reason: plugin_error(error).to_string(), survivors }
        }
    }
}

pub(crate) fn plugin_error(from: types::Error) -> PluginError {
    match from {
        types::Error::Denied(denial) => {
            PluginError::Denied { capability: denial.capability, asked: denial.asked, mend: denial.mend }
        }
        types::Error::NotFound(what) => PluginError::NotFound(what),
        types::Error::TimedOut(what) => PluginError::TimedOut(what),
        types::Error::Unavailable(what) => PluginError::Unavailable(what),
        types::Error::Invalid(what) => PluginError::Invalid(what),
        types::Error::Limited(what) => PluginError::Limited(what),
        types::Error::Unsupported(what) => PluginError::Unsupported(what),
        types::Error::Failed(what) => PluginError::Failed(what),
    }
}

pub(crate) fn description(from: types::Description) -> Result<Description, CallError> {
    let settings = from.settings.into_iter().map(setting).collect::<Result<_, _>>()?;
    Ok(Description {
        name: text(from.name),
        version: text(from.version),
        summary: text(from.summary),
        settings,
    })
}

fn setting(from: types::Setting) -> Result<Setting, CallError> {
    let kind = match from.kind {
        types::SettingKind::Text => SettingKind::Text,
        types::SettingKind::Number => SettingKind::Number,
        types::SettingKind::Flag => SettingKind::Flag,
        types::SettingKind::Span => SettingKind::Span,
        types::SettingKind::Texts => SettingKind::Texts,
    };
    let fallback = value(from.fallback);
    let fits = matches!(
        (kind, &fallback),
        (SettingKind::Text, Value::Text(_))
            | (SettingKind::Number, Value::Number(_))
            | (SettingKind::Flag, Value::Flag(_))
            | (SettingKind::Span, Value::Span { .. })
            | (SettingKind::Texts, Value::Texts(_))
    );
    if !fits {
        let why = format!("the setting {:?} has a fallback of another kind", from.name);
        return Err(CallError::Nonsense { call: "describe", why });
    }
    Ok(Setting { name: text(from.name), kind, fallback, help: text(from.help) })
}

fn kind(from: types::Kind) -> Kind {
    match from {
        types::Kind::Main => Kind::Main,
        types::Kind::Interactive => Kind::Interactive,
        types::Kind::Cron => Kind::Cron,
        types::Kind::Subagent => Kind::Subagent,
        types::Kind::Hook => Kind::Hook,
        types::Kind::Worker => Kind::Worker,
        types::Kind::Other => Kind::Other,
    }
}

fn kind_out(from: Kind) -> types::Kind {
    match from {
        Kind::Main => types::Kind::Main,
        Kind::Interactive => types::Kind::Interactive,
        Kind::Cron => types::Kind::Cron,
        Kind::Subagent => types::Kind::Subagent,
        Kind::Hook => types::Kind::Hook,
        Kind::Worker => types::Kind::Worker,
        Kind::Other => types::Kind::Other,
    }
}

fn activity(from: types::Activity) -> Activity {
    match from {
        types::Activity::Running => Activity::Running,
        types::Activity::Idle => Activity::Idle,
        types::Activity::Stopped => Activity::Stopped,
        types::Activity::Unknown => Activity::Unknown,
    }
}

fn activity_out(from: Activity) -> types::Activity {
    match from {
        Activity::Running => types::Activity::Running,
        Activity::Idle => types::Activity::Idle,
        Activity::Stopped => types::Activity::Stopped,
        Activity::Unknown => types::Activity::Unknown,
    }
}
