//! The journal: what was seen, decided, done and verified, entry by entry.
//!
//! Entries are appended and never changed. Triggers in the database refuse
//! anything else, which stops mistakes; the chain of hashes shows what somebody
//! did who went around them.

use std::borrow::Cow;

use reap_core::ids::Handle;
use reap_core::time::Timestamp;
use rusqlite::{Row, params};
use serde::Serialize;

use crate::chain::{Fields, Hash, Head};
use crate::error::{StoreError, explain};
use crate::sealed::{int, json, uint};
use crate::store::{Txn, View};

/// Kinds with these beginnings are the store's own.
const RESERVED: [&str; 2] = ["intent.", "store."];

/// An entry to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry<'a> {
    kind: Cow<'a, str>,
    handle: Option<&'a Handle>,
    payload: String,
}

impl<'a> NewEntry<'a> {
    /// An entry of a kind such as `session.stopped`, about one session or about
    /// none. One whose kind ends in `.many` is about those whose handles its
    /// payload holds. `intent.` and `store.` are refused: an outcome without an
    /// intent must not be writable by way of its name.
    pub fn new(
        kind: impl Into<Cow<'a, str>>,
        handle: Option<&'a Handle>,
        payload: &impl Serialize,
    ) -> Result<Self, StoreError> {
        let kind = kind.into();
        if kind.is_empty() || RESERVED.iter().any(|reserved| kind.starts_with(reserved)) {
            return Err(StoreError::ReservedKind(kind.into_owned()));
        }
        Self::own(kind, handle, payload)
    }

    /// An entry of the store itself.
    pub(crate) fn own(
        kind: impl Into<Cow<'a, str>>,
        handle: Option<&'a Handle>,
        payload: &impl Serialize,
    ) -> Result<Self, StoreError> {
        let kind = kind.into();
        let payload = json(&kind, payload)?;
        Ok(Self { kind, handle, payload })
    }

    /// The same entry about this session.
    pub(crate) fn about(self, handle: &'a Handle) -> Self {
        Self { handle: Some(handle), ..self }
    }
}

/// An entry as it stands in the journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its number. There are no gaps.
    pub seq: u64,
    /// When, by the clock of the machine.
    pub at: Timestamp,
    /// In which boot of the machine.
    pub boot: String,
    /// What kind of entry it is.
    pub kind: String,
    /// The session it is about, where it is about one.
    pub handle: Option<String>,
    /// What it says.
    pub payload: serde_json::Value,
    /// Its hash.
    pub hash: Hash,
}

/// Which entries to read, oldest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<'a> {
    /// Only those about this session.
    pub handle: Option<&'a Handle>,
    /// Only those after this number.
    pub after: u64,
    /// Only the newest so many of those.
    pub newest: Option<u32>,
    /// Only the oldest so many of what is left: to read page by page.
    pub first: Option<u32>,
}

impl Txn<'_> {
    /// Appends entries, all of this moment. They are in the journal once the
    /// transaction is committed.
    pub fn append<'e>(
        &mut self,
        at: Timestamp,
        entries: impl IntoIterator<Item = NewEntry<'e>>,
    ) -> Result<(), StoreError> {
        self.push(at, entries, |_| ())
    }

    /// Appends entries and tells the number of each.
    pub(crate) fn push<'e>(
        &mut self,
        at: Timestamp,
        entries: impl IntoIterator<Item = NewEntry<'e>>,
        mut told: impl FnMut(u64),
    ) -> Result<(), StoreError> {
        let Self { tx, tip, written, boot, files, .. } = self;
        let explain = |error| explain("append to the journal", &files.database, error);
        let sql = "INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let mut insert = tx.prepare(sql).map_err(explain)?;
        for entry in entries {
            let handle = entry.handle.map(Handle::as_str);
            let total = *written + entry.payload.len() as i64;
            let fields = Fields {
                seq: int(tip.seq + 1),
                at: int(at.millis()),
                boot: boot.as_bytes(),
                kind: entry.kind.as_bytes(),
                handle: handle.map(str::as_bytes),
                payload: entry.payload.as_bytes(),
                written: total,
            };
            let hash = tip.hash.link(&fields);
            let row = params![fields.seq, fields.at, *boot, entry.kind, handle, entry.payload, total, hash.0];
            insert.execute(row).map_err(explain)?;
            *tip = Head { seq: tip.seq + 1, hash };
            *written = total;
            told(tip.seq);
        }
        Ok(())
    }
}

impl View<'_> {
    /// The last entry of the journal.
    pub fn head(&self) -> Result<Head, StoreError> {
        let sql = "SELECT seq, hash FROM journal UNION ALL SELECT seq, hash FROM checkpoint
            ORDER BY seq DESC LIMIT 1";
        let read = |row: &Row<'_>| Ok(Ok(Head { seq: uint(row.get(0)?), hash: Hash(row.get(1)?) }));
        let found = self.rows("find the end of the journal", sql, [], read)?;
        found.into_iter().next().ok_or_else(|| StoreError::Damaged {
            path: self.files.database.clone(),
            what: "it has no checkpoint".to_owned(),
        })
    }

    /// Entries of the journal, oldest first.
    pub fn journal(&self, query: &Query<'_>) -> Result<Vec<Entry>, StoreError> {
        let columns = "seq, at, boot, kind, handle, payload, hash";
        let of = |which| format!("SELECT {columns} FROM journal WHERE seq > ?1 AND {which}");
        // One question for each index: with `OR` neither would be used.
        let which = match query.handle {
            None => of("?2 IS NULL"),
            Some(_) => {
                let many = of("kind GLOB '*.many' AND instr(payload, ?2)");
                format!("{} UNION ALL {many}", of("handle = ?2"))
            }
        };
        let newest = match query.newest {
            Some(_) => format!("{which} ORDER BY seq DESC LIMIT ?3"),
            None => which, // sorted once, and as far as it is read
        };
        let sql = format!("SELECT {columns} FROM ({newest}) WHERE ?3 OR 1 ORDER BY seq LIMIT ?4");
        let handle = query.handle.map(Handle::as_str);
        let newest = query.newest.map_or(-1, i64::from);
        let first = query.first.map_or(-1, i64::from);
        let params = params![int(query.after), handle, newest, first];
        self.rows("read the journal", &sql, params, |row| self.entry(row))
    }

    fn entry(&self, row: &Row<'_>) -> rusqlite::Result<Result<Entry, StoreError>> {
        let (seq, payload) = (uint(row.get(0)?), row.get_ref(5)?.as_str()?);
        let payload = match serde_json::from_str(payload) {
            Ok(payload) => payload,
            Err(source) => {
                return Ok(Err(StoreError::Json { what: format!("entry {seq} of the journal"), source }));
            }
        };
        Ok(Ok(Entry {
            seq,
            at: Timestamp::from_millis(uint(row.get(1)?)),
            boot: row.get(2)?,
            kind: row.get(3)?,
            handle: row.get(4)?,
            payload,
            hash: Hash(row.get(6)?),
        }))
    }
}
