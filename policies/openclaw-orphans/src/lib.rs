//! Votes for what an OpenClaw gateway leaves behind.
//!
//! Runs of cron jobs that failed stay for a day, hidden from every list. What a crash
//! cut off says "running" for ever. Commands in the background outlive their session.
//! After a start the gateway takes up again what a restart cut off, so for a while
//! nothing that says "running" is taken for stuck.

use std::collections::HashSet;

use reap_plugin::{
    Activity, Description, Duration, Error, Kind, ParentState, Policy, Session, Setting, SettingKind,
    Settings, Subject, Timestamp, Value, Vote, span_in_words,
};

const MINUTE: Duration = 60 * 1000;
const HOUR: Duration = 60 * MINUTE;

/// The policy, with its settings.
pub struct OpenClawOrphans {
    cron_after: Duration,
    job_gone_after: Duration,
    stuck_after: Duration,
    subagent_after: Duration,
    parent_gone_after: Duration,
    hook_after: Duration,
    command_after: Duration,
}

impl Policy for OpenClawOrphans {
    fn describe() -> Description {
        let span = |name: &str, fallback, help: &str| Setting {
            name: name.to_owned(),
            kind: SettingKind::Span,
            fallback: Value::Span(fallback),
            help: help.to_owned(),
        };
        Description {
            name: "openclaw-orphans".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Votes for what OpenClaw leaves behind: cron runs, sub-agents, hooks and commands that nobody needs."
                .to_owned(),
            settings: vec![
                span("cron_after", HOUR, "How long ago a cron run must have ended."),
                span("job_gone_after", 10 * MINUTE, "The same for one whose job was removed."),
                span(
                    "stuck_after",
                    15 * MINUTE,
                    "How long a session must say that it runs, and the gateway be up, with no run under way.",
                ),
                span("subagent_after", 2 * HOUR, "How long ago a sub-agent must have ended."),
                span("parent_gone_after", 10 * MINUTE, "The same for one whose parent is gone."),
                span("hook_after", 24 * HOUR, "How long nothing must have happened in the session of a hook."),
                span("command_after", 10 * MINUTE, "How long a command must have run whose session is gone."),
            ],
        }
    }

    fn configure(settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            cron_after: settings.span("cron_after")?,
            job_gone_after: settings.span("job_gone_after")?,
            stuck_after: settings.span("stuck_after")?,
            subagent_after: settings.span("subagent_after")?,
            parent_gone_after: settings.span("parent_gone_after")?,
            hook_after: settings.span("hook_after")?,
            command_after: settings.span("command_after")?,
        })
    }

    fn vote(&self, _now: Timestamp, subject: &Subject) -> Vote {
        self.reason(subject).map_or(Vote::Abstain, Vote::Orphan)
    }

    /// One with a child at work is waited for by it.
    fn evaluate(&self, now: Timestamp, subjects: &[Subject]) -> Result<Vec<Vote>, Error> {
        let at_work = subjects.iter().filter(|subject| subject.session.activity == Activity::Running);
        let awaited: HashSet<(&str, &str)> = at_work
            .filter_map(|subject| subject.session.parent.as_ref())
            .map(|parent| (parent.instance.as_str(), parent.key.as_str()))
            .collect();
        let is_awaited =
            |subject: &Subject| awaited.contains(&(subject.instance.as_str(), subject.session.key.as_str()));
        let vote =
            |subject: &Subject| if is_awaited(subject) { Vote::Abstain } else { self.vote(now, subject) };
        Ok(subjects.iter().map(vote).collect())
    }
}

impl OpenClawOrphans {
    /// Why nobody needs it, where that is clear.
    fn reason(&self, subject: &Subject) -> Option<String> {
        let session = &subject.session;
        if subject.backend != "openclaw" {
            return None;
        }
        let idle = subject.idle?;
        let quiet = |after| (idle >= after).then(|| span_in_words(idle));
        if let Some(state) = session.text("of-session-state") {
            let age = subject.age.filter(|age| *age >= self.command_after)?;
            return Some(format!(
                "a command in the background, {} old, whose session is {state}",
                span_in_words(age)
            ));
        }
        // Unknown is not idle.
        if session.flag("active-run") != Some(false) {
            return None;
        }
        if session.text("job-state") == Some("gone")
            && self.is_settled(session)
            && let Some(idle) = quiet(self.job_gone_after)
        {
            return Some(format!("its cron job is gone; nothing has happened in it for {idle}"));
        }
        if is_cut_off(session) {
            let idle = quiet(self.stuck_after).filter(|_| self.is_settled(session))?;
            return Some(format!("it says that it runs, and no run is under way; last heard of {idle} ago"));
        }
        if !self.is_settled(session) {
            return None;
        }
        match session.kind {
            Kind::Cron if session.flag("cron-run") == Some(true) => {
                quiet(self.cron_after).map(|idle| format!("a cron run that ended {idle} ago{}", how(session)))
            }
            Kind::Subagent if subject.parent == ParentState::Gone => quiet(self.parent_gone_after)
                .map(|idle| format!("its parent is gone; nothing has happened in it for {idle}")),
            Kind::Subagent => quiet(self.subagent_after)
                .map(|idle| format!("a sub-agent that ended {idle} ago{}", how(session))),
            Kind::Hook => quiet(self.hook_after)
                .map(|idle| format!("the session of a hook; nothing has happened in it for {idle}")),
            _ => None,
        }
    }

    /// Whether the gateway will not take it up again: its last run has ended, or the
    /// gateway has had the time to see that it was cut off.
    fn is_settled(&self, session: &Session) -> bool {
        let up = match session.fact("gateway-up") {
            Some(Value::Span(up)) => *up,
            _ => 0,
        };
        matches!(session.text("status"), Some("done" | "failed" | "killed" | "timeout"))
            || up >= self.stuck_after
    }
}

/// Whether its record says that it runs.
fn is_cut_off(session: &Session) -> bool {
    matches!(session.text("status"), Some("running" | "queued"))
}

/// How its last run ended.
fn how(session: &Session) -> String {
    let words = [session.text("status"), session.text("run-error")];
    let words: Vec<&str> = words.into_iter().flatten().collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(": ")) }
}

reap_plugin::export_policy!(OpenClawOrphans);

#[cfg(test)]
mod tests {
    use reap_plugin::{Address, Fact, fact, sample};

    use super::*;

    const POLICY: OpenClawOrphans = OpenClawOrphans {
        cron_after: HOUR,
        job_gone_after: 10 * MINUTE,
        stuck_after: 15 * MINUTE,
        subagent_after: 2 * HOUR,
        parent_gone_after: 10 * MINUTE,
        hook_after: 24 * HOUR,
        command_after: 10 * MINUTE,
    };

    fn subject(kind: Kind, idle: Duration, up: Duration, facts: &[Fact]) -> Subject {
        let mut extra = vec![fact("active-run", false), fact("gateway-up", Value::Span(up))];
        extra.extend_from_slice(facts);
        let session = Session { kind, activity: Activity::Stopped, extra, ..sample::session("k") };
        Subject { idle: Some(idle), age: Some(idle), ..sample::subject("openclaw", session) }
    }

    fn run(status: Option<&str>, idle: Duration, up: Duration) -> Subject {
        let mut facts = vec![fact("cron-run", true), fact("job-state", "there")];
        facts.extend(status.map(|status| fact("status", status)));
        subject(Kind::Cron, idle, up, &facts)
    }

    fn why(subject: &Subject) -> String {
        match POLICY.vote(0, subject) {
            Vote::Orphan(why) => why,
            Vote::Keep(_) | Vote::Abstain => String::new(),
        }
    }

    #[test]
    fn cron_runs() {
        let cases = [
            (Some("timeout"), HOUR, 0, "a cron run that ended 1h ago (timeout)"),
            (Some("done"), HOUR, 0, "a cron run that ended 1h ago (done)"),
            (Some("timeout"), HOUR - 1, HOUR, ""),
            // One that was cut off before it had a status.
            (None, HOUR, 15 * MINUTE, "a cron run that ended 1h ago"),
            (None, HOUR, 15 * MINUTE - 1, ""),
            (
                Some("running"),
                15 * MINUTE,
                15 * MINUTE,
                "it says that it runs, and no run is under way; last heard of 15m ago",
            ),
            (
                Some("queued"),
                HOUR,
                HOUR,
                "it says that it runs, and no run is under way; last heard of 1h ago",
            ),
            (Some("running"), 15 * MINUTE - 1, HOUR, ""),
            (Some("running"), HOUR, 15 * MINUTE - 1, ""),
        ];
        for (status, idle, up, expected) in cases {
            assert_eq!(why(&run(status, idle, up)), expected, "{status:?} {idle} {up}");
        }
        let mut failed = run(Some("failed"), HOUR, 0);
        failed.session.extra.push(fact("run-error", "no model"));
        assert_eq!(why(&failed), "a cron run that ended 1h ago (failed: no model)");
    }

    #[test]
    fn the_job_and_its_own_session() {
        let job = |state: &str, cron_run: bool, idle| {
            let facts = [fact("cron-run", cron_run), fact("job-state", state), fact("status", "done")];
            !why(&subject(Kind::Cron, idle, 0, &facts)).is_empty()
        };
        assert!(job("gone", true, 10 * MINUTE) && job("gone", false, 10 * MINUTE));
        assert!(!job("gone", true, 10 * MINUTE - 1));
        assert!(!job("there", false, 100 * HOUR), "the next run uses it again");
        assert!(!job("unknown", false, 100 * HOUR));
    }

    #[test]
    fn sub_agents_and_hooks() {
        let agent = |parent, status: &str, idle, up| {
            let subject = subject(Kind::Subagent, idle, up, &[fact("status", status)]);
            !why(&Subject { parent, ..subject }).is_empty()
        };
        assert!(agent(ParentState::Alive, "done", 2 * HOUR, 0));
        assert!(!agent(ParentState::Alive, "done", 2 * HOUR - 1, 0));
        assert!(agent(ParentState::Gone, "done", 10 * MINUTE, 0));
        assert!(!agent(ParentState::Gone, "done", 10 * MINUTE - 1, 0));
        assert!(!agent(ParentState::Unknown, "done", HOUR, 0));
        assert!(!agent(ParentState::Gone, "", HOUR, 15 * MINUTE - 1), "it may be taken up again");
        let hook = |idle| !why(&subject(Kind::Hook, idle, HOUR, &[])).is_empty();
        assert!(hook(24 * HOUR) && !hook(24 * HOUR - 1));
        assert_eq!(why(&subject(Kind::Other, 1000 * HOUR, HOUR, &[fact("status", "done")])), "");
        assert_eq!(why(&subject(Kind::Interactive, 1000 * HOUR, HOUR, &[fact("status", "done")])), "");
    }

    #[test]
    fn commands_without_a_session() {
        let command = |age| {
            let mut subject = subject(Kind::Worker, 0, 0, &[fact("of-session-state", "archived")]);
            subject.session.activity = Activity::Unknown;
            subject.session.extra.retain(|fact| fact.name != "active-run");
            why(&Subject { age: Some(age), ..subject })
        };
        assert_eq!(command(10 * MINUTE), "a command in the background, 10m old, whose session is archived");
        assert_eq!(command(10 * MINUTE - 1), "");
    }

    #[test]
    fn anything_unclear_abstains() {
        let with = |change: fn(&mut Subject)| {
            let mut subject = run(Some("timeout"), HOUR, HOUR);
            change(&mut subject);
            why(&subject)
        };
        assert_ne!(with(|_| ()), "");
        assert_eq!(with(|subject| subject.backend = "tmux".to_owned()), "");
        assert_eq!(with(|subject| subject.idle = None), "");
        assert_eq!(with(|subject| subject.session.extra.retain(|fact| fact.name != "active-run")), "");
        assert_eq!(with(|subject| subject.session.extra[0] = fact("active-run", true)), "");
    }

    #[test]
    fn a_child_at_work_keeps_its_parent() {
        let parent = run(Some("timeout"), HOUR, HOUR);
        let mut child = subject(Kind::Subagent, 0, HOUR, &[]);
        child.session.key = "child".to_owned();
        child.session.parent = Some(Address {
            backend: "openclaw".to_owned(),
            instance: parent.instance.clone(),
            key: parent.session.key.clone(),
        });
        let vote = |activity| {
            let session = Session { activity, ..child.session.clone() };
            let child = Subject { session, ..child.clone() };
            POLICY.evaluate(0, &[parent.clone(), child]).expect("votes")[0] != Vote::Abstain
        };
        assert!(!vote(Activity::Running));
        assert!(vote(Activity::Stopped));
    }

    #[test]
    fn the_fallbacks_configure_it() {
        let fallbacks = OpenClawOrphans::describe().settings.into_iter();
        let settings = Settings::new(fallbacks.map(|one| fact(&one.name, one.fallback)).collect());
        let policy = OpenClawOrphans::configure(&settings).expect("they are right");
        assert_eq!((policy.cron_after, policy.hook_after), (HOUR, 24 * HOUR));
    }
}
