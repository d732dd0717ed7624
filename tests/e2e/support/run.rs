//! Running a program to its end, with all that it writes.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::json::Json;
use super::wait::until;

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    /// As it would be typed.
    pub line: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Ran {
    run_while(command, || ())
}

/// Runs a command to its end, and does something else meanwhile. Its output goes
/// into files: a server that it leaves behind and that holds a pipe open must not
/// make the test wait.
#[track_caller]
pub fn run_while(command: &mut Command, meanwhile: impl FnOnce()) -> Ran {
    let line = in_words(command);
    let (mut out, mut err) = (scratch(), scratch());
    command.stdin(Stdio::null()).stdout(writer(&out)).stderr(writer(&err));
    let since = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
    meanwhile();
    let status = until(&format!("the end of {line}"), || child.try_wait().expect("it is our child"));
    let took = since.elapsed();
    let (stdout, stderr) = (text(&mut out), text(&mut err));
    let code = status.code().unwrap_or_else(|| panic!("{line} did not exit: {status}\n{stderr}"));
    Ran { line, code, stdout, stderr, took }
}

fn scratch() -> File {
    tempfile::tempfile().expect("a file for output")
}

fn writer(file: &File) -> File {
    file.try_clone().expect("a second descriptor")
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("output can be read back");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn in_words(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let name = program.rsplit('/').next().unwrap_or_default().to_owned();
    command.get_args().fold(name, |line, word| format!("{line} {}", word.to_string_lossy()))
}

impl Ran {
    /// Fails the test unless it exited with this status.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "wrong exit status\n{self}");
        self
    }

    /// Fails the test unless all these words are in what it wrote.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        for word in words {
            assert!(all.contains(word), "it does not say {word:?}\n{self}");
        }
        self
    }

    /// Its standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Json {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => Json::new(value),
            Err(error) => panic!("standard output is no JSON: {error}\n{self}"),
        }
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, code, stdout, stderr, .. } = self;
        write!(f, "$ {line}\n(exit {code})\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}
