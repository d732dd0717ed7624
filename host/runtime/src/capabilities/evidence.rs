//! Which processes are a session's: found out by the host, whatever a plugin says.
//!
//! tmux ends no process when it ends a session; the kernel hangs up on the
//! leader, and what changed its group, called setsid or forked twice lives on. To
//! find those without ever hitting another's process, a process counts only when
//! it
//!
//! * is a *root*: listed by the backend, and proven as the manifest says (a
//!   child of the instance's server, one of the manifest's programs by its
//!   arguments, or [left behind](super::leftovers)); or
//! * descends from a root, or is in a root's kernel session; or
//! * carries the environment that the manifest names, filled with this server's
//!   pid and this session's facts, and is one that the plugin may look at;
//!
//! and then only when it is no older than the server, runs as this user, and is
//! none of the untouchable: the server, Reap and its ancestors, processes of
//! sessions that are not being ended, pid 1. A daemon that serves others, and all
//! that lives in it, is left alone.

use std::collections::HashSet;
use std::sync::Arc;

use reap_core::session::{ProcessId, Session, Value};
use regex::Regex;

use crate::capabilities::grants::{Grants, glob_regex};
use crate::capabilities::processes::{argv_of, environment_of};
use crate::manifest::{RootProof, SignalsAsk, whole_regex};
use crate::process::{Proc, ProcessTable, Row};
use crate::template::Template;

/// How a session's processes are told, worked out when its permit was given.
#[derive(Debug)]
pub(crate) struct Proof {
    roots: Vec<ProcessId>,
    /// The roots, and those that would be but run as another user.
    trunks: Vec<ProcessId>,
    server: Option<ProcessId>,
    uid: u32,
    /// Nothing that started before this is the session's.
    earliest: u64,
    environment: Vec<(String, Regex)>,
    spare: Vec<Regex>,
    untouchable: Arc<HashSet<ProcessId>>,
    spared: HashSet<ProcessId>,
}

/// Processes that have to do with a session and are not ended with it.
#[derive(Debug, Default)]
pub(crate) struct Beyond {
    /// Daemons that were started in it and serve others, with their names.
    pub(crate) serving: Vec<(ProcessId, String)>,
    /// What runs in it as another user, and cannot be ended.
    pub(crate) foreign: Vec<ProcessId>,
    /// Those daemons and all that lives in them.
    pub(crate) sheltered: HashSet<ProcessId>,
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The environments that were read, so that many sessions cost one reading.
#[derive(Debug, Default)]
pub(crate) struct Environments {
    read: Vec<(ProcessId, Vec<(String, String)>)>,
}

impl Environments {
    /// Reads the variables that the proofs are made of, of every process that the
    /// plugin may look at.
    pub(crate) fn read(table: &ProcessTable, grants: &Grants) -> Self {
        let names: Vec<String> =
            grants.signals.iter().flat_map(|asked| asked.environment.keys().cloned()).collect();
        // Without /proc there is no proof, and then nothing is anybody's.
        let (Some(grant), Ok(mut proc)) = (&grants.processes, Proc::open()) else { return Self::default() };
        if names.is_empty() {
            return Self::default();
        }
        let rows = table.rows().iter().filter(|row| !row.zombie && row.uid == grant.uid);
        let read = rows.filter_map(|row| {
            let variables = environment_of(&mut proc, row.id, &names)?;
            (!variables.is_empty() && grant.shows(row, &mut proc)).then_some((row.id, variables))
        });
        Self { read: read.collect() }
    }
}

impl Proof {
    /// Works out how the session's processes are told. `leftovers` are those that
    /// the host found to be left behind, `untouchable` those that never count.
    pub(crate) fn of(
        session: &Session,
        server: Option<ProcessId>,
        grants: &Grants,
        asked: &SignalsAsk,
        table: &ProcessTable,
        leftovers: &HashSet<ProcessId>,
        untouchable: Arc<HashSet<ProcessId>>,
    ) -> Result<Self, String> {
        // What a plugin may not look at, it cannot claim either.
        let mut proc = Proc::open().map_err(|error| format!("cannot read /proc: {error}"))?;
        let mut shown = |id: &ProcessId| {
            let seen = grants.processes.as_ref().zip(table.row(*id));
            seen.is_some_and(|(grant, row)| grant.shows(row, &mut proc))
        };
        let server = server.filter(|id| is_server(table, *id, asked));
        let listed = session.processes.iter().copied().filter(|id| table.row(*id).is_some());
        let trunks: Vec<ProcessId> = match asked.root {
            RootProof::Listed => listed.filter(&mut shown).collect(),
            RootProof::Program => {
                let programs = programs(asked)?;
                let mut proc = Proc::open().map_err(|error| format!("cannot read /proc: {error}"))?;
                let proven = |id: &ProcessId| leftovers.contains(id) || is_program(&programs, *id, &mut proc);
                listed.filter(proven).collect()
            }
            RootProof::ChildOfServer => listed.filter(|id| is_child(table, *id, server)).collect(),
        };
        let roots: Vec<ProcessId> = trunks.iter().copied().filter(shown).collect();
        // The server's start, and not that of the oldest pane that lives: a pane
        // that was opened anew left older daemons behind.
        let earliest = server.map(|id| id.started).or(roots.iter().map(|root| root.started).min());
        Ok(Self {
            roots,
            trunks,
            server,
            uid: own_uid(),
            earliest: earliest.unwrap_or(u64::MAX),
            environment: environment(session, server, asked)?,
            spare: asked.spare.iter().map(|glob| glob_regex(glob)).collect::<Result<_, _>>()?,
            untouchable,
            spared: HashSet::new(),
        })
    }

    /// Adds to what never counts.
    pub(crate) fn leave_alone(&mut self, more: &HashSet<ProcessId>) {
        self.spared.extend(more);
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
        found.extend(table.rows().iter().filter(|row| sessions.contains(&row.session)).map(|row| row.id));
        if self.server_is_not_another(table) {
            let sheltered = self.sheltered(table, environments);
            found.extend(self.proven(environments).filter(|id| !sheltered.contains(id)));
        }
        let counted = |row: &Row| self.counts(row);
        table.trees(found, counted)
    }

    /// The roots' kernel sessions that still are the same ones. A session keeps
    /// its number after its leader has ended, and as long as it has a member no
    /// other process gets that pid; once it has none, the number may come to
    /// mean another.
    fn kernel_sessions(&self, table: &ProcessTable, known: &HashSet<ProcessId>) -> HashSet<u32> {
        let members: HashSet<u32> =
            known.iter().filter_map(|id| table.row(*id)).map(|row| row.session).collect();
        let same = |root: &&ProcessId| match table.row(**root) {
            Some(row) => row.session == root.pid,
            None => members.contains(&root.pid),
        };
        self.roots.iter().filter(same).map(|root| root.pid).collect()
    }

    /// Whether the server's pid still means it, or nothing. Once it means another
    /// server, an environment that names the pid proves nothing.
    fn server_is_not_another(&self, table: &ProcessTable) -> bool {
        self.server.is_none_or(|server| table.pid(server.pid).is_none_or(|row| row.id == server))
    }

    /// The processes whose environment proves them.
    fn proven(&self, environments: &Environments) -> impl Iterator<Item = ProcessId> {
        environments.read.iter().filter(|(_, variables)| self.proves(variables)).map(|(id, _)| *id)
    }

    /// Daemons that serve others, and all that lives in them: a job in `screen`
    /// carries the variables of the pane that screen was started from.
    fn sheltered(&self, table: &ProcessTable, environments: &Environments) -> HashSet<ProcessId> {
        let daemon = |id: &ProcessId| table.row(*id).is_some_and(|row| self.serves_others(row));
        table.trees(self.proven(environments).filter(daemon), |_| true)
    }

    fn proves(&self, variables: &[(String, String)]) -> bool {
        !self.environment.is_empty()
            && self.environment.iter().all(|(name, pattern)| {
                variables.iter().any(|(has, value)| has == name && pattern.is_match(value))
            })
    }

    fn counts(&self, row: &Row) -> bool {
        !row.zombie
            && row.id.pid > 1
            && row.id.started >= self.earliest
            && row.uid == self.uid
            && !self.untouchable.contains(&row.id)
            && !self.spared.contains(&row.id)
            && !self.serves_others(row)
    }

    /// A program of the manifest's `spare` that made itself a daemon. The same
    /// program at work in a pane is in the pane's kernel session, and counts.
    fn serves_others(&self, row: &Row) -> bool {
        !self.roots.iter().any(|root| root.pid == row.session)
            && self.spare.iter().any(|glob| glob.is_match(&row.name))
    }

    /// What outlives the session by intent or by force: daemons that serve
    /// others, and what runs as another user.
    pub(crate) fn beyond(&self, table: &ProcessTable, environments: &Environments) -> Beyond {
        let touchable = |row: &Row| row.id.started >= self.earliest && !self.untouchable.contains(&row.id);
        let serving = self
            .proven(environments)
            .filter_map(|id| table.row(id))
            .filter(|row| touchable(row) && self.serves_others(row))
            .map(|row| (row.id, row.name.clone()));
        let leaders: HashSet<u32> = self.trunks.iter().map(|id| id.pid).collect();
        let sessions = table.rows().iter().filter(|row| leaders.contains(&row.session)).map(|row| row.id);
        let tree = table.trees(self.trunks.iter().copied().chain(sessions), touchable);
        let foreign = tree.into_iter().filter(|id| table.row(*id).is_some_and(|row| row.uid != self.uid));
        Beyond {
            serving: serving.collect(),
            foreign: foreign.collect(),
            sheltered: self.sheltered(table, environments),
        }
    }
}

/// Whether the process that the backend calls its server is one, by the manifest:
/// else any process could be named, and its children be ended.
fn is_server(table: &ProcessTable, id: ProcessId, asked: &SignalsAsk) -> bool {
    let name = asked.server.as_deref().and_then(|glob| glob_regex(glob).ok());
    let seen = name.zip(table.row(id));
    seen.is_some_and(|(name, row)| name.is_match(&row.name) && row.uid == own_uid())
}

/// The manifest's programs, as patterns.
fn programs(asked: &SignalsAsk) -> Result<Vec<Vec<Regex>>, String> {
    let patterns = |words: &Vec<String>| words.iter().map(|word| whole_regex(word)).collect();
    asked.programs.iter().map(patterns).collect::<Result<_, _>>().map_err(|error| error.to_string())
}

/// Whether a process's first arguments are those of one of the programs. Each word
/// is compared whole and at its place: one that merely names a program is none.
fn is_program(programs: &[Vec<Regex>], id: ProcessId, proc: &mut Proc) -> bool {
    let Some(argv) = argv_of(proc, id) else { return false };
    programs.iter().any(|words| {
        argv.len() >= words.len() && words.iter().zip(&argv).all(|(word, text)| word.is_match(text))
    })
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
        let Ok(filled) =
            Template::parse(text).fill(|hole| value(hole).filter(|value| !value.is_empty()).ok_or(()))
        else {
            return Ok(Vec::new());
        };
        patterns.push((name.clone(), whole_regex(&filled).map_err(|error| error.to_string())?));
    }
    Ok(patterns)
}

/// A fact as a pattern: several texts are alternatives.
fn as_pattern(value: &Value) -> String {
    match value {
        Value::Texts(texts) if texts.is_empty() => String::new(),
        Value::Texts(texts) => {
            format!("(?:{})", texts.iter().map(|text| regex::escape(text)).collect::<Vec<_>>().join("|"))
        }
        other => regex::escape(&other.to_string()),
    }
}

#[cfg(test)]
mod tests;
