//! The files of a state folder, and who may touch them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{StoreError, io};

/// Where everything of one store lies.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub folder: PathBuf,
    pub database: PathBuf,
    pub lock: PathBuf,
    pub head: PathBuf,
}

impl Files {
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            database: folder.join("reap.db"),
            lock: folder.join("reap.lock"),
            head: folder.join("journal.head"),
        }
    }

    /// Makes the folder for this user alone. One that is there already keeps its
    /// mode: whoever names `/tmp` by mistake must not have it closed to others.
    pub fn make_folder(&self) -> Result<(), StoreError> {
        if !self.folder.is_dir() {
            let parent = self.folder.parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(parent).map_err(|error| io("create", parent, error))?;
            match DirBuilder::new().mode(0o700).create(&self.folder) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                done => done.map_err(|error| io("create the state folder", &self.folder, error))?,
            }
        }
        let found = fs::metadata(&self.folder).map_err(|error| io("look at", &self.folder, error))?;
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(StoreError::OpenToOthers { path: self.folder.clone(), mode });
        }
        Ok(())
    }
}

/// Which file it is, whatever its name: device and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    /// That of the file which has this name now.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        fs::metadata(path).map(|about| Self(about.dev(), about.ino()))
    }
}

/// Opens a file of the store for reading and writing, and makes it where it is
/// missing: for this user alone from its first moment on.
pub(crate) fn private(doing: &'static str, path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| io(doing, path, error))
}
