//! Processes for the tests of this crate.

use reap_plugin::Process;
use reap_plugin::processes::ProcessInfo;

use crate::table::Table;

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
