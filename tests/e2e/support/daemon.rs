//! A daemon of one world, started and stopped.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::http::Http;
use super::json::Json;
use super::process::Process;
use super::run::Ran;
use super::wait::{DEADLINE, holds, until};
use super::world::World;

/// Cycles follow each other quickly, and orphans wait for nothing but their two votes.
const QUICK: &str =
    "[marks]\ntimes = 2\ngrace = \"0s\"\n[policies.idle-shell]\nafter = \"0s\"\n[daemon]\nevery = \"1s\"\n";

/// What `reap.toml` says for a daemon of this mode that makes nobody wait.
pub fn quick(mode: &str) -> String {
    format!("{QUICK}mode = \"{mode}\"\n")
}

/// A daemon that runs and answers.
pub struct Daemon<'w> {
    pub world: &'w World,
    pub process: Process,
    child: Child,
}

impl World {
    /// Starts a daemon, and waits until it answers.
    #[track_caller]
    pub fn daemon(&self) -> Daemon<'_> {
        self.daemon_as(&mut self.reap_command(&["daemon"]))
    }

    /// The same by this command.
    #[track_caller]
    pub fn daemon_as(&self, command: &mut Command) -> Daemon<'_> {
        let said = File::create(self.path("daemon.log")).expect("a file for what it says");
        command.stdin(Stdio::null()).stdout(said.try_clone().expect("a second descriptor")).stderr(said);
        let child = command.spawn().expect("the daemon can be started");
        let process = Process::of(child.id()).expect("a child is there until it was waited for");
        let daemon = Daemon { world: self, process, child };
        holds("the daemon's first answer", || {
            assert!(daemon.process.lives(), "the daemon ended at once\n{}", daemon.said());
            daemon.http().try_get("/v1/about").is_some()
        });
        daemon
    }

    /// Where a daemon of this world listens.
    pub fn socket(&self) -> PathBuf {
        self.path("run/reap/reap.sock")
    }

    /// Everything in the journal, oldest first.
    #[track_caller]
    pub fn journal(&self) -> Vec<Json> {
        self.reap(&["journal", "--all", "--json"]).exits(0).json().list()
    }

    /// The kinds of all entries of the journal, oldest first.
    #[track_caller]
    pub fn journal_kinds(&self) -> Vec<String> {
        self.journal().iter().map(|entry| entry.at("/kind").text().to_owned()).collect()
    }
}

impl Daemon<'_> {
    /// Its API.
    pub fn http(&self) -> Http {
        Http::socket(self.world.socket())
    }

    /// All that it wrote.
    pub fn said(&self) -> String {
        fs::read_to_string(self.world.path("daemon.log")).unwrap_or_default()
    }

    /// Waits for a whole cycle that begins from now on.
    #[track_caller]
    pub fn cycle(&self) {
        self.http().post("/v1/cycle", "").is(200);
    }

    /// What it says of itself when the program asks it.
    #[track_caller]
    pub fn status(&self) -> Json {
        let status = self.world.reap(&["status", "--json"]).exits(0).json();
        assert!(!status.at("/daemon").is_null(), "the daemon was not asked: {status}");
        status
    }

    /// Tells it to stop, and waits for that. Gives back its exit status.
    #[track_caller]
    pub fn stop(self) -> i32 {
        self.process.signal(Signal::TERM);
        self.ends().code
    }

    /// Waits until it has ended of itself.
    #[track_caller]
    pub fn ends(mut self) -> Ran {
        let status = until("the daemon's end", || self.child.try_wait().expect("it is our child"));
        let code =
            status.code().unwrap_or_else(|| panic!("the daemon did not exit: {status}\n{}", self.said()));
        let (stdout, stderr) = (String::new(), self.said());
        Ran { line: "reap daemon".to_owned(), code, stdout, stderr, took: Duration::ZERO }
    }

    /// Ends it as a crash would.
    #[track_caller]
    pub fn crash(mut self) {
        self.process.signal(Signal::KILL);
        until("the daemon's end", || self.child.try_wait().expect("it is our child"));
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = format!("--- the daemon said\n{}---\n", self.said());
            // The test has failed already; that this cannot be told changes nothing.
            let _ = std::io::stderr().write_all(said.as_bytes());
        }
        self.process.signal(Signal::KILL);
        let since = std::time::Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && since.elapsed() < DEADLINE {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
