//! The formats of the database, and the way from one to the next.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{StoreError, explain};

/// `Reap` in ASCII: says in the file's header whose it is.
pub(crate) const APPLICATION_ID: i32 = 0x5265_6170;

/// The step to each format, in order. The number of steps is the format.
const STEPS: [&str; 1] = [include_str!("schema/1.sql")];

/// The format that this version reads and writes.
pub(crate) const FORMAT: i32 = STEPS.len() as i32;

/// The format of the database; 0 for one that is still empty. Nothing is written.
pub(crate) fn format(conn: &Connection, path: &Path) -> Result<i32, StoreError> {
    let ask = |sql| {
        conn.query_row(sql, [], |row| row.get::<_, i32>(0))
            .map_err(|error| explain("say what it is", path, error))
    };
    let (id, found) = (ask("PRAGMA application_id")?, ask("PRAGMA user_version")?);
    // A first start that was cut short leaves an empty file, and that is fine.
    let empty = ask("SELECT count(*) FROM sqlite_schema")? == 0;
    match (id, found) {
        (0, 0) if empty => Ok(0),
        (APPLICATION_ID, found) if found > FORMAT => {
            Err(StoreError::Newer { path: path.to_owned(), found, known: FORMAT })
        }
        (APPLICATION_ID, found) if found > 0 => Ok(found),
        (id, _) => Err(StoreError::NotOurs { path: path.to_owned(), found: id }),
    }
}

/// Brings the database from format `from` to the newest. Each step is wholly
/// done or not at all, whenever the power fails.
pub(crate) fn migrate(conn: &mut Connection, path: &Path, from: i32) -> Result<(), StoreError> {
    for (step, sql) in (1..).zip(STEPS).filter(|(step, _)| *step > from) {
        let done = conn.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|txn| {
            txn.execute_batch(sql)?;
            txn.pragma_update(None, "application_id", APPLICATION_ID)?;
            txn.pragma_update(None, "user_version", step)?;
            txn.commit()
        });
        done.map_err(|error| explain("take its next format", path, error))?;
    }
    Ok(())
}
