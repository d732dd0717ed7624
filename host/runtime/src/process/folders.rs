//! The folders of `/proc`: a small file here and a link there, of thousands of processes.

use std::io;
use std::os::fd::OwnedFd;
use std::thread;

use rustix::fs::{AtFlags, Mode, OFlags, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::{Clock, Owners, Row, parse_stat};

/// `/proc`, held open, with a buffer: a scan reads thousands of small files.
#[derive(Debug)]
pub(crate) struct Proc {
    folder: OwnedFd,
    buffer: Vec<u8>,
    /// The PID namespace of this process, once it was asked for.
    namespace: Option<Vec<u8>>,
}

/// The link that tells a process's PID namespace.
const NAMESPACE: &str = "ns/pid";

/// What one read takes at most. More than a row of `stat`, less than many an
/// environment: those take several.
const CHUNK: usize = 8 << 10;

impl Proc {
    pub(crate) fn open() -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open("/proc", flags, Mode::empty())?;
        Ok(Self { folder, buffer: vec![0; CHUNK], namespace: None })
    }

    /// A file of one process's folder, at most `limit` bytes. `None` when it
    /// cannot be read.
    pub(crate) fn file(&mut self, pid: u32, file: &str, limit: usize) -> Option<Vec<u8>> {
        let opened = self.open_file(pid, file)?;
        let mut bytes = Vec::new();
        loop {
            let got = rustix::io::read(&opened, &mut self.buffer).ok()?;
            bytes.extend_from_slice(&self.buffer[..got.min(limit - bytes.len())]);
            // These files answer in full while there is more to tell.
            if got < CHUNK || bytes.len() >= limit {
                return Some(bytes);
            }
        }
    }

    /// Where a link of one process's folder leads.
    pub(crate) fn link(&self, pid: u32, link: &str) -> Option<Vec<u8>> {
        let target = readlinkat(&self.folder, format!("{pid}/{link}"), Vec::with_capacity(256)).ok()?;
        Some(target.into_bytes())
    }

    /// Whether a pid means the same to this process as to us. In a container 42 is
    /// somebody else.
    pub(crate) fn counts_as_we_do(&mut self, pid: u32) -> bool {
        if self.namespace.is_none() {
            self.namespace = self.link(std::process::id(), NAMESPACE);
        }
        self.namespace.is_some() && self.link(pid, NAMESPACE) == self.namespace
    }

    pub(super) fn look(&mut self, pid: u32, clock: &Clock, owners: Owners) -> Result<Row, Errno> {
        let opened = openat(&self.folder, format!("{pid}/stat"), FLAGS, Mode::empty())?;
        // Whoever has the pid by the time of reading, the open file is of one
        // process only.
        let uid = match owners {
            Owners::Exactly => statat(&self.folder, format!("{pid}"), AtFlags::empty())?.st_uid,
            Owners::Roughly => fstat(&opened)?.st_uid,
        };
        let got = rustix::io::read(&opened, &mut self.buffer)?;
        parse_stat(&self.buffer[..got], uid, clock).ok_or(Errno::INVAL)
    }

    fn open_file(&self, pid: u32, file: &str) -> Option<OwnedFd> {
        openat(&self.folder, format!("{pid}/{file}"), FLAGS, Mode::empty()).ok()
    }
}

/// Of fewer processes than this, a second thread costs more than it saves: a tmux server
/// is at work meanwhile, and a small machine has two cores.
const MANY: usize = 2000;

/// More threads than this wait for each other in the kernel.
const MOST_THREADS: usize = 4;

/// Reads something of each of these processes, in their order. It is the kernel that takes
/// the time, so of thousands several threads read a part each.
pub(crate) fn of_each<P: Sync, T: Send>(
    all: &[P],
    read: impl Fn(&mut Proc, &P) -> T + Sync,
) -> io::Result<Vec<T>> {
    let part = |some: &[P]| {
        let mut proc = Proc::open()?;
        Ok(some.iter().map(|one| read(&mut proc, one)).collect::<Vec<T>>())
    };
    if all.len() < MANY {
        return part(all);
    }
    let threads = thread::available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS));
    thread::scope(|scope| {
        let parts = all.chunks(all.len().div_ceil(threads));
        // A machine that is short of threads is no reason to break.
        let start = |some| thread::Builder::new().spawn_scoped(scope, move || part(some));
        let started = parts.map(start).collect::<io::Result<Vec<_>>>()?;
        let mut whole = Vec::with_capacity(all.len());
        for thread in started {
            let broken = |_| io::Error::other("a thread that read /proc broke");
            whole.extend(thread.join().map_err(broken)??);
        }
        Ok(whole)
    })
}

const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_read_in_their_order() {
        for count in [0, 1, MANY - 1, MANY, 3 * MANY + 1] {
            let all: Vec<usize> = (0..count).collect();
            assert_eq!(of_each(&all, |_, one| *one).expect("/proc is readable"), all);
        }
    }
}
