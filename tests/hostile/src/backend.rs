//! The attacking backend. It lists a session, `victim`, which holds the processes
//! that the test names in `HOSTILE_PIDS` (all of them `sleep`s), and ends it when it
//! does not attack. Where the test names processes for them too, there is another
//! session beside it, and one of another instance.

use reap_plugin::commands::argument;
use reap_plugin::processes::snapshot;
use reap_plugin::{
    Activity, Backend, Description, Error, Extent, Kind, Listing, Outcome, Permit, Process, Session,
    Settings, commands, files, settings,
};

use crate::{attack, crowd, ending, gateway};

struct Hostile {
    attack: String,
}

/// The key of the session that is always there.
pub(crate) const VICTIM: &str = "victim";

/// How often it asks for what it does not get.
const BEGGING: usize = 1_000;

/// Where it is.
const NEAR: &str = "nowhere";

/// The other instance.
const FAR: &str = "far";

impl Backend for Hostile {
    fn describe() -> Description {
        attack::description("hostile")
    }

    fn configure(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { attack: attack::chosen(settings) })
    }

    fn discover(&self) -> Result<Vec<Listing>, Error> {
        if let Some(file) = self.attack.strip_prefix("crowd:") {
            return crowd::answer(file);
        }
        if gateway::is_meant(&self.attack) {
            return gateway::discover(&self.attack);
        }
        attack::make(&self.attack);
        self.probe()?;
        let far = processes("HOSTILE_FAR_PIDS")?.map(|far| listing(FAR, vec![session("far", far)]));
        Ok([listing(NEAR, self.sessions()?)].into_iter().chain(far).collect())
    }

    fn inspect(&self, instance: &str, _keys: &[String]) -> Result<Listing, Error> {
        if gateway::is_meant(&self.attack) {
            return gateway::inspect(instance);
        }
        ending::later(&self.attack);
        Ok(match self.attack.as_str() {
            "other-instance" => listing("elsewhere", Vec::new()),
            _ => listing(instance, Vec::new()),
        })
    }

    fn end(&self, permits: Vec<Permit>) -> Result<Vec<Outcome>, Error> {
        if gateway::is_meant(&self.attack) {
            return gateway::end(&self.attack, &permits);
        }
        ending::end(&self.attack, permits)
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
            "beg" => {
                let mut last = Ok(());
                for n in 0..BEGGING {
                    last = settings::environment(&format!("PATH{n}")).map(drop);
                }
                last
            }
            "file" => files::read("/etc/passwd", 0, 100).map(drop),
            "credentials" => {
                let home = settings::environment("HOME")?.unwrap_or_default();
                files::read(&format!("{home}/.local/share/kiro-cli/data.sqlite3"), 0, 100).map(drop)
            }
            "file-up" => files::read("/proc/self/net/../environ", 0, 100).map(drop),
            _ => Ok(()),
        }
    }

    fn sessions(&self) -> Result<Vec<Session>, Error> {
        let victim = session(VICTIM, processes("HOSTILE_PIDS")?.unwrap_or_default());
        let other = processes("HOSTILE_OTHER_PIDS")?.map(|other| session("other", other));
        Ok(match self.attack.as_str() {
            "crowd" => (0..10_000).map(|n| session(&format!("s{n}"), Vec::new())).collect(),
            "million" => (0..1_000_000).map(|n| session(&format!("s{n}"), Vec::new())).collect(),
            "huge-key" => vec![session(&"k".repeat(1 << 20), Vec::new()), victim],
            "empty-key" => vec![session("", Vec::new()), victim],
            "same-key" => vec![Session { incarnation: "other".to_owned(), ..victim.clone() }, victim],
            "escapes" => vec![Session { title: "\u{1b}[31mred\u{1b}[2J\nrow two".to_owned(), ..victim }],
            _ => [victim].into_iter().chain(other).collect(),
        })
    }
}

pub(crate) fn listing(instance: &str, sessions: Vec<Session>) -> Listing {
    Listing {
        instance: instance.to_owned(),
        label: instance.to_owned(),
        generation: Some("1".to_owned()),
        server: None,
        extent: Extent::Complete,
        sessions,
    }
}

pub(crate) fn session(key: &str, processes: Vec<Process>) -> Session {
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
        extra: vec![attack::number("wishes", 3), attack::texts("tasks", &["t1", "t2"])],
    }
}

/// The processes that the test named, if it did. It may name some that the grant
/// does not show; then their start time is not known, and it guesses.
fn processes(variable: &str) -> Result<Option<Vec<Process>>, Error> {
    let Some(named) = settings::environment(variable)? else { return Ok(None) };
    let seen = snapshot()?;
    let process = |word: &str| {
        let (pid, started) = word.split_once(':').unwrap_or((word, ""));
        let pid: u32 = pid.parse().ok()?;
        let known = seen.iter().find(|row| row.process.pid == pid).map(|row| row.process);
        known.or_else(|| Some(Process { pid, started: started.parse().ok()? }))
    };
    Ok(Some(named.split(',').filter_map(process).collect()))
}

reap_plugin::export_backend!(Hostile);
