//! `s`: one session as a script sees it.
//!
//! The names are those of `reap show --json` and the contract. What is not known is
//! None, also a fact that the backend did not tell.

use std::fmt;
use std::sync::Arc;

use allocative::Allocative;
use reap_plugin::{Activity, Fact, Kind};
use starlark::const_frozen_string;
use starlark::starlark_simple_value;
use starlark::values::list::AllocList;
use starlark::values::structs::AllocStruct;
use starlark::values::{
    AllocValue, Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Value,
    starlark_value,
};

use crate::bindings::exports::reap::plugin::policy::{ParentState, Subject};
use crate::values::{Moment, Span, failed, known};

/// Every attribute of a session.
pub(crate) const NAMES: [&str; 25] = [
    "handle",
    "backend",
    "instance",
    "key",
    "incarnation",
    "title",
    "kind",
    "activity",
    "created",
    "last_active",
    "attached",
    "parent",
    "cwd",
    "processes",
    "tokens",
    "protected",
    "extra",
    "age",
    "idle",
    "seen_for",
    "seen_times",
    "mark",
    "parent_state",
    "live_children",
    "facts",
];

/// The sessions that are being voted on, and which one of them this is.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct Session {
    #[allocative(skip)]
    all: Arc<[Subject]>,
    at: usize,
}
starlark_simple_value!(Session);

impl Session {
    pub(crate) fn new(all: &Arc<[Subject]>, at: usize) -> Self {
        Self { all: Arc::clone(all), at }
    }

    fn subject(&self) -> &Subject {
        &self.all[self.at]
    }

    fn facts(&self, which: Which) -> Facts {
        Facts { session: self.clone(), which }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject();
        write!(f, "{}/{}/{}", subject.backend, subject.instance, subject.session.key)
    }
}

#[starlark_value(type = "session")]
impl<'v> StarlarkValue<'v> for Session {
    fn get_attr(&self, name: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        let subject = self.subject();
        let session = &subject.session;
        Some(match name {
            "handle" => heap.alloc(subject.handle.as_str()),
            "backend" => heap.alloc(subject.backend.as_str()),
            "instance" => heap.alloc(subject.instance.as_str()),
            "key" => heap.alloc(session.key.as_str()),
            "incarnation" => heap.alloc(session.incarnation.as_str()),
            "title" => heap.alloc(session.title.as_str()),
            "kind" => kind(session.kind),
            "activity" => activity(session.activity),
            "created" => maybe(session.created.map(Moment), heap),
            "last_active" => maybe(session.last_active.map(Moment), heap),
            "attached" => Value::new_bool(session.attached),
            "parent" => session.parent.as_ref().map_or_else(Value::new_none, |parent| {
                heap.alloc(AllocStruct([
                    ("backend", parent.backend.as_str()),
                    ("instance", parent.instance.as_str()),
                    ("key", parent.key.as_str()),
                ]))
            }),
            "cwd" => maybe(session.cwd.as_deref(), heap),
            "processes" => heap.alloc(AllocList(session.processes.iter().map(|process| {
                AllocStruct([("pid", u64::from(process.pid)), ("started", process.started)])
            }))),
            "tokens" => maybe(session.tokens, heap),
            "protected" => maybe(session.protected.as_deref(), heap),
            "extra" => heap.alloc_simple(self.facts(Which::Extra)),
            "age" => maybe(subject.age.map(Span), heap),
            "idle" => maybe(subject.idle.map(Span), heap),
            "seen_for" => heap.alloc_simple(Span(subject.seen_for)),
            "seen_times" => heap.alloc(subject.seen_times),
            "mark" => subject.mark.as_ref().map_or_else(Value::new_none, |mark| {
                let since = heap.alloc_simple(Moment(mark.since));
                heap.alloc(AllocStruct([("since", since), ("times", heap.alloc(mark.times))]))
            }),
            "parent_state" => parent_state(subject.parent),
            "live_children" => heap.alloc(subject.live_children),
            "facts" => heap.alloc_simple(self.facts(Which::Facts)),
            _ => return None,
        })
    }

    fn dir_attr(&self) -> Vec<String> {
        NAMES.map(str::to_owned).to_vec()
    }
}

fn maybe<'v>(value: Option<impl AllocValue<'v>>, heap: Heap<'v>) -> Value<'v> {
    value.map_or_else(Value::new_none, |value| heap.alloc(value))
}

fn kind<'v>(kind: Kind) -> Value<'v> {
    let word = match kind {
        Kind::Main => const_frozen_string!("main"),
        Kind::Interactive => const_frozen_string!("interactive"),
        Kind::Cron => const_frozen_string!("cron"),
        Kind::Subagent => const_frozen_string!("subagent"),
        Kind::Hook => const_frozen_string!("hook"),
        Kind::Worker => const_frozen_string!("worker"),
        Kind::Other => const_frozen_string!("other"),
    };
    word.to_value()
}

fn activity<'v>(activity: Activity) -> Value<'v> {
    let word = match activity {
        Activity::Running => const_frozen_string!("running"),
        Activity::Idle => const_frozen_string!("idle"),
        Activity::Stopped => const_frozen_string!("stopped"),
        Activity::Unknown => const_frozen_string!("unknown"),
    };
    word.to_value()
}

fn parent_state<'v>(state: ParentState) -> Value<'v> {
    let word = match state {
        ParentState::None => const_frozen_string!("none"),
        ParentState::Alive => const_frozen_string!("alive"),
        ParentState::Gone => const_frozen_string!("gone"),
        ParentState::Unknown => const_frozen_string!("unknown"),
    };
    word.to_value()
}

#[derive(Debug, Clone, Copy, Allocative)]
enum Which {
    /// What its backend told: `s.extra`.
    Extra,
    /// What was found out besides: `s.facts`.
    Facts,
}

/// Named values, read as `s.extra["name"]`.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct Facts {
    session: Session,
    which: Which,
}
starlark_simple_value!(Facts);

impl Facts {
    fn all(&self) -> &[Fact] {
        match self.which {
            Which::Extra => &self.session.subject().session.extra,
            Which::Facts => &self.session.subject().facts,
        }
    }

    fn find(&self, name: Value<'_>) -> starlark::Result<Option<&Fact>> {
        let wrong =
            || failed(format!("facts have names, as in s.extra[\"panes\"], and {} is none", name.to_repr()));
        let name = name.unpack_str().ok_or_else(wrong)?;
        Ok(self.all().iter().find(|fact| fact.name == name))
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.all().iter().map(|fact| fact.name.as_str()).collect();
        write!(f, "facts({})", names.join(", "))
    }
}

#[starlark_value(type = "facts")]
impl<'v> StarlarkValue<'v> for Facts {
    /// What is not there is None, as with everything that is not known.
    fn at(&self, name: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(self.find(name)?.map_or_else(Value::new_none, |fact| known(&fact.value, heap)))
    }

    fn is_in(&self, name: Value<'v>) -> starlark::Result<bool> {
        Ok(self.find(name)?.is_some())
    }

    fn length(&self) -> starlark::Result<i32> {
        i32::try_from(self.all().len()).map_err(|_| failed("there are too many facts to count"))
    }

    fn iterate_collect(&self, heap: Heap<'v>) -> starlark::Result<Vec<Value<'v>>> {
        Ok(self.all().iter().map(|fact| heap.alloc(fact.name.as_str())).collect())
    }
}
