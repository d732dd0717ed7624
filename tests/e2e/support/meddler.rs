//! Something happens at the last moment: after Reap has looked at everything, and
//! before tmux is told to end a session.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::run::{Ran, run_while};
use super::wait::holds;
use super::world::World;

/// A `tmux` in front of the real one. It passes everything on, but the command
/// that ends a session waits until the test has changed something.
pub struct Meddler<'w> {
    world: &'w World,
    /// The first folder of the `PATH` that Reap gets.
    folder: PathBuf,
    /// Made when the command is there.
    asked: PathBuf,
    /// Made when it may go on.
    done: PathBuf,
}

impl<'w> Meddler<'w> {
    pub fn in_world(world: &'w World) -> Self {
        let [folder, asked, done] = ["meddler", "meddler/asked", "meddler/done"].map(|name| world.path(name));
        let script = format!(
            "#!/bin/sh\nfor word; do\n  case $word in \"kill-session \"*)\n    : >{asked}\n    \
             while [ -e {asked} ] && ! [ -e {done} ]; do sleep 0.02; done\n  esac\ndone\nexec {tmux} \"$@\"\n",
            asked = asked.display(),
            done = done.display(),
            tmux = in_path("tmux").display(),
        );
        let program = world.write("meddler/tmux", script);
        fs::set_permissions(program, fs::Permissions::from_mode(0o700)).expect("our own file");
        Self { world, folder, asked, done }
    }

    /// Runs reap, and makes this change at the last moment. It has less than the
    /// five seconds that the command may take.
    #[track_caller]
    pub fn reap(&self, words: &[&str], change: impl FnOnce()) -> Ran {
        run_while(&mut self.command(words), || {
            self.is_asked();
            change();
            self.lets_go();
        })
    }

    /// Waits for the command that ends a session.
    #[track_caller]
    pub fn is_asked(&self) {
        holds("the command that ends a session", || self.asked.exists());
    }

    /// Lets that command go on.
    pub fn lets_go(&self) {
        fs::write(&self.done, "").expect("our own folder");
    }

    /// Reap as it meets this `tmux`.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.world.reap_command(words);
        // As a shell starts a program: in a group of its own, which Ctrl-C goes to.
        command.env("PATH", path_with(&self.folder)).process_group(0);
        command
    }
}

/// The `PATH` with this folder before all others.
pub fn path_with(folder: &Path) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).expect("folders of a PATH")
}

/// Where a program is.
#[track_caller]
pub fn in_path(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{program} must be installed"))
}
