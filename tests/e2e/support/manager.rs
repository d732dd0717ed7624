//! A service manager: a socket on which a daemon tells how it goes.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use super::wait::holds;
use super::world::World;

/// Hears what the daemon of a world says.
pub struct Manager {
    path: PathBuf,
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    pub fn in_world(world: &World) -> Self {
        let path = world.path("notify.sock");
        let socket = UnixDatagram::bind(&path).expect("our own folder");
        socket.set_nonblocking(true).expect("our own socket");
        Self { path, socket, heard: Vec::new() }
    }

    /// What the daemon's `NOTIFY_SOCKET` is to be.
    pub fn socket(&self) -> &std::path::Path {
        &self.path
    }

    /// How often it said this so far.
    pub fn heard(&mut self, line: &str) -> usize {
        let mut message = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut message) {
            let text = String::from_utf8_lossy(&message[..length]);
            self.heard.extend(text.lines().map(str::to_owned));
        }
        self.heard.iter().filter(|heard| *heard == line).count()
    }

    /// Waits until it has said this so often.
    #[track_caller]
    pub fn hears(&mut self, line: &str, times: usize) {
        holds(line, || self.heard(line) >= times);
    }
}
