//! One writer for a state folder.
//!
//! SQLite lets several processes write in turns. Reap must not: two daemons that
//! take turns would each end the sessions of its own plan. So whoever wants to
//! write holds a lock on a file beside the database for as long as it lives. The
//! kernel frees it when the process ends, however it ends; the name in the file
//! only tells people who it is.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use reap_core::session::ProcessId;

use crate::error::{StoreError, io};
use crate::files::private;

/// How often a held lock is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// Who holds a lock, as far as that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// This process; it still runs, for it holds the lock.
    Process(ProcessId),
    /// The lock is held, and nothing readable says by whom.
    Unknown,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(process) => write!(f, "{process}"),
            Self::Unknown => f.write_str("another process"),
        }
    }
}

/// The lock, held until this is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct WriterLock {
    // Never unlinked: a third process could lock the new file while the second
    // still holds the old one.
    _file: File,
}

impl WriterLock {
    /// Takes the lock, and waits at most so long for it.
    pub fn take(path: &Path, wait: Duration) -> Result<Self, StoreError> {
        let mut file = private("open the writer's lock", path)?;
        let until = Instant::now() + wait;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Locked { path: path.to_owned(), holder: holder(&mut file) });
                }
                Err(TryLockError::Error(error)) => return Err(io("lock", path, error)),
            }
        }
        sign(&mut file, path)?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    match read.ok().and_then(|_| serde_json::from_str(&text).ok()) {
        Some(process) => Holder::Process(process),
        None => Holder::Unknown,
    }
}

fn sign(file: &mut File, path: &Path) -> Result<(), StoreError> {
    let me = ProcessId { pid: std::process::id(), started: started(path)? };
    let text = format!("{{\"pid\":{},\"started\":{}}}\n", me.pid, me.started);
    file.rewind()
        .and_then(|()| file.set_len(0))
        .and_then(|()| file.write_all(text.as_bytes()))
        .map_err(|error| io("sign the writer's lock", path, error))
}

/// This process's start in clock ticks since boot: field 22 of its `stat`. The
/// second field is the name in brackets, and a name may hold brackets and blanks.
fn started(path: &Path) -> Result<u64, StoreError> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(|error| io("read /proc for", path, error))?;
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    let field = after_name.and_then(|rest| rest.split_ascii_whitespace().nth(19));
    field.and_then(|text| text.parse().ok()).ok_or_else(|| {
        let odd = std::io::Error::other("/proc/self/stat has no start time");
        io("read the start time for", path, odd)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("reap.lock");
        let first = WriterLock::take(&path, Duration::ZERO).expect("free");
        let me = ProcessId { pid: std::process::id(), started: started(&path).expect("proc") };
        match WriterLock::take(&path, Duration::ZERO) {
            Err(StoreError::Locked { holder, .. }) => assert_eq!(holder, Holder::Process(me)),
            other => panic!("{other:?}"),
        }
        drop(first);
        WriterLock::take(&path, Duration::ZERO).expect("free again");
    }

    #[test]
    fn a_writer_that_waits_gets_the_lock_when_it_is_free() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("reap.lock");
        let first = WriterLock::take(&path, Duration::ZERO).expect("free");
        thread::scope(|scope| {
            let second = scope.spawn(|| WriterLock::take(&path, Duration::from_secs(30)).map(drop));
            drop(first);
            second.join().expect("no panic").expect("free in time");
        });
    }

    #[test]
    fn a_lock_that_nobody_signed_is_still_a_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("reap.lock");
        let file = private("open", &path).expect("a file");
        file.lock().expect("free");
        match WriterLock::take(&path, Duration::ZERO) {
            Err(StoreError::Locked { holder, .. }) => assert_eq!(holder, Holder::Unknown),
            other => panic!("{other:?}"),
        }
    }
}
