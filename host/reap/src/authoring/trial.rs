//! Trying a policy: on its golden cases, and on sessions of which little is known.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reap_core::clean;
use reap_core::session::{Activity, Kind};
use reap_core::subject::Subject;
use reap_core::vote::{Fault, Vote};
use reap_runtime::{Host, HostOptions};

use super::cases::{Case, Drawn, Length, NOW};
use super::policy::{Found, Loaded, NotTried};
use crate::paths::Paths;
use crate::voter::Voter;

/// How one case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Its name.
    pub name: String,
    /// What it got, where that is not what it must get.
    pub wrong: Option<Wrong>,
}

/// A case that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What the case says of its session, a line each.
    pub session: Vec<String>,
    /// The vote that it must get.
    pub expected: String,
    /// The vote that it got.
    pub got: String,
}

/// The host of a trial. Compiled plugins are kept as always: they are no state.
fn host(paths: &Paths) -> Result<Host, NotTried> {
    let cache = paths.may_create(&paths.cache).is_ok().then(|| paths.cache.clone());
    Ok(Host::new(HostOptions { cache, keys: None })?)
}

/// Runs all golden cases.
pub async fn cases(found: &Found, paths: &Paths) -> Result<Vec<Tried>, NotTried> {
    let host = host(paths)?;
    let (cases, shown) = found.cases()?;
    let mut loaded: BTreeMap<String, Loaded> = BTreeMap::new();
    let mut tried = Vec::new();
    for case in &cases.all {
        let mut settings = cases.settings.clone();
        settings.extend(case.settings.clone());
        let which = settings.to_string();
        if !loaded.contains_key(&which) {
            loaded.insert(which.clone(), found.load(&host, &settings).await?);
        }
        let wrong = match loaded.get(&which) {
            Some(policy) => one(policy, case).await,
            None => Err("it was not loaded".to_owned()),
        };
        let wrong =
            wrong.map_err(|why| NotTried::Cases(format!("{shown}: the case {:?}: {why}", case.name)))?;
        tried.push(Tried { name: clean::line(&case.name), wrong });
    }
    Ok(tried)
}

async fn one(policy: &Loaded, case: &Case) -> Result<Option<Wrong>, String> {
    let subject = case.session.subject()?;
    let answer = vote(&policy.voter, &subject).await;
    let good = match &answer {
        Answer::Voted(vote) => case.vote.is(vote) && says(vote, case.reason.as_deref()),
        Answer::NotAsked => case.vote.is(&Vote::Abstain),
        Answer::Failed(_) => false,
    };
    let expected = match &case.reason {
        Some(reason) => format!("{}: ...{reason}...", case.vote),
        None => case.vote.to_string(),
    };
    let wrong = || Wrong {
        session: drawn(&case.session),
        expected: clean::line(&expected),
        got: clean::line(&answer.in_words(policy)),
    };
    Ok((!good).then(wrong))
}

fn says(vote: &Vote, wanted: Option<&str>) -> bool {
    match (vote, wanted) {
        (_, None) => true,
        (Vote::Keep(reason) | Vote::Orphan(reason), Some(wanted)) => reason.contains(wanted),
        (Vote::Abstain, Some(_)) => false,
    }
}

enum Answer {
    Voted(Vote),
    NotAsked,
    Failed(String),
}

impl Answer {
    fn in_words(&self, policy: &Loaded) -> String {
        match self {
            Self::Voted(Vote::Keep(reason)) => format!("keep: {reason}"),
            Self::Voted(Vote::Orphan(reason)) => format!("orphan: {reason}"),
            Self::Voted(Vote::Abstain) => "abstain".to_owned(),
            Self::NotAsked => match &policy.manifest.select {
                Some(select) => format!("nothing: it is asked only about {select}"),
                None => "nothing: it was not asked".to_owned(),
            },
            Self::Failed(why) => format!("a fault, which counts as keep: {why}"),
        }
    }
}

async fn vote(voter: &Voter, subject: &Subject) -> Answer {
    let ballot = voter.ballot(NOW, std::slice::from_ref(subject)).await;
    match ballot.votes.into_iter().next().flatten() {
        None => Answer::NotAsked,
        Some(Ok(vote)) => Answer::Voted(vote),
        Some(Err(Fault(why))) => Answer::Failed(why),
    }
}

/// What a case says of its session, without what it leaves to be as usual.
fn drawn(session: &Drawn) -> Vec<String> {
    let usual = lines(&Drawn::default());
    let all = lines(session);
    all.into_iter()
        .filter(|(name, value)| *name == "backend" || usual.get(name) != Some(value))
        .map(|(name, value)| clean::line(&format!("{name} = {value}")))
        .collect()
}

fn lines(session: &Drawn) -> BTreeMap<&'static str, String> {
    let length = |length: Option<Length>| length.map_or("unknown".to_owned(), |length| length.0.to_string());
    BTreeMap::from([
        ("backend", session.backend.clone()),
        ("instance", session.instance.clone()),
        ("key", session.key.clone()),
        ("incarnation", session.incarnation.clone()),
        ("title", session.title.clone()),
        ("kind", session.kind.word().to_owned()),
        ("activity", session.activity.word().to_owned()),
        ("age", length(session.age)),
        ("idle", length(session.idle)),
        ("attached", session.attached.to_string()),
        ("parent", session.parent.as_ref().map_or_else(String::new, |made| made.key.clone())),
        ("cwd", session.cwd.clone().unwrap_or_default()),
        ("processes", session.processes.to_string()),
        ("tokens", session.tokens.map_or_else(String::new, |tokens| tokens.to_string())),
        ("protected", session.protected.clone().unwrap_or_default()),
        ("extra", in_one_line(&session.extra)),
        ("seen_for", session.seen_for.0.to_string()),
        ("seen_times", session.seen_times.to_string()),
        ("mark", session.mark.as_ref().map_or_else(String::new, |mark| format!("{} times", mark.times))),
        ("parent_state", format!("{:?}", session.parent_state).to_lowercase()),
        ("live_children", session.live_children.to_string()),
        ("facts", in_one_line(&session.facts)),
    ])
}

fn in_one_line(table: &toml::Table) -> String {
    let pairs: Vec<String> = table.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// Loads it, and asks it about sessions of every kind of which nothing else is known,
/// and about such that are known better: a rule that stumbles over what is not known
/// would keep every session, the first time that such a one comes along. Gives what it
/// stumbled over, each once.
pub async fn check(found: &Found, paths: &Paths) -> Result<(Loaded, Vec<String>), NotTried> {
    let policy = found.load(&host(paths)?, &toml::Table::new()).await?;
    let mut faults = Vec::new();
    let since = Instant::now();
    for drawn in samples() {
        // One that runs into its time limit would do so hundreds of times.
        if !faults.is_empty() && since.elapsed() > LONG_ENOUGH {
            break;
        }
        let subject = drawn.subject().map_err(NotTried::Broken)?;
        if let Answer::Failed(why) = vote(&policy.voter, &subject).await {
            // The place, without the session that was being voted on.
            let known = faults.iter().any(|fault: &String| place(fault) == place(&why));
            if !known {
                faults.push(why);
            }
        }
    }
    Ok((policy, faults))
}

/// How long to look for more faults once there is one.
const LONG_ENOUGH: Duration = Duration::from_secs(1);

fn place(fault: &str) -> &str {
    fault.split(" (voting on").next().unwrap_or(fault)
}

fn samples() -> Vec<Drawn> {
    let mut all = Vec::new();
    for backend in ["tmux", "kiro-cli", "openclaw"] {
        for kind in
            [Kind::Main, Kind::Interactive, Kind::Cron, Kind::Subagent, Kind::Hook, Kind::Worker, Kind::Other]
        {
            for activity in [Activity::Running, Activity::Idle, Activity::Stopped, Activity::Unknown] {
                for attached in [false, true] {
                    let unknown =
                        Drawn { backend: backend.to_owned(), kind, activity, attached, ..Drawn::default() };
                    all.push(known(&unknown));
                    all.push(unknown);
                }
            }
        }
    }
    all
}

/// The same session, of which much is known.
fn known(session: &Drawn) -> Drawn {
    let length = |seconds| Length(reap_core::time::Span::from_secs(seconds));
    Drawn {
        age: Some(length(864_000)),
        idle: Some(length(432_000)),
        cwd: Some("/home/me/work".to_owned()),
        processes: 2,
        tokens: Some(1_000),
        seen_for: length(3_600),
        seen_times: 100,
        ..session.clone()
    }
}
