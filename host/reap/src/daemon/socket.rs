//! The daemon's socket. The folder is this user's alone, and so is the socket.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::StartError;
use crate::files;
use crate::paths::Paths;

/// A socket that is listened on, and removed when this is dropped.
pub(super) struct Socket {
    path: PathBuf,
    /// Which file it is: a later daemon may have put its own in the place.
    file: (u64, u64),
    /// The note in the state folder that says where it is.
    note: PathBuf,
}

impl Socket {
    /// Listens. Whoever calls this holds the state folder, so a socket of an
    /// earlier daemon on it is dead. One of another state folder may live.
    pub fn bind(paths: &Paths) -> Result<(Self, UnixListener), StartError> {
        let path = paths.socket();
        bind(paths, &path).map_err(|error| StartError::Socket { path, error })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn bind(paths: &Paths, path: &Path) -> io::Result<(Socket, UnixListener)> {
    paths.create(&paths.runtime)?;
    refuse_others(&paths.runtime)?;
    clear(path)?;
    let listener = UnixListener::bind(path)?; // of tokio, so there must be a runtime
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    let about = fs::symlink_metadata(path)?;
    let note = paths.socket_note();
    files::replace(&note, path.as_os_str().as_bytes())?;
    Ok((Socket { path: path.to_owned(), file: (about.dev(), about.ino()), note }, listener))
}

/// Between the making of a socket and its permissions lies a moment, so nobody
/// else may reach into the folder.
fn refuse_others(folder: &Path) -> io::Result<()> {
    let mode = fs::metadata(folder)?.permissions().mode() & 0o777;
    if mode & 0o022 == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "other users may write to {} (mode {mode:o}); run: chmod go-w {}",
            folder.display(),
            folder.display()
        ),
    ))
}

/// Takes a dead socket away.
fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(about) if !about.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "it is there and is no socket; move it away",
            ));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "a daemon with another state folder listens there; give this one another XDG_RUNTIME_DIR",
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = |about: fs::Metadata| (about.dev(), about.ino()) == self.file;
        if fs::symlink_metadata(&self.path).is_ok_and(ours) {
            // One that stays behind is dead, and the next start takes it away.
            let _ = fs::remove_file(&self.path);
            let _ = fs::remove_file(&self.note);
        }
    }
}
