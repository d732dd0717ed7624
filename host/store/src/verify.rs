//! The proof that the journal is as it was written.
//!
//! The walk recomputes the chain from the checkpoint to the last entry and names
//! the first place that does not fit. What it finds and what it cannot find is
//! told in `docs/store.md`: in short, everything but a whole chain made anew by
//! somebody who may write all files of the folder, and for that a head which was
//! noted elsewhere helps.

use std::collections::BTreeSet;
use std::fmt;

use rusqlite::{Connection, Row};
use serde::Deserialize;

use crate::anchor;
use crate::chain::{Fields, Hash, Head};
use crate::error::{StoreError, explain};
use crate::files::Files;
use crate::intents::SETTLED;
use crate::retention::{CHECKPOINT, Checkpoint};
use crate::sealed::uint;

/// What a walk along the journal showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything fits.
    Sound(Sound),
    /// Something does not.
    Broken(Broken),
}

/// A journal in which everything fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// How many entries are kept.
    pub entries: u64,
    /// The last of them. Keep it elsewhere to check against it later.
    pub head: Head,
    /// Whether the head noted beside the database was there to check against.
    /// Without it a cut-off end is not found.
    pub anchored: bool,
    /// Intents without outcome.
    pub open_intents: u64,
}

/// The first place that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The number of the entry.
    pub seq: u64,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It is not there, and a later one is.
    Missing,
    /// It is not what was written, or does not follow the one before it.
    Changed,
    /// It should have been let go: it stands before the checkpoint.
    Leftover,
    /// The journal ends before it, though its head was noted.
    CutOff,
    /// Another entry stands in the place of the noted head.
    Replaced,
    /// It was noted, and the journal begins only after it.
    BeforeStart,
    /// The journal begins after it, and no entry says that this was on purpose.
    NoCheckpoint,
    /// The table of intents says something else of it than the journal.
    Intent,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.seq;
        match self.problem {
            Problem::Missing => write!(f, "entry {seq} is missing"),
            Problem::Changed => write!(f, "entry {seq} was changed, or does not follow the one before it"),
            Problem::Leftover => write!(f, "entry {seq} stands before the place where the journal begins"),
            Problem::CutOff => write!(f, "its end is cut off: it should reach entry {seq}"),
            Problem::Replaced => write!(f, "entry {seq} is not the one whose hash was noted"),
            Problem::BeforeStart => {
                write!(f, "it begins after entry {seq}, whose hash was noted, so that cannot be checked")
            }
            Problem::NoCheckpoint => {
                write!(
                    f,
                    "its beginning up to entry {seq} is gone, and no entry says that this was on purpose"
                )
            }
            Problem::Intent => {
                write!(f, "the table of intents and the journal do not agree on intent {seq}")
            }
        }
    }
}

/// Walks along the whole journal. `also` is a head that was noted elsewhere.
pub(crate) fn walk(conn: &Connection, files: &Files, also: Option<&Head>) -> Result<Verdict, StoreError> {
    loop {
        // Before the snapshot, so that a commit in between cannot make it look cut.
        let noted = anchor::noted(files)?;
        let walked = walk_once(conn, files, noted.as_ref(), also)?;
        // A writer that was faster may have let go the entry that was noted.
        let outrun = matches!(&walked, Err(broken) if broken.problem == Problem::BeforeStart);
        if outrun && anchor::noted(files)? != noted {
            continue;
        }
        return Ok(match walked {
            Ok(sound) => Verdict::Sound(Sound { anchored: noted.is_some(), ..sound }),
            Err(broken) => Verdict::Broken(broken),
        });
    }
}

fn walk_once(
    conn: &Connection,
    files: &Files,
    noted: Option<&Head>,
    also: Option<&Head>,
) -> Result<Result<Sound, Broken>, StoreError> {
    let explain = |error| explain("verify the journal", &files.database, error);
    let snapshot = conn.unchecked_transaction().map_err(explain)?;
    let heads: Vec<Head> = noted.into_iter().chain(also).copied().collect();
    let walked = Walk::along(&snapshot, &heads).map_err(explain)?;
    snapshot.commit().map_err(explain)?;
    Ok(walked)
}

fn broken<T>(seq: u64, problem: Problem) -> Result<T, Broken> {
    Err(Broken { seq, problem })
}

/// What is remembered on the way.
struct Walk<'h> {
    head: Head,
    written: i64,
    heads: &'h [Head],
    /// What the last entry about a checkpoint says.
    vouched: Option<Checkpoint>,
    open: BTreeSet<u64>,
}

#[derive(Deserialize)]
struct OutcomeOf {
    intent: u64,
}

impl<'h> Walk<'h> {
    fn along(conn: &Connection, heads: &'h [Head]) -> rusqlite::Result<Result<Sound, Broken>> {
        let start = Checkpoint::of(conn)?;
        let mut walk =
            Walk { head: start.head(), written: start.written, heads, vouched: None, open: BTreeSet::new() };
        if let Err(broken) = walk.meets_heads() {
            return Ok(Err(broken));
        }
        // Along the table itself: an index may be damaged, or lie.
        let sql = "SELECT seq, at, boot, kind, handle, payload, written, hash FROM journal NOT INDEXED ORDER BY seq";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if let Err(broken) = walk.step(row)? {
                return Ok(Err(broken));
            }
        }
        let tables = open_in_table(conn)?;
        Ok(walk.end(&start, &tables))
    }

    fn step(&mut self, row: &Row<'_>) -> rusqlite::Result<Result<(), Broken>> {
        let seq = uint(row.get(0)?);
        let next = self.head.seq + 1;
        if seq != next {
            let problem = if seq < next { Problem::Leftover } else { Problem::Missing };
            return Ok(broken(seq.min(next), problem));
        }
        let payload = row.get_ref(5)?.as_bytes()?;
        let fields = Fields {
            seq: row.get(0)?,
            at: row.get(1)?,
            boot: row.get_ref(2)?.as_bytes()?,
            kind: row.get_ref(3)?.as_bytes()?,
            handle: row.get_ref(4)?.as_bytes_or_null()?,
            payload,
            written: row.get(6)?,
        };
        let hash = self.head.hash.link(&fields);
        if hash != Hash(row.get(7)?) || fields.written != self.written + payload.len() as i64 {
            return Ok(broken(seq, Problem::Changed));
        }
        self.head = Head { seq, hash };
        self.written = fields.written;
        Ok(self.meets_heads().and_then(|()| self.learn(seq, fields.kind, payload)))
    }

    /// A noted head that is reached must be the entry that stands here.
    fn meets_heads(&self) -> Result<(), Broken> {
        let other = |head: &&Head| head.seq == self.head.seq && head.hash != self.head.hash;
        self.heads.iter().find(other).map_or(Ok(()), |head| broken(head.seq, Problem::Replaced))
    }

    fn learn(&mut self, seq: u64, kind: &[u8], payload: &[u8]) -> Result<(), Broken> {
        let changed = |_| Broken { seq, problem: Problem::Changed };
        if kind == crate::intents::JOURNALLED.as_bytes() {
            self.open.insert(seq);
        } else if kind == SETTLED.as_bytes() {
            // Its intent may have been let go already.
            let outcome: OutcomeOf = serde_json::from_slice(payload).map_err(changed)?;
            self.open.remove(&outcome.intent);
        } else if kind == CHECKPOINT.as_bytes() {
            self.vouched = Some(serde_json::from_slice(payload).map_err(changed)?);
        }
        Ok(())
    }

    fn end(self, start: &Checkpoint, table: &BTreeSet<u64>) -> Result<Sound, Broken> {
        let last = self.head.seq;
        if let Some(head) = self.heads.iter().find(|head| head.seq > last) {
            return broken(head.seq, Problem::CutOff);
        }
        if let Some(head) = self.heads.iter().find(|head| head.seq < start.seq) {
            return broken(head.seq, Problem::BeforeStart);
        }
        if start.seq > 0 && self.vouched.as_ref() != Some(start) {
            return broken(start.seq, Problem::NoCheckpoint);
        }
        if let Some(seq) = self.open.symmetric_difference(table).next() {
            return broken(*seq, Problem::Intent);
        }
        let (entries, open_intents) = (last - start.seq, table.len() as u64);
        Ok(Sound { entries, head: self.head, anchored: false, open_intents })
    }
}

fn open_in_table(conn: &Connection) -> rusqlite::Result<BTreeSet<u64>> {
    let mut statement = conn.prepare("SELECT seq FROM intent NOT INDEXED WHERE outcome IS NULL")?;
    let rows = statement.query_map([], |row| row.get(0).map(uint))?;
    rows.collect()
}
