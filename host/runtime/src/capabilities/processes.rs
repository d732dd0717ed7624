//! Looking at processes: this user's only, those of the grant only, and of their
//! environment only the granted names.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use reap_core::session::ProcessId;

use crate::bindings::{processes, types};
use crate::capabilities::grants::ProcessGrant;
use crate::capabilities::{deny, in_manifest};
use crate::convert::process_id;
use crate::process::{Owners, Proc, ProcessTable, Row, of_each};
use crate::state::State;

/// The most bytes that are read of an argument vector.
const LONGEST: usize = 256 << 10;

/// The most bytes that are read of an environment: more than the kernel lets a
/// program be started with, so that nothing can hide behind the first part.
const LONGEST_ENVIRONMENT: usize = 16 << 20;

impl State {
    pub(crate) fn process_grant(&self) -> Result<&ProcessGrant, types::Error> {
        self.shared.grants.processes.as_ref().ok_or_else(|| {
            let mend = in_manifest(self, "`executables = [\"*\"]` under [asks.processes]");
            deny(self, "processes", "the process table".to_owned(), mend)
        })
    }

    fn take_snapshot(&mut self) -> Result<Vec<processes::ProcessInfo>, types::Error> {
        self.process_grant()?;
        let table = ProcessTable::read(Owners::Roughly).map_err(no_table)?;
        let mut proc = Proc::open().map_err(no_table)?;
        let grant = self.process_grant()?;
        let shown: HashSet<ProcessId> =
            table.rows().iter().filter(|row| grant.shows(row, &mut proc)).map(|row| row.id).collect();
        // What another user's program does inside one of these is life as well: a
        // shell that waits for `sudo` does not just wait. Nothing more is told of
        // it than that it is there.
        let own = rustix::process::geteuid().as_raw();
        let tree = table.trees(shown.iter().copied(), |row| row.uid != own || shown.contains(&row.id));
        let rows = table.rows().iter().filter(|row| tree.contains(&row.id)).map(info).collect();
        self.processes = Some(Arc::new(table));
        Ok(rows)
    }

    fn details(
        &mut self,
        wanted: &[types::Process],
        what: processes::Detail,
    ) -> Result<Vec<Option<processes::Details>>, types::Error> {
        let table = match &self.processes {
            Some(table) => table.clone(),
            None => {
                self.take_snapshot()?;
                self.processes
                    .clone()
                    .ok_or_else(|| types::Error::Failed("there is no snapshot".to_owned()))?
            }
        };
        let grant = self.process_grant()?;
        let details = |proc: &mut Proc, process: &types::Process| {
            let row = table.row(process_id(process)).filter(|row| grant.shows(row, proc))?;
            Some(read_details(proc, row.id, what, &grant.environment))
        };
        of_each(wanted, details).map_err(no_table)
    }
}

pub(crate) fn no_table(error: std::io::Error) -> types::Error {
    types::Error::Unavailable(format!("the process table cannot be read: {error}"))
}

impl processes::Host for State {
    fn snapshot(&mut self) -> wasmtime::Result<Result<Vec<processes::ProcessInfo>, types::Error>> {
        let since = Instant::now();
        let answer = self.take_snapshot();
        self.watch.was_in_host(since);
        Ok(answer)
    }

    fn inspect(
        &mut self,
        wanted: Vec<types::Process>,
        what: processes::Detail,
    ) -> wasmtime::Result<Result<Vec<Option<processes::Details>>, types::Error>> {
        let since = Instant::now();
        let answer = self.details(&wanted, what);
        self.watch.was_in_host(since);
        Ok(answer)
    }
}

impl ProcessGrant {
    /// Whether the plugin may look at this process: one of this user, and by the
    /// file name of its executable or of its first argument, whole and never in
    /// part.
    pub(crate) fn shows(&self, row: &Row, proc: &mut Proc) -> bool {
        row.uid == self.uid && (self.all || self.names(row, proc))
    }

    fn names(&self, row: &Row, proc: &mut Proc) -> bool {
        let executable = proc.link(row.id.pid, "exe").unwrap_or_default();
        let argv = proc.file(row.id.pid, "cmdline", LONGEST).unwrap_or_default();
        let first = words(&argv).next().unwrap_or_default();
        [executable.as_slice(), first].iter().any(|path| {
            let name = String::from_utf8_lossy(path.rsplit(|&byte| byte == b'/').next().unwrap_or_default());
            self.executables.iter().any(|glob| glob.is_match(&name))
        })
    }
}

fn info(row: &Row) -> processes::ProcessInfo {
    processes::ProcessInfo {
        process: types::Process { pid: row.id.pid, started: row.id.started },
        parent: row.parent,
        group: row.group,
        session: row.session,
        terminal: row.terminal,
        zombie: row.zombie,
        name: row.name.clone(),
        age: row.age.as_millis() as u64,
        cpu: row.cpu.as_millis() as u64,
    }
}

fn read_details(
    proc: &mut Proc,
    id: ProcessId,
    what: processes::Detail,
    granted: &[String],
) -> processes::Details {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let argv = what.contains(processes::Detail::ARGV).then(|| argv_of(proc, id));
    let cwd = what.contains(processes::Detail::CWD).then(|| proc.link(id.pid, "cwd"));
    let environment =
        what.contains(processes::Detail::ENVIRONMENT).then(|| environment_of(proc, id, granted));
    let variable = |(name, value)| processes::Variable { name, value };
    processes::Details {
        argv: argv.flatten(),
        cwd: cwd.flatten().map(|path| text(&path)),
        environment: environment.flatten().map(|pairs| pairs.into_iter().map(variable).collect()),
    }
}

/// A process's arguments; `None` when they cannot be read.
pub(crate) fn argv_of(proc: &mut Proc, id: ProcessId) -> Option<Vec<String>> {
    let bytes = proc.file(id.pid, "cmdline", LONGEST)?;
    Some(words(&bytes).map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

/// The granted variables of a process's environment; `None` when it cannot be
/// read, and for a process of another PID namespace: the pid in its variables is a
/// number of that namespace, and somebody else's here.
pub(crate) fn environment_of(
    proc: &mut Proc,
    id: ProcessId,
    granted: &[String],
) -> Option<Vec<(String, String)>> {
    if !proc.counts_as_we_do(id.pid) {
        return None;
    }
    let bytes = proc.file(id.pid, "environ", LONGEST_ENVIRONMENT)?;
    let pairs = words(&bytes).filter_map(|word| {
        let split = word.iter().position(|&byte| byte == b'=')?;
        let name = std::str::from_utf8(&word[..split]).ok()?;
        let value = || String::from_utf8_lossy(&word[split + 1..]).into_owned();
        granted.iter().any(|one| one == name).then(|| (name.to_owned(), value()))
    });
    Some(pairs.collect())
}

/// The NUL-terminated texts in some bytes.
fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.strip_suffix(&[0]).unwrap_or(bytes).split(|&byte| byte == 0).filter(|_| !bytes.is_empty())
}
