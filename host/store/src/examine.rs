//! A look at everything, for the start of the daemon and for whoever doubts.
//!
//! It costs time in proportion to the database, which is why opening alone does
//! not do it.

use std::ops::ControlFlow;

use reap_core::time::Timestamp;
use serde_json::Value;

use crate::error::StoreError;
use crate::store::{Reader, Store, View};
use crate::verify::{Sound, Verdict, walk};

impl Store {
    /// Checks the pages and indexes, the checksum of each row, and the chain of
    /// the journal. The first thing that is wrong is the error; nothing is
    /// mended.
    pub fn examine(&self) -> Result<Sound, StoreError> {
        self.view().examine()
    }
}

impl Reader {
    /// As [`Store::examine`].
    pub fn examine(&self) -> Result<Sound, StoreError> {
        self.view().examine()
    }
}

impl View<'_> {
    fn examine(&self) -> Result<Sound, StoreError> {
        self.pages()?;
        let sound = match walk(self.conn, self.files, None)? {
            Verdict::Sound(sound) => sound,
            Verdict::Broken(broken) => {
                return Err(StoreError::Journal { path: self.files.database.clone(), broken });
            }
        };
        self.rows_add_up()?;
        Ok(sound)
    }

    fn pages(&self) -> Result<(), StoreError> {
        let doing = "check its pages";
        let told =
            self.rows(doing, "PRAGMA integrity_check(1)", [], |row| Ok(Ok(row.get::<_, String>(0)?)))?;
        if let Some(what) = told.into_iter().find(|told| told != "ok") {
            return Err(StoreError::Damaged { path: self.files.database.clone(), what });
        }
        let sql = "SELECT \"table\", rowid FROM pragma_foreign_key_check LIMIT 1";
        let dangling = self
            .rows(doing, sql, [], |row| Ok(Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?))))?;
        match dangling.into_iter().next() {
            None => Ok(()),
            Some((table, row)) => {
                let row = row.map_or_else(String::new, |row| format!(" {row}"));
                let what = format!("{table}{row} refers to a row that is not there");
                Err(StoreError::Damaged { path: self.files.database.clone(), what })
            }
        }
    }

    fn rows_add_up(&self) -> Result<(), StoreError> {
        for part in self.parts()? {
            self.remembered::<Value>(&part)?;
        }
        self.tombstones(None)?;
        let (first, last) = (Timestamp::from_millis(0), Timestamp::from_millis(u64::MAX));
        self.replay(first, last, |_| ControlFlow::Continue(()))
    }
}
