//! What a program left behind: an MCP server whose client was killed, say.
//!
//! Once the one that started a process is gone, nothing in the process table names it.
//! So all of this must hold before a process is called left behind, and the host finds it
//! out itself, when the plugin asks and again before an end:
//!
//! * its arguments are word for word a command line of the configuration that the
//!   manifest names;
//! * it leads a process group and no kernel session: somebody put it into a group of its
//!   own. A shell does that too, to a job in the background; hence
//! * its standard input is a pipe or a socket, and nobody holds the other end any more: no
//!   program can talk to it, whoever that would be;
//! * the leader of its kernel session has ended, and its parent is in another session: one
//!   that took it over, and did not start it.
//!
//! The configuration may hold secrets. Nothing of it is told but the names of what was
//! found, not even in errors.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use reap_core::session::ProcessId;
use rustix::fs::OFlags;
use serde_json::Value;

use crate::bindings::{leftovers, types};
use crate::capabilities::grants::{Grants, LeftoversGrant, glob_regex};
use crate::capabilities::processes::{argv_of, no_table};
use crate::capabilities::{deny, in_manifest};
use crate::convert;
use crate::process::{Existence, Owners, Proc, ProcessTable, Row, existence};
use crate::state::State;
use crate::streams::{OtherEnd, Stream, Streams};

/// More than any configuration.
const LONGEST: u64 = 4 << 20;
/// More files than anybody keeps in such a folder.
const MOST_FILES: usize = 1_000;

/// Programs that run a script, which is then the second word.
const INTERPRETERS: [&str; 10] =
    ["node", "nodejs", "bun", "deno", "python", "python2", "python3", "bash", "sh", "ruby"];

/// A process that was left behind, once for each command line that it fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leftover {
    pub(crate) id: ProcessId,
    /// The name of its command line.
    pub(crate) name: String,
    /// The file that names it.
    pub(crate) file: PathBuf,
}

/// What was found, and why some may be missing.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) leftovers: Vec<Leftover>,
    pub(crate) unread: Vec<String>,
}

impl Found {
    /// Looks for them. The configuration is read only where some process looks like one.
    pub(crate) fn look(grants: &Grants, table: &ProcessTable, streams: &mut Streams) -> Self {
        let (Some(grant), Some(processes)) = (&grants.leftovers, &grants.processes) else {
            return Self::default();
        };
        let mut proc = match Proc::open() {
            Ok(proc) => proc,
            // Without /proc nothing is known of anybody.
            Err(error) => {
                let unknown =
                    |file: &PathBuf| format!("{} may name what cannot be looked at: {error}", file.display());
                return Self { leftovers: Vec::new(), unread: grant.files.iter().map(unknown).collect() };
            }
        };
        let (mut forsaken, mut unclear) = (Vec::new(), Vec::new());
        for row in table.rows() {
            let may_be = was_taken_over(row, table)
                && processes.shows(row, &mut proc)
                && proc.counts_as_we_do(row.id.pid);
            if !may_be {
                continue;
            }
            match streams.look(&proc, row.id.pid, Stream::Input) {
                OtherEnd::Gone => forsaken.push(row),
                OtherEnd::Unknown => unclear.push(row),
                OtherEnd::None | OtherEnd::Terminal { .. } | OtherEnd::Held => {}
            }
        }
        if forsaken.is_empty() && unclear.is_empty() {
            return Self::default();
        }
        let (lines, mut unread) = command_lines(grant);
        let mut leftovers = Vec::new();
        for row in forsaken {
            let argv = argv_of(&mut proc, row.id).unwrap_or_default();
            let named = lines.iter().filter(|line| line.is_of(&argv));
            let leftover =
                |line: &Line| Leftover { id: row.id, name: line.name.clone(), file: line.file.clone() };
            leftovers.extend(named.map(leftover));
        }
        // One of these may be left behind: unknown is not gone. The file comes first, for by
        // that the plugin tells whose it is.
        for row in unclear {
            let argv = argv_of(&mut proc, row.id).unwrap_or_default();
            let named = lines.iter().filter(|line| line.is_of(&argv));
            let unknown = |line: &Line| {
                let file = line.file.display();
                format!("{file} names {}, and who is at the other end of its input cannot be told", row.id)
            };
            unread.extend(named.map(unknown));
        }
        Self { leftovers, unread }
    }

    /// Which processes they are.
    pub(crate) fn ids(&self) -> HashSet<ProcessId> {
        self.leftovers.iter().map(|one| one.id).collect()
    }
}

/// Whether a process was put into a group of its own by somebody in its kernel session of
/// whom nobody is left, and was taken over from there.
fn was_taken_over(row: &Row, table: &ProcessTable) -> bool {
    let leads_its_group_alone = row.group == row.id.pid && row.session != row.id.pid && row.session != 0;
    if row.zombie || row.id.pid <= 1 || !leads_its_group_alone {
        return false;
    }
    // The first process of a machine may be another user's, and is then not shown.
    let parents = table.pid(row.parent).map(|parent| parent.session).or((row.parent == 1).then_some(1));
    // A number that is a session's is given to no other process, so who has it is the leader.
    parents.is_some_and(|session| session != row.session) && existence(row.session) == Existence::Gone
}

/// A command line of the configuration.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    name: String,
    file: PathBuf,
    command: String,
    args: Vec<String>,
}

impl Line {
    /// Whether a process with these arguments was started by it. The program may be a
    /// script: then what runs it is the first word, and the script the second.
    fn is_of(&self, argv: &[String]) -> bool {
        let is_command = |word: &str| {
            if self.command.contains('/') { word == self.command } else { file_name(word) == self.command }
        };
        match argv {
            [program, rest @ ..] if is_command(program) && rest == self.args => true,
            [runs, script, rest @ ..] => is_interpreter(runs) && is_command(script) && rest == self.args,
            _ => false,
        }
    }

    /// Reads one. A bare interpreter says nothing, and a server that is elsewhere has no
    /// command.
    fn of(name: &str, entry: &Value, file: &Path) -> Option<Self> {
        let command = entry.get("command")?.as_str().filter(|command| !command.is_empty())?;
        let args: Vec<String> = match entry.get("args") {
            None | Some(Value::Null) => Vec::new(),
            Some(args) => {
                let words = args.as_array()?.iter();
                words.map(|word| word.as_str().map(str::to_owned)).collect::<Option<_>>()?
            }
        };
        if args.is_empty() && is_interpreter(command) {
            return None;
        }
        Some(Self { name: name.to_owned(), file: file.to_path_buf(), command: command.to_owned(), args })
    }
}

fn is_interpreter(word: &str) -> bool {
    let name = file_name(word);
    // python3.12
    let plain = name.split_once('.').filter(|(_, rest)| rest.chars().all(|c| c.is_ascii_digit()));
    INTERPRETERS.contains(&plain.map_or(name, |(name, _)| name))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The command lines of all files, and what is wrong with the others.
fn command_lines(grant: &LeftoversGrant) -> (Vec<Line>, Vec<String>) {
    let (mut lines, mut unread) = (Vec::new(), Vec::new());
    for pattern in &grant.files {
        match files_of(pattern) {
            Ok(files) => {
                for file in files {
                    match lines_of(&file, &grant.under) {
                        Ok(more) => lines.extend(more),
                        Err(why) => unread.push(format!("{} {why}", file.display())),
                    }
                }
            }
            Err(why) => unread.push(format!("{} {why}", pattern.display())),
        }
    }
    (lines, unread)
}

/// The files of a path whose last part may have `*` in it.
fn files_of(pattern: &Path) -> Result<Vec<PathBuf>, String> {
    let name = pattern.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(folder) = pattern.parent().filter(|_| name.contains('*')) else {
        return Ok(vec![pattern.to_path_buf()]);
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("cannot be listed: {error}")),
    };
    let glob = glob_regex(&name)?;
    let names = entries.take(MOST_FILES).filter_map(|entry| Some(entry.ok()?.file_name()));
    let mut files: Vec<PathBuf> =
        names.filter(|name| glob.is_match(&name.to_string_lossy())).map(|name| folder.join(name)).collect();
    files.sort();
    Ok(files)
}

/// The command lines of a file. One that is not there has none.
fn lines_of(file: &Path, under: &str) -> Result<Vec<Line>, String> {
    let opened =
        match fs::OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(format!("cannot be opened: {error}")),
        };
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    if !opened.metadata().map_err(unreadable)?.is_file() {
        return Err("is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    opened.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("is longer than {LONGEST} bytes"));
    }
    // What is wrong with it would quote it.
    let text: Value = serde_json::from_slice(&bytes).map_err(|_| "is no JSON".to_owned())?;
    let servers = text.get(under).and_then(Value::as_object);
    Ok(servers.into_iter().flatten().filter_map(|(name, entry)| Line::of(name, entry, file)).collect())
}

impl State {
    fn find_leftovers(&mut self) -> Result<leftovers::Found, types::Error> {
        if self.shared.grants.leftovers.is_none() {
            let mend = in_manifest(self, "[asks.leftovers] with `files` and `under`");
            return Err(deny(self, "leftovers", "processes that were left behind".to_owned(), mend));
        }
        let table = match &self.processes {
            Some(table) => table.clone(),
            None => ProcessTable::read(Owners::Roughly).map_err(no_table)?.into(),
        };
        let found = Found::look(&self.shared.grants, &table, &mut self.streams);
        let leftover = |one: Leftover| leftovers::Leftover {
            process: convert::process(one.id),
            name: one.name,
            file: one.file.display().to_string(),
        };
        Ok(leftovers::Found {
            leftovers: found.leftovers.into_iter().map(leftover).collect(),
            unread: found.unread,
        })
    }
}

impl leftovers::Host for State {
    fn find(&mut self) -> wasmtime::Result<Result<leftovers::Found, types::Error>> {
        let since = Instant::now();
        let answer = self.find_leftovers();
        self.watch.was_in_host(since);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
