//! Votes for tmux sessions in which everything has ended.
//!
//! With the option `remain-on-exit` a pane stays when its command has ended, so
//! that somebody can read its last words. A session of nothing but such panes
//! works no more; after a while nobody comes to read either.

use reap_plugin::{
    Activity, Description, Duration, Error, Policy, Setting, SettingKind, Settings, Subject, Timestamp,
    Value, Vote, span_in_words,
};

const TEN_MINUTES: Duration = 10 * 60 * 1000;

/// The policy, with its setting.
pub struct DeadPanes {
    after: Duration,
}

impl Policy for DeadPanes {
    fn describe() -> Description {
        Description {
            name: "dead-panes".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Votes for tmux sessions in which everything has ended and only dead panes are left."
                .to_owned(),
            settings: vec![Setting {
                name: "after".to_owned(),
                kind: SettingKind::Span,
                fallback: Value::Span(TEN_MINUTES),
                help: "How long nothing must have happened in the session.".to_owned(),
            }],
        }
    }

    fn configure(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { after: settings.span("after")? })
    }

    fn vote(&self, _now: Timestamp, subject: &Subject) -> Vote {
        self.reason(subject).map_or(Vote::Abstain, Vote::Orphan)
    }
}

impl DeadPanes {
    /// Why nobody needs the session, where that is clear.
    fn reason(&self, subject: &Subject) -> Option<String> {
        let session = &subject.session;
        if subject.backend != "tmux" || session.activity != Activity::Stopped {
            return None;
        }
        let (panes, dead) = (session.number("panes")?, session.number("dead-panes")?);
        let idle = subject.idle.filter(|idle| *idle >= self.after)?;
        let what = match dead {
            1 => "its only pane is dead".to_owned(),
            _ => format!("all {dead} panes are dead"),
        };
        (panes == dead && dead > 0).then(|| format!("{what} (remain-on-exit), for {}", span_in_words(idle)))
    }
}

reap_plugin::export_policy!(DeadPanes);

#[cfg(test)]
mod tests {
    use super::*;
    use reap_plugin::{Session, fact, sample};

    fn dead(panes: i64, dead: i64) -> Subject {
        let session = Session {
            activity: Activity::Stopped,
            extra: vec![fact("panes", panes), fact("dead-panes", dead)],
            ..sample::session("$3")
        };
        Subject { idle: Some(TEN_MINUTES), ..sample::subject("tmux", session) }
    }

    fn vote(subject: &Subject) -> Vote {
        DeadPanes { after: TEN_MINUTES }.vote(0, subject)
    }

    #[test]
    fn sessions_of_dead_panes_are_orphans() {
        let cases = [
            (dead(1, 1), "its only pane is dead (remain-on-exit), for 10m"),
            (dead(3, 3), "all 3 panes are dead (remain-on-exit), for 10m"),
            (
                Subject { idle: Some(93_600_000), ..dead(2, 2) },
                "all 2 panes are dead (remain-on-exit), for 1d2h",
            ),
        ];
        for (subject, reason) in cases {
            assert_eq!(vote(&subject), Vote::Orphan(reason.to_owned()));
        }
    }

    #[test]
    fn anything_unclear_abstains() {
        let with = |change: fn(&mut Subject)| {
            let mut subject = dead(2, 2);
            change(&mut subject);
            subject
        };
        let cases = [
            ("another backend", with(|subject| subject.backend = "kiro-cli".to_owned())),
            ("running", with(|subject| subject.session.activity = Activity::Running)),
            ("idle", with(|subject| subject.session.activity = Activity::Idle)),
            ("activity unknown", with(|subject| subject.session.activity = Activity::Unknown)),
            ("a pane that is not dead", dead(2, 1)),
            ("more dead than there are", dead(1, 2)),
            ("no pane at all", dead(0, 0)),
            ("no facts", with(|subject| subject.session.extra.clear())),
            (
                "facts of another kind",
                with(|subject| subject.session.extra = vec![fact("panes", "2"), fact("dead-panes", "2")]),
            ),
            ("not long enough", with(|subject| subject.idle = Some(TEN_MINUTES - 1))),
            ("idle time unknown", with(|subject| subject.idle = None)),
        ];
        for (what, subject) in cases {
            assert_eq!(vote(&subject), Vote::Abstain, "{what}");
        }
    }

    #[test]
    fn the_fallback_configures_it() {
        let fallbacks = DeadPanes::describe().settings;
        let settings = fallbacks.into_iter().map(|setting| fact(&setting.name, setting.fallback)).collect();
        assert_eq!(
            DeadPanes::configure(&Settings::new(settings)).map(|policy| policy.after),
            Ok(TEN_MINUTES)
        );
        assert!(DeadPanes::configure(&Settings::new(vec![fact("after", "10m")])).is_err());
    }
}
