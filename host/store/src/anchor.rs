//! The head of the journal, noted in a file of its own.
//!
//! A chain proves that nothing in it was changed, and not that nothing follows:
//! its end can be cut off and what is left still holds together. So the head is
//! noted beside the database after each commit. Commits reach the disk first,
//! thus the note can be behind the journal and never honestly ahead of it.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::chain::Head;
use crate::error::{StoreError, io};
use crate::files::{Files, private};

const TITLE: &str = "reap journal head 1\n";

/// The file, open for as long as the writer lives.
#[derive(Debug)]
pub(crate) struct Anchor(File);

impl Anchor {
    pub fn open(files: &Files) -> Result<Self, StoreError> {
        private("open the noted head", &files.head).map(Self)
    }

    /// Notes the head in place. The text always has the same length, less than
    /// the disk's smallest unit, so it is never half an old and half a new one,
    /// and a full disk cannot refuse it.
    pub fn note(&self, head: &Head) -> std::io::Result<()> {
        self.0.write_all_at(text(head).as_bytes(), 0)
    }
}

fn text(head: &Head) -> String {
    format!("{TITLE}{:020}:{}\n", head.seq, head.hash)
}

/// What is noted. Nothing when there is no file, or an empty one: a first start
/// that was cut short.
pub(crate) fn noted(files: &Files) -> Result<Option<Head>, StoreError> {
    let text = match std::fs::read(&files.head) {
        Ok(bytes) if bytes.is_empty() => return Ok(None),
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("read the noted head", &files.head, error)),
    };
    let bad = |why: String| StoreError::BadHead { path: files.head.clone(), why };
    let text = std::str::from_utf8(&text).map_err(|error| bad(error.to_string()))?;
    let head = text.strip_prefix(TITLE).and_then(|rest| rest.strip_suffix('\n'));
    let head = head.ok_or_else(|| bad("its first line or its end is not that of such a file".to_owned()))?;
    head.parse().map(Some).map_err(|error: crate::chain::BadHead| bad(error.to_string()))
}
