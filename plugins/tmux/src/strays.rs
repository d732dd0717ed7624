//! Daemons that left the pane they were started in.
//!
//! `setsid` and a second fork leave a pane's tree and its kernel session, and a
//! shell that waits beside such a daemon looks forgotten. One that had left a
//! build behind was ended, and the build with it. What a daemon cannot shake off
//! is its environment; so that is read of every process that lives in no pane,
//! and of no other.

use std::collections::{BTreeMap, BTreeSet};

use reap_plugin::Process;
use reap_plugin::processes::{Details, ProcessInfo};

use crate::family::{SERVER_NAME, Table};
use crate::place::Place;

/// Programs that are often started from inside a session and serve others. The
/// same as `spare` of the manifest: what is not ended with a session must not
/// keep it either.
const SPARE: [&str; 21] = [
    SERVER_NAME,
    "screen",
    "zellij",
    "dtach",
    "abduco",
    "mosh-server",
    "sshd",
    "ssh",
    "ssh-agent",
    "gpg-agent",
    "keyboxd",
    "dirmngr",
    "scdaemon",
    "dbus-daemon",
    "dbus-broker",
    "systemd",
    "pipewire",
    "pulseaudio",
    "emacs",
    "adb",
    "watchman",
];

/// What is a pane, and so who lives in none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panes {
    /// When the oldest server started. Nothing older is a stray.
    oldest: u64,
    /// The pids of the leaders, of all servers.
    leaders: BTreeSet<u32>,
}

impl Panes {
    /// As far as the process table alone can tell: a server is what calls itself
    /// so, and a leader what a server started.
    pub fn guess(table: &Table) -> Self {
        let servers: Vec<Process> = table.servers().collect();
        Self {
            oldest: servers.iter().map(|server| server.started).min().unwrap_or(u64::MAX),
            leaders: servers.iter().flat_map(|server| table.children(server.pid)).copied().collect(),
        }
    }

    /// Puts what a server itself says of its panes in place of the guess.
    pub fn correct(&mut self, table: &Table, server: Process, leaders: &BTreeSet<u32>) {
        self.oldest = self.oldest.min(server.started);
        for child in table.children(server.pid).iter().filter(|child| !leaders.contains(child)) {
            self.leaders.remove(child);
        }
        self.leaders.extend(leaders);
    }

    /// The processes that live in no pane and may be strays.
    pub fn outside(&self, table: &Table) -> Vec<Process> {
        let outside = |info: &&ProcessInfo| {
            info.process.started >= self.oldest
                && !SPARE.contains(&info.name.as_str())
                && !table.is_below(info, &self.leaders)
        };
        table.rows().filter(outside).map(|info| info.process).collect()
    }
}

/// What is known of the processes that live in no pane.
#[derive(Debug, Default)]
pub struct Strays {
    /// By pid, where each that was asked for was started, if in a pane.
    read: BTreeMap<u32, Option<Place>>,
    /// Those that were started in a pane.
    of: BTreeMap<Place, Vec<Process>>,
}

impl Strays {
    /// Of these, the ones that were not read yet.
    pub fn unread(&self, outside: &[Process]) -> Vec<Process> {
        outside.iter().filter(|process| !self.read.contains_key(&process.pid)).copied().collect()
    }

    /// Adds what was read of these processes. Where the environment could not be
    /// read, nobody can say whose it is, and it counts for nobody.
    pub fn learn(&mut self, of: &[Process], details: &[Option<Details>]) {
        let places = details.iter().map(|details| place(details.as_ref()?));
        self.read.extend(of.iter().map(|process| process.pid).zip(places));
    }

    /// Settles who is a stray: of these, whoever was started in a pane.
    pub fn settle(&mut self, outside: &[Process]) {
        self.of.clear();
        for process in outside {
            if let Some(Some(place)) = self.read.get(&process.pid) {
                self.of.entry(*place).or_default().push(*process);
            }
        }
    }

    /// The strays of a pane of this server. A process older than the server got
    /// its variables from another one with the same pid.
    pub fn of(&self, server: Process, pane: u32) -> impl Iterator<Item = Process> {
        let place = Place { server: server.pid, pane };
        let strays = self.of.get(&place).into_iter().flatten();
        strays.filter(move |process| process.started >= server.started).copied()
    }
}

fn place(details: &Details) -> Option<Place> {
    let variables = details.environment.as_deref()?;
    let value = |name| variables.iter().find(|variable| variable.name == name).map(|it| it.value.as_str());
    Place::of(value("TMUX")?, value("TMUX_PANE")?)
}

#[cfg(test)]
mod tests;
