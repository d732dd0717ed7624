//! Reading files without ever hanging on one, and writing files that are nobody
//! else's business.

use std::fs::{self, DirBuilder, File, FileType, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Reads a regular file of at most so many bytes. A pipe may make a reader wait
/// for ever and a device may never end, so both are refused; only `/dev/null` is
/// taken for the empty file that it is meant to be.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    if !kind.is_file() {
        let is_null = fs::canonicalize(path)? == Path::new("/dev/null");
        return if is_null { Ok(Vec::new()) } else { Err(no_regular_file(kind)) };
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}

/// The same, as text.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text"))
}

fn no_regular_file(kind: FileType) -> io::Error {
    let what = if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    io::Error::other(format!("it is {what}; it must be a regular file"))
}

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
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("reap.toml");
        fs::write(&file, b"four").expect("written");
        assert_eq!(read_text(&file, 4).expect("it fits"), "four");
        assert_eq!(read(&file, 3).expect_err("too large").to_string(), "it is larger than 3 bytes");
        fs::write(&file, b"\xff").expect("written");
        assert_eq!(read_text(&file, 4).expect_err("no text").to_string(), "it is no UTF-8 text");
        let missing = read(&folder.path().join("none"), 4).expect_err("nothing there");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_could_hang_or_never_end_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("made");
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        let cases = [
            (pipe.as_path(), "a pipe"),
            (Path::new("/dev/zero"), "a device"),
            (folder.path(), "a folder"),
            (socket.as_path(), "a socket"),
        ];
        for (path, what) in cases {
            let error = read(path, 9).expect_err(what).to_string();
            assert_eq!(error, format!("it is {what}; it must be a regular file"));
        }
        assert_eq!(read(Path::new("/dev/null"), 9).expect("empty"), b"");
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
