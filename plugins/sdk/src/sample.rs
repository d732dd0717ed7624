//! Sessions and subjects for the tests of plugins: complete, dull, and to be
//! changed field by field with `..`.

use crate::{Activity, Kind, ParentState, Session, Subject};

/// A session about which nothing is known but its key.
pub fn session(key: &str) -> Session {
    Session {
        key: key.to_owned(),
        incarnation: "1".to_owned(),
        title: key.to_owned(),
        kind: Kind::Other,
        activity: Activity::Unknown,
        created: None,
        last_active: None,
        attached: false,
        parent: None,
        cwd: None,
        processes: Vec::new(),
        tokens: None,
        protected: None,
        extra: Vec::new(),
    }
}

/// A subject of that backend, seen once, about which nothing else is known.
pub fn subject(backend: &str, session: Session) -> Subject {
    Subject {
        handle: "0123456789abcdef".to_owned(),
        backend: backend.to_owned(),
        instance: "sample".to_owned(),
        session,
        age: None,
        idle: None,
        seen_for: 0,
        seen_times: 1,
        mark: None,
        parent: ParentState::None,
        live_children: 0,
        facts: Vec::new(),
    }
}
