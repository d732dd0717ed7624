//! Makes sessions out of rows and the process table.

use std::collections::{BTreeMap, BTreeSet};

use reap_plugin::processes::ProcessInfo;
use reap_plugin::{Activity, Fact, Kind, Process, Session, fact};

use crate::family::Table;
use crate::own::PANES;
use crate::owner;
use crate::rows::{Client, Pane, PaneState, Rows, Server, SessionNumber, SessionRow};
use crate::shell;

/// The fact that says "false" where the processes of a whole server cannot be
/// seen, as from outside its container.
pub const VISIBLE: &str = "processes-visible";

/// What all sessions of a server are made from.
pub struct Scene<'a> {
    server: &'a Server,
    /// The process table and the server's place in it, where it has one.
    processes: Option<(&'a Table, Process)>,
    sessions: &'a [SessionRow],
    clients: BTreeMap<SessionNumber, Vec<&'a Client>>,
    /// For each window, the sessions that show it.
    shown_in: BTreeMap<u32, BTreeSet<SessionNumber>>,
}

impl<'a> Scene<'a> {
    /// Sorts the rows.
    pub fn new(rows: &'a Rows, table: Option<&'a Table>) -> Self {
        let mut scene = Self {
            server: &rows.server,
            processes: table.and_then(|table| Some((table, table.server(&rows.server)?))),
            sessions: &rows.sessions,
            clients: BTreeMap::new(),
            shown_in: BTreeMap::new(),
        };
        for session in &rows.sessions {
            for pane in &session.panes {
                scene.shown_in.entry(pane.window).or_default().insert(session.number);
            }
        }
        for client in &rows.clients {
            scene.clients.entry(client.session).or_default().push(client);
        }
        scene
    }

    /// The server's process.
    pub fn server(&self) -> Option<Process> {
        self.processes.map(|(_, server)| server)
    }

    /// The processes of which more is needed than the table says: the leaders.
    pub fn curious(&self) -> Vec<Process> {
        let Some((table, _)) = self.processes else {
            return Vec::new();
        };
        self.leaders().into_iter().filter_map(|leader| table.process(leader)).collect()
    }

    /// The pids of the leaders that can be seen.
    pub fn leaders(&self) -> BTreeSet<u32> {
        let Some((table, server)) = self.processes else {
            return BTreeSet::new();
        };
        let pids = self.sessions.iter().flat_map(|row| &row.panes).filter_map(Pane::live);
        pids.filter(|pid| table.leader(*pid, server).is_some()).collect()
    }

    /// One session.
    pub fn session(&self, row: &SessionRow) -> Session {
        let panes = &row.panes[..];
        let clients = self.clients.get(&row.number).map(Vec::as_slice).unwrap_or_default();
        let life = self.processes.map(|(table, server)| Life::of(panes, table, server));
        let owner = row.owner.as_ref();
        Session {
            key: row.number.to_string(),
            incarnation: format!("{}.{}.{}", self.server.pid, self.server.started, row.created),
            title: row.name.clone(),
            kind: if owner.is_some() { Kind::Worker } else { Kind::Other },
            activity: life.as_ref().map_or(Activity::Unknown, Life::activity),
            created: Some(millis(row.created)),
            last_active: Some(millis(last_active(row, panes))),
            attached: row.attached > 0 || !clients.is_empty(),
            parent: owner.and_then(owner::address),
            cwd: life.as_ref().and_then(|life| life.cwd.clone()),
            processes: life.as_ref().map_or_else(Vec::new, |life| life.processes.clone()),
            tokens: None,
            protected: row.protected.then(|| {
                "it is tagged @reap-protect in tmux (`reap unprotect` takes the tag off)".to_owned()
            }),
            extra: self.facts(row, panes, clients, life.as_ref()),
        }
    }

    fn facts(&self, row: &SessionRow, panes: &[Pane], clients: &[&Client], life: Option<&Life>) -> Vec<Fact> {
        let control = clients.iter().filter(|client| client.control).count();
        let windows: BTreeSet<u32> = panes.iter().map(|pane| pane.window).collect();
        let shared =
            windows.iter().filter(|window| self.shown_in.get(window).is_some_and(|by| by.len() > 1)).count();
        let dead = panes.iter().filter(|pane| pane.state == PaneState::Dead).count();
        let mut facts = vec![
            fact("session-number", row.number.0.to_string()),
            fact("server-version", self.server.version.as_str()),
            fact("clients", count(clients.len() - control)),
            fact("control-clients", count(control)),
            fact("windows", count(windows.len())),
            fact("shared-windows", count(shared)),
            fact("panes", count(panes.len())),
            fact("dead-panes", count(dead)),
            fact(PANES, panes.iter().map(|pane| format!("%{}", pane.id)).collect::<Vec<_>>()),
        ];
        facts.extend(row.group.as_deref().map(|group| fact("group", group)));
        facts.extend(row.owner.as_ref().map(|tag| fact("owner", tag.text.as_str())));
        match life {
            None => facts.push(fact(VISIBLE, false)),
            Some(life) => {
                facts.push(fact("shell-only", life.activity() == Activity::Idle));
                facts.extend(life.command.as_deref().map(|command| fact("command", command)));
            }
        }
        facts
    }
}

/// The newest sign of life that tmux keeps: of clients in the session, of output
/// in its windows, of somebody attaching.
fn last_active(row: &SessionRow, panes: &[Pane]) -> u64 {
    let windows = panes.iter().map(|pane| pane.window_activity).max();
    [Some(row.activity), row.last_attached, windows].into_iter().flatten().max().unwrap_or(row.created)
}

/// What lives in the panes of one session, or was started in them and lives on.
struct Life {
    processes: Vec<Process>,
    cwd: Option<String>,
    /// What runs in the first live pane.
    command: Option<String>,
    /// Whether there is a pane in which something lives.
    live: bool,
    /// Whether there is a pane that never had a process.
    empty: bool,
    /// Whether the leader of a live pane is not in the table: another user's,
    /// or younger than the table.
    hidden: bool,
    /// Whether a daemon was left behind. It is life, whatever became of its pane.
    strays: bool,
    /// Whether nothing was seen in the panes but shells that wait.
    waits: bool,
}

impl Life {
    fn of(panes: &[Pane], table: &Table, server: Process) -> Self {
        let live: BTreeSet<u32> = panes.iter().filter_map(|pane| pane.live()).collect();
        let leaders: Vec<&ProcessInfo> = live.iter().filter_map(|pid| table.leader(*pid, server)).collect();
        let pids: BTreeSet<u32> =
            leaders.iter().flat_map(|leader| table.family(leader.process.pid)).collect();
        let strays: BTreeMap<u32, Process> =
            panes.iter().flat_map(|pane| table.strays.of(server, pane.id)).map(|it| (it.pid, it)).collect();
        let bare = |info: &&ProcessInfo| shell::only_waits(&info.name, table.argv(info.process.pid));
        let first = panes.iter().filter_map(|pane| table.leader(pane.live()?, server)).next();
        Self {
            processes: pids
                .iter()
                .filter_map(|pid| table.process(*pid))
                .chain(strays.values().copied())
                .collect(),
            cwd: first.and_then(|leader| table.cwd(leader.process.pid)).map(str::to_owned),
            command: first.map(|leader| command(leader, table)),
            live: !live.is_empty(),
            empty: panes.iter().any(|pane| pane.state == PaneState::Empty),
            hidden: leaders.len() < live.len(),
            strays: !strays.is_empty(),
            waits: pids.len() == leaders.len() && leaders.iter().all(bare),
        }
    }

    fn activity(&self) -> Activity {
        match self {
            Self { strays: true, .. } => Activity::Running,
            Self { live: false, empty: false, .. } => Activity::Stopped,
            Self { live: false, empty: true, .. } => Activity::Unknown,
            Self { waits: false, .. } => Activity::Running,
            Self { hidden: true, .. } => Activity::Unknown,
            Self { .. } => Activity::Idle,
        }
    }
}

/// What runs under a leader: what its shell started last, or the leader itself,
/// by the kernel's short name.
fn command(leader: &ProcessInfo, table: &Table) -> String {
    let child = if shell::is_shell(&leader.name) { table.youngest_child(leader.process.pid) } else { None };
    child.unwrap_or(leader).name.clone()
}

impl Pane {
    /// The pid of the leader of a live pane.
    fn live(&self) -> Option<u32> {
        match self.state {
            PaneState::Live(pid) => Some(pid),
            PaneState::Dead | PaneState::Empty => None,
        }
    }
}

fn millis(seconds: u64) -> u64 {
    seconds.saturating_mul(1000)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
