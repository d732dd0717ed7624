//! What the tests of several modules need.

use reap_plugin::processes::{Details, ProcessInfo, Variable};
use reap_plugin::{Extent, Listing, Process, Session, sample};

/// A row of the process table.
pub struct Info(pub ProcessInfo);

impl Info {
    /// The row with that age in seconds.
    pub fn aged(mut self, seconds: u64) -> ProcessInfo {
        self.0.age = seconds * 1000;
        self.0
    }

    /// The row with that short name.
    pub fn named(mut self, name: &str) -> ProcessInfo {
        name.clone_into(&mut self.0.name);
        self.0
    }
}

/// A process with this pid, parent and kernel session, started in the order of
/// the pids.
pub fn info(pid: u32, parent: u32, session: u32) -> Info {
    Info(ProcessInfo {
        process: process(pid),
        parent,
        group: session,
        session,
        terminal: 0,
        zombie: false,
        name: "work".to_owned(),
        age: 0,
        cpu: 0,
    })
}

/// One that has ended and waits for its parent.
pub fn zombie(pid: u32, parent: u32) -> ProcessInfo {
    let mut info = info(pid, parent, parent).0;
    info.zombie = true;
    info
}

/// The identity of the process with this pid.
pub fn process(pid: u32) -> Process {
    Process { pid, started: u64::from(pid) * 100 }
}

/// What is read of a process that carries these values of `$TMUX` and `$TMUX_PANE`.
pub fn placed(tmux: &str, pane: &str) -> Option<Details> {
    let variable = |name: &str, value: &str| Variable { name: name.to_owned(), value: value.to_owned() };
    let environment = vec![variable("TMUX", tmux), variable("TMUX_PANE", pane)];
    Some(Details { argv: None, cwd: None, environment: Some(environment) })
}

/// A session with these processes.
pub fn listed(key: &str, pids: &[u32]) -> Session {
    Session { processes: pids.iter().copied().map(process).collect(), ..sample::session(key) }
}

/// A complete listing of these sessions.
pub fn complete(sessions: Vec<Session>) -> Listing {
    Listing {
        instance: "/tmp/tmux-0/default".to_owned(),
        label: "default".to_owned(),
        generation: Some("10.400".to_owned()),
        server: None,
        extent: Extent::Complete,
        sessions,
    }
}
