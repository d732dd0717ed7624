//! Looking at processes: this user's only, those of the grant only, and of their
//! environment only the granted names.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use reap_core::session::ProcessId;

use crate::bindings::{processes, types};
use crate::capabilities::grants::ProcessGrant;
use crate::capabilities::{deny, in_manifest};
use crate::convert::process_id;
use crate::process::{ProcessTable, Row, read_of};
use crate::state::State;

/// The most bytes that are read of an argument vector or an environment.
const LONGEST: u64 = 256 << 10;

impl State {
    fn process_grant(&self) -> Result<&ProcessGrant, types::Error> {
        self.shared.grants.processes.as_ref().ok_or_else(|| {
            let mend = in_manifest(self, "`executables = [\"*\"]` under [asks.processes]");
            deny(self, "processes", "the process table".to_owned(), mend)
        })
    }

    fn take_snapshot(&mut self) -> Result<Vec<processes::ProcessInfo>, types::Error> {
        self.process_grant()?;
        let table = ProcessTable::read().map_err(|error| {
            types::Error::Unavailable(format!("cannot read the process table: {error}"))
        })?;
        let grant = self.process_grant()?;
        let uid = rustix::process::geteuid().as_raw();
        let rows = table
            .rows()
            .iter()
            .filter(|row| row.uid == uid && grant.shows(row))
            .map(info)
            .collect();
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
        let uid = rustix::process::geteuid().as_raw();
        Ok(wanted
            .iter()
            .map(|process| {
                let row = table
                    .row(process_id(process))
                    .filter(|row| row.uid == uid && grant.shows(row))?;
                Some(read_details(row.id, what, &grant.environment))
            })
            .collect())
    }
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
    /// Whether the plugin may look at this process: by the file name of its
    /// executable, or of its first argument, whole and never in part.
    fn shows(&self, row: &Row) -> bool {
        self.all || {
            let exe = std::fs::read_link(format!("/proc/{}/exe", row.id.pid)).ok();
            let argv = read_of(row.id.pid, "cmdline", LONGEST).unwrap_or_default();
            let first = argv.split(|&byte| byte == 0).next().unwrap_or_default();
            let names = [exe.as_deref(), Some(Path::new(OsStr::from_bytes(first)))];
            names.iter().flatten().any(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                self.executables.iter().any(|glob| glob.is_match(&name))
            })
        }
    }
}

fn info(row: &Row) -> processes::ProcessInfo {
    processes::ProcessInfo {
        process: types::Process {
            pid: row.id.pid,
            started: row.id.started,
        },
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

fn read_details(id: ProcessId, what: processes::Detail, granted: &[String]) -> processes::Details {
    let argv = what
        .contains(processes::Detail::ARGV)
        .then(|| read_of(id.pid, "cmdline", LONGEST))
        .flatten();
    let cwd = what
        .contains(processes::Detail::CWD)
        .then(|| std::fs::read_link(format!("/proc/{}/cwd", id.pid)).ok())
        .flatten();
    let environment = what
        .contains(processes::Detail::ENVIRONMENT)
        .then(|| environment_of(id, granted))
        .flatten();
    processes::Details {
        argv: argv.map(|bytes| {
            words(&bytes)
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect()
        }),
        cwd: cwd
            .map(|path| String::from_utf8_lossy(&path.into_os_string().into_vec()).into_owned()),
        environment: environment.map(|pairs| {
            pairs
                .into_iter()
                .map(|(name, value)| processes::Variable { name, value })
                .collect()
        }),
    }
}

/// The granted variables of a process's environment; `None` when it cannot be
/// read.
pub(crate) fn environment_of(id: ProcessId, granted: &[String]) -> Option<Vec<(String, String)>> {
    let bytes = read_of(id.pid, "environ", LONGEST)?;
    let pairs = words(&bytes).filter_map(|word| {
        let split = word.iter().position(|&byte| byte == b'=')?;
        let name = std::str::from_utf8(&word[..split]).ok()?;
        let value = String::from_utf8_lossy(&word[split + 1..]).into_owned();
        granted
            .iter()
            .any(|one| one == name)
            .then(|| (name.to_owned(), value))
    });
    Some(pairs.collect())
}

/// The NUL-terminated texts in some bytes.
fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .strip_suffix(&[0])
        .unwrap_or(bytes)
        .split(|&byte| byte == 0)
        .filter(|_| !bytes.is_empty())
}
