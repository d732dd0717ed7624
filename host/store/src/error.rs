//! What can go wrong with a store, in words for the operator.
//!
//! Each error says what happened and what to change. None of them is mended by
//! starting afresh: a database that is damaged stays as it is until a person has
//! looked at it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::chain::Head;
use crate::verify::Broken;
use crate::writer::Holder;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or a file in it cannot be made or opened.
    #[error("cannot {doing} {}: {source}; check that the path exists and belongs to you", path.display())]
    Io {
        /// What was tried, such as `create the state folder`.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing can be written there.
    #[error("{} cannot be written to: {why}; give it back its write permission, or choose another state folder", path.display())]
    ReadOnly {
        /// The folder or the database.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Other users could change what Reap relies on.
    #[error("{} can be written to by other users (mode {mode:o}); run: chmod go-w {}", path.display(), path.display())]
    OpenToOthers {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// No room is left.
    #[error("no room to {doing} in {}; nothing of it was kept and nothing older is lost: free some space, then try again", path.display())]
    Full {
        /// What was tried.
        doing: &'static str,
        /// The database.
        path: PathBuf,
    },
    /// The disk did not do what it was asked.
    #[error("the disk failed to {doing} in {}: {source}; look at the system's log", path.display())]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The database does not hold together.
    #[error("{} is damaged: {what}; it is left as it is: keep a copy, then restore a backup or move it away to begin anew", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The journal does not hold together.
    #[error("the journal in {} is not as it was written: {broken}; keep a copy of the folder before anything else", path.display())]
    Journal {
        /// The database.
        path: PathBuf,
        /// The first bad place.
        broken: Broken,
    },
    /// The head that was noted beside the database is not in the journal.
    #[error(
        "the journal in {} ends before its noted head {noted}, or another entry is in its place: its end was cut off, or an older copy was put back; \
         restore the database, or delete {} to accept the loss (the journal will say so)",
        path.display(), head.display()
    )]
    Cut {
        /// The database.
        path: PathBuf,
        /// The file with the head.
        head: PathBuf,
        /// What it says.
        noted: Head,
    },
    /// The file with the head is not one.
    #[error("{} does not hold the head of a journal: {why}; delete it to go on without (the journal will say so)", path.display())]
    BadHead {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is no database where one should be.
    #[error("there is no database {}, though {} says that there was one; restore it, or delete both to begin anew", path.display(), head.display())]
    Lost {
        /// The database.
        path: PathBuf,
        /// The file with the head.
        head: PathBuf,
    },
    /// The database was removed or replaced while it was in use.
    #[error("{} is not the file any more that was opened: it was removed or replaced, and nothing can be kept; put it back if you can, then start Reap again", path.display())]
    TakenAway {
        /// The database.
        path: PathBuf,
    },
    /// There is nothing to read yet.
    #[error("there is no database {} yet; the first run of the daemon, or of a command that ends something, makes it", path.display())]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// It is some other program's file.
    #[error("{} is not a database of Reap (application id {found:#x}); choose another state folder", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// The id it carries.
        found: i32,
    },
    /// It was written by a later version.
    #[error("{} was written by a newer Reap (format {found}, this one knows {known}); use that version, nothing was changed", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// The newest format known here.
        known: i32,
    },
    /// It is older than this version, and only a writer brings it up to date.
    #[error("{} is of an older format ({found}, this one knows {known}); start the daemon once to bring it up to date", path.display())]
    Older {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// The newest format known here.
        known: i32,
    },
    /// Another process writes.
    #[error("{} is in use by {holder}; only one process writes to a state folder", path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
        /// Who holds it.
        holder: Holder,
    },
    /// SQLite waited for another connection in vain.
    #[error("{} stayed busy while trying to {doing}; try again", path.display())]
    Busy {
        /// What was tried.
        doing: &'static str,
        /// The database.
        path: PathBuf,
    },
    /// Something that is to be kept cannot be written as JSON, or was kept by
    /// a version that wrote it in another way.
    #[error("{what} does not fit its JSON: {source}")]
    Json {
        /// What it is.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A kind of entry that only the store itself may write.
    #[error(
        "{0:?} is no kind for an entry: it is empty, or begins with `intent.` or `store.`, which the store keeps for itself"
    )]
    ReservedKind(String),
    /// An outcome for an intent that is not open.
    #[error("intent {0} is not open: it has an outcome already, or it never was in this journal")]
    NoOpenIntent(u64),
    /// All was kept, but the head beside the database could not be brought up to
    /// date. Do not repeat the write.
    #[error("what was written to {} is kept, but its head could not be noted: {source}", path.display())]
    HeadNotNoted {
        /// The file with the head.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else that SQLite complains about.
    #[error("the database {} refused to {doing}: {source}", path.display())]
    Sqlite {
        /// What was tried.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// Puts SQLite's error into words, with what was tried and where.
pub(crate) fn explain(doing: &'static str, path: &Path, source: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { doing, path },
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly { path, why: source.to_string() },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { path, what: source.to_string() }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { doing, path },
        Some(ErrorCode::SystemIoFailure) => StoreError::Disk { doing, path, source },
        Some(_) => StoreError::Sqlite { doing, path, source },
        // A column of another type than the schema's can only be damage.
        None if unreadable(&source) => StoreError::Damaged { path, what: source.to_string() },
        None => StoreError::Sqlite { doing, path, source },
    }
}

fn unreadable(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    )
}

/// A file error: one of permission gets its own words.
pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> StoreError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::ReadOnly { path, why: source.to_string() }
        }
        io::ErrorKind::StorageFull => StoreError::Full { doing, path },
        _ => StoreError::Io { doing, path, source },
    }
}
