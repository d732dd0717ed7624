//! No end without a journalled intent, and no outcome without an intent.
//!
//! An act cannot be part of a transaction: a process that was killed stays
//! killed when the disk refuses to write it down. So the intent, with the
//! tombstone, reaches the disk first, and what became of it after. A crash in
//! between leaves an open intent, which says what may have happened; start-up
//! looks, and settles it.
//!
//! The types carry this. Only [`Store::intend`] makes a [`Journalled`], after
//! its commit, and the act asks for one; only [`Store::settle`] writes an
//! outcome, and takes an [`Owed`] for it, which comes from a `Journalled` or
//! from [`Store::open_intents`] and from nowhere else. Neither can be copied:
//!
//! ```compile_fail,E0599
//! fn twice(leave: reap_store::intents::Journalled) {
//!     let again = leave.clone();
//! }
//! ```
//!
//! ```compile_fail,E0451
//! fn forge(handle: reap_core::ids::Handle) -> reap_store::intents::Journalled {
//!     reap_store::intents::Journalled { seq: 1, handle }
//! }
//! ```

use reap_core::ids::{Address, Handle, Incarnation};
use reap_core::outcome::Outcome;
use reap_core::time::Timestamp;
use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::StoreError;
use crate::journal::NewEntry;
use crate::sealed::{int, uint};
use crate::store::{Store, Txn, View};
use crate::tombstones::Tombstone;

/// The kind of the entry before the act.
pub const JOURNALLED: &str = "intent.journalled";
/// The kind of the entry after it.
pub const SETTLED: &str = "intent.settled";

/// What is about to be done.
#[derive(Debug, Clone)]
pub struct Intent<'a> {
    /// What will be left of the session. Part of the intent, so that nothing is
    /// ended before it is kept. It names the session, too.
    pub tombstone: &'a Tombstone,
    /// Why, and by whose leave: the plan, the reasons, the lifts.
    pub why: Value,
}

/// Proof that the intent to end this one session is on the disk. Whoever ends
/// something asks for it, and gives it back as an [`Owed`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an intent that is not settled stays open until the next start looks at it"]
pub struct Journalled {
    seq: u64,
    handle: Handle,
}

impl Journalled {
    /// The number of its entry in the journal.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The session that it is about.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

/// An outcome that the journal is still owed. Not a leave to act.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an intent that is not settled stays open until the next start looks at it"]
pub struct Owed {
    seq: u64,
    handle: Handle,
}

impl Owed {
    /// The number of the intent's entry in the journal.
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

impl From<Journalled> for Owed {
    fn from(done: Journalled) -> Self {
        Self { seq: done.seq, handle: done.handle }
    }
}

/// An intent without outcome: it was done, or half done, or not begun.
#[derive(Debug, PartialEq)]
pub struct OpenIntent {
    /// For [`Store::settle`], once somebody has looked.
    pub owed: Owed,
    /// When it was journalled.
    pub at: Timestamp,
    /// In which boot of the machine.
    pub boot: String,
    /// The session.
    pub handle: Handle,
    /// Where it was to be found.
    pub address: Address,
    /// Which session of that key it was.
    pub incarnation: Incarnation,
    /// The name that people knew it by.
    pub title: String,
    /// What was said with the intent.
    pub why: Value,
}

/// How an intent went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Settled {
    /// The session is gone, and that was seen.
    Ended,
    /// It was left alone. Its tombstone is dropped.
    Skipped,
    /// It was to be ended and is not, or not wholly.
    Failed,
}

impl From<&Outcome> for Settled {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Ended { .. } => Self::Ended,
            Outcome::Skipped { .. } => Self::Skipped,
            Outcome::Failed { .. } => Self::Failed,
        }
    }
}

/// An outcome to write down.
#[derive(Debug)]
pub struct Settlement {
    /// Of which intent.
    pub owed: Owed,
    /// How it went.
    pub outcome: Settled,
    /// Notes, reasons, survivors.
    pub detail: Value,
}

/// Outcomes that could not be written down. They come back, to be tried again;
/// if the process ends before that, the intents stay open.
#[derive(Debug, thiserror::Error)]
#[error("{} outcomes are not in the journal: {source}; their intents stay open and the next start will look at them", settlements.len())]
pub struct Unsettled {
    /// What was to be written.
    pub settlements: Vec<Settlement>,
    /// Why it was not.
    pub source: Box<StoreError>,
}

/// What the entry of an intent says.
#[derive(Serialize, Deserialize)]
struct IntentBody {
    #[serde(flatten)]
    address: Address,
    incarnation: Incarnation,
    title: String,
    why: Value,
}

/// What the entry of an outcome says.
#[derive(Serialize)]
struct SettledBody<'a> {
    intent: u64,
    outcome: Settled,
    detail: &'a Value,
}

impl Store {
    /// Journals these intents and keeps their tombstones. When this returns,
    /// they are on the disk: one wait for all of them, so that a hundred ends
    /// cost hardly more than one. One leave each, in their order.
    ///
    /// Any error means: do not act. After [`StoreError::HeadNotNoted`] the intents
    /// are kept all the same, and wait among the open ones.
    pub fn intend(&mut self, at: Timestamp, intents: &[Intent<'_>]) -> Result<Vec<Journalled>, StoreError> {
        self.write(|txn| txn.intend(at, intents))
    }

    /// Writes down how intents went.
    pub fn settle(&mut self, at: Timestamp, settlements: Vec<Settlement>) -> Result<(), Unsettled> {
        let done = self.write(|txn| txn.settle(at, &settlements));
        done.map_err(|source| {
            // Then they are kept, and would be refused a second time.
            let kept = matches!(source, StoreError::HeadNotNoted { .. });
            Unsettled { settlements: if kept { Vec::new() } else { settlements }, source: Box::new(source) }
        })
    }

    /// The intents without outcome, oldest first. At start-up these are what a
    /// crash left; while ends are under way, theirs are among them.
    pub fn open_intents(&self) -> Result<Vec<OpenIntent>, StoreError> {
        self.view().open_intents()
    }
}

impl Txn<'_> {
    fn intend(&mut self, at: Timestamp, intents: &[Intent<'_>]) -> Result<Vec<Journalled>, StoreError> {
        let entry = |intent: &Intent<'_>| {
            let Tombstone { address, incarnation, title, .. } = intent.tombstone.clone();
            let body = IntentBody { address, incarnation, title, why: intent.why.clone() };
            NewEntry::own(JOURNALLED, None, &body)
        };
        let mut journalled = Vec::with_capacity(intents.len());
        for intent in intents {
            let handle = intent.tombstone.handle();
            let entry = entry(intent)?.about(&handle);
            let mut seq = 0;
            self.push(at, [entry], |told| seq = told)?;
            let sql = "INSERT INTO intent (seq, handle) VALUES (?1, ?2)";
            self.run("journal an intent", sql, params![int(seq), handle.as_str()])?;
            self.keep_tombstone(seq, at, &handle, intent.tombstone)?;
            journalled.push(Journalled { seq, handle });
        }
        Ok(journalled)
    }

    fn settle(&mut self, at: Timestamp, settlements: &[Settlement]) -> Result<(), StoreError> {
        for Settlement { owed, outcome, detail } in settlements {
            let body = SettledBody { intent: owed.seq, outcome: *outcome, detail };
            let entry = NewEntry::own(SETTLED, Some(&owed.handle), &body)?;
            let mut seq = 0;
            self.push(at, [entry], |told| seq = told)?;
            let sql = "UPDATE intent SET outcome = ?1 WHERE seq = ?2 AND handle = ?3 AND outcome IS NULL";
            let found =
                self.run("settle an intent", sql, params![int(seq), int(owed.seq), owed.handle.as_str()])?;
            if found == 0 {
                return Err(StoreError::NoOpenIntent(owed.seq));
            }
            self.settle_tombstone(owed.seq, *outcome)?;
        }
        Ok(())
    }
}

impl View<'_> {
    fn open_intents(&self) -> Result<Vec<OpenIntent>, StoreError> {
        let sql = "SELECT journal.seq, at, boot, payload FROM intent JOIN journal USING (seq)
            WHERE outcome IS NULL ORDER BY journal.seq";
        self.rows("read the open intents", sql, [], |row| {
            let (seq, payload) = (uint(row.get(0)?), row.get_ref(3)?.as_str()?);
            let body: IntentBody = match serde_json::from_str(payload) {
                Ok(body) => body,
                Err(source) => return Ok(Err(StoreError::Json { what: format!("intent {seq}"), source })),
            };
            let handle = Handle::of(&body.address, &body.incarnation);
            Ok(Ok(OpenIntent {
                owed: Owed { seq, handle: handle.clone() },
                at: Timestamp::from_millis(uint(row.get(1)?)),
                boot: row.get(2)?,
                handle,
                address: body.address,
                incarnation: body.incarnation,
                title: body.title,
                why: body.why,
            }))
        })
    }

    /// How many intents have no outcome.
    pub fn count_open_intents(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM intent WHERE outcome IS NULL";
        let counted = self.rows("count the open intents", sql, [], |row| Ok(Ok(uint(row.get(0)?))))?;
        Ok(counted.into_iter().sum())
    }
}
