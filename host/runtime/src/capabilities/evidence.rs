//! Which processes are a session's: found out by the host, whatever a plugin says.
//!
//! tmux ends no process when it ends a session; the kernel hangs up on the
//! leader, and what changed its group, called setsid or forked twice lives on. To
//! find those without ever hitting another's process, a process counts only when
//! it
//!
//! * is a *root*: listed by the backend, and proven as the manifest says (a
//!   child of the instance's server); or
//! * descends from a root, or is in a root's kernel session; or
//! * carries the environment that the manifest names, filled with this server's
//!   pid and this session's facts;
//!
//! and then only when it is no older than the session's oldest root, runs as
//! this user, and is none of the untouchable: the server, Reap and its
//! ancestors, processes of sessions that are not being ended, pid 1.

use std::collections::HashSet;

use reap_core::session::{ProcessId, Session, Value};
use regex::Regex;

use crate::capabilities::grants::glob_regex;
use crate::capabilities::processes::environment_of;
use crate::manifest::{RootProof, SignalsAsk, whole_regex};
use crate::process::{ProcessTable, Row};
use crate::template::Template;

/// How a session's processes are told, worked out when its permit was given.
#[derive(Debug)]
pub(crate) struct Proof {
    roots: Vec<ProcessId>,
    server: Option<ProcessId>,
    /// Nothing that started before this is the session's.
    earliest: u64,
    environment: Vec<(String, Regex)>,
    spare: Vec<Regex>,
    untouchable: HashSet<ProcessId>,
}

/// The environments that were read, so that many sessions cost one reading.
#[derive(Debug, Default)]
pub(crate) struct Environments {
    read: Vec<(ProcessId, Vec<(String, String)>)>,
}

impl Environments {
    /// Reads the named variables of every process of this user.
    pub(crate) fn read<'a>(table: &ProcessTable, names: impl Iterator<Item = &'a String>) -> Self {
        let names: Vec<String> = names.cloned().collect();
        if names.is_empty() {
            return Self::default();
        }
        let uid = rustix::process::geteuid().as_raw();
        let rows = table
            .rows()
            .iter()
            .filter(|row| row.uid == uid && !row.zombie);
        let read = rows.filter_map(|row| {
            let variables = environment_of(row.id, &names)?;
            (!variables.is_empty()).then_some((row.id, variables))
        });
        Self {
            read: read.collect(),
        }
    }
}

impl Proof {
    /// Works out how the session's processes are told. `untouchable` are those
    /// that never count.
    pub(crate) fn of(
        session: &Session,
        server: Option<ProcessId>,
        asked: &SignalsAsk,
        table: &ProcessTable,
        untouchable: HashSet<ProcessId>,
    ) -> Result<Self, String> {
        let listed = session
            .processes
            .iter()
            .copied()
            .filter(|id| table.row(*id).is_some());
        let roots: Vec<ProcessId> = match asked.root {
            RootProof::Listed => listed.collect(),
            RootProof::ChildOfServer => {
                let server = server.filter(|id| table.row(*id).is_some());
                listed.filter(|id| is_child(table, *id, server)).collect()
            }
        };
        // Without a root that lives, only the environment can tell; then nothing
        // older than the server itself can be the session's.
        let earliest = roots
            .iter()
            .map(|root| root.started)
            .min()
            .or(server.map(|id| id.started));
        Ok(Self {
            roots,
            server,
            earliest: earliest.unwrap_or(u64::MAX),
            environment: environment(session, server, asked)?,
            spare: asked
                .spare
                .iter()
                .map(|glob| glob_regex(glob))
                .collect::<Result<_, _>>()?,
            untouchable,
        })
    }

    /// The names of the variables that prove a process.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &String> {
        self.environment.iter().map(|(name, _)| name)
    }

    /// Adds to what never counts.
    pub(crate) fn leave_alone(&mut self, more: &HashSet<ProcessId>) {
        self.untouchable.extend(more);
    }

    /// The session's processes that live: those known before, and what joined.
    pub(crate) fn find(
        &self,
        table: &ProcessTable,
        environments: &Environments,
        known: &HashSet<ProcessId>,
    ) -> HashSet<ProcessId> {
        let mut found: HashSet<ProcessId> = known.iter().copied().collect();
        found.extend(&self.roots);
        let sessions = self.kernel_sessions(table, known);
        found.extend(
            table
                .rows()
                .iter()
                .filter(|row| sessions.contains(&row.session))
                .map(|row| row.id),
        );
        if self.server_is_not_another(table) {
            let proven = environments
                .read
                .iter()
                .filter(|(_, variables)| self.proves(variables));
            found.extend(proven.map(|(id, _)| *id));
        }
        let counted = |row: &Row| self.counts(row);
        table.trees(found, counted)
    }

    /// The roots' kernel sessions that still are the same ones. A session keeps
    /// its number after its leader has ended, and as long as it has a member no
    /// other process gets that pid; once it has none, the number may come to
    /// mean another.
    fn kernel_sessions(&self, table: &ProcessTable, known: &HashSet<ProcessId>) -> HashSet<u32> {
        let members: HashSet<u32> = known
            .iter()
            .filter_map(|id| table.row(*id))
            .map(|row| row.session)
            .collect();
        let same = |root: &&ProcessId| match table.row(**root) {
            Some(row) => row.session == root.pid,
            None => members.contains(&root.pid),
        };
        self.roots
            .iter()
            .filter(same)
            .map(|root| root.pid)
            .collect()
    }

    /// Whether the server's pid still means it, or nothing. Once it means another
    /// server, an environment that names the pid proves nothing.
    fn server_is_not_another(&self, table: &ProcessTable) -> bool {
        self.server
            .is_none_or(|server| table.pid(server.pid).is_none_or(|row| row.id == server))
    }

    fn proves(&self, variables: &[(String, String)]) -> bool {
        !self.environment.is_empty()
            && self.environment.iter().all(|(name, pattern)| {
                variables
                    .iter()
                    .any(|(has, value)| has == name && pattern.is_match(value))
            })
    }

    fn counts(&self, row: &Row) -> bool {
        !row.zombie
            && row.id.pid > 1
            && row.id.started >= self.earliest
            && row.uid == rustix::process::geteuid().as_raw()
            && !self.untouchable.contains(&row.id)
            && !self.spare.iter().any(|glob| glob.is_match(&row.name))
    }
}

fn is_child(table: &ProcessTable, id: ProcessId, server: Option<ProcessId>) -> bool {
    let (Some(server), Some(row)) = (server, table.row(id)) else {
        return false;
    };
    row.parent == server.pid && row.id.started >= server.started
}

fn environment(
    session: &Session,
    server: Option<ProcessId>,
    asked: &SignalsAsk,
) -> Result<Vec<(String, Regex)>, String> {
    let value = |hole: &str| match (hole, server) {
        ("server", Some(server)) => Some(server.pid.to_string()),
        ("server", None) => None,
        (fact, _) => session.fact(fact.strip_prefix("fact.")?).map(as_pattern),
    };
    let mut patterns = Vec::new();
    for (name, text) in &asked.environment {
        // A session that lacks what the proof is made of has no such proof; an
        // empty value in its place would prove too much.
        let Ok(filled) = Template::parse(text)
            .fill(|hole| value(hole).filter(|value| !value.is_empty()).ok_or(()))
        else {
            return Ok(Vec::new());
        };
        patterns.push((
            name.clone(),
            whole_regex(&filled).map_err(|error| error.to_string())?,
        ));
    }
    Ok(patterns)
}

/// A fact as a pattern: several texts are alternatives.
fn as_pattern(value: &Value) -> String {
    match value {
        Value::Texts(texts) if texts.is_empty() => String::new(),
        Value::Texts(texts) => {
            format!(
                "(?:{})",
                texts
                    .iter()
                    .map(|text| regex::escape(text))
                    .collect::<Vec<_>>()
                    .join("|")
            )
        }
        other => regex::escape(&other.to_string()),
    }
}
