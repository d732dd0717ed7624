//! The door: a folder becomes a [`Store`] or a [`Reader`], or an error that says
//! why not.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::anchor::{self, Anchor};
use crate::chain::{Hash, Head};
use crate::error::{StoreError, explain, io};
use crate::files::{FileId, Files, private};
use crate::journal::NewEntry;
use crate::retention::Checkpoint;
use crate::schema::{self, FORMAT};
use crate::sealed::uint;
use crate::store::{Reader, Store};
use crate::writer::WriterLock;

/// How long one connection waits for another. Writers exclude each other before
/// they come here, so this is only about short moments of housekeeping.
const BUSY: Duration = Duration::from_secs(5);

/// The entry that says that no head was noted when a journal was opened.
pub(crate) const HEAD_MISSING: &str = "store.head-missing";

/// What a writer must know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which boot of the machine this is; goes into each entry of the journal.
    pub boot: String,
    /// How long to wait for another writer.
    pub wait: Duration,
    /// When it is, for the entries that the opening itself may write.
    pub now: reap_core::time::Timestamp,
}

impl Store {
    /// Opens the store in this folder for writing, and makes it where there is
    /// none. Only one process at a time gets it.
    ///
    /// What is looked at here costs the same for any size; [`Store::examine`]
    /// looks at everything.
    pub fn open(folder: &Path, settings: &Settings) -> Result<Self, StoreError> {
        let files = Files::in_folder(folder);
        files.make_folder()?;
        let lock = WriterLock::take(&files.lock, settings.wait)?;
        let noted = anchor::noted(&files)?;
        if noted.is_some() && !files.database.exists() {
            return Err(StoreError::Lost { path: files.database, head: files.head });
        }
        drop(private("open the database", &files.database)?);
        let mut conn = connect(&files, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let format = schema::format(&conn, &files.database)?;
        if noted.is_some() && format == 0 {
            return Err(StoreError::Lost { path: files.database, head: files.head });
        }
        // Before anything is written to it.
        meets(&conn, &files, noted.as_ref())?;
        prepare(&conn).map_err(|error| explain("prepare for writing", &files.database, error))?;
        schema::migrate(&mut conn, &files.database, format)?;
        let (tip, written) = tip(&conn, &files)?;
        let anchor = Anchor::open(&files)?;
        let opened = FileId::of(&files.database).map_err(|error| io("look at", &files.database, error))?;
        let boot = settings.boot.clone();
        let mut store = Self { conn, files, opened, anchor, boot, tip, written, basis: None, _lock: lock };
        store.anchored(noted, settings)?;
        Ok(store)
    }

    /// Notes the head where none is noted. In a journal that has entries already
    /// somebody deleted it, or the first start was cut short; the journal says so.
    fn anchored(&mut self, noted: Option<Head>, settings: &Settings) -> Result<(), StoreError> {
        if noted.is_none() && self.tip.seq > 0 {
            let entry = NewEntry::own(HEAD_MISSING, None, &serde_json::json!({}))?;
            return self.write(|txn| txn.append(settings.now, [entry]));
        }
        let head = self.files.head.clone();
        self.anchor.note(&self.tip).map_err(|source| StoreError::HeadNotNoted { path: head, source })
    }
}

impl Reader {
    /// Opens the store in this folder for reading, beside a writer or alone.
    /// Nothing in the folder is made or brought up to date.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let files = Files::in_folder(folder);
        if !files.database.exists() {
            return Err(if files.head.exists() {
                StoreError::Lost { path: files.database, head: files.head }
            } else {
                StoreError::Missing { path: files.database }
            });
        }
        let conn = connect(&files, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        match schema::format(&conn, &files.database)? {
            0 if files.head.exists() => Err(StoreError::Lost { path: files.database, head: files.head }),
            0 => Err(StoreError::Missing { path: files.database }),
            FORMAT => Ok(Self { conn, files }),
            found => Err(StoreError::Older { path: files.database, found, known: FORMAT }),
        }
    }
}

fn connect(files: &Files, mode: OpenFlags) -> Result<Connection, StoreError> {
    let path = &files.database;
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let conn = Connection::open_with_flags(path, flags)?;
        conn.busy_timeout(BUSY)?;
        conn.pragma_update(None, "foreign_keys", true)?;
        // A schema that somebody planted must not run functions of ours.
        conn.pragma_update(None, "trusted_schema", false)?;
        conn.pragma_update(None, "cell_size_check", true)?;
        Ok(conn)
    };
    open().map_err(|error| explain("open", path, error))
}

fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    // So that retention gives room back. Counts only before the first table.
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    // With NORMAL a power cut could take back an intent whose act was done.
    conn.pragma_update(None, "synchronous", "FULL")?;
    // Retention moves the write-ahead log into the database, between cycles and
    // not inside one. This is for a process that never gets to it: 16 MiB.
    conn.pragma_update(None, "wal_autocheckpoint", 4096)?;
    conn.pragma_update(None, "journal_size_limit", 16 << 20)
}

/// The last entry of the journal, and the bytes of payload up to it.
fn tip(conn: &Connection, files: &Files) -> Result<(Head, i64), StoreError> {
    let sql = "SELECT seq, written, hash FROM journal ORDER BY seq DESC LIMIT 1";
    let read = || {
        let start = Checkpoint::of(conn)?;
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        match rows.next()? {
            Some(row) => Ok((Head { seq: uint(row.get(0)?), hash: Hash(row.get(2)?) }, row.get(1)?)),
            None => Ok((start.head(), start.written)),
        }
    };
    read().map_err(|error| explain("find the end of the journal", &files.database, error))
}

/// The noted head must be in the journal.
fn meets(conn: &Connection, files: &Files, noted: Option<&Head>) -> Result<(), StoreError> {
    let Some(noted) = noted else { return Ok(()) };
    let sql = "SELECT EXISTS (SELECT 1 FROM journal WHERE seq = ?1 AND hash = ?2)
            OR EXISTS (SELECT 1 FROM checkpoint WHERE seq = ?1 AND hash = ?2)";
    let there = conn
        .query_row(sql, (crate::sealed::int(noted.seq), noted.hash.0), |row| row.get(0))
        .map_err(|error| explain("find the noted head", &files.database, error))?;
    if there {
        return Ok(());
    }
    Err(StoreError::Cut { path: files.database.clone(), head: files.head.clone(), noted: *noted })
}
