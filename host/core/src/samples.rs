//! Plain sessions for the tests: nothing protects them, nobody uses them.

use crate::guard::Refusal;
use crate::ids::{Address, Generation, Incarnation, Instance, Key, PluginName};
use crate::judge::Judged;
use crate::listing::{Extent, Listing, Observation};
use crate::session::{Activity, Fact, Kind, Session, Value};
use crate::subject::{Subject, survey};
use crate::time::{Span, Timestamp};
use crate::vote::{Decision, Reason, Verdict};

/// When the tests take place: ten days after 1970.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(864_000_000);

pub(crate) fn ago(seconds: u64) -> Timestamp {
    Timestamp::from_millis(NOW.millis() - Span::from_secs(seconds).millis())
}

pub(crate) fn name(text: &str) -> PluginName {
    PluginName::new(text).expect("a plugin name")
}

pub(crate) fn address(key: &str) -> Address {
    Address { backend: name("tmux"), instance: Instance::new("/tmp/tmux-1000/default"), key: Key::new(key) }
}

/// Made a day ago, idle for two hours.
pub(crate) fn session(key: &str) -> Session {
    Session {
        key: Key::new(key),
        incarnation: Incarnation::new("first"),
        title: format!("title of {key}"),
        kind: Kind::Worker,
        activity: Activity::Idle,
        created: Some(ago(86_400)),
        last_active: Some(ago(7200)),
        attached: false,
        parent: None,
        cwd: Some("/home/me/app".to_owned()),
        processes: Vec::new(),
        tokens: None,
        protected: None,
        extra: vec![Fact { name: "team".to_owned(), value: Value::Text("x y".to_owned()) }],
    }
}

pub(crate) fn listing(sessions: Vec<Session>) -> Listing {
    let Address { backend, instance, .. } = address("");
    Listing {
        backend,
        instance,
        label: "default".to_owned(),
        generation: Some(Generation::new("100-5")),
        server: None,
        extent: Extent::Complete,
        sessions,
    }
}

pub(crate) fn observation(sessions: Vec<Session>) -> Observation {
    Observation { at: NOW, listings: vec![listing(sessions)], faults: Vec::new() }
}

pub(crate) fn subject(session: Session) -> Subject {
    survey(&observation(vec![session])).remove(0)
}

pub(crate) fn reason(vote: Decision, text: &str) -> Reason {
    Reason { policy: name("idle-shell"), vote, reason: text.to_owned(), shadow: false, fault: false }
}

/// The session as judged: one policy's vote, and these refusals.
pub(crate) fn judged(session: Session, vote: Decision, refusals: &[Refusal]) -> Judged {
    let reasons = match vote {
        Decision::Abstain => Vec::new(),
        said => vec![reason(said, "because")],
    };
    Judged { subject: subject(session), verdict: Verdict { vote, reasons }, refusals: refusals.to_vec() }
}
