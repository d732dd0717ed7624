//! Processes as the kernel shows them, found and ended without any name.

use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The variable that marks each process of a world.
pub const MARK: &str = "REAP_TEST_WORLD";

/// One process. The start time tells it from a later one with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    pub pid: u32,
    /// In the kernel's clock ticks since boot.
    pub started: u64,
}

impl Process {
    /// The process that has this pid now.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        Some(Self { pid, started: stat.started })
    }

    /// Whether it runs. One that has ended and waits to be fetched by its parent
    /// does not.
    pub fn lives(self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.started == self.started && !stat.has_ended())
    }

    /// Whether it shows as one that has ended, though it may have threads that run.
    pub fn shows_as_ended(self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.started == self.started && stat.state == 'Z')
    }

    /// The value of a variable in its environment.
    pub fn variable(self, name: &str) -> Option<String> {
        let environment = fs::read(format!("/proc/{}/environ", self.pid)).ok()?;
        let start = [name.as_bytes(), b"="].concat();
        let value = environment.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(&start[..]))?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Sends a signal to exactly this process, if it still runs.
    pub fn signal(self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(held) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else { return };
        // The descriptor holds one process; only now it is known which.
        if self.lives() {
            // It may end in this moment, which is as good.
            let _ = pidfd_send_signal(held, signal);
        }
    }

    /// All that carry the mark of the world `id`.
    pub fn of_world(id: &str) -> Vec<Self> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(Self::of)
            .filter(|process| process.variable(MARK).as_deref() == Some(id) && process.lives())
            .collect()
    }
}

struct Stat {
    state: char,
    threads: u32,
    started: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name of a process may hold anything, brackets too.
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let threads = fields.nth(16)?.parse().ok()?;
        let started = fields.nth(1)?.parse().ok()?;
        Some(Self { state, threads, started })
    }

    /// A process whose first thread has ended shows as one that has ended too.
    fn has_ended(&self) -> bool {
        self.state == 'X' || (self.state == 'Z' && self.threads <= 1)
    }
}
