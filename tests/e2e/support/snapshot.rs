//! A folder as it is, to be compared with what it is later.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Everything in a folder: what each entry is, and what it holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, Entry>);

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    mode: u32,
    /// In seconds and nanoseconds.
    modified: (i64, i64),
    inode: u64,
    content: Vec<u8>,
}

impl Snapshot {
    /// Of a folder that may be missing.
    #[track_caller]
    pub fn of(folder: &Path) -> Self {
        let mut entries = BTreeMap::new();
        if folder.symlink_metadata().is_ok() {
            add(folder, &mut entries);
        }
        Self(entries)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[track_caller]
fn add(path: &Path, entries: &mut BTreeMap<PathBuf, Entry>) {
    let seen = path.symlink_metadata().expect("it was listed");
    let content = if seen.is_file() { fs::read(path).expect("it can be read") } else { Vec::new() };
    let (mode, modified, inode) = (seen.mode(), (seen.mtime(), seen.mtime_nsec()), seen.ino());
    entries.insert(path.to_owned(), Entry { mode, modified, inode, content });
    if seen.is_dir() {
        for entry in fs::read_dir(path).expect("it can be read") {
            add(&entry.expect("it can be read").path(), entries);
        }
    }
}
