//! What is let go, all the while the daemon runs and not only at its start.
//!
//! The journal is shortened from its beginning: an entry says up to where and
//! with which hash, the checkpoint moves there, and what lies before it goes.
//! So the chain still proves everything that is kept, and that the rest was let
//! go on purpose. An open intent is never let go, nor what follows it.

use reap_core::time::{Span, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::chain::{Hash, Head};
use crate::error::{StoreError, explain};
use crate::journal::NewEntry;
use crate::sealed::{int, uint};
use crate::store::{Store, Txn, View};

/// The entry that says up to where the journal was let go.
pub(crate) const CHECKPOINT: &str = "store.checkpoint";

/// Pages that one call gives back to the disk, at most: 8 MiB, so that a cycle
/// never waits long for a big clean-up.
const VACUUM_PAGES: u32 = 2048;

/// How much is kept. The older goes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The journal's age.
    pub journal_age: Span,
    /// The journal's payload in bytes.
    pub journal_bytes: u64,
    /// So many of the newest entries stay whatever the clock says: one that was
    /// set a year ahead must not empty the journal.
    pub journal_floor: u64,
    /// The age of observations.
    pub observation_age: Span,
    /// All observations in bytes. The newest keyframe stays in any case.
    pub observation_bytes: u64,
    /// The age of tombstones of settled intents.
    pub tombstone_age: Span,
}

impl Default for Limits {
    fn default() -> Self {
        const DAY: u64 = 24 * 3600;
        Self {
            journal_age: Span::from_secs(180 * DAY),
            journal_bytes: 64 << 20,
            journal_floor: 1000,
            observation_age: Span::from_secs(30 * DAY),
            observation_bytes: 256 << 20,
            tombstone_age: Span::from_secs(90 * DAY),
        }
    }
}

/// What one call let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Entries of the journal.
    pub entries: u64,
    /// Observations.
    pub passes: u64,
    /// Tombstones.
    pub tombstones: u64,
}

/// How much is kept at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// The database in bytes, without its write-ahead log.
    pub database: u64,
    /// Entries of the journal.
    pub entries: u64,
    /// Their payload in bytes.
    pub entry_bytes: u64,
    /// Observations.
    pub passes: u64,
    /// Their bodies in bytes.
    pub pass_bytes: u64,
}

/// Where the kept part of the chain begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub seq: u64,
    pub written: i64,
    hash: Hash,
}

impl Checkpoint {
    pub fn of(conn: &Connection) -> rusqlite::Result<Self> {
        conn.query_row("SELECT seq, written, hash FROM checkpoint", [], |row| {
            Ok(Self { seq: uint(row.get(0)?), written: row.get(1)?, hash: Hash(row.get(2)?) })
        })
    }

    pub fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }
}

impl Store {
    /// Lets go what is over the limits, and gives a part of the room back.
    /// Cheap when there is nothing to do.
    pub fn prune(&mut self, now: Timestamp, limits: &Limits) -> Result<Pruned, StoreError> {
        let pruned = self.write(|txn| {
            Ok(Pruned {
                entries: txn.prune_journal(now, limits)?,
                passes: txn.prune_passes(now, limits)?,
                tombstones: txn.prune_tombstones(now, limits)?,
            })
        })?;
        self.give_back().map_err(|error| explain("give room back", &self.files.database, error))?;
        Ok(pruned)
    }

    /// Free pages go back to the disk, and the write-ahead log into the database
    /// as far as no reader still needs it.
    fn give_back(&self) -> rusqlite::Result<()> {
        let sql = format!("PRAGMA incremental_vacuum({VACUUM_PAGES})");
        let mut vacuum = self.conn.prepare(&sql)?;
        // One page for each row that is asked for.
        let mut pages = vacuum.query([])?;
        while pages.next()?.is_some() {}
        self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    }
}

/// The latest moment that is over this age. Nothing when the clock says that
/// nothing can be so old.
fn before(now: Timestamp, age: Span) -> i64 {
    int(now.millis().saturating_sub(age.millis()))
}

impl Txn<'_> {
    fn ask(
        &self,
        doing: &'static str,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<Option<i64>, StoreError> {
        let found = self.tx.query_row(sql, params, |row| row.get::<_, Option<i64>>(0)).optional();
        found.map(Option::flatten).map_err(|error| explain(doing, &self.files.database, error))
    }

    fn prune_journal(&mut self, now: Timestamp, limits: &Limits) -> Result<u64, StoreError> {
        let doing = "shorten the journal";
        let start = Checkpoint::of(&self.tx).map_err(|error| explain(doing, &self.files.database, error))?;
        let aged = self.ask(
            doing,
            // Entries are in the order of their numbers, and the clock may have
            // been set back: only a beginning that is old as a whole goes.
            "SELECT coalesce((SELECT seq - 1 FROM journal WHERE at >= ?1 ORDER BY seq LIMIT 1),
                             (SELECT max(seq) FROM journal))",
            [before(now, limits.journal_age)],
        )?;
        let room = self.written - int(limits.journal_bytes);
        let heavy = if room > start.written { self.heavy(room)? } else { None };
        let floor = int(self.tip.seq.saturating_sub(limits.journal_floor));
        let open = self.ask(doing, "SELECT min(seq) - 1 FROM intent WHERE outcome IS NULL", [])?;
        let through = aged.max(heavy).unwrap_or(0).min(floor).min(open.unwrap_or(i64::MAX));
        if through <= int(start.seq) {
            return Ok(0);
        }
        self.let_go(now, through)?;
        Ok(uint(through) - start.seq)
    }

    /// The last entry that must go so that no more than the limit is left.
    /// By halves: the bytes written grow from entry to entry.
    fn heavy(&self, room: i64) -> Result<Option<i64>, StoreError> {
        let doing = "shorten the journal";
        let mut low = self.ask(doing, "SELECT min(seq) FROM journal", [])?.unwrap_or(0);
        let mut high = int(self.tip.seq);
        while low < high {
            let middle = low + (high - low) / 2;
            let written = self.ask(doing, "SELECT written FROM journal WHERE seq = ?1", [middle])?;
            if written.unwrap_or(0) >= room {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(Some(low))
    }

    fn let_go(&mut self, now: Timestamp, through: i64) -> Result<(), StoreError> {
        let path = &self.files.database;
        let sql = "SELECT written, hash FROM journal WHERE seq = ?1";
        let read = self.tx.query_row(sql, [through], |row| {
            Ok(Checkpoint { seq: uint(through), written: row.get(0)?, hash: Hash(row.get(1)?) })
        });
        let checkpoint = read.map_err(|error| explain("shorten the journal", path, error))?;
        let entry = NewEntry::own(CHECKPOINT, None, &checkpoint)?;
        self.append(now, [entry])?;
        let doing = "shorten the journal";
        let moved = params![through, checkpoint.written, checkpoint.hash.0];
        self.run(doing, "UPDATE checkpoint SET seq = ?1, written = ?2, hash = ?3", moved)?;
        self.run(doing, "DELETE FROM intent WHERE seq <= ?1", [through])?;
        self.run(doing, "DELETE FROM journal WHERE seq <= ?1", [through])?;
        Ok(())
    }

    fn prune_passes(&mut self, now: Timestamp, limits: &Limits) -> Result<u64, StoreError> {
        let doing = "let observations go";
        // The first to stay is a keyframe in any case: the last one before which
        // everything is old, or the first from which on the rest is light enough.
        let aged = self.ask(
            doing,
            "SELECT max(seq) FROM pass WHERE keyframe
                AND seq <= coalesce((SELECT min(seq) FROM pass WHERE at >= ?1), seq)",
            [before(now, limits.observation_age)],
        )?;
        let heavy = self.ask(
            doing,
            "SELECT coalesce(
                (SELECT min(seq) FROM (
                    SELECT seq, keyframe, sum(bytes) OVER (ORDER BY seq DESC) AS weight FROM pass
                ) WHERE keyframe AND weight <= ?1),
                (SELECT max(seq) FROM pass WHERE keyframe))",
            [int(limits.observation_bytes)],
        )?;
        let first_kept = aged.max(heavy).unwrap_or(0);
        let gone = self.run(doing, "DELETE FROM pass WHERE seq < ?1", [first_kept])?;
        Ok(gone as u64)
    }

    fn prune_tombstones(&mut self, now: Timestamp, limits: &Limits) -> Result<u64, StoreError> {
        let sql = "DELETE FROM tombstone WHERE at < ?1 AND outcome <> 'open'";
        let gone = self.run("let tombstones go", sql, [before(now, limits.tombstone_age)])?;
        Ok(gone as u64)
    }
}

impl View<'_> {
    /// How much is kept.
    pub fn sizes(&self) -> Result<Sizes, StoreError> {
        let sql = "SELECT
            (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size),
            coalesce((SELECT max(journal.seq) - checkpoint.seq FROM journal, checkpoint), 0),
            coalesce((SELECT written FROM journal ORDER BY seq DESC LIMIT 1), checkpoint.written)
                - checkpoint.written,
            (SELECT count(*) FROM pass), (SELECT coalesce(sum(bytes), 0) FROM pass)
            FROM checkpoint";
        let read = self.conn.query_row(sql, [], |row| {
            let number = |place| row.get(place).map(uint);
            Ok(Sizes {
                database: number(0)?,
                entries: number(1)?,
                entry_bytes: number(2)?,
                passes: number(3)?,
                pass_bytes: number(4)?,
            })
        });
        read.map_err(|error| explain("measure itself", &self.files.database, error))
    }
}
