//! A `tmux` in front of the real one that waits where the test says. So a crash is
//! put at a step of a cycle from outside: the program knows nothing of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::meddler::{in_path, path_with};
use super::process::Process;
use super::wait::until;
use super::world::World;

/// Where a command of Reap to tmux can be made to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Before a look at all sessions.
    Look,
    /// Before the end of a session.
    BeforeEnd,
    /// After it, before Reap hears of it.
    AfterEnd,
}

impl Step {
    fn word(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::BeforeEnd => "before-end",
            Self::AfterEnd => "after-end",
        }
    }
}

/// What waits in front of tmux. GATE and TMUX are filled in. A gate that is gone
/// is open, so nothing waits on when the world has ended.
const SCRIPT: &str = r#"#!/bin/sh
echo >>GATE/commands
stop() {
  passes=
  read -r passes 2>/dev/null <GATE/shut-$1 || return 0
  if [ "$passes" -gt 0 ]; then
    echo $((passes - 1)) >GATE/shut-$1
    return 0
  fi
  mkdir -p GATE/at-$1 && : >GATE/at-$1/$$
  while [ -e GATE/shut-$1 ]; do sleep 0.02; done
}
step=
for word; do
  case $word in
    "kill-session "*) step=end && echo "$word" >>GATE/ends ;;
    list-sessions) step=look ;;
  esac
done
case $step in
  look) stop look ;;
  end) stop before-end && TMUX "$@"; status=$?; stop after-end; exit $status ;;
esac
exec TMUX "$@"
"#;

/// The `tmux` that waits.
pub struct Gate<'w> {
    world: &'w World,
    folder: PathBuf,
}

impl<'w> Gate<'w> {
    /// One that is open everywhere.
    pub fn in_world(world: &'w World) -> Self {
        let folder = world.path("gate");
        let tmux = in_path("tmux").display().to_string();
        let script = SCRIPT.replace("GATE", &folder.display().to_string()).replace("TMUX", &tmux);
        let program = world.write("gate/tmux", script);
        fs::set_permissions(program, fs::Permissions::from_mode(0o700)).expect("our own file");
        Self { world, folder }
    }

    /// Reap as it meets this `tmux`.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.world.reap_command(words);
        command.env("PATH", path_with(&self.folder));
        command
    }

    /// Lets so many more commands through at this step, and then none.
    pub fn shut(&self, step: Step, passes: usize) {
        let (new, shut) = (self.folder.join("shut.new"), self.shut_file(step));
        fs::write(&new, format!("{passes}\n")).and_then(|()| fs::rename(&new, shut)).expect("our own folder");
    }

    /// Waits until so many commands wait there, and gives them.
    #[track_caller]
    pub fn reached(&self, step: Step, count: usize) -> Vec<Process> {
        until(&format!("{count} commands at {step:?}"), || {
            let names = fs::read_dir(self.at_folder(step)).ok()?;
            let pids = names.filter_map(|name| name.ok()?.file_name().to_str()?.parse().ok());
            let waiting: Vec<Process> = pids.filter_map(Process::of).collect();
            (waiting.len() == count).then_some(waiting)
        })
    }

    /// Lets all go on.
    pub fn open(&self, step: Step) {
        // Whoever waits there would be counted again.
        let _ = fs::remove_dir_all(self.at_folder(step));
        fs::remove_file(self.shut_file(step)).expect("it was shut");
    }

    /// How often tmux was told to end a session.
    pub fn ends(&self) -> usize {
        self.lines("ends")
    }

    /// How often it was asked or told anything.
    pub fn commands(&self) -> usize {
        self.lines("commands")
    }

    fn lines(&self, file: &str) -> usize {
        fs::read_to_string(self.folder.join(file)).unwrap_or_default().lines().count()
    }

    fn shut_file(&self, step: Step) -> PathBuf {
        self.folder.join(format!("shut-{}", step.word()))
    }

    fn at_folder(&self, step: Step) -> PathBuf {
        self.folder.join(format!("at-{}", step.word()))
    }
}
