//! How long policies take to load and to vote: `cargo bench -p reap --bench policies`.
//!
//! The same rules twice, as the components that come with Reap and as the scripts that
//! are shipped beside them, over the same made-up sessions. A target that is missed is
//! printed as OVER and fails nothing: a benchmark is no test.

#![allow(clippy::print_stdout, reason = "it is a program that prints")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reap::core::ids::{Incarnation, Instance, Key, PluginName};
use reap::core::listing::{Extent, Listing, Observation};
use reap::core::session::{Activity, Fact, Kind, ProcessId, Session, Value};
use reap::core::subject::{Subject, survey};
use reap::core::time::{Span, Timestamp};
use reap::plugins::{Loading, Plugins};
use reap::{Config, Paths, Voter};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: u64 = 1_785_576_600_000;
const SESSIONS: usize = 10_000;
const RULES: [&str; 3] = ["dead-panes", "idle-shell", "kiro-orphans"];
const ALL: [&str; 4] = ["dead-panes", "idle-shell", "kiro-orphans", "kiro-stale-locks"];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a scheduler").block_on(async {
        let bench = Bench::new();
        bench.loading().await;
        bench.voting().await;
    });
}

struct Bench {
    home: tempfile::TempDir,
    paths: Paths,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let paths = Paths::from_lookup(|name| (name == "HOME").then(|| home.path().into())).expect("found");
        let policies = home.path().join("config/policies");
        fs::create_dir_all(&policies).expect("made");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
        for rule in ALL {
            let text = fs::read_to_string(shipped.join(format!("{rule}.star"))).expect("a script");
            fs::write(policies.join(format!("my-{rule}.star")), text).expect("written");
        }
        Self { home, paths }
    }

    /// A configuration in which these policies run, and nothing else.
    fn config(&self, on: &[String], select: &str) -> Config {
        let mut text =
            String::from("[backends.tmux]\nenabled = false\n[backends.kiro-cli]\nenabled = false\n");
        for rule in ALL.iter().flat_map(|rule| [(*rule).to_owned(), format!("my-{rule}")]) {
            let mode = if on.contains(&rule) { "active" } else { "off" };
            text.push_str(&format!("[policies.{rule}]\nmode = \"{mode}\"\n{select}"));
        }
        Config::parse(&text, &self.home.path().join("config/reap.toml")).expect("a good configuration")
    }

    async fn load(&self, on: &[String], select: &str) -> Vec<Voter> {
        let config = self.config(on, select);
        let plugins = Plugins::load(&config, &self.paths, Loading::Now).await.expect("loaded");
        assert_eq!(plugins.notes(), Vec::<String>::new());
        plugins.voters(&config)
    }

    async fn loading(&self) {
        println!("to load; each line: median (least) of 40");
        let since = Instant::now();
        self.load(&scripts(1), "").await;
        told("the first script ever: the engine is compiled", &mut [since.elapsed()], Some(4_000));
        let nothing = self.loads("nothing", &[], None).await;
        let one = self.loads("the engine and one script, cached", &scripts(1), None).await;
        let four = self.loads("the engine and four scripts", &scripts(4), None).await;
        self.loads("four components", &ALL.map(str::to_owned), None).await;
        told("so the engine and its first script take", &mut [one.saturating_sub(nothing)], Some(20));
        told("and each script more", &mut [four.saturating_sub(one) / 3], Some(10));
    }

    async fn loads(&self, what: &str, on: &[String], allowed: Option<u64>) -> Duration {
        let mut times = Vec::new();
        for _ in 0..40 {
            let since = Instant::now();
            self.load(on, "").await;
            times.push(since.elapsed());
        }
        told(what, &mut times, allowed)
    }

    async fn voting(&self) {
        let subjects: Arc<[Subject]> = subjects().into();
        println!("to judge {} sessions; each line: median (least) of 40", subjects.len());
        let components = RULES.map(str::to_owned).to_vec();
        self.votes("three components, each about its own", &components, "", &subjects, Some(15)).await;
        self.votes("three scripts, each about its own", &scripts(3), "", &subjects, Some(60)).await;
        let every = "select = \"title:*\"\n";
        self.votes("three components, each about all", &components, every, &subjects, Some(15)).await;
        self.votes("three scripts, each about all", &scripts(3), every, &subjects, Some(60)).await;
    }

    async fn votes(
        &self,
        what: &str,
        on: &[String],
        select: &str,
        subjects: &Arc<[Subject]>,
        allowed: Option<u64>,
    ) {
        let voters = self.load(on, select).await;
        let mut times = Vec::new();
        for _ in 0..40 {
            let since = Instant::now();
            // Each in a task of its own, as a look at the sessions does it.
            let asked: Vec<_> = voters
                .iter()
                .map(|voter| (voter.clone(), Arc::clone(subjects)))
                .map(|(voter, subjects)| tokio::spawn(async move { ask(&voter, &subjects).await }))
                .collect();
            let mut orphans = 0;
            for ballot in asked {
                orphans += ballot.await.expect("a ballot");
            }
            times.push(since.elapsed());
            assert!(orphans > subjects.len() / 2, "most are orphans");
        }
        told(what, &mut times, allowed);
    }
}

fn scripts(count: usize) -> Vec<String> {
    ALL.iter().take(count).map(|rule| format!("my-{rule}")).collect()
}

/// How many orphans it finds.
async fn ask(voter: &Voter, subjects: &[Subject]) -> usize {
    let ballot = voter.ballot(Timestamp::from_millis(NOW), subjects).await;
    let vote = |vote: Option<Result<reap::core::vote::Vote, _>>| match vote {
        Some(Err(reap::core::vote::Fault(why))) => panic!("{}: {why}", voter.name),
        Some(Ok(reap::core::vote::Vote::Orphan(_))) => 1,
        _ => 0,
    };
    ballot.votes.into_iter().map(vote).sum()
}

/// A third of dead panes, a third of idle shells, a third of kiro-cli's.
fn subjects() -> Vec<Subject> {
    let listing = |backend: &str, sessions: Vec<Session>| Listing {
        backend: PluginName::new(backend).expect("a name"),
        instance: Instance::new("/tmp/tmux-1000/default"),
        label: "default".to_owned(),
        generation: None,
        server: None,
        extent: Extent::Complete,
        sessions,
    };
    let third = SESSIONS / 3;
    let tmux = (0..2 * third).map(|number| match number % 2 {
        0 => session(number, Activity::Stopped, tmux_facts(1)),
        _ => session(number, Activity::Idle, tmux_facts(0)),
    });
    let kiro = (0..SESSIONS - 2 * third).map(|number| session(number, Activity::Running, kiro_facts()));
    let listings = vec![listing("tmux", tmux.collect()), listing("kiro-cli", kiro.collect())];
    survey(&Observation { at: Timestamp::from_millis(NOW), listings, faults: Vec::new() })
}

fn session(number: usize, activity: Activity, extra: Vec<Fact>) -> Session {
    let ago = |hours: u64| Some(Timestamp::from_millis(NOW - Span::from_secs(hours * 3600).millis()));
    Session {
        key: Key::new(format!("${number}")),
        incarnation: Incarnation::new("4711.99.1785490200"),
        title: format!("build-{number}"),
        kind: Kind::Worker,
        activity,
        created: ago(300),
        last_active: ago(30),
        attached: false,
        parent: None,
        cwd: Some(format!("/home/me/app-{}", number % 50)),
        processes: vec![ProcessId { pid: 1000 + number as u32, started: 7 }],
        tokens: None,
        protected: None,
        extra,
    }
}

fn fact(name: &str, value: Value) -> Fact {
    Fact { name: name.into(), value }
}

fn text(name: &str, value: &str) -> Fact {
    fact(name, Value::Text(value.to_owned()))
}

/// As many as a session of tmux has.
fn tmux_facts(dead: i64) -> Vec<Fact> {
    vec![
        fact("session-number", Value::Number(7)),
        text("server-version", "3.5a"),
        fact("clients", Value::Number(0)),
        fact("control-clients", Value::Number(0)),
        fact("windows", Value::Number(1)),
        fact("shared-windows", Value::Number(0)),
        fact("panes", Value::Number(1)),
        fact("dead-panes", Value::Number(dead)),
        text("pane-ids", "%0"),
        fact("shell-only", Value::Flag(dead == 0)),
        text("command", "bash"),
    ]
}

fn kiro_facts() -> Vec<Fact> {
    vec![
        text("shape", "acp"),
        text("owner", "gone"),
        text("owner-reason", "its parent has ended"),
        fact("up", Value::Span { span: Span::from_secs(90_000) }),
        fact("cpu-percent", Value::Number(0)),
        text("stdin", "gone"),
        text("stdout", "gone"),
        text("lock", "own"),
    ]
}

fn told(what: &str, times: &mut [Duration], allowed: Option<u64>) -> Duration {
    times.sort();
    let (median, least) = (times[times.len() / 2], times[0]);
    let verdict = match allowed {
        Some(allowed) if median > Duration::from_millis(allowed) => format!("of {allowed} ms OVER"),
        Some(allowed) => format!("of {allowed} ms, within"),
        None => String::new(),
    };
    println!("{what:>48}: {:7.2} ms ({:.2} ms) {verdict}", millis(median), millis(least));
    median
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
