//! Votes for tmux sessions that somebody left behind: detached, nothing inside
//! but a shell that waits, and nothing happened for a long time.

use reap_plugin::{
    Activity, Description, Duration, Error, Policy, Setting, SettingKind, Settings, Subject, Timestamp,
    Value, Vote, span_in_words,
};

const A_DAY: Duration = 24 * 60 * 60 * 1000;

/// The policy, with its setting.
pub struct IdleShell {
    after: Duration,
}

impl Policy for IdleShell {
    fn describe() -> Description {
        Description {
            name: "idle-shell".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Votes for detached tmux sessions that have long held nothing but an idle shell."
                .to_owned(),
            settings: vec![Setting {
                name: "after".to_owned(),
                kind: SettingKind::Span,
                fallback: Value::Span(A_DAY),
                help: "How long nothing must have happened in the session.".to_owned(),
            }],
        }
    }

    fn configure(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { after: settings.span("after")? })
    }

    fn vote(&self, _now: Timestamp, subject: &Subject) -> Vote {
        match subject.idle {
            Some(idle) if idle >= self.after && forsaken(subject) => {
                Vote::Orphan(format!("nothing but its shell for {}", span_in_words(idle)))
            }
            _ => Vote::Abstain,
        }
    }
}

/// Whether nobody looks at it, nothing but a shell waits in it, and no other
/// session was started from it.
fn forsaken(subject: &Subject) -> bool {
    let session = &subject.session;
    subject.backend == "tmux"
        && !session.attached
        && session.activity == Activity::Idle
        && session.flag("shell-only") == Some(true)
        && subject.live_children == 0
}

reap_plugin::export_policy!(IdleShell);

#[cfg(test)]
mod tests {
    use super::*;
    use reap_plugin::{Session, fact, sample};

    fn idle(idle: Duration) -> Subject {
        let session = Session {
            activity: Activity::Idle,
            extra: vec![fact("shell-only", true)],
            ..sample::session("$3")
        };
        Subject { idle: Some(idle), ..sample::subject("tmux", session) }
    }

    fn vote(subject: &Subject) -> Vote {
        IdleShell { after: A_DAY }.vote(0, subject)
    }

    #[test]
    fn forgotten_shells_are_orphans() {
        let cases =
            [(A_DAY, "nothing but its shell for 1d"), (273_600_000, "nothing but its shell for 3d4h")];
        for (span, reason) in cases {
            assert_eq!(vote(&idle(span)), Vote::Orphan(reason.to_owned()));
        }
    }

    #[test]
    fn anything_unclear_abstains() {
        let with = |change: fn(&mut Subject)| {
            let mut subject = idle(A_DAY);
            change(&mut subject);
            subject
        };
        let cases = [
            ("another backend", with(|subject| subject.backend = "kiro-cli".to_owned())),
            ("attached", with(|subject| subject.session.attached = true)),
            ("running", with(|subject| subject.session.activity = Activity::Running)),
            ("stopped", with(|subject| subject.session.activity = Activity::Stopped)),
            ("activity unknown", with(|subject| subject.session.activity = Activity::Unknown)),
            ("more than its shell", with(|subject| subject.session.extra = vec![fact("shell-only", false)])),
            ("no facts", with(|subject| subject.session.extra.clear())),
            (
                "a fact of another kind",
                with(|subject| subject.session.extra = vec![fact("shell-only", "true")]),
            ),
            ("a session it started", with(|subject| subject.live_children = 1)),
            ("not long enough", idle(A_DAY - 1)),
            ("idle time unknown", with(|subject| subject.idle = None)),
        ];
        for (what, subject) in cases {
            assert_eq!(vote(&subject), Vote::Abstain, "{what}");
        }
    }

    #[test]
    fn the_fallback_configures_it() {
        let fallbacks = IdleShell::describe().settings;
        let settings = fallbacks.into_iter().map(|setting| fact(&setting.name, setting.fallback)).collect();
        assert_eq!(IdleShell::configure(&Settings::new(settings)).map(|policy| policy.after), Ok(A_DAY));
        assert!(IdleShell::configure(&Settings::new(vec![fact("after", "24h")])).is_err());
    }
}
