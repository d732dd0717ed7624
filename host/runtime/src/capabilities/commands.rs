//! Running the command lines that a manifest fixes.
//!
//! A plugin names one and fills its placeholders; the values are checked by
//! pattern before anything starts. No shell is involved, and the program sees
//! nothing of the host's environment but where to find programs and the user's
//! home.

use std::borrow::Cow;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use wasmtime::component::Resource;

use crate::bindings::{commands, types};
use crate::capabilities::{deny, in_manifest};
use crate::state::State;

/// The most bytes that are kept of what a command complains about.
const STDERR: usize = 16 << 10;

/// A command under way. It is ended when this is dropped.
#[derive(Debug)]
pub struct Running {
    task: Option<JoinHandle<Answer>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort(); // drops the child, which ends it
        }
    }
}

/// What a command left, or why it did not.
pub(crate) type Answer = Result<commands::Output, types::Error>;

/// A command line that is ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) words: Vec<String>,
    pub(crate) timeout: Duration,
    pub(crate) output_bytes: usize,
}

/// Runs a command line to its end or to its time limit.
pub(crate) async fn run(line: Line) -> Answer {
    let child = begin(&line)?;
    complete(child, line).await
}

/// Starts it, at once and not when a task gets its turn: what the host does
/// beside it would else take the processor that the program waits for.
fn begin(line: &Line) -> Result<Child, types::Error> {
    let program = line.program();
    spawn(&line.words).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            types::Error::NotFound(format!("{program} is not installed: no such program in PATH"))
        }
        _ => types::Error::Failed(format!("{program} could not be started: {error}")),
    })
}

/// Waits for its end, or ends it at its time limit.
async fn complete(mut child: Child, line: Line) -> Answer {
    let program = line.program();
    match tokio::time::timeout(line.timeout, finish(&mut child, line.output_bytes)).await {
        Ok(answer) => answer.map_err(|error| types::Error::Failed(format!("{program}: {error}"))),
        Err(_) => {
            // It is our own child, so its pid cannot have been used again.
            child.kill().await.map_err(|error| {
                types::Error::Failed(format!("{program} ran out of time and could not be ended: {error}"))
            })?;
            Err(types::Error::TimedOut(format!(
                "{program} gave no answer within {} s",
                line.timeout.as_secs_f32()
            )))
        }
    }
}

impl Line {
    fn program(&self) -> &str {
        self.words.first().map_or("the program", String::as_str)
    }
}

fn spawn(words: &[String]) -> std::io::Result<Child> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "the command line is empty"));
    };
    // Named by its whole path, a program is started without a copy of this
    // process, whose reserved memory takes milliseconds to copy.
    let mut command = Command::new(find(program)?);
    command
        .args(arguments)
        .env_clear()
        // Under a C locale tmux turns tabs and every character that is not ASCII
        // into underscores.
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/")
        // Ctrl-C is for Reap, which finishes what it began.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.spawn()
}

/// Where a program is, by `PATH`.
fn find(program: &str) -> std::io::Result<PathBuf> {
    if program.contains('/') {
        return Ok(PathBuf::from(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usable = |place: &PathBuf| {
        place.is_absolute()
            && rustix::fs::access(place, rustix::fs::Access::EXEC_OK).is_ok()
            && place.is_file()
    };
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(usable);
    found.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))
}

async fn finish(child: &mut Child, most: usize) -> std::io::Result<commands::Output> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr, status) = tokio::join!(read(stdout, most), read(stderr, STDERR), child.wait());
    let ((stdout, cut), (stderr, _)) = (stdout?, stderr?);
    Ok(commands::Output {
        status: status?.code(),
        stdout,
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        truncated: cut,
    })
}

/// Reads to the end, keeps the first `most` bytes, and says whether there were
/// more. What is over is still read, so that the program is not held up by it.
async fn read(from: Option<impl AsyncRead + Unpin>, most: usize) -> std::io::Result<(Vec<u8>, bool)> {
    let Some(mut from) = from else {
        return Ok((Vec::new(), false));
    };
    let mut kept = Vec::new();
    (&mut from).take(most as u64).read_to_end(&mut kept).await?;
    let over = tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok((kept, over > 0))
}

impl State {
    fn start_command(
        &mut self,
        name: &str,
        arguments: &[commands::Argument],
    ) -> Result<Running, types::Error> {
        let shared = Arc::clone(&self.shared);
        let Some(command) = shared.grants.commands.get(name) else {
            let mend = in_manifest(self, &format!("[asks.commands.{name}] with `run = [...]`"));
            return Err(deny(self, "commands", format!("the command {name:?}"), mend));
        };
        let value = |hole: &str| {
            arguments.iter().find(|argument| argument.name == hole).map(|argument| argument.value.as_str())
        };
        let words = shared
            .grants
            .fill(command, &shared.settings, |hole| value(hole).map(Cow::Borrowed))
            .map_err(|bad| {
                let given = value(&bad.hole).unwrap_or("nothing");
                let asked = format!(
                    "the command {name:?} with {{{}}} = {given:?}, where {} is needed",
                    bad.hole, bad.wanted
                );
                let mend = in_manifest(self, &format!("a wider [asks.placeholders.{}]", bad.hole));
                deny(self, "commands", asked, mend)
            })?;
        if self.running >= shared.limits.commands {
            return Err(types::Error::Limited(format!(
                "{} commands at once (commands)",
                shared.limits.commands
            )));
        }
        self.running += 1;
        shared.counters.commands.one();
        let line = Line {
            words,
            timeout: command.timeout.min(self.watch.left()),
            output_bytes: shared.limits.output_bytes,
        };
        let child = begin(&line);
        Ok(Running { task: Some(tokio::spawn(async move { complete(child?, line).await })) })
    }
}

impl commands::Host for State {
    fn start(
        &mut self,
        name: String,
        arguments: Vec<commands::Argument>,
    ) -> wasmtime::Result<Result<Resource<Running>, types::Error>> {
        let since = Instant::now();
        let answer = match self.start_command(&name, &arguments) {
            Ok(running) => Ok(self.resources.push(running)?),
            Err(error) => Err(error),
        };
        self.watch.was_in_host(since);
        Ok(answer)
    }
}

impl commands::HostRunning for State {
    async fn finish(&mut self, running: Resource<Running>) -> wasmtime::Result<Answer> {
        let Some(task) = self.resources.get_mut(&running)?.task.take() else {
            return Ok(Err(types::Error::Invalid("this command was finished before".to_owned())));
        };
        let since = Instant::now();
        let answer = task.await;
        self.watch.was_in_host(since);
        self.running -= 1;
        Ok(answer.unwrap_or_else(|error| Err(types::Error::Failed(format!("the command was lost: {error}")))))
    }

    fn drop(&mut self, running: Resource<Running>) -> wasmtime::Result<()> {
        let dropped = self.resources.delete(running)?;
        if dropped.task.is_some() {
            self.running -= 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Line {
        Line {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            timeout: Duration::from_secs(20),
            output_bytes: 1000,
        }
    }

    #[tokio::test]
    async fn output_status_and_a_small_environment() {
        let output = run(line(&["sh", "-c", "echo out; echo err >&2; exit 3"])).await.expect("runs");
        assert_eq!(
            (output.status, output.stdout.as_slice(), output.stderr.as_str()),
            (Some(3), &b"out\n"[..], "err\n")
        );
        let output = run(line(&["env"])).await.expect("runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
        assert!(names.iter().all(|name| ["PATH", "HOME", "LC_ALL"].contains(name)), "{names:?}");
    }

    #[tokio::test]
    async fn a_flood_is_cut_and_does_not_hang() {
        let output = run(line(&["sh", "-c", "head -c 5000000 /dev/zero"])).await.expect("runs");
        assert_eq!((output.stdout.len(), output.truncated, output.status), (1000, true, Some(0)));
    }

    #[tokio::test]
    async fn a_hanging_program_is_ended() {
        let slow = Line { timeout: Duration::from_millis(50), ..line(&["sleep", "1000"]) };
        assert!(matches!(run(slow).await, Err(types::Error::TimedOut(_))));
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = run(line(&["no-such-program-anywhere"])).await.expect_err("there is none");
        assert!(matches!(error, types::Error::NotFound(text) if text.contains("no-such-program-anywhere")));
    }
}
