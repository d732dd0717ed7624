//! The three ways to a database: [`Store`] writes, [`Reader`] reads beside it,
//! and both read through a [`View`].

use rusqlite::{Connection, Params, Row, Transaction, TransactionBehavior};

use crate::anchor::Anchor;
use crate::chain::Head;
use crate::error::{StoreError, explain};
use crate::files::{FileId, Files};
use crate::observations::Basis;
use crate::verify::{self, Verdict};
use crate::writer::WriterLock;

/// The one writer of a state folder.
///
/// Everything that a pass changes goes into one [`Store::write`]: it is kept as
/// a whole or not at all, and costs one wait for the disk. [`Store::intend`] and
/// [`Store::settle`] stand apart, since an act lies between them.
#[derive(Debug)]
pub struct Store {
    pub(crate) conn: Connection,
    pub(crate) files: Files,
    /// The database that was opened. Its name may come to mean another file.
    pub(crate) opened: FileId,
    pub(crate) anchor: Anchor,
    pub(crate) boot: String,
    /// The last entry of the journal. Nobody else writes, so this stays true.
    pub(crate) tip: Head,
    /// Bytes of payload in the journal since it was begun.
    pub(crate) written: i64,
    /// What the next observation is compared with.
    pub(crate) basis: Option<Basis>,
    // Last, so that the database is closed before the next writer may open it.
    pub(crate) _lock: WriterLock,
}

/// A transaction of the writer, alive only inside [`Store::write`].
#[derive(Debug)]
pub struct Txn<'s> {
    pub(crate) tx: Transaction<'s>,
    pub(crate) files: &'s Files,
    pub(crate) boot: &'s str,
    pub(crate) tip: Head,
    pub(crate) written: i64,
    /// What becomes the store's basis if this transaction is committed.
    pub(crate) basis: Option<Basis>,
}

/// Reads while another process writes, or none.
#[derive(Debug)]
pub struct Reader {
    pub(crate) conn: Connection,
    pub(crate) files: Files,
}

/// A way to look into the database. All reading functions are its methods.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) files: &'a Files,
}

impl Store {
    /// Does `work` in one transaction: all of it is kept when it returns `Ok`
    /// and the disk has it, and nothing of it otherwise.
    pub fn write<T>(
        &mut self,
        work: impl FnOnce(&mut Txn<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let path = &self.files.database;
        // SQLite would go on in a file that has no name any more, and what is kept in
        // it is gone with this process: an intent too, while its act is done.
        if FileId::of(path).ok() != Some(self.opened) {
            return Err(StoreError::TakenAway { path: path.clone() });
        }
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| explain("begin to write", path, error))?;
        let basis = self.basis.clone();
        let mut txn =
            Txn { tx, files: &self.files, boot: &self.boot, tip: self.tip, written: self.written, basis };
        let done = work(&mut txn)?;
        let Txn { tx, tip, written, basis, .. } = txn;
        tx.commit().map_err(|error| explain("keep what was written", path, error))?;
        let grown = tip != self.tip;
        (self.tip, self.written, self.basis) = (tip, written, basis);
        if grown {
            self.anchor
                .note(&self.tip)
                .map_err(|source| StoreError::HeadNotNoted { path: self.files.head.clone(), source })?;
        }
        Ok(done)
    }

    /// Looks into the database.
    pub fn view(&self) -> View<'_> {
        View { conn: &self.conn, files: &self.files }
    }

    /// The last entry of the journal.
    pub fn head(&self) -> Head {
        self.tip
    }

    /// Walks along the journal; `also` is a head that was noted elsewhere.
    pub fn verify(&self, also: Option<&Head>) -> Result<Verdict, StoreError> {
        verify::walk(&self.conn, &self.files, also)
    }
}

impl Txn<'_> {
    /// Looks into the database as this transaction has made it so far.
    pub fn view(&self) -> View<'_> {
        View { conn: &self.tx, files: self.files }
    }

    pub(crate) fn run(
        &self,
        doing: &'static str,
        sql: &str,
        params: impl Params,
    ) -> Result<usize, StoreError> {
        self.tx.execute(sql, params).map_err(|error| explain(doing, &self.files.database, error))
    }
}

impl Reader {
    /// Looks into the database; each question may see a later state.
    pub fn view(&self) -> View<'_> {
        View { conn: &self.conn, files: &self.files }
    }

    /// Asks several questions of one and the same state.
    pub fn snapshot<T>(
        &mut self,
        questions: impl FnOnce(View<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let path = &self.files.database;
        let begin = self.conn.transaction_with_behavior(TransactionBehavior::Deferred);
        let tx = begin.map_err(|error| explain("begin to read", path, error))?;
        let answer = questions(View { conn: &tx, files: &self.files })?;
        tx.commit().map_err(|error| explain("end reading", path, error))?;
        Ok(answer)
    }

    /// Walks along the journal; `also` is a head that was noted elsewhere.
    pub fn verify(&self, also: Option<&Head>) -> Result<Verdict, StoreError> {
        verify::walk(&self.conn, &self.files, also)
    }
}

impl View<'_> {
    /// All rows of a query, each made into something by `read`, whose outer
    /// error is SQLite's and whose inner one is ours.
    pub(crate) fn rows<T>(
        &self,
        doing: &'static str,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<Result<T, StoreError>>,
    ) -> Result<Vec<T>, StoreError> {
        let explain = |error| explain(doing, &self.files.database, error);
        let mut statement = self.conn.prepare(sql).map_err(explain)?;
        let mut rows = statement.query(params).map_err(explain)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(explain)? {
            all.push(read(row).map_err(explain)??);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reap_core::ids::{Address, Incarnation, Instance, Key, PluginName};
    use reap_core::time::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::Settings;
    use crate::intents::Intent;
    use crate::tombstones::Tombstone;

    const NOW: Timestamp = Timestamp::from_millis(864_000_000);

    fn open(folder: &std::path::Path) -> Store {
        let settings = Settings { boot: "boot-1".to_owned(), wait: Duration::ZERO, now: NOW };
        Store::open(folder, &settings).expect("a store")
    }

    fn tombstone(key: &str, body: Value) -> Tombstone {
        let backend = PluginName::new("tmux").expect("a name");
        let address = Address { backend, instance: Instance::new("default"), key: Key::new(key) };
        Tombstone { address, incarnation: Incarnation::new("1"), title: "a".to_owned(), body }
    }

    #[test]
    fn a_full_disk_refuses_an_intent_and_loses_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = open(folder.path());
        let pages: u32 = store.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("pages");
        store.conn.pragma_update(None, "max_page_count", pages + 4).expect("a limit");
        let mut kept = 0;
        let refused = loop {
            let tombstone = tombstone(&format!("${kept}"), json!("x".repeat(500)));
            match store.intend(NOW, &[Intent { tombstone: &tombstone, why: json!({}) }]) {
                Ok(_) => kept += 1,
                Err(refused) => break refused,
            }
        };
        assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
        assert!(kept > 0);
        assert_eq!(store.open_intents().expect("readable").len(), kept);
        assert_eq!(store.examine().expect("sound").head, store.head());

        store.conn.pragma_update(None, "max_page_count", pages + 400).expect("room");
        let more = tombstone("$more", json!("x"));
        store.intend(NOW, &[Intent { tombstone: &more, why: json!({}) }]).expect("goes on");
        drop(store);
        assert_eq!(open(folder.path()).examine().expect("sound").open_intents, kept as u64 + 1);
    }
}
