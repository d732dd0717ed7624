//! What is kept of ended sessions, so that they can be looked at and restored.
//!
//! A tombstone comes into being with the intent to end its session and in no
//! other way; see [`crate::intents`].

use reap_core::ids::{Address, Handle, Incarnation};
use reap_core::time::Timestamp;
use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::StoreError;
use crate::intents::Settled;
use crate::sealed::{self, int, json, uint};
use crate::store::{Txn, View};

/// What is kept of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Where it was to be found.
    #[serde(flatten)]
    pub address: Address,
    /// Which session of that key it was.
    pub incarnation: Incarnation,
    /// The name that people knew it by.
    pub title: String,
    /// The session as it was last seen, and what its backend gathered for a
    /// restore where it can.
    pub body: Value,
}

impl Tombstone {
    /// The handle of the session.
    pub fn handle(&self) -> Handle {
        Handle::of(&self.address, &self.incarnation)
    }
}

/// What is known of the end that a tombstone was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Nothing yet.
    Open,
    /// The session is gone.
    Ended,
    /// It is not gone, or not wholly.
    Failed,
}

/// A tombstone as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kept {
    /// The number of the intent that it belongs to.
    pub intent: u64,
    /// When that was journalled.
    pub at: Timestamp,
    /// How it went.
    pub fate: Fate,
    /// When the session was restored, where it was.
    pub restored: Option<Timestamp>,
    /// What is kept.
    pub tombstone: Tombstone,
}

impl Txn<'_> {
    pub(crate) fn keep_tombstone(
        &self,
        intent: u64,
        at: Timestamp,
        handle: &Handle,
        tombstone: &Tombstone,
    ) -> Result<(), StoreError> {
        let body = json("a tombstone", tombstone)?;
        let sum = sealed::sum(&[&intent.to_string(), handle.as_str(), &body]);
        let sql = "INSERT INTO tombstone VALUES (?1, ?2, ?3, 'open', NULL, ?4, ?5)";
        let row = params![int(intent), handle.as_str(), int(at.millis()), body, sum];
        self.run("keep a tombstone", sql, row).map(drop)
    }

    pub(crate) fn settle_tombstone(&self, intent: u64, outcome: Settled) -> Result<(), StoreError> {
        let fate = match outcome {
            Settled::Ended => "ended",
            Settled::Failed => "failed",
            Settled::Skipped => {
                let sql = "DELETE FROM tombstone WHERE intent = ?1";
                return self.run("drop a tombstone", sql, [int(intent)]).map(drop);
            }
        };
        let sql = "UPDATE tombstone SET outcome = ?2 WHERE intent = ?1";
        self.run("settle a tombstone", sql, params![int(intent), fate]).map(drop)
    }

    /// Notes that the session of this tombstone was brought back. False when
    /// there is no such tombstone.
    pub fn note_restored(&mut self, intent: u64, at: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE tombstone SET restored = ?2 WHERE intent = ?1";
        let found = self.run("note a restored session", sql, params![int(intent), int(at.millis())])?;
        Ok(found > 0)
    }
}

impl View<'_> {
    /// The tombstones, newest first: all, or those of one session.
    pub fn tombstones(&self, handle: Option<&Handle>) -> Result<Vec<Kept>, StoreError> {
        let sql = "SELECT intent, handle, at, outcome, restored, body, sum FROM tombstone
            WHERE ?1 IS NULL OR handle = ?1 ORDER BY intent DESC";
        self.rows("read the tombstones", sql, [handle.map(Handle::as_str)], |row| {
            let intent = uint(row.get(0)?);
            let fate = match row.get_ref(3)?.as_str()? {
                "ended" => Fate::Ended,
                "failed" => Fate::Failed,
                _ => Fate::Open,
            };
            let (handle, body) = (row.get_ref(1)?.as_str()?, row.get_ref(5)?.as_str()?);
            let (what, number) = (format!("tombstone {intent}"), intent.to_string());
            let opened = sealed::open(&self.files.database, &what, &[&number, handle], body, row.get(6)?);
            let at = Timestamp::from_millis(uint(row.get(2)?));
            let restored = row.get::<_, Option<i64>>(4)?.map(|at| Timestamp::from_millis(uint(at)));
            Ok(opened.map(|tombstone| Kept { intent, at, fate, restored, tombstone }))
        })
    }
}
