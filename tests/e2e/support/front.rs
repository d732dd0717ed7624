//! A `tmux` in front of the real one, for what no real server does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::meddler::{in_path, path_with};
use super::world::World;

/// A server that forgets its sessions for a moment, and calls its answer complete.
pub struct Forgetful<'w> {
    world: &'w World,
    /// The first folder of the `PATH` that Reap gets.
    folder: PathBuf,
    /// There as long as it forgets.
    forgets: PathBuf,
}

impl<'w> Forgetful<'w> {
    pub fn in_world(world: &'w World) -> Self {
        let (folder, forgets) = (world.path("front"), world.path("front/forgets"));
        // Of a scan only the first part is passed on: what the server says of itself.
        let script = format!(
            "#!/bin/sh\nif [ -e {forgets} ]; then\n  case \"$*\" in *list-sessions*) exec {tmux} \"$1\" \"$2\" \"$3\" \"$4\" \
             \"$5\" \"$6\" ;; esac\nfi\nexec {tmux} \"$@\"\n",
            forgets = forgets.display(),
            tmux = in_path("tmux").display(),
        );
        let program = world.write("front/tmux", script);
        fs::set_permissions(program, fs::Permissions::from_mode(0o700)).expect("our own file");
        Self { world, folder, forgets }
    }

    /// Reap as it meets this server.
    pub fn reap_command(&self, words: &[&str]) -> Command {
        let mut command = self.world.reap_command(words);
        command.env("PATH", path_with(&self.folder));
        command
    }

    pub fn forget(&self) {
        fs::write(&self.forgets, "").expect("our own folder");
    }

    pub fn remember(&self) {
        fs::remove_file(&self.forgets).expect("it was made");
    }
}
