//! The daemon from outside: a client over its Unix socket, for the command line
//! and for whoever embeds one.
//!
//! What it gives and takes are the library's own types, which only a program of
//! the same version writes in the same way. So a daemon of another version, of
//! another state folder or with another configuration is not talked to.

mod call;
mod stream;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reap_core::locks::{Directory, Lock};
use reap_core::plan::Plan;
use reap_core::subject::Subject;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::call::{Answer, Ask};
pub use self::stream::EventStream;
use crate::api::wire::{About, ApproveAsk, LockAsk, TagAsk, VERSION};
use crate::apply::Applied;
use crate::config::Config;
use crate::operator::LockFor;
use crate::pass::Pass;
use crate::paths::Paths;
use crate::view::Status;

/// For what is at hand.
const SOON: Duration = Duration::from_secs(30);

/// For whether there is a daemon at all: a command waits for it first.
const AT_ONCE: Duration = Duration::from_secs(5);

/// For a look at everything. The backends have their own limits.
const LOOK: Duration = Duration::from_secs(300);

/// For what ends something, one act after the other.
const ACT: Duration = Duration::from_secs(3600);

/// Why a daemon gave no answer, or not the one that was wanted.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody is there.
    #[error("no daemon answers at {}: {error}", socket.display())]
    Connect {
        /// Where it should be.
        socket: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Somebody else is there.
    #[error("what answers at {} belongs to user {owner}, and not to you", socket.display())]
    Stranger {
        /// The socket.
        socket: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// It takes too long.
    #[error("the daemon gave no answer within {} s; `reap --alone` does not ask it", .0.as_secs())]
    Late(Duration),
    /// The connection broke off. What was asked may be done all the same.
    #[error("the connection to the daemon broke off: {0}")]
    Broken(String),
    /// The answer is not what was expected.
    #[error("the daemon's answer is not understood: {0}")]
    Nonsense(String),
    /// It refuses, or cannot do it.
    #[error("{message}")]
    Refused {
        /// The status of its answer.
        status: u16,
        /// A word for programs.
        code: String,
        /// What it says.
        message: String,
        /// What to do, or where else to look.
        hints: Vec<String>,
    },
}

/// What was found where a daemon should listen.
#[derive(Debug)]
pub enum Found {
    /// None runs.
    None,
    /// One that does the same as this program would.
    Ours(Client),
    /// One that would do something else, or that cannot be talked to.
    Other {
        /// How it differs, in words for a person.
        reason: String,
    },
}

/// A daemon that can be asked. Each call is a connection of its own, so that it
/// does not matter how long nothing is asked in between.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// Looks for the daemon of this user, and makes sure that it keeps the same
    /// state folder and has the same configuration.
    pub async fn find(paths: &Paths, config: &Config) -> Found {
        match Self::find_at(paths.socket(), paths, config).await {
            // One that was started with another runtime folder, as cron has none.
            Found::None => match paths.noted_socket() {
                Some(socket) if socket != paths.socket() => Self::find_at(socket, paths, config).await,
                _ => Found::None,
            },
            found => found,
        }
    }

    async fn find_at(socket: PathBuf, paths: &Paths, config: &Config) -> Found {
        let client = Self { socket };
        let answer = match client.send(Ask::get("/v1/about", AT_ONCE)).await {
            Ok(answer) => answer,
            Err(ClientError::Connect { error, .. }) if is_nobody(&error) => return Found::None,
            Err(error) => return Found::Other { reason: error.to_string() },
        };
        if let Some(reason) = other_version(&answer, &client.socket) {
            return Found::Other { reason };
        }
        match answer.read::<About>() {
            Ok(about) => match difference(&about, paths, config, |name| std::env::var(name).ok()) {
                Some(reason) => Found::Other { reason },
                None => Found::Ours(client),
            },
            Err(error) => Found::Other { reason: error.to_string() },
        }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A new look at everything, judged for this process: its own session is kept.
    pub async fn pass(&self) -> Result<Pass, ClientError> {
        self.get("/v1/pass", LOOK).await
    }

    /// Takes out of a plan what is over the limits, and keeps that for approval.
    pub async fn hold(&self, plan: &Plan) -> Result<Plan, ClientError> {
        self.post("/v1/plans/hold", plan, LOOK).await
    }

    /// Carries out a plan. It goes on when this is given up.
    pub async fn apply(&self, plan: &Plan) -> Result<Applied, ClientError> {
        self.post("/v1/apply", plan, ACT).await
    }

    /// Approves a held plan and ends what of it still qualifies.
    pub async fn approve(&self, id: &str) -> Result<Applied, ClientError> {
        self.post("/v1/approve", &ApproveAsk { plan: id.to_owned() }, ACT).await
    }

    /// Sets or clears the opt-out tag of a session.
    pub async fn tag(&self, subject: &Subject, protect: bool) -> Result<(), ClientError> {
        let ask = TagAsk { subject: subject.clone(), protect };
        self.send(Ask::post("/v1/tag", &ask, LOOK)?).await?.done()
    }

    /// How the daemon is.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status", SOON).await
    }

    /// The locked directories.
    pub async fn locks(&self) -> Result<Vec<Lock>, ClientError> {
        self.get("/v1/locks", SOON).await
    }

    /// Locks a directory, for a person or for a session.
    pub async fn lock(&self, directory: Directory, holder: LockFor) -> Result<Lock, ClientError> {
        let (session, name) = match holder {
            LockFor::Person(name) => (None, Some(name)),
            LockFor::Session(handle) => (Some(handle.to_string()), None),
        };
        self.post("/v1/locks", &LockAsk { directory: directory.into(), session, name }, LOOK).await
    }

    /// Frees a directory, whoever has it.
    pub async fn unlock(&self, directory: Directory) -> Result<(), ClientError> {
        let path = format!("/v1/locks?directory={}", call::encoded(directory.as_str()));
        self.send(Ask::delete(&path, SOON)).await?.done()
    }

    /// Everything that happens from now on; with a number, from the event after
    /// that one on.
    pub async fn events(&self, after: Option<u64>) -> Result<EventStream, ClientError> {
        EventStream::open(&self.socket, after).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, limit: Duration) -> Result<T, ClientError> {
        self.send(Ask::get(path, limit)).await?.read()
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        limit: Duration,
    ) -> Result<T, ClientError> {
        self.send(Ask::post(path, body, limit)?).await?.read()
    }

    async fn send(&self, ask: Ask) -> Result<Answer, ClientError> {
        call::send(&self.socket, ask).await
    }
}

/// A socket that nobody listens on is what a daemon leaves that was killed.
fn is_nobody(error: &io::Error) -> bool {
    // At a path that no socket can have, no daemon listens either.
    use io::ErrorKind::{ConnectionRefused, InvalidInput, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused | InvalidInput | NotADirectory)
}

fn other_version(answer: &Answer, socket: &Path) -> Option<String> {
    let theirs = answer.version.as_deref();
    (theirs != Some(VERSION)).then(|| match theirs {
        Some(theirs) => {
            let theirs = reap_core::clean::line(theirs);
            format!("it is of version {theirs}, and this is {VERSION}; restart it with this version")
        }
        None => format!("what answers at {} is no daemon of Reap", socket.display()),
    })
}

/// How this daemon would do something else than this program, where it would.
/// `variable` gives the environment of this program.
fn difference(
    about: &About,
    paths: &Paths,
    config: &Config,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let elsewhere = about.surroundings.iter().find(|(name, theirs)| variable(name) != **theirs);
    if let Some((name, theirs)) = elsewhere {
        let value = |value: Option<&String>| {
            value.map_or_else(|| "unset".to_owned(), |value| reap_core::clean::line(value))
        };
        return Some(format!(
            "it looks for other sessions: {name} is {} for it, and {} for this command",
            value(theirs.as_ref()),
            value(variable(name).as_ref()),
        ));
    }
    if !is_same(&about.state, &paths.state) {
        return Some(format!(
            "it keeps the state folder {}, and this command is about {}",
            about.state.display(),
            paths.state.display()
        ));
    }
    match (&about.config, &config.file) {
        (None, None) => None,
        (Some(theirs), Some(ours)) if is_same(theirs, ours) => {
            (about.config_digest != config.digest).then(|| {
                format!("{} was changed since the daemon was started; restart the daemon", ours.display())
            })
        }
        (theirs, ours) => {
            Some(format!("it runs with {}, and this command with {}", file(theirs), file(ours)))
        }
    }
}

fn file(config: &Option<PathBuf>) -> String {
    config.as_ref().map_or_else(
        || "no configuration file".to_owned(),
        |path| format!("the configuration {}", path.display()),
    )
}

/// Whether both lead to the same place, also by different ways.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    one == other || real(one).is_some_and(|one| real(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use reap_core::session::ProcessId;
    use reap_core::time::{Span, Timestamp};

    use super::*;

    fn paths() -> Paths {
        Paths::from_lookup(|name| (name == "HOME").then(|| "/home/me".into())).expect("a home")
    }

    fn about() -> About {
        About {
            version: VERSION.to_owned(),
            process: ProcessId { pid: 7, started: 9 },
            since: Timestamp::from_millis(0),
            mode: "observe".to_owned(),
            every: Span::from_secs(30),
            socket: "/run/s".into(),
            listen: None,
            state: paths().state,
            config: Some("/etc/reap.toml".into()),
            config_digest: Some("d1".to_owned()),
            surroundings: [("TMUX_TMPDIR", Some("/t")), ("KIRO_HOME", None)]
                .map(|(name, value)| (name.to_owned(), value.map(str::to_owned)))
                .into(),
        }
    }

    fn here(name: &str) -> Option<String> {
        (name == "TMUX_TMPDIR").then(|| "/t".to_owned())
    }

    #[test]
    fn one_that_looks_elsewhere_is_not_ours() {
        let same = config(Some("/etc/reap.toml"), Some("d1"));
        let cases = [
            (None, "TMUX_TMPDIR is /t for it, and unset for this command"),
            (Some("/t"), "KIRO_HOME is unset for it, and /t for this command"),
        ];
        for (value, words) in cases {
            let everywhere = |_: &str| value.map(str::to_owned);
            let told = difference(&about(), &paths(), &same, everywhere).expect("it differs");
            assert!(told.contains(words), "{told}");
        }
    }

    fn config(file: Option<&str>, digest: Option<&str>) -> Config {
        Config { file: file.map(Into::into), digest: digest.map(Into::into), ..Config::default() }
    }

    #[test]
    fn a_daemon_that_would_do_something_else_is_not_ours() {
        let same = config(Some("/etc/reap.toml"), Some("d1"));
        let elsewhere = About { state: "/elsewhere".into(), ..about() };
        let without = || About { config: None, config_digest: None, ..about() };
        let cases = [
            (about(), same.clone(), None),
            (without(), config(None, None), None),
            (
                elsewhere,
                same.clone(),
                Some("it keeps the state folder /elsewhere, and this command is about /home"),
            ),
            (
                about(),
                config(Some("/etc/reap.toml"), Some("d2")),
                Some("was changed since the daemon was started"),
            ),
            (
                about(),
                config(Some("/my.toml"), Some("d1")),
                Some(
                    "it runs with the configuration /etc/reap.toml, and this command with the configuration /my",
                ),
            ),
            (about(), config(None, None), Some("and this command with no configuration file")),
            (without(), same, Some("it runs with no configuration file, and")),
        ];
        for (about, config, words) in cases {
            let told = difference(&about, &paths(), &config, here);
            match words {
                None => assert_eq!(told, None),
                Some(words) => assert!(told.as_deref().is_some_and(|told| told.contains(words)), "{told:?}"),
            }
        }
    }

    #[test]
    fn another_version_is_said() {
        let answer = |version: Option<&str>| Answer::for_test(200, version, "{}");
        assert_eq!(other_version(&answer(Some(VERSION)), Path::new("/s")), None);
        let told = other_version(&answer(Some("0.0.0\u{1b}")), Path::new("/s")).expect("another");
        assert!(told.starts_with("it is of version 0.0.0\\u{1b}, and this is"), "{told}");
        assert!(other_version(&answer(None), Path::new("/s")).expect("none").contains("no daemon of Reap"));
    }
}
