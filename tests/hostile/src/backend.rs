//! The attacking backend. It lists one session, `victim`, which holds the
//! processes that the test names in `HOSTILE_PIDS` (all of them `sleep`s), and
//! ends it when it does not attack.

use reap_plugin::commands::argument;
use reap_plugin::ending::{run, terminate};
use reap_plugin::processes::snapshot;
use reap_plugin::{
    Activity, Backend, Description, Error, Extent, Kind, Listing, Outcome, Permit, Process, Session,
    Settings, Verdict, commands, files, log, settings,
};

use crate::attack;

struct Hostile {
    attack: String,
}

const INSTANCE: &str = "nowhere";

impl Backend for Hostile {
    fn describe() -> Description {
        attack::description("hostile")
    }

    fn configure(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { attack: attack::chosen(settings) })
    }

    fn discover(&self) -> Result<Vec<Listing>, Error> {
        attack::make(&self.attack);
        self.probe()?;
        Ok(vec![listing(self.sessions()?)])
    }

    fn inspect(&self, _instance: &str, _keys: &[String]) -> Result<Listing, Error> {
        Ok(match self.attack.as_str() {
            "other-instance" => Listing { instance: "elsewhere".to_owned(), ..listing(Vec::new()) },
            _ => listing(Vec::new()),
        })
    }

    fn end(&self, permits: Vec<Permit>) -> Result<Vec<Outcome>, Error> {
        let ended = Outcome { verdict: Verdict::Ended, survivors: Vec::new(), notes: Vec::new() };
        let all: Vec<&Permit> = permits.iter().collect();
        match self.attack.as_str() {
            "claim" => {}
            "end-loop" => attack::make("loop"),
            "no-outcome" => return Ok(Vec::new()),
            "run-twice" => {
                report(run(&all, "note"));
                report(run(&all, "note"));
            }
            "same-permit" => report(run(&[all[0], all[0]], "note")),
            "attached" => report(run(&all, "note-attached")),
            "not-granted" => report(run(&all, "format-the-disk")),
            "terminate-twice" => {
                report(terminate(&all, &[]));
                report(terminate(&all, &[]));
            }
            _ => report(terminate(&all, &[])),
        }
        Ok(permits.iter().map(|_| ended.clone()).collect())
    }
}

impl Hostile {
    /// Asks for what it was not granted; the answer must be the typed refusal.
    fn probe(&self) -> Result<(), Error> {
        match self.attack.as_str() {
            "command" => commands::run("rm", &[]).map(drop),
            "argument" => commands::run("echo", &[argument("word", "x; touch owned")]).map(drop),
            "option" => commands::run("echo", &[argument("word", "--version")]).map(drop),
            "hang" => commands::run("sleep", &[]).map(drop),
            "swarm" => {
                let mut all = Vec::new();
                for _ in 0..10_000 {
                    all.push(commands::start("sleep", &[])?);
                }
                Ok(())
            }
            "environment" => settings::environment("PATH").map(drop),
            "file" => files::read("/etc/passwd", 0, 100).map(drop),
            "file-up" => files::read("/proc/self/net/../environ", 0, 100).map(drop),
            _ => Ok(()),
        }
    }

    fn sessions(&self) -> Result<Vec<Session>, Error> {
        let victim = session("victim", processes()?);
        Ok(match self.attack.as_str() {
            "million" => (0..1_000_000).map(|n| session(&format!("s{n}"), Vec::new())).collect(),
            "huge-key" => vec![session(&"k".repeat(1 << 20), Vec::new()), victim],
            "empty-key" => vec![session("", Vec::new()), victim],
            "same-key" => vec![Session { incarnation: "other".to_owned(), ..victim.clone() }, victim],
            "escapes" => vec![Session { title: "\u{1b}[31mred\u{1b}[2J\nrow two".to_owned(), ..victim }],
            _ => vec![victim],
        })
    }
}

fn listing(sessions: Vec<Session>) -> Listing {
    Listing {
        instance: INSTANCE.to_owned(),
        label: INSTANCE.to_owned(),
        generation: Some("1".to_owned()),
        server: None,
        extent: Extent::Complete,
        sessions,
    }
}

fn session(key: &str, processes: Vec<Process>) -> Session {
    Session {
        key: key.to_owned(),
        incarnation: "1".to_owned(),
        title: key.to_owned(),
        kind: Kind::Other,
        activity: Activity::Idle,
        created: Some(1),
        last_active: Some(1),
        attached: false,
        parent: None,
        cwd: None,
        processes,
        tokens: None,
        protected: None,
        extra: vec![attack::number("wishes", 3)],
    }
}

/// The processes that the test named. It may name some that the grant does not
/// show; then their start time is not known, and it guesses.
fn processes() -> Result<Vec<Process>, Error> {
    let named = settings::environment("HOSTILE_PIDS")?.unwrap_or_default();
    let seen = snapshot()?;
    Ok(named
        .split(',')
        .filter_map(|word| {
            let (pid, started) = word.split_once(':').unwrap_or((word, ""));
            let pid: u32 = pid.parse().ok()?;
            let known = seen.iter().find(|row| row.process.pid == pid).map(|row| row.process);
            known.or_else(|| Some(Process { pid, started: started.parse().ok()? }))
        })
        .collect())
}

/// Writes what the host answered to the log, where the test can read it.
fn report<T>(answers: Vec<Result<T, Error>>) {
    for answer in answers {
        let text = match answer {
            Ok(_) => "the host did it".to_owned(),
            Err(error) => format!("the host refused: {error:?}"),
        };
        log::write(log::Level::Warn, &text);
    }
}

reap_plugin::export_backend!(Hostile);
