//! The process table, and the two things that are done to processes: waiting
//! for one to end, and sending it a signal.
//!
//! A pid is never enough. Every process here is a [`ProcessId`] with its start
//! time, and a signal goes through a pidfd that was compared with that start
//! time after it was opened, so that a pid used again in between is not hit.

mod folders;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use reap_core::guard::Here;
use reap_core::session::ProcessId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

pub(crate) use self::folders::{Proc, of_each};
use crate::limits::SETTLE;

/// One row of the process table.
#[derive(Debug, Clone)]
pub struct Row {
    /// Which process.
    pub id: ProcessId,
    /// Its parent's pid.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its kernel session: the pid of that session's leader.
    pub session: u32,
    /// Its controlling terminal's device number; 0 for none.
    pub terminal: u32,
    /// Whether it has ended and only waits for its parent.
    pub zombie: bool,
    /// The kernel's short name of it.
    pub name: String,
    /// Time since it started.
    pub age: Duration,
    /// Processor time that it has used.
    pub cpu: Duration,
    /// The user that it runs as.
    pub uid: u32,
}

/// How well the owners of processes have to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// As the files of a process tell. Those of one that does not let itself be
    /// dumped (ssh-agent) are root's. Good for looking.
    Roughly,
    /// As a process's folder tells, which costs a fifth more. For ending.
    Exactly,
}

/// A picture of the process table.
#[derive(Debug)]
pub struct ProcessTable {
    /// By pid.
    rows: Vec<Row>,
    index: HashMap<u32, usize>,
    children: HashMap<u32, Vec<usize>>,
}

impl ProcessTable {
    /// Reads `/proc`. Processes that end meanwhile are left out.
    pub fn read(owners: Owners) -> io::Result<Self> {
        let clock = Clock::now();
        let mut pids = Vec::new();
        for entry in fs::read_dir("/proc")? {
            pids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
        }
        pids.sort_unstable();
        let rows = of_each(&pids, |proc, pid| proc.look(*pid, &clock, owners).ok())?;
        Ok(Self::from_rows(rows.into_iter().flatten().collect()))
    }

    pub(crate) fn from_rows(rows: Vec<Row>) -> Self {
        let index = rows.iter().enumerate().map(|(at, row)| (row.id.pid, at)).collect();
        let mut children: HashMap<u32, Vec<usize>> = HashMap::new();
        for (at, row) in rows.iter().enumerate() {
            children.entry(row.parent).or_default().push(at);
        }
        Self { rows, index, children }
    }

    /// All rows, by pid.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of this pid, whoever it is now.
    pub fn pid(&self, pid: u32) -> Option<&Row> {
        self.index.get(&pid).map(|&at| &self.rows[at])
    }

    /// The row of exactly this process.
    pub fn row(&self, id: ProcessId) -> Option<&Row> {
        self.pid(id.pid).filter(|row| row.id == id)
    }

    /// The processes and all that descend from them, as far as they count. What
    /// descends only from one that does not count is left out with it.
    pub fn trees(
        &self,
        roots: impl IntoIterator<Item = ProcessId>,
        counts: impl Fn(&Row) -> bool,
    ) -> HashSet<ProcessId> {
        let mut found = HashSet::new();
        let mut open: Vec<&Row> = roots.into_iter().filter_map(|id| self.row(id)).collect();
        while let Some(row) = open.pop() {
            if counts(row) && found.insert(row.id) {
                let children = self.children.get(&row.id.pid).into_iter().flatten();
                open.extend(children.map(|&at| &self.rows[at]));
            }
        }
        found
    }

    /// The process and its ancestors, up to the first of them all.
    pub fn ancestors(&self, pid: u32) -> Vec<ProcessId> {
        let mut line = Vec::new();
        let mut next = self.pid(pid);
        while let Some(row) = next {
            if line.contains(&row.id) {
                break;
            }
            line.push(row.id);
            next = self.pid(row.parent);
        }
        line
    }
}

/// This process and its ancestors.
pub fn here() -> io::Result<Here> {
    above(std::process::id())
}

/// A process and its ancestors.
pub fn above(mut pid: u32) -> io::Result<Here> {
    let clock = Clock::now();
    let mut proc = Proc::open()?;
    let mut ancestors = Vec::new();
    // A parent can be outside this PID namespace; it then reads as 0.
    while pid != 0 && ancestors.len() < 1000 {
        let Ok(row) = proc.look(pid, &clock, Owners::Roughly) else {
            return Err(io::Error::other(format!(
                "cannot read /proc/{pid}/stat of a process or its ancestor"
            )));
        };
        ancestors.push(row.id);
        pid = row.parent;
    }
    Ok(Here { ancestors })
}

/// Whether exactly this process still runs. One that has ended and only waits
/// for its parent does not.
pub fn alive(id: ProcessId) -> bool {
    // What cannot be read is not known to have ended.
    let Ok(mut proc) = Proc::open() else { return true };
    match proc.look(id.pid, &Clock::now(), Owners::Roughly) {
        Ok(row) => row.id == id && !row.zombie,
        Err(Errno::NOENT | Errno::SRCH) => false,
        Err(_) => true,
    }
}

/// Whether some process has a pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existence {
    /// None has it, or one that has ended and only waits for its parent.
    Gone,
    /// One has it, whosever it is.
    There,
    /// It cannot be told.
    Unknown,
}

/// Whether some process has this pid. Asked of the kernel itself: `/proc` may hide
/// the processes of others.
pub(crate) fn existence(pid: u32) -> Existence {
    let Ok(number) = i32::try_from(pid) else { return Existence::Gone };
    let Some(number) = Pid::from_raw(number) else { return Existence::Unknown };
    match pidfd_open(number, PidfdFlags::empty()) {
        Err(Errno::SRCH) => Existence::Gone,
        Err(_) => Existence::Unknown,
        Ok(_) => {
            let row =
                Proc::open().ok().and_then(|mut proc| proc.look(pid, &Clock::now(), Owners::Roughly).ok());
            if row.is_some_and(|row| row.zombie) { Existence::Gone } else { Existence::There }
        }
    }
}

struct Clock {
    uptime: Duration,
    ticks_per_second: u64,
}

impl Clock {
    fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Self {
            uptime: Duration::new(now.tv_sec.max(0) as u64, now.tv_nsec.clamp(0, 999_999_999) as u32),
            ticks_per_second: rustix::param::clock_ticks_per_second().max(1),
        }
    }

    fn ticks(&self, ticks: u64) -> Duration {
        Duration::from_millis(ticks.saturating_mul(1000) / self.ticks_per_second)
    }
}

/// Parses `/proc/PID/stat`. The name may hold spaces and brackets, so the
/// fields are counted from the last `)`.
fn parse_stat(stat: &[u8], uid: u32, clock: &Clock) -> Option<Row> {
    let open = stat.iter().position(|&byte| byte == b'(')?;
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    let pid = std::str::from_utf8(&stat[..open]).ok()?.trim().parse().ok()?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().take(20).collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<i64>().ok());
    let small = |at: usize| number(at).and_then(|n| u32::try_from(n).ok());
    let long = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    let started = long(19)?;
    Some(Row {
        id: ProcessId { pid, started },
        parent: small(1)?,
        group: small(2).unwrap_or(0),
        session: small(3).unwrap_or(0),
        terminal: number(4).map_or(0, |n| n as u32), // a device number, printed as signed
        zombie: ended(fields.first()?, number(17)),
        name: String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned(),
        age: clock.uptime.saturating_sub(clock.ticks(started)),
        cpu: clock.ticks(long(11)?.saturating_add(long(12)?)),
        uid,
    })
}

/// Whether a process has ended, by its state and the number of its threads. One
/// whose first thread has ended shows as a zombie too, while others run on.
fn ended(state: &str, threads: Option<i64>) -> bool {
    matches!(state, "X" | "x") || (state == "Z" && threads.is_none_or(|threads| threads <= 1))
}

/// A process held fast: whatever happens to its pid, this stays that process.
#[derive(Debug)]
pub struct Held {
    /// Which process.
    pub id: ProcessId,
    fd: OwnedFd,
}

/// Why a process could not be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotHeld {
    /// It has ended, or its pid belongs to another process by now.
    Ended,
    /// The system did not allow it.
    Refused(Errno),
}

impl Held {
    /// Takes hold of exactly this process.
    pub fn take(id: ProcessId) -> Result<Self, NotHeld> {
        let pid = i32::try_from(id.pid).ok().and_then(Pid::from_raw).ok_or(NotHeld::Ended)?;
        let fd = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| match error {
            Errno::SRCH => NotHeld::Ended,
            other => NotHeld::Refused(other),
        })?;
        // In this order: had the pid been given to another process before the
        // descriptor was opened, the start time read now would differ.
        if alive(id) { Ok(Self { id, fd }) } else { Err(NotHeld::Ended) }
    }

    /// Sends a signal. A process that has ended meanwhile is no error.
    pub fn signal(&self, signal: Signal) -> Result<(), Errno> {
        match pidfd_send_signal(&self.fd, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(other) => Err(other),
        }
    }
}

/// Waits until all have ended or the time is over; gives back those that live.
pub fn wait_for_end(mut held: Vec<Held>, time: Duration) -> Vec<Held> {
    let until = Instant::now() + time;
    while !held.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut polled: Vec<PollFd<'_>> =
            held.iter().map(|one| PollFd::from_borrowed_fd(one.fd.as_fd(), PollFlags::IN)).collect();
        let answer = poll(&mut polled, Some(&timeout));
        let ended: Vec<bool> = polled.iter().map(|one| !one.revents().is_empty()).collect();
        let mut at = 0;
        held.retain(|_| {
            at += 1;
            !ended[at - 1]
        });
        let over = matches!(answer, Ok(0)) || left.is_zero();
        let broken = matches!(answer, Err(error) if error != Errno::INTR);
        if over || broken {
            break;
        }
    }
    held
}

/// Those that still live when they have had a moment to end by themselves.
pub fn lingering(ids: impl IntoIterator<Item = ProcessId>) -> HashSet<ProcessId> {
    let ids = Vec::from_iter(ids);
    // What cannot be held is looked at all the same.
    let held = ids.iter().filter_map(|id| Held::take(*id).ok());
    wait_for_end(held.collect(), SETTLE);
    ids.into_iter().filter(|id| alive(*id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock { uptime: Duration::from_secs(1000), ticks_per_second: 100 }
    }

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat = b"42 (a) R 1 (b) S 7 42 42 34816 42 4194304 1 0 0 0 150 50 0 0 20 0 1 0 90000 1 1";
        let row = parse_stat(stat, 0, &clock()).expect("parses");
        assert_eq!(row.id, ProcessId { pid: 42, started: 90000 });
        assert_eq!((row.parent, row.session, row.name.as_str()), (7, 42, "a) R 1 (b"));
        assert_eq!(row.age, Duration::from_secs(100));
        assert_eq!(row.cpu, Duration::from_secs(2));
        assert!(!row.zombie);
    }

    #[test]
    fn a_process_whose_first_thread_has_ended_lives() {
        let stat = |state: &str, threads: u32| {
            format!("42 (x) {state} 7 42 42 0 -1 4194304 1 0 0 0 1 1 0 0 20 0 {threads} 0 90000 1 1")
        };
        for (state, threads, zombie) in [
            ("Z", 1, true),
            ("Z", 2, false),
            ("X", 2, true),
            ("S", 1, false),
            ("T", 1, false),
            ("Z", 0, true),
        ] {
            let row = parse_stat(stat(state, threads).as_bytes(), 0, &clock()).expect("parses");
            assert_eq!(row.zombie, zombie, "{state} with {threads}");
        }
    }

    #[test]
    fn a_cut_row_is_no_row() {
        assert!(parse_stat(b"42 (x) S 7 42", 0, &clock()).is_none());
        assert!(parse_stat(b"", 0, &clock()).is_none());
    }

    #[test]
    fn here_begins_with_this_process_and_ends_with_the_first() {
        let here = here().expect("/proc is readable");
        assert_eq!(here.ancestors[0].pid, std::process::id());
        let table = ProcessTable::read(Owners::Exactly).expect("/proc is readable");
        assert_eq!(table.ancestors(std::process::id()), here.ancestors);
    }

    #[test]
    fn a_reused_pid_is_not_held() {
        let me = here().expect("/proc is readable").ancestors[0];
        assert!(Held::take(me).is_ok());
        let other = ProcessId { started: me.started + 1, ..me };
        assert_eq!(Held::take(other).err(), Some(NotHeld::Ended));
        assert!(!alive(other));
    }

    #[test]
    fn a_child_is_ended_and_seen_to_end() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().expect("sleep starts");
        let table = ProcessTable::read(Owners::Exactly).expect("/proc is readable");
        let id = table.pid(child.id()).expect("listed").id;
        assert!(table.trees([here().expect("/proc").ancestors[0]], |_| true).contains(&id));
        let held = Held::take(id).expect("it lives");
        assert_eq!(wait_for_end(vec![held], Duration::ZERO).len(), 1);
        let held = Held::take(id).expect("it lives");
        held.signal(Signal::KILL).expect("it is ours");
        assert!(wait_for_end(vec![held], Duration::from_secs(10)).is_empty());
        assert!(!alive(id), "a zombie does not count as alive");
        child.wait().expect("it is our child");
    }
}
