//! Writing files that are nobody else's business.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Makes a folder, and those above it that are missing, for this user alone.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a new file for this user alone. Fails when something is there already.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private(path)?;
    let written = fill(&mut file, bytes);
    if written.is_err() {
        // A cut file must not be taken for a whole one.
        let _ = fs::remove_file(path); // the first error is the one to tell
    }
    written
}

/// Writes a file for this user alone, in the place of one that may be there. A
/// reader sees the old one or the new one, and never a half.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::other("what is there is no regular file"));
    }
    let beside = beside(path)?;
    let mut file = private(&beside)?;
    let done = fill(&mut file, bytes).and_then(|()| fs::rename(&beside, path));
    if done.is_err() {
        let _ = fs::remove_file(&beside); // the first error is the one to tell
    }
    done
}

fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    Ok(path.with_file_name(format!(".{}.{}.new", name.display(), std::process::id())))
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn fill(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_is_private_and_never_overwrites() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("a/b");
        create_folder(&deep).expect("made");
        assert_eq!(mode(&deep), 0o700);
        let file = deep.join("plan.json");
        write_new(&file, b"one").expect("written");
        assert_eq!(mode(&file), 0o600);
        assert_eq!(write_new(&file, b"two").expect_err("it is there").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&file).expect("read"), b"one");
    }

    #[test]
    fn replacing_leaves_one_private_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("approved.toml");
        fs::write(&file, b"old").expect("written");
        replace(&file, b"new").expect("replaced");
        assert_eq!((fs::read(&file).expect("read").as_slice(), mode(&file)), (b"new".as_slice(), 0o600));
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
    }

    #[test]
    fn a_folder_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(replace(folder.path(), b"new").is_err());
    }
}
