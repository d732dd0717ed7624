//! Directory locks: who works where.
//!
//! A lock is a note, not a barrier: it tells people and agents that somebody
//! works in a directory. So a lock without a living holder is worse than none;
//! a peer had 79 of them after a day. A session's locks go with it, as soon as
//! it is known to be gone and not before: while nobody knows, it may well be
//! at work.
//!
//! Only the very same directory conflicts. Worktrees often lie below their
//! repository, and a lock on that must not shut them all.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clean;
use crate::event::{Event, Who};
use crate::ids::Handle;
use crate::selector::Selector;
use crate::session::Activity;
use crate::state::{Refused, State, Step};
use crate::subject::Subject;
use crate::time::{Shift, Timestamp};

/// A directory, written in one way only: absolute, without `.`, `..`, doubled or
/// trailing slashes. Links are the edge's business.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Directory(String);

/// Why a text is no directory to lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be locked: write the directory's absolute path, without `..`")]
pub struct BadDirectory(pub String);

impl Directory {
    /// Reads a path.
    pub fn new(path: &str) -> Result<Self, BadDirectory> {
        let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
        if !path.starts_with('/') || path.contains('\0') || parts.clone().any(|part| part == "..") {
            return Err(BadDirectory(path.to_owned()));
        }
        let mut joined = String::with_capacity(path.len());
        parts.for_each(|part| joined.extend(["/", part]));
        Ok(Self(if joined.is_empty() { "/".to_owned() } else { joined }))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Directory {
    type Error = BadDirectory;
    fn try_from(path: String) -> Result<Self, BadDirectory> {
        Self::new(&path)
    }
}

impl From<Directory> for String {
    fn from(directory: Directory) -> Self {
        directory.0
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// For whom a directory is locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "holder")]
pub enum Holder {
    /// A person, who frees it again.
    Person {
        /// How they call themselves.
        name: String,
    },
    /// A session: the lock was asked for, and goes with the session.
    Session {
        /// Which.
        session: Who,
    },
    /// A session, because it works there: the lock comes and goes by itself.
    Automatic {
        /// Which.
        session: Who,
    },
}

impl Holder {
    /// The session that holds the lock, where one does.
    pub fn session(&self) -> Option<&Who> {
        match self {
            Self::Person { .. } => None,
            Self::Session { session } | Self::Automatic { session } => Some(session),
        }
    }

    /// Whether both are the same person or session.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Person { name }, Self::Person { name: other }) => name == other,
            _ => self.session().is_some() && self.session() == other.session(),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person { name } => f.write_str(&clean::line(name)),
            Self::Session { session } | Self::Automatic { session } => {
                let address = clean::line(&session.address.to_string());
                write!(f, "the session {} ({address})", session.handle.short())
            }
        }
    }
}

/// A locked directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Which.
    pub directory: Directory,
    /// For whom.
    pub holder: Holder,
    /// Since when.
    pub since: Timestamp,
    /// Other live sessions that work there, as far as automatic locks are on
    /// for them.
    pub contenders: Vec<Who>,
}

/// The locked directories. Each is locked for one holder at most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Locks(BTreeMap<Directory, Lock>);

impl Locks {
    /// The lock on a directory.
    pub fn get(&self, directory: &Directory) -> Option<&Lock> {
        self.0.get(directory)
    }

    /// All locks, by directory.
    pub fn iter(&self) -> impl Iterator<Item = &Lock> {
        self.0.values()
    }

    pub(crate) fn insert(&mut self, lock: Lock) -> Option<Lock> {
        self.0.insert(lock.directory.clone(), lock)
    }

    pub(crate) fn remove_if(&mut self, free: impl Fn(&Lock) -> bool) -> Vec<Lock> {
        self.0.extract_if(.., |_, lock| free(lock)).map(|(_, lock)| lock).collect()
    }

    /// Moves all times along with the clock. Tells whether there were any.
    pub(crate) fn shift(&mut self, by: Shift) -> bool {
        for lock in self.0.values_mut() {
            lock.since = lock.since.moved(by);
        }
        !self.0.is_empty()
    }
}

/// What the operator can set of locks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LockRules {
    /// Sessions that one of these selects lock their working directory while
    /// they live. None by default: people often open several in one directory.
    pub automatic: Vec<Selector>,
}

/// Why a lock cannot be taken or freed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error(
        "{} is locked since {} for {}; `reap unlock` frees it",
        clean::line(.0.directory.as_str()), .0.since, .0.holder
    )]
    Taken(Box<Lock>),
    /// There is no such lock.
    #[error("{} is not locked; `reap locks` lists what is", clean::line(.0.as_str()))]
    NotLocked(Directory),
    /// The session is not on record, or is gone.
    #[error("the session {0} is not known to live; `reap ls` lists those that do")]
    NoSession(Handle),
}

/// Locks a directory for a person. Their own lock is taken again as it is. The last
/// pass may be days ago, or there was none, so `now` is told.
pub fn take_by_hand(
    state: State,
    directory: Directory,
    name: &str,
    now: Timestamp,
) -> Result<Step, Refused<LockError>> {
    take(state, directory, Holder::Person { name: name.to_owned() }, now)
}

/// Locks a directory for a session, until it is freed or the session is gone.
pub fn take_for(
    state: State,
    directory: Directory,
    handle: &Handle,
    now: Timestamp,
) -> Result<Step, Refused<LockError>> {
    match state.record(handle).filter(|record| record.present()).map(|record| record.who()) {
        Some(session) => take(state, directory, Holder::Session { session }, now),
        None => Err(Refused::new(state, LockError::NoSession(handle.clone()))),
    }
}

fn take(
    state: State,
    directory: Directory,
    holder: Holder,
    now: Timestamp,
) -> Result<Step, Refused<LockError>> {
    match state.locks.get(&directory) {
        Some(lock) if lock.holder == holder => return Ok(Step::of(state)),
        Some(lock) if !lock.holder.is_same(&holder) => {
            let taken = LockError::Taken(Box::new(lock.clone()));
            return Err(Refused::new(state, taken));
        }
        _ => {}
    }
    let mut step = Step::of(state);
    lock(&mut step, directory, holder, now);
    Ok(step)
}

/// Frees a directory, whoever has it. The automatic lock of a session that
/// still works there is taken again in the next cycle.
pub fn free(state: State, directory: &Directory) -> Result<Step, Refused<LockError>> {
    if state.locks.get(directory).is_none() {
        return Err(Refused::new(state, LockError::NotLocked(directory.clone())));
    }
    let mut step = Step::of(state);
    step.free_locks("it was freed by hand", |lock| lock.directory == *directory);
    Ok(step)
}

fn lock(step: &mut Step, directory: Directory, holder: Holder, since: Timestamp) {
    step.events.push(Event::LockTaken { directory: directory.clone(), holder: holder.clone() });
    step.state.locks.insert(Lock { directory, holder, since, contenders: Vec::new() });
    step.changes.locks = true;
}

/// Brings the automatic locks in line with the sessions of the last pass:
/// `subjects` are of the observation that was reconciled last.
pub fn refresh<'a>(state: State, subjects: impl IntoIterator<Item = &'a Subject>, rules: &LockRules) -> Step {
    let mut step = Step::of(state);
    let wanted = wanted(&step.state, subjects, rules);
    free_left(&mut step, &wanted);
    for (directory, sessions) in wanted {
        if step.state.locks.get(&directory).is_none() {
            let (holder, now) = (Holder::Automatic { session: sessions[0].clone() }, step.state.now());
            lock(&mut step, directory.clone(), holder, now);
        }
        contend(&mut step, &directory, &sessions);
    }
    step
}

/// Who works where. The session that was seen first comes first.
fn wanted<'a>(
    state: &State,
    subjects: impl IntoIterator<Item = &'a Subject>,
    rules: &LockRules,
) -> BTreeMap<Directory, Vec<Who>> {
    let mut wanted: BTreeMap<Directory, Vec<(Timestamp, Who)>> = BTreeMap::new();
    if rules.automatic.is_empty() {
        return BTreeMap::new();
    }
    for subject in subjects {
        let selected =
            || rules.automatic.iter().any(|selector| selector.matches_subject(subject) == Some(true));
        let directory = || subject.session.cwd.as_deref().and_then(|cwd| Directory::new(cwd).ok());
        if subject.session.activity != Activity::Stopped
            && selected()
            && let Some(directory) = directory()
            && let Some(record) =
                state.record(&subject.handle).filter(|record| record.last_seen == state.now())
        {
            wanted.entry(directory).or_default().push((record.first_seen, record.who()));
        }
    }
    let sorted = |mut sessions: Vec<(Timestamp, Who)>| {
        sessions.sort();
        sessions.into_iter().map(|(_, who)| who).collect()
    };
    wanted.into_iter().map(|(directory, sessions)| (directory, sorted(sessions))).collect()
}

/// Frees the automatic locks of sessions that were seen, and not at work there.
fn free_left(step: &mut Step, wanted: &BTreeMap<Directory, Vec<Who>>) {
    let now = step.state.now();
    let left = |lock: &Lock| {
        let Holder::Automatic { session } = &lock.holder else { return false };
        let seen = step.state.record(&session.handle).is_some_and(|record| record.last_seen == now);
        seen && !wanted.get(&lock.directory).is_some_and(|sessions| sessions.contains(session))
    };
    let left: Vec<Directory> =
        step.state.locks.iter().filter(|lock| left(lock)).map(|lock| lock.directory.clone()).collect();
    if !left.is_empty() {
        step.free_locks("its session does not work there any more", |lock| {
            left.binary_search(&lock.directory).is_ok()
        });
    }
}

/// Notes who else works in a locked directory.
fn contend(step: &mut Step, directory: &Directory, sessions: &[Who]) {
    let Some(lock) = step.state.locks.0.get_mut(directory) else { return };
    let holder = lock.holder.session().cloned();
    let others = || sessions.iter().filter(|who| holder.as_ref() != Some(who));
    if lock.contenders.iter().eq(others()) {
        return;
    }
    let before = std::mem::replace(&mut lock.contenders, others().cloned().collect());
    let before: HashSet<Who> = before.into_iter().collect();
    step.changes.locks = true;
    for session in lock.contenders.iter().filter(|who| !before.contains(who)) {
        let (directory, holder, session) = (directory.clone(), lock.holder.clone(), session.clone());
        step.events.push(Event::LockContested { directory, holder, session });
    }
}
