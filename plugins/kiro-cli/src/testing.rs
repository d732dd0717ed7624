//! Processes for the tests of this crate.

use reap_plugin::processes::ProcessInfo;
use reap_plugin::{Process, Timestamp};

use crate::homes::Home;
use crate::lock::Lock;
use crate::rows::Scene;
use crate::store::Locked;
use crate::table::Table;

/// The processes of the tests are an hour old.
pub const NOW: Timestamp = 100_000_000;
/// When they started.
pub const STARTED: Timestamp = NOW - 3_600_000;

/// The process with this pid.
pub fn process(pid: u32) -> Process {
    Process { pid, started: u64::from(pid) * 100 }
}

/// A process an hour old, with parent and kernel session.
pub fn info(pid: u32, parent: u32, session: u32) -> ProcessInfo {
    ProcessInfo {
        process: process(pid),
        parent,
        group: session,
        session,
        terminal: 0,
        zombie: false,
        name: "x".to_owned(),
        age: 3_600_000,
        cpu: 1_000,
    }
}

/// The words of a line.
pub fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// A process in a line: pid, parent, kernel session, and the arguments.
pub type Line<'a> = (u32, u32, u32, &'a str);

/// A table of such processes.
pub fn table(rows: &[Line<'_>]) -> Table {
    let mut table =
        Table::new(rows.iter().map(|(pid, parent, session, _)| info(*pid, *parent, *session)).collect());
    for (pid, _, _, line) in rows {
        table.add_argv(*pid, words(line));
    }
    table
}

/// The home of the tests.
pub fn home() -> Home {
    Home { path: "/k".to_owned(), spelt: None }
}

/// A session that this process locked.
pub fn locked(id: &str, pid: u32) -> Locked {
    Locked {
        id: id.to_owned(),
        lock: Ok(Lock { pid, since: Some(STARTED + 2_000) }),
        written: STARTED + 2_000,
    }
}

/// Makes rows of such processes and locks.
pub fn scene<T>(rows: &[Line<'_>], locked: &[Locked], of: impl FnOnce(&Scene<'_>) -> T) -> T {
    let table = table(rows);
    let home = home();
    of(&Scene::new(&home, &table, locked, NOW))
}

impl Table {
    /// One of kiro-cli's works in this folder.
    pub fn place(&mut self, pid: u32, folder: &str) {
        self.kin_mut(pid).expect("it is one of kiro-cli's").cwd = Some(folder.to_owned());
    }

    /// What was left behind has this home in its environment.
    pub fn settle(&mut self, pid: u32, home: Option<&str>) {
        if let Some(left) = self.left_mut(pid) {
            left.home = home.map(str::to_owned);
        }
    }
}
