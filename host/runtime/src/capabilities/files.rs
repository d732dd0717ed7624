//! Reading files, at and below the granted paths.
//!
//! The path is compared as text first, and must be plain; then it is opened from
//! the granted path with the kernel forbidding every symbolic link and every way
//! out, so that nothing that is swapped in between leads elsewhere.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use rustix::io::Errno;

use crate::bindings::{files, types};
use crate::capabilities::grants::plain;
use crate::capabilities::{deny, in_manifest};
use crate::state::State;

/// The most bytes of one read.
const LONGEST_READ: u32 = 4 << 20;

/// A granted folder that is held open, since a plugin reads one file after the other.
pub(crate) type Anchor = Option<(PathBuf, OwnedFd)>;

impl State {
    fn open_granted(&mut self, path: &str, flags: OFlags) -> Result<OwnedFd, types::Error> {
        let shared = self.shared.clone();
        let wanted = Path::new(path);
        let root = plain(wanted).then(|| shared.grants.paths.iter().find(|root| wanted.starts_with(root)));
        let Some(Some(root)) = root else {
            let line = format!("`paths = [{path:?}]` under [asks.files]");
            return Err(deny(self, "files", format!("reading {path}"), in_manifest(self, &line)));
        };
        let below = wanted.strip_prefix(root).unwrap_or(Path::new(""));
        self.open_from(root, below, flags).map_err(|error| match error {
            Errno::NOENT | Errno::NOTDIR => types::Error::NotFound(format!("{path}: {}", words_for(error))),
            Errno::LOOP | Errno::XDEV => {
                let mend = "no line allows it: links are never followed; name the real path".to_owned();
                deny(self, "files", format!("{path}, which leads over a symbolic link"), mend)
            }
            other => types::Error::Unavailable(format!("{path}: {}", words_for(other))),
        })
    }

    fn open_from(&mut self, root: &Path, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        if below.as_os_str().is_empty() {
            return open_below(root, below, flags);
        }
        let anchor = match self.anchor.take() {
            Some(held) if held.0 == root => held.1,
            _ => anchor(root)?,
        };
        let opened = open_at(&anchor, below, flags);
        self.anchor = Some((root.to_path_buf(), anchor));
        opened
    }

    fn list(&mut self, path: &str) -> Result<Vec<files::Entry>, types::Error> {
        let folder = self.open_granted(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let unavailable = |error: Errno| types::Error::Unavailable(format!("{path}: {}", words_for(error)));
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&folder).map_err(unavailable)? {
            let entry = entry.map_err(unavailable)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            // One that went away meanwhile is no entry any more.
            let Ok(seen) = rustix::fs::statat(&folder, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let kind = match rustix::fs::FileType::from_raw_mode(seen.st_mode) {
                rustix::fs::FileType::RegularFile => files::EntryKind::File,
                rustix::fs::FileType::Directory => files::EntryKind::Directory,
                rustix::fs::FileType::Symlink => files::EntryKind::Link,
                rustix::fs::FileType::Socket => files::EntryKind::Socket,
                _ => files::EntryKind::Other,
            };
            entries.push(files::Entry {
                exact: name.to_str().is_ok(),
                name: name.to_string_lossy().into_owned(),
                kind,
                size: u64::try_from(seen.st_size).unwrap_or(0),
                modified: u64::try_from(seen.st_mtime).unwrap_or(0).saturating_mul(1000),
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn read_part(&mut self, path: &str, offset: u64, length: u32) -> Result<Vec<u8>, types::Error> {
        let file = self.open_granted(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let length = u64::from(length.min(LONGEST_READ));
        let left = self.shared.limits.file_bytes.saturating_sub(self.file_bytes);
        if left == 0 {
            return Err(types::Error::Limited(format!(
                "{} bytes of files in one call (file_bytes)",
                self.file_bytes
            )));
        }
        let unavailable = |error: std::io::Error| types::Error::Unavailable(format!("{path}: {error}"));
        let seen = fstat(&file).map_err(|error| unavailable(error.into()))?;
        if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile {
            return Err(types::Error::Invalid(format!("{path} is no regular file")));
        }
        let size = u64::try_from(seen.st_size).unwrap_or(0);
        let bytes = part(file, size, offset, length.min(left)).map_err(unavailable)?;
        self.file_bytes += bytes.len() as u64;
        self.shared.counters.file_bytes.add(bytes.len() as u64);
        Ok(bytes)
    }
}

/// At most `length` bytes of a file, from an offset.
fn part(file: OwnedFd, size: u64, offset: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let mut file = fs::File::from(file);
    // One that grows is read as far as it went. Those of /proc say that they are empty.
    let length = if size == 0 { length } else { length.min(size.saturating_sub(offset)) };
    if offset > 0 {
        file.seek(SeekFrom::Start(offset))?;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(size)).unwrap_or(0));
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn open_below(root: &Path, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC;
    if below.as_os_str().is_empty() {
        // The granted path itself: where it leads is the operator's choice, but
        // its last part is not to be a link that somebody put there.
        return open(root, flags | OFlags::NOFOLLOW, Mode::empty());
    }
    open_at(anchor(root)?, below, flags)
}

fn anchor(root: &Path) -> Result<OwnedFd, Errno> {
    open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn open_at(anchor: impl AsFd, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let strict = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(anchor, below, flags | OFlags::CLOEXEC, Mode::empty(), strict)
}

fn words_for(error: Errno) -> String {
    std::io::Error::from(error).to_string()
}

impl files::Host for State {
    fn granted(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.shared.grants.paths.iter().map(|path| path.display().to_string()).collect())
    }

    fn entries(&mut self, path: String) -> wasmtime::Result<Result<Vec<files::Entry>, types::Error>> {
        let since = Instant::now();
        let answer = self.list(&path);
        self.watch.was_in_host(since);
        Ok(answer)
    }

    fn read(
        &mut self,
        path: String,
        offset: u64,
        length: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, types::Error>> {
        let since = Instant::now();
        let answer = self.read_part(&path, offset, length);
        self.watch.was_in_host(since);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn try_open(root: &Path, below: &str) -> Result<OwnedFd, Errno> {
        open_below(root, Path::new(below), OFlags::RDONLY)
    }

    #[test]
    fn parts_of_a_file() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let path = dir.path().join("file");
        fs::write(&path, "0123456789").expect("written");
        let part = |path: &Path, offset, length| {
            let file = fs::File::open(path).expect("it is there");
            let size = file.metadata().expect("its size").len();
            String::from_utf8(super::part(file.into(), size, offset, length).expect("read")).expect("a text")
        };
        for (offset, length, expected) in
            [(0, 100, "0123456789"), (0, 4, "0123"), (8, 4, "89"), (10, 4, ""), (99, 4, ""), (3, 0, "")]
        {
            assert_eq!(part(&path, offset, length), expected, "{offset} {length}");
        }
        assert!(!part(Path::new("/proc/self/status"), 0, 100).is_empty(), "it says that it is empty");
        fs::write(&path, "").expect("written");
        assert_eq!(part(&path, 0, 100), "");
    }

    #[test]
    fn no_way_out() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let root = dir.path().join("granted");
        fs::create_dir_all(root.join("sub")).expect("made");
        fs::write(dir.path().join("secret"), "x").expect("written");
        fs::write(root.join("file"), "x").expect("written");
        symlink("../secret", root.join("up")).expect("linked");
        symlink(dir.path(), root.join("sub/out")).expect("linked");
        symlink("file", root.join("inside")).expect("linked");
        symlink(&root, dir.path().join("rootlink")).expect("linked");
        assert!(try_open(&root, "file").is_ok());
        for escape in ["up", "sub/out/secret", "inside", "../secret", "sub/../../secret", "/etc/passwd"] {
            assert!(try_open(&root, escape).is_err(), "{escape}");
        }
        assert_eq!(
            open_below(&dir.path().join("rootlink"), Path::new(""), OFlags::RDONLY).err(),
            Some(Errno::LOOP)
        );
        assert_eq!(try_open(&root, "FILE").err(), Some(Errno::NOENT));
    }
}
