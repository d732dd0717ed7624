//! The state folder, touched from outside: its write lock, its room, and what its
//! journal says of intents.

use std::fs;
use std::path::PathBuf;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::process::Process;
use super::wait::DEADLINE;
use super::world::World;

/// An intent in the journal, with all outcomes that it got. One is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    pub title: String,
    pub outcomes: Vec<String>,
}

/// The database's write lock. Whoever wants to write waits.
pub struct WriteLock {
    _held: Connection,
}

impl World {
    /// The file of the state folder that has this name.
    pub fn state_file(&self, name: &str) -> PathBuf {
        self.path("state/reap").join(name)
    }

    /// Takes the database's write lock.
    #[track_caller]
    pub fn lock_database(&self) -> WriteLock {
        let held = self.database();
        held.execute_batch("BEGIN IMMEDIATE").expect("the lock is free");
        WriteLock { _held: held }
    }

    /// Moves all that was written into the one file of the database, which nobody
    /// uses at the moment.
    #[track_caller]
    pub fn gather_database(&self) {
        let busy: i64 = self
            .database()
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .expect("a checkpoint");
        assert_eq!(busy, 0, "somebody uses the database");
        for name in ["reap.db-wal", "reap.db-shm"] {
            // Gone already where whoever used it last has ended well.
            let _ = fs::remove_file(self.state_file(name));
        }
    }

    /// The database. To close it again changes nothing.
    #[track_caller]
    pub fn database(&self) -> Connection {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let database = Connection::open_with_flags(self.state_file("reap.db"), flags)?;
            database.busy_timeout(DEADLINE)?;
            database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            Ok::<_, rusqlite::Error>(database)
        };
        open().expect("the database")
    }

    /// All intents of the journal, oldest first.
    #[track_caller]
    pub fn intents(&self) -> Vec<Intent> {
        let journal = self.journal();
        let of = |kind: &'static str| journal.iter().filter(move |entry| entry.at("/kind").text() == kind);
        of("intent.journalled")
            .map(|intent| Intent {
                title: intent.at("/payload/title").text().to_owned(),
                outcomes: of("intent.settled")
                    .filter(|settled| settled.at("/payload/intent").number() == intent.at("/seq").number())
                    .map(|settled| settled.at("/payload/outcome").text().to_owned())
                    .collect(),
            })
            .collect()
    }

    /// Fails the test unless the journal is as it was written.
    #[track_caller]
    pub fn journal_is_sound(&self) {
        self.reap(&["journal", "verify"]).exits(0).says(&["is as it was written"]);
    }
}

impl Intent {
    pub fn new(title: &str, outcomes: &[&str]) -> Self {
        Self { title: title.to_owned(), outcomes: outcomes.iter().map(ToString::to_string).collect() }
    }
}

impl Process {
    /// From now on each file that it writes may have so many bytes: as good as a
    /// disk that is full.
    #[track_caller]
    pub fn limit_files(self, bytes: Option<u64>) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        assert!(self.lives(), "{self:?} has ended");
        let most = rustix::process::getrlimit(Resource::Fsize).maximum;
        let limit = Rlimit { current: bytes.or(most), maximum: most };
        prlimit(pid, Resource::Fsize, limit).expect("our own process");
    }
}
