//! Votes for kiro-cli sessions of which nothing is left but their lock.
//!
//! kiro-cli leaves its lock behind when it is killed, and then refuses to resume the
//! session ("Session is active in another process"). To end such a session is to
//! remove the lock; the conversation stays. The process may live where it cannot be
//! seen, in a container or on another machine that shares the folder, so the lock
//! gets an hour in which nothing is written.

use reap_plugin::{
    Activity, Description, Duration, Error, Policy, Setting, SettingKind, Settings, Subject, Timestamp,
    Value, Vote, span_in_words,
};

const AN_HOUR: Duration = 60 * 60 * 1000;

/// The policy, with its setting.
pub struct StaleLocks {
    after: Duration,
}

impl Policy for StaleLocks {
    fn describe() -> Description {
        Description {
            name: "kiro-stale-locks".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary:
                "Votes for kiro-cli sessions of which nothing is left but a lock, so that they can be resumed."
                    .to_owned(),
            settings: vec![Setting {
                name: "after".to_owned(),
                kind: SettingKind::Span,
                fallback: Value::Span(AN_HOUR),
                help: "How long nothing must have been written of the session.".to_owned(),
            }],
        }
    }

    fn configure(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { after: settings.span("after")? })
    }

    fn vote(&self, _now: Timestamp, subject: &Subject) -> Vote {
        match subject.idle {
            Some(idle) if idle >= self.after && only_a_lock(subject) => Vote::Orphan(format!(
                "the process in its lock has ended, and nothing was written for {}",
                span_in_words(idle)
            )),
            _ => Vote::Abstain,
        }
    }
}

fn only_a_lock(subject: &Subject) -> bool {
    let session = &subject.session;
    subject.backend == "kiro-cli"
        && session.activity == Activity::Stopped
        && session.processes.is_empty()
        && session.text("lock") == Some("stale")
}

reap_plugin::export_policy!(StaleLocks);

#[cfg(test)]
mod tests {
    use super::*;
    use reap_plugin::{Process, Session, fact, sample};

    fn stale(idle: Duration) -> Subject {
        let session = Session {
            activity: Activity::Stopped,
            extra: vec![fact("lock", "stale")],
            ..sample::session("a")
        };
        Subject { idle: Some(idle), ..sample::subject("kiro-cli", session) }
    }

    fn vote(subject: &Subject) -> Vote {
        StaleLocks { after: AN_HOUR }.vote(0, subject)
    }

    #[test]
    fn old_locks_of_nobody_are_orphans() {
        let reason = "the process in its lock has ended, and nothing was written for 1h".to_owned();
        assert_eq!(vote(&stale(AN_HOUR)), Vote::Orphan(reason));
    }

    #[test]
    fn anything_unclear_abstains() {
        let with = |change: fn(&mut Subject)| {
            let mut subject = stale(AN_HOUR);
            change(&mut subject);
            subject
        };
        let cases = [
            ("another backend", with(|subject| subject.backend = "tmux".to_owned())),
            ("activity unknown", with(|subject| subject.session.activity = Activity::Unknown)),
            ("a process", with(|subject| subject.session.processes = vec![Process { pid: 2, started: 1 }])),
            ("a reused pid", with(|subject| subject.session.extra = vec![fact("lock", "reused")])),
            (
                "a lock that is not known",
                with(|subject| subject.session.extra = vec![fact("lock", "unknown")]),
            ),
            ("no facts", with(|subject| subject.session.extra.clear())),
            ("written to just now", stale(AN_HOUR - 1)),
            ("nobody knows when", with(|subject| subject.idle = None)),
        ];
        for (what, subject) in cases {
            assert_eq!(vote(&subject), Vote::Abstain, "{what}");
        }
    }

    #[test]
    fn the_fallback_configures_it() {
        let fallbacks = StaleLocks::describe().settings;
        let settings = fallbacks.into_iter().map(|setting| fact(&setting.name, setting.fallback)).collect();
        assert_eq!(StaleLocks::configure(&Settings::new(settings)).map(|policy| policy.after), Ok(AN_HOUR));
        assert!(StaleLocks::configure(&Settings::new(vec![fact("after", "1h")])).is_err());
    }
}
