//! The scripts that come with Reap vote as the components of their names do: the same
//! votes for the same reasons, whatever is known of a session.

use reap_core::selector::Selector;
use reap_core::session::{Activity, Fact, ProcessId, Value};
use reap_core::subject::Subject;
use reap_core::time::{Span, Timestamp};
use reap_core::vote::{Ballot, Vote};
use reap_runtime::{Host, HostOptions};

use super::cases::{Drawn, NOW};
use super::policy::{Found, Loaded};
use crate::bundled::EXAMPLES;
use crate::config::Config;
use crate::paths::Paths;
use crate::plugins::catalogue::gather;

/// How many sessions each pair is asked about.
const MANY: usize = 20_000;

/// Settings other than the fallbacks, for those that have them.
const SETTINGS: [&str; 3] = ["", "after = \"1m\"\n", "after = \"2d\"\n"];

#[test]
fn scripts_and_components_vote_alike() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a scheduler").block_on(async {
        let home = tempfile::tempdir().expect("a folder");
        let paths = Paths::from_lookup(|name| (name == "HOME").then(|| home.path().into())).expect("found");
        let host = Host::new(HostOptions::default()).expect("a host");
        let bundled = gather(&Config::default(), &paths).expect("gathered");
        for example in &EXAMPLES {
            let component = bundled.iter().find(|entry| entry.name == example.name).expect("of that name");
            let component = Found::of(component.clone());
            let script = super::find(example.name, &Config::default(), &paths).expect("of that name");
            for settings in SETTINGS {
                let settings = settings.parse().expect("a table");
                let component = component.load(&host, &settings).await.expect("it loads");
                let script = script.load(&host, &settings).await.expect("it loads");
                compare(example.name, component, script).await;
            }
            busy(example.name, &host, &component, &script).await;
        }
    });
}

/// The one setting that only one of them has.
async fn busy(name: &str, host: &Host, component_of: &Found, script_of: &Found) {
    if name == "kiro-orphans" {
        let settings = "busy_percent = 3\n".parse().expect("a table");
        let (component, script) =
            (component_of.load(host, &settings).await, script_of.load(host, &settings).await);
        compare(name, component.expect("it loads"), script.expect("it loads")).await;
        let below = "busy_percent = -1\n".parse().expect("a table");
        let words = "the setting busy_percent must not be below 0, not -1";
        for policy in [component_of, script_of] {
            let refused = policy.load(host, &below).await.err().expect("refused").to_string();
            assert!(refused.contains(words), "{refused}");
        }
    }
}

async fn compare(name: &str, component: Loaded, script: Loaded) {
    assert_eq!(component.manifest.summary, script.manifest.summary, "{name}");
    assert_eq!(select(&component), select(&script), "{name}");
    assert_eq!(component.settings, script.settings, "{name}");
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let subjects: Vec<Subject> = (0..MANY).map(|_| subject(&mut chance)).collect();
    let mut voters = [component.voter, script.voter];
    // Also what they would say of sessions that they are not asked about.
    voters.iter_mut().for_each(|voter| voter.select = None);
    let [one, other] = [voters[0].ballot(NOW, &subjects).await, voters[1].ballot(NOW, &subjects).await];
    for (at, subject) in subjects.iter().enumerate() {
        assert_eq!(one.votes[at], other.votes[at], "{name}: {subject:#?}");
    }
    assert!(orphans(&one) > 10, "{name}: {} orphans show little", orphans(&one));
}

fn select(policy: &Loaded) -> Option<String> {
    policy.manifest.select.as_ref().map(Selector::to_string)
}

fn orphans(ballot: &Ballot) -> usize {
    ballot.votes.iter().flatten().filter(|vote| matches!(vote, Ok(Vote::Orphan(_)))).count()
}

/// Numbers that are the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % most
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// Spans at both sides of what the policies wait for.
const SPANS: [u64; 8] = [0, 59, 599, 600, 3_600, 86_399, 86_400, 400_000];

fn subject(chance: &mut Chance) -> Subject {
    let drawn = Drawn {
        backend: chance.one(&["tmux", "kiro-cli", "kiro-cli", "openclaw"]).to_owned(),
        ..Drawn::default()
    };
    let subject = drawn.subject().expect("a session");
    let mut session = (*subject.session).clone();
    session.activity = chance.one(&[Activity::Stopped, Activity::Idle, Activity::Running, Activity::Unknown]);
    session.attached = chance.below(4) == 0;
    session.processes = vec![ProcessId { pid: 7, started: 1 }; chance.below(2)];
    session.extra = FACTS.iter().filter_map(|(name, values)| fact(name, values, chance)).collect();
    let idle = chance.one(&SPANS);
    session.last_active = Some(Timestamp::from_millis(NOW.millis() - idle * 1000));
    let known = chance.below(3) > 0;
    Subject {
        session: session.into(),
        idle: known.then(|| Span::from_secs(idle)),
        live_children: chance.below(5) as u32 / 4,
        facts: FOUND_OUT.iter().filter_map(|(name, values)| fact(name, values, chance)).collect(),
        ..subject
    }
}

/// What each fact may say; `?` stands for a value of another kind.
const FACTS: [(&str, &[&str]); 12] = [
    ("panes", &["1", "2", "2", "0", "?"]),
    ("dead-panes", &["1", "2", "2", "0", "?"]),
    ("shell-only", &["true", "true", "false", "?"]),
    ("lock", &["stale", "stale", "reused", "own", "?"]),
    ("shape", &["acp", "headless", "launcher", "launcher", "wrapper", "mcp", "?"]),
    ("owner", &["gone", "gone", "unknown", "intact", "?"]),
    ("owner-reason", &["its terminal has gone", "?"]),
    ("stdin", &["gone", "gone", "alive", "unknown", "none", "?"]),
    ("stdout", &["gone", "gone", "alive", "unknown", "none", "?"]),
    ("empty", &["true", "true", "false", "?"]),
    ("cpu-percent", &["0", "3", "50", "?"]),
    ("up", &["span", "span", "span", "span", "span", "?"]),
];

/// The same for what Reap finds out besides.
const FOUND_OUT: [(&str, &[&str]); 1] = [("cpu-recent", &["0", "3", "50", "?"])];

fn fact(name: &str, values: &[&str], chance: &mut Chance) -> Option<Fact> {
    if chance.below(8) == 0 {
        return None;
    }
    let value = match chance.one(values) {
        "?" => chance.one(&[
            Value::Real(2.0),
            Value::Text("2".to_owned()),
            Value::Texts(vec!["gone".to_owned()]),
            Value::Number(1),
            Value::Flag(true),
        ]),
        "span" => Value::Span { span: Span::from_secs(chance.one(&SPANS)) },
        "true" => Value::Flag(true),
        "false" => Value::Flag(false),
        text => text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Number),
    };
    Some(Fact { name: name.to_owned(), value })
}
