//! What is remembered between passes, by part and id.
//!
//! What the parts hold is the core's business: its records by handle, its locks
//! by directory, its held plans by backend, the clock of the last pass. A step
//! of the core says which records it changed, and only those are written: a
//! steady pass over ten thousand sessions costs a handful of rows.

use rusqlite::{Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{StoreError, explain};
use crate::sealed::{self, json};
use crate::store::{Txn, View};

impl Txn<'_> {
    /// Remembers these under their ids, in the place of what was there.
    pub fn remember<'r, T: Serialize + 'r>(
        &mut self,
        part: &str,
        rows: impl IntoIterator<Item = (&'r str, &'r T)>,
    ) -> Result<(), StoreError> {
        let explain = |error| explain("remember", &self.files.database, error);
        let sql = "INSERT INTO memory VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET body = excluded.body, sum = excluded.sum";
        let mut insert = self.tx.prepare(sql).map_err(explain)?;
        // In the table's order, each page is touched once. Handles come in none,
        // and ten thousand of them took twice the time.
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by_key(|(id, _)| *id);
        for (id, value) in rows {
            let body = json(part, value)?;
            let sum = sealed::sum(&[part, id, &body]);
            insert.execute(params![part, id, body, sum]).map_err(explain)?;
        }
        Ok(())
    }

    /// Forgets these, where they were remembered.
    pub fn forget<'r>(
        &mut self,
        part: &str,
        ids: impl IntoIterator<Item = &'r str>,
    ) -> Result<(), StoreError> {
        let explain = |error| explain("forget", &self.files.database, error);
        let sql = "DELETE FROM memory WHERE part = ?1 AND id = ?2";
        let mut delete = self.tx.prepare(sql).map_err(explain)?;
        let mut ids: Vec<_> = ids.into_iter().collect();
        ids.sort_unstable();
        for id in ids {
            delete.execute(params![part, id]).map_err(explain)?;
        }
        Ok(())
    }

    /// Remembers these and nothing else in that part. For small parts of which
    /// it is only known that something changed.
    pub fn replace<'r, T: Serialize + 'r>(
        &mut self,
        part: &str,
        rows: impl IntoIterator<Item = (&'r str, &'r T)>,
    ) -> Result<(), StoreError> {
        self.run("forget", "DELETE FROM memory WHERE part = ?1", [part])?;
        self.remember(part, rows)
    }
}

impl View<'_> {
    /// All that a part holds, by id.
    pub fn remembered<T: DeserializeOwned>(&self, part: &str) -> Result<Vec<(String, T)>, StoreError> {
        let sql = "SELECT id, body, sum FROM memory WHERE part = ?1 ORDER BY id";
        self.rows("recall", sql, [part], |row| self.read(part, row))
    }

    /// The same without the ids.
    pub(crate) fn values<T: DeserializeOwned>(&self, part: &str) -> Result<Vec<T>, StoreError> {
        Ok(self.remembered(part)?.into_iter().map(|(_, value)| value).collect())
    }

    /// What a part holds under this id.
    pub fn recall<T: DeserializeOwned>(&self, part: &str, id: &str) -> Result<Option<T>, StoreError> {
        let sql = "SELECT id, body, sum FROM memory WHERE part = ?1 AND id = ?2";
        let found = self.rows("recall", sql, [part, id], |row| self.read(part, row))?;
        Ok(found.into_iter().next().map(|(_, value)| value))
    }

    /// The parts that hold something.
    pub(crate) fn parts(&self) -> Result<Vec<String>, StoreError> {
        self.rows("recall", "SELECT DISTINCT part FROM memory", [], |row| Ok(Ok(row.get(0)?)))
    }

    fn read<T: DeserializeOwned>(
        &self,
        part: &str,
        row: &Row<'_>,
    ) -> rusqlite::Result<Result<(String, T), StoreError>> {
        let (id, body): (String, _) = (row.get(0)?, row.get_ref(1)?.as_str()?);
        let what = format!("{part} {id}");
        let opened = sealed::open(&self.files.database, &what, &[part, &id], body, row.get(2)?);
        Ok(opened.map(|value| (id, value)))
    }
}
