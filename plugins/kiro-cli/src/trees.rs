//! Which processes belong to which session.
//!
//! A session's tree is the process that holds its lock, what descends from it, and
//! of the processes above it those of kiro-cli that serve nothing else: the wrapper,
//! the launcher, the program that draws. The whole tree is walked, since a script or
//! a `setsid` in the middle hid 112 processes from a reaper that looked at names.
//! What holds no session is a runtime of its own.

use std::collections::{BTreeMap, BTreeSet};

use reap_plugin::Process;

use crate::argv::Role;
use crate::table::Table;

/// The trees of one process table.
#[derive(Debug)]
pub struct Trees<'a> {
    table: &'a Table,
    /// For each process that holds sessions, where its tree begins.
    of_holders: BTreeMap<u32, u32>,
    /// Where those begin.
    roots: BTreeSet<u32>,
}

/// One tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Where it begins.
    pub root: u32,
    /// All its processes, by pid.
    pub pids: BTreeSet<u32>,
}

impl<'a> Trees<'a> {
    /// Works out the trees, from the processes that hold sessions.
    pub fn new(table: &'a Table, holders: &BTreeSet<u32>) -> Self {
        // For each process, the holders at and below it.
        let mut below: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for holder in holders {
            for pid in std::iter::once(*holder).chain(table.ancestors(*holder)) {
                below.entry(pid).or_default().insert(*holder);
            }
        }
        let root = |holder: u32| {
            let serves_only_it = |pid: &u32| below[pid].is_subset(&below[&holder]);
            let line = table.ancestors(holder).into_iter();
            let own = line.take_while(|pid| table.kin(*pid).is_some() && serves_only_it(pid));
            own.last().unwrap_or(holder)
        };
        let of_holders: BTreeMap<u32, u32> = holders.iter().map(|holder| (*holder, root(*holder))).collect();
        let roots = of_holders.values().copied().collect();
        Self { table, of_holders, roots }
    }

    /// The tree of the sessions that this process holds.
    pub fn of_holder(&self, holder: u32) -> Option<Tree> {
        self.of_holders.get(&holder).map(|root| self.tree(*root))
    }

    /// The trees of the runtimes that hold no session.
    pub fn loose(&self) -> Vec<Tree> {
        let held: BTreeSet<u32> = self.roots.iter().flat_map(|root| self.tree(*root).pids).collect();
        let loose: BTreeSet<u32> = self.table.all_kin().filter(|pid| !held.contains(pid)).collect();
        let top = |pid: &&u32| !self.table.ancestors(**pid).iter().any(|above| loose.contains(above));
        loose.iter().filter(top).map(|pid| self.tree(*pid)).collect()
    }

    /// What begins with this process, without the trees of other holders in it.
    pub fn tree(&self, root: u32) -> Tree {
        let anothers = |pid: &u32| *pid != root && self.roots.contains(pid);
        let (mut pids, mut open) = (BTreeSet::new(), vec![root]);
        while let Some(pid) = open.pop() {
            if !anothers(&pid) && self.table.row(pid).is_some() && pids.insert(pid) {
                open.extend(self.table.children(pid));
            }
        }
        Tree { root, pids }
    }
}

impl Tree {
    /// Its processes.
    pub fn processes(&self, table: &Table) -> Vec<Process> {
        self.pids.iter().filter_map(|pid| Some(table.row(*pid)?.process)).collect()
    }

    /// The roles that are filled in it.
    pub fn roles(&self, table: &Table) -> BTreeSet<Role> {
        self.pids.iter().filter_map(|pid| Some(table.kin(*pid)?.role)).collect()
    }

    /// Processor time that its processes have used, in milliseconds.
    pub fn cpu(&self, table: &Table) -> u64 {
        self.pids.iter().filter_map(|pid| Some(table.row(*pid)?.cpu)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::table;

    /// Two runtimes below one host, one of which holds two backends; a run without
    /// a session, started by a tool of the first; an idle launcher.
    fn scene() -> Table {
        table(&[
            (10, 1, 10, "node gateway.js"),
            (20, 10, 10, "kiro-cli acp"),
            (21, 20, 10, "kiro-cli-chat acp"),
            (22, 21, 10, "python mcp.py"),
            (23, 21, 10, "bash -c x"),
            (24, 23, 10, "kiro-cli-chat chat --no-interactive"),
            (30, 10, 30, "kiro-cli chat"),
            (31, 30, 30, "kiro-cli-chat acp"),
            (32, 30, 30, "kiro-cli-chat acp"),
            (33, 32, 30, "python mcp.py"),
            (40, 1, 9, "launcher --session-id 3f2504e0-4f89-11d3-9a0c-0305e82c3301"),
            (50, 1, 50, "vim"),
        ])
    }

    fn trees(holders: &[u32]) -> (Vec<Vec<u32>>, Vec<Vec<u32>>) {
        let table = scene();
        let trees = Trees::new(&table, &holders.iter().copied().collect());
        let pids = |tree: Tree| tree.pids.into_iter().collect::<Vec<_>>();
        let held = holders.iter().filter_map(|holder| trees.of_holder(*holder)).map(pids).collect();
        (held, trees.loose().into_iter().map(pids).collect())
    }

    #[test]
    fn what_serves_one_session_is_its() {
        let (held, loose) = trees(&[21]);
        assert_eq!(held, [vec![20, 21, 22, 23, 24]]);
        assert_eq!(loose, [vec![30, 31, 32, 33], vec![40]]);
    }

    #[test]
    fn what_serves_two_backends_is_neithers() {
        let (held, loose) = trees(&[31, 32]);
        assert_eq!(held, [vec![31], vec![32, 33]]);
        assert_eq!(loose, [vec![20, 21, 22, 23, 24], vec![30], vec![40]]);
    }

    #[test]
    fn a_session_inside_another_is_not_its() {
        let (held, loose) = trees(&[21, 24]);
        assert_eq!(held, [vec![20, 21, 22, 23], vec![24]]);
        assert_eq!(loose, [vec![30, 31, 32, 33], vec![40]]);
    }

    #[test]
    fn without_sessions_all_are_runtimes() {
        let (held, loose) = trees(&[]);
        assert!(held.is_empty());
        assert_eq!(loose, [vec![20, 21, 22, 23, 24], vec![30, 31, 32, 33], vec![40]]);
    }
}
