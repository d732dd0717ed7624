//! The process table, and which of its processes are kiro-cli's.

use std::collections::{BTreeMap, BTreeSet};

use reap_plugin::leftovers;
use reap_plugin::liveness::{Existence, Peer, Streams, existence_of, streams_of};
use reap_plugin::processes::{Detail, Details, ProcessInfo, inspect, snapshot};
use reap_plugin::{Error, Process};

use crate::argv::{Role, named_session, role};
use crate::homes::default_in;
use crate::owner::Owner;

/// The processes of this user.
#[derive(Debug, Default)]
pub struct Table {
    rows: BTreeMap<u32, ProcessInfo>,
    children: BTreeMap<u32, Vec<u32>>,
    kin: BTreeMap<u32, Kin>,
    argv: BTreeMap<u32, Vec<String>>,
    /// Pids that are not shown and not known to be free.
    hidden: BTreeSet<u32>,
    /// Who is at the other ends of what kin without an owner read and write, and what was
    /// left behind.
    streams: BTreeMap<u32, Streams>,
    left: BTreeMap<u32, Left>,
    /// Why something that was left behind may be missing.
    pub unread: Vec<String>,
}

/// An MCP server that was left behind.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Left {
    /// What the configuration calls it, and the file that does.
    pub named: Vec<(String, String)>,
    /// Where it works.
    pub cwd: Option<String>,
    /// The kiro home that its environment names.
    pub home: Option<String>,
}

/// What is known of one of kiro-cli's processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kin {
    /// What it does.
    pub role: Role,
    /// The session that its arguments name.
    pub session: Option<String>,
    /// Where it works.
    pub cwd: Option<String>,
    /// The kiro home that its environment names. Nothing when it could not be read.
    pub home: Option<String>,
}

impl Table {
    /// Reads it, with the arguments of all. Where they work is for [`learn_homes`].
    ///
    /// [`learn_homes`]: Self::learn_homes
    pub fn read() -> Result<Self, Error> {
        let mut table = Self::new(snapshot()?);
        let all: Vec<Process> = table.rows.values().map(|row| row.process).collect();
        let found = inspect(&all, Detail::ARGV)?;
        for (process, details) in all.into_iter().zip(found) {
            if let Some(argv) = details.and_then(|details| details.argv) {
                table.add_argv(process.pid, argv);
            }
        }
        table.learn_leftovers()?;
        table.learn_streams()?;
        Ok(table)
    }

    /// Finds out what was left behind, and of which home it is.
    fn learn_leftovers(&mut self) -> Result<(), Error> {
        let leftovers::Found { leftovers, unread } = leftovers::find()?;
        self.unread = unread;
        for one in leftovers {
            if self.row(one.process.pid).is_some() {
                self.add_left(one.process.pid, one.name, one.file);
            }
        }
        let left: Vec<Process> = self.left.keys().filter_map(|pid| Some(self.row(*pid)?.process)).collect();
        for (pid, details) in surroundings(left)? {
            if let Some(left) = self.left.get_mut(&pid) {
                left.home = home(&details);
                left.cwd = details.cwd;
            }
        }
        Ok(())
    }

    /// Finds out which of these pids are another user's, or nobody knows whose: what
    /// is not shown has not ended for that.
    pub fn look_for(&mut self, pids: impl Iterator<Item = u32>) -> Result<(), Error> {
        let unseen: Vec<u32> = pids.filter(|pid| self.row(*pid).is_none()).collect();
        if unseen.is_empty() {
            return Ok(());
        }
        let found = existence_of(&unseen)?;
        let there = unseen.into_iter().zip(found).filter(|(_, found)| *found != Existence::Gone);
        self.hidden.extend(there.map(|(pid, _)| pid));
        Ok(())
    }

    /// Finds out who is at the other ends of those whose owner is not there.
    fn learn_streams(&mut self) -> Result<(), Error> {
        let forsaken = |pid: &u32| !matches!(Owner::of(*pid, self), Owner::Intact(_));
        let kin = self.kin.keys().copied().filter(forsaken);
        let wanted: Vec<Process> =
            kin.chain(self.left.keys().copied()).filter_map(|pid| Some(self.row(pid)?.process)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let found = streams_of(&wanted)?;
        self.streams = wanted.iter().zip(found).filter_map(|(of, it)| Some((of.pid, it?))).collect();
        Ok(())
    }

    /// The processes that run; nothing is known of their arguments yet.
    pub fn new(rows: Vec<ProcessInfo>) -> Self {
        let mut table = Self::default();
        for row in rows.into_iter().filter(|row| !row.zombie) {
            table.children.entry(row.parent).or_default().push(row.process.pid);
            table.rows.insert(row.process.pid, row);
        }
        table
    }

    /// Notes the arguments of a process.
    pub fn add_argv(&mut self, pid: u32, argv: Vec<String>) {
        if let Some(role) = role(&argv) {
            let session = named_session(&argv).map(str::to_owned);
            self.kin.insert(pid, Kin { role, session, cwd: None, home: None });
        }
        self.argv.insert(pid, argv);
    }

    /// Finds out where these kin work. That is half the cost of a scan, and not wanted
    /// of those that a session is known of.
    pub fn learn_homes(&mut self, of: &BTreeSet<u32>) -> Result<(), Error> {
        let kin = of.iter().filter(|pid| self.kin.contains_key(pid));
        let kin: Vec<Process> = kin.filter_map(|pid| Some(self.row(*pid)?.process)).collect();
        for (pid, details) in surroundings(kin)? {
            if let Some(kin) = self.kin.get_mut(&pid) {
                kin.home = home(&details);
                kin.cwd = details.cwd;
            }
        }
        Ok(())
    }

    /// Notes that a process was left behind. One of kiro-cli's own is a runtime.
    pub fn add_left(&mut self, pid: u32, name: String, file: String) {
        if self.kin(pid).is_none() {
            self.left.entry(pid).or_default().named.push((name, file));
        }
    }

    /// What was left behind, by pid.
    pub fn left(&self) -> impl Iterator<Item = (u32, &Left)> {
        self.left.iter().map(|(pid, left)| (*pid, left))
    }

    /// The process with this pid.
    pub fn row(&self, pid: u32) -> Option<&ProcessInfo> {
        self.rows.get(&pid)
    }

    /// What is known of it, where it is one of kiro-cli's.
    pub fn kin(&self, pid: u32) -> Option<&Kin> {
        self.kin.get(&pid)
    }

    /// The pids of all that are kiro-cli's.
    pub fn all_kin(&self) -> impl Iterator<Item = u32> {
        self.kin.keys().copied()
    }

    /// The arguments of a process, where they could be read.
    pub fn argv(&self, pid: u32) -> &[String] {
        self.argv.get(&pid).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a pid that is not shown may be in use all the same.
    pub fn is_hidden(&self, pid: u32) -> bool {
        self.hidden.contains(&pid)
    }

    /// The words for who is at the other ends of what a process reads and writes.
    pub fn peers(&self, pid: u32) -> Option<[&'static str; 2]> {
        self.streams.get(&pid).map(|streams| [streams.input, streams.output].map(word))
    }

    /// The children of a process.
    pub fn children(&self, pid: u32) -> &[u32] {
        self.children.get(&pid).map(Vec::as_slice).unwrap_or_default()
    }

    /// What a process descends from: its parent first.
    pub fn ancestors(&self, pid: u32) -> Vec<u32> {
        let mut line = Vec::new();
        let mut next = self.row(pid).map(|row| row.parent);
        while let Some(pid) = next.filter(|pid| !line.contains(pid)) {
            let Some(row) = self.row(pid) else { break };
            line.push(pid);
            next = Some(row.parent);
        }
        line
    }
}

/// Where these processes work, and in which environment.
fn surroundings(of: Vec<Process>) -> Result<Vec<(u32, Details)>, Error> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let found = inspect(&of, Detail::CWD | Detail::ENVIRONMENT)?;
    Ok(of.iter().zip(found).filter_map(|(of, details)| Some((of.pid, details?))).collect())
}

#[cfg(test)]
impl Table {
    pub(crate) fn kin_mut(&mut self, pid: u32) -> Option<&mut Kin> {
        self.kin.get_mut(&pid)
    }

    pub(crate) fn left_mut(&mut self, pid: u32) -> Option<&mut Left> {
        self.left.get_mut(&pid)
    }
}

fn word(peer: Peer) -> &'static str {
    match peer {
        Peer::None => "none",
        Peer::Alive => "alive",
        Peer::Gone => "gone",
        Peer::Unknown => "unknown",
    }
}

fn home(details: &Details) -> Option<String> {
    let variables = details.environment.as_deref()?;
    let value = |name| variables.iter().find(|one| one.name == name && !one.value.is_empty());
    let named = value("KIRO_HOME").map(|one| one.value.clone());
    named.or_else(|| value("HOME").map(|one| default_in(&one.value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{info, words};
    use reap_plugin::processes::Variable;

    #[test]
    fn kin_are_known_by_their_arguments() {
        let mut table = Table::new(vec![info(10, 1, 10), info(11, 10, 10), info(12, 11, 10)]);
        table.add_argv(10, words("bash"));
        table.add_argv(11, words("kiro-cli acp"));
        table.add_argv(12, words("kiro-cli-chat acp"));
        assert_eq!(table.all_kin().collect::<Vec<_>>(), [11, 12]);
        assert_eq!(table.kin(12).map(|kin| kin.role), Some(Role::Backend));
        assert_eq!(table.ancestors(12), [11, 10]);
        assert_eq!(table.children(10), [11]);
    }

    #[test]
    fn one_that_has_ended_is_not_there() {
        let ended = ProcessInfo { zombie: true, ..info(10, 1, 10) };
        assert!(Table::new(vec![ended]).row(10).is_none());
    }

    #[test]
    fn a_circle_of_parents_ends() {
        let table = Table::new(vec![info(10, 11, 10), info(11, 10, 10)]);
        assert_eq!(table.ancestors(10), [11, 10]);
    }

    #[test]
    fn homes() {
        let with = |variables: &[(&str, &str)]| {
            let variable = |(name, value): &(&str, &str)| Variable {
                name: (*name).to_owned(),
                value: (*value).to_owned(),
            };
            let environment = Some(variables.iter().map(variable).collect());
            home(&Details { argv: None, cwd: None, environment })
        };
        assert_eq!(with(&[("HOME", "/h")]).as_deref(), Some("/h/.kiro"));
        assert_eq!(with(&[("HOME", "/h"), ("KIRO_HOME", "/k")]).as_deref(), Some("/k"));
        assert_eq!(with(&[("HOME", "/h"), ("KIRO_HOME", "")]).as_deref(), Some("/h/.kiro"));
        assert_eq!(with(&[]), None);
        assert_eq!(home(&Details { argv: None, cwd: None, environment: None }), None);
    }
}
