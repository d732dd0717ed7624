//! Which processes live in a pane.
//!
//! A pane's process (its *leader*) is a child of the tmux server. With it live
//! all that descend from it, and all of its kernel session, which keeps those
//! whose parent has ended. What left both (`setsid` and a second fork) is told by
//! its environment alone; see [`crate::strays`].

use std::collections::{BTreeMap, BTreeSet};

use reap_plugin::Process;
use reap_plugin::processes::{Details, ProcessInfo};

use crate::rows::Server;
use crate::shell;
use crate::strays::Strays;

/// How far a server's start, as it says itself and as the process table says,
/// may lie apart. Both are rounded to seconds.
const APART: u64 = 5;

/// What a tmux server calls itself in the process table.
pub const SERVER_NAME: &str = "tmux: server";

/// The process table, and what else was read of some processes.
pub struct Table {
    by_pid: BTreeMap<u32, ProcessInfo>,
    children: BTreeMap<u32, Vec<u32>>,
    sessions: BTreeMap<u32, Vec<u32>>,
    details: BTreeMap<u32, Details>,
    /// What was found out about processes that live in no pane.
    pub strays: Strays,
}

impl Table {
    /// Takes a snapshot. What has ended and only waits for its parent is left out.
    pub fn new(snapshot: Vec<ProcessInfo>) -> Self {
        let mut table = Self {
            by_pid: BTreeMap::new(),
            children: BTreeMap::new(),
            sessions: BTreeMap::new(),
            details: BTreeMap::new(),
            strays: Strays::default(),
        };
        for info in snapshot.into_iter().filter(|info| !info.zombie) {
            let pid = info.process.pid;
            table.children.entry(info.parent).or_default().push(pid);
            table.sessions.entry(info.session).or_default().push(pid);
            table.by_pid.insert(pid, info);
        }
        table
    }

    /// Adds what was read of these processes.
    pub fn learn(&mut self, of: &[Process], details: Vec<Option<Details>>) {
        let read = of.iter().zip(details).filter_map(|(process, details)| Some((process.pid, details?)));
        self.details.extend(read);
    }

    /// The processes of which more will be needed as far as the table alone can
    /// tell: what the tmux servers started.
    pub fn likely(&self) -> Vec<Process> {
        let leaders = self.servers().flat_map(|server| self.children(server.pid));
        leaders.filter_map(|leader| self.process(*leader)).collect()
    }

    /// All rows, by pid.
    pub fn rows(&self) -> impl Iterator<Item = &ProcessInfo> {
        self.by_pid.values()
    }

    /// What calls itself a tmux server.
    pub fn servers(&self) -> impl Iterator<Item = Process> {
        self.rows().filter(|info| info.name == SERVER_NAME).map(|info| info.process)
    }

    /// The pids of what this one started and what still is its child.
    pub fn children(&self, pid: u32) -> &[u32] {
        self.children.get(&pid).map(Vec::as_slice).unwrap_or_default()
    }

    /// Of these, the ones of which nothing more was read yet.
    pub fn unread(&self, processes: Vec<Process>) -> Vec<Process> {
        processes.into_iter().filter(|process| !self.details.contains_key(&process.pid)).collect()
    }

    /// The process of a tmux server, if the row's pid is that server's in this
    /// table too. A server in a container counts its pids apart; then the pid
    /// is nobody's here, or somebody else's, who started at another time.
    pub fn server(&self, row: &Server) -> Option<Process> {
        let info = self.by_pid.get(&row.pid)?;
        let by_table = row.now.saturating_sub(info.age / 1000);
        (by_table.abs_diff(row.started) <= APART).then_some(info.process)
    }

    /// The leader of a pane of that server: a child of it, and nothing else.
    pub fn leader(&self, pid: u32, server: Process) -> Option<&ProcessInfo> {
        self.by_pid.get(&pid).filter(|info| info.parent == server.pid)
    }

    /// The pids of all that live in the pane of this leader, itself among them.
    pub fn family(&self, leader: u32) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        let mut open = vec![leader];
        open.extend(self.sessions.get(&leader).into_iter().flatten());
        while let Some(pid) = open.pop() {
            if found.insert(pid) {
                open.extend(self.children(pid));
            }
        }
        found
    }

    /// Whether a process is in the family of one of these leaders: the same
    /// question as [`Table::family`], asked from below.
    pub fn is_below(&self, info: &ProcessInfo, leaders: &BTreeSet<u32>) -> bool {
        let line = std::iter::successors(Some(info), |info| self.by_pid.get(&info.parent));
        // A table that was read while processes ended can hold a loop.
        let mut line = line.take(self.by_pid.len());
        line.any(|info| leaders.contains(&info.process.pid) || leaders.contains(&info.session))
    }

    /// The child that was started last.
    pub fn youngest_child(&self, pid: u32) -> Option<&ProcessInfo> {
        let children = self.children(pid).iter().filter_map(|child| self.by_pid.get(child));
        children.max_by_key(|info| (info.process.started, info.process.pid))
    }

    /// Whether the kernel's name of the process is that of a shell.
    pub fn is_shell(&self, pid: u32) -> bool {
        self.by_pid.get(&pid).is_some_and(|info| shell::is_shell(&info.name))
    }

    /// The process with this pid.
    pub fn process(&self, pid: u32) -> Option<Process> {
        self.by_pid.get(&pid).map(|info| info.process)
    }

    /// The argument vector, where it was read.
    pub fn argv(&self, pid: u32) -> &[String] {
        self.details.get(&pid).and_then(|details| details.argv.as_deref()).unwrap_or_default()
    }

    /// The working directory, where it was read.
    pub fn cwd(&self, pid: u32) -> Option<&str> {
        self.details.get(&pid).and_then(|details| details.cwd.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{info, process, zombie};

    fn server(pid: u32, started: u64) -> Server {
        Server { now: 1_000, pid, started, version: "3.3a".to_owned() }
    }

    #[test]
    fn a_server_is_recognised_by_pid_and_age() {
        let table = Table::new(vec![info(10, 1, 10).aged(600)]);
        assert!(table.server(&server(10, 400)).is_some());
        assert!(table.server(&server(10, 405)).is_some(), "rounding");
        assert!(table.server(&server(10, 406)).is_none(), "another process in this PID namespace");
        assert!(table.server(&server(10, 394)).is_none());
        assert!(table.server(&server(11, 400)).is_none(), "no such pid here");
    }

    #[test]
    fn a_leader_is_a_child_of_the_server() {
        let table =
            Table::new(vec![info(10, 1, 10).0, info(20, 10, 20).0, info(30, 20, 20).0, zombie(40, 10)]);
        let server = table.process(10).expect("listed");
        assert!(table.leader(20, server).is_some());
        assert!(table.leader(30, server).is_none(), "a grandchild: the pid was used again");
        assert!(table.leader(40, server).is_none(), "has ended");
        assert!(table.leader(50, server).is_none(), "cannot be seen");
    }

    #[test]
    fn a_family_holds_descendants_and_the_kernel_session() {
        let table = Table::new(vec![
            info(10, 1, 10).0,
            info(20, 10, 20).0, // the leader
            info(21, 20, 20).0, // its child
            info(22, 21, 22).0, // a grandchild in a session of its own
            info(23, 1, 20).0,  // lost its parent, kept the session
            info(24, 23, 24).0, // a child of that one
            info(25, 1, 25).0,  // left both
            info(30, 10, 30).0, // another pane
            zombie(26, 20),
        ]);
        assert_eq!(table.family(20), BTreeSet::from([20, 21, 22, 23, 24]));
        assert_eq!(table.family(30), BTreeSet::from([30]));
        for leader in [20, 30] {
            let below = table.rows().filter(|info| table.is_below(info, &BTreeSet::from([leader])));
            let below: BTreeSet<u32> = below.map(|info| info.process.pid).collect();
            assert_eq!(below, table.family(leader), "asked from below");
        }
    }

    #[test]
    fn what_will_be_asked_for_can_be_guessed() {
        let mut table = Table::new(vec![
            info(10, 1, 10).named(SERVER_NAME),
            info(20, 10, 20).0,
            info(21, 20, 20).0,
            info(22, 20, 20).0,
            info(30, 10, 30).0,
            info(40, 1, 40).named("cron"),
            info(41, 40, 40).0,
        ]);
        assert_eq!(table.likely(), [process(20), process(30)]);
        let details = Details { argv: None, cwd: None, environment: None };
        table.learn(&[process(20), process(30)], vec![Some(details), None]);
        assert_eq!(table.unread(table.likely()), [process(30)]);
    }

    #[test]
    fn a_loop_of_parents_ends() {
        let table = Table::new(vec![info(20, 21, 20).0, info(21, 20, 20).0]);
        assert_eq!(table.family(20), BTreeSet::from([20, 21]));
        assert!(table.rows().all(|info| !table.is_below(info, &BTreeSet::from([30]))));
    }
}
