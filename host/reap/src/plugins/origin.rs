//! Where a plugin came from, as tables and as sentences say it.

use std::fmt;
use std::path::{Path, PathBuf};

use reap_core::clean;

/// Where a plugin came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It came with Reap.
    Bundled,
    /// This file holds its code.
    File(PathBuf),
    /// It was approved, and now it is in no plugin folder.
    Nowhere,
}

impl Origin {
    /// As it stands in a sentence, or in front of one.
    pub fn in_words(&self) -> String {
        match self {
            Self::Bundled => "the bundled one".to_owned(),
            Self::File(path) => shown(path),
            Self::Nowhere => "one that is in no plugin folder".to_owned(),
        }
    }
}

/// As it stands in a table.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled => f.pad("bundled"),
            Self::File(path) => f.pad(&shown(path)),
            Self::Nowhere => f.pad("-"),
        }
    }
}

/// A path, made safe to show.
pub(super) fn shown(path: &Path) -> String {
    clean::line(&path.to_string_lossy())
}
