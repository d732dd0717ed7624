//! Votes for kiro-cli runtimes that nobody is left to talk to.
//!
//! Who starts kiro-cli ends, and kiro-cli lives on: its wrapper passes no signal on.
//! A run without a terminal is another matter. It needs nobody, and may have been
//! sent to the background on purpose; it gets a day to come to its end.

use reap_plugin::{
    Description, Duration, Error, Policy, Session, Setting, SettingKind, Settings, Subject, Timestamp, Value,
    Vote, span_in_words,
};

const MINUTE: Duration = 60 * 1000;
const TEN_MINUTES: Duration = 10 * MINUTE;
const AN_HOUR: Duration = 60 * MINUTE;
const A_DAY: Duration = 24 * AN_HOUR;

/// The policy, with its settings.
pub struct KiroOrphans {
    after: Duration,
    headless_after: Duration,
    held_after: Duration,
    launcher_after: Duration,
    busy_percent: i64,
}

impl Policy for KiroOrphans {
    fn describe() -> Description {
        let span = |name: &str, fallback, help: &str| Setting {
            name: name.to_owned(),
            kind: SettingKind::Span,
            fallback: Value::Span(fallback),
            help: help.to_owned(),
        };
        Description {
            name: "kiro-orphans".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary:
                "Votes for kiro-cli runtimes whose owner has ended, and for launchers that wait for nothing."
                    .to_owned(),
            settings: vec![
                span("after", TEN_MINUTES, "How long a runtime must have run, and written nothing."),
                span("headless_after", A_DAY, "The same for a run without a terminal, which needs nobody."),
                span("held_after", AN_HOUR, "The same for one at whose pipes somebody still is."),
                span(
                    "launcher_after",
                    AN_HOUR,
                    "The same for a launcher below which nothing works any more.",
                ),
                Setting {
                    name: "busy_percent".to_owned(),
                    kind: SettingKind::Number,
                    fallback: Value::Number(0),
                    help: "A runtime that uses so much of a processor is left alone; 0 for none.".to_owned(),
                },
            ],
        }
    }

    fn configure(settings: &Settings) -> Result<Self, Error> {
        let busy_percent = settings.number("busy_percent")?;
        if busy_percent < 0 {
            return Err(Error::Invalid(format!(
                "the setting busy_percent must not be below 0, not {busy_percent}"
            )));
        }
        Ok(Self {
            after: settings.span("after")?,
            headless_after: settings.span("headless_after")?,
            held_after: settings.span("held_after")?,
            launcher_after: settings.span("launcher_after")?,
            busy_percent,
        })
    }

    fn vote(&self, _now: Timestamp, subject: &Subject) -> Vote {
        self.reason(subject).map_or(Vote::Abstain, Vote::Orphan)
    }
}

impl KiroOrphans {
    /// Why nobody needs the runtime, where that is clear.
    fn reason(&self, subject: &Subject) -> Option<String> {
        let session = &subject.session;
        if subject.backend != "kiro-cli" || session.attached || session.processes.is_empty() {
            return None;
        }
        // MCP servers that were left behind are for kiro-leaked-mcp.
        if session.text("shape") == Some("mcp")
            || (self.busy_percent > 0 && load(subject)? >= self.busy_percent)
        {
            return None;
        }
        let up = span(session, "up")?;
        // Where its last word is known it is a lower bound: it may have said more since.
        let quiet = subject.idle.unwrap_or(up).min(up);
        let (why, after) = self.forsaken(session)?;
        (quiet >= after).then(|| format!("{why}; it has run for {}", span_in_words(up)))
    }

    fn forsaken(&self, session: &Session) -> Option<(String, Duration)> {
        let shape = session.text("shape")?;
        let peers = ["stdin", "stdout"].map(|name| session.text(name));
        // A host that ends the wrapper may keep the pipes open, whether it needs them or not.
        let after = match shape {
            "headless" => self.headless_after,
            _ if peers.contains(&Some("alive")) => self.held_after,
            _ => self.after,
        };
        let why = match session.text("owner")? {
            "gone" => session.text("owner-reason").unwrap_or("its parent has ended").to_owned(),
            "unknown" if peers == [Some("gone"); 2] => {
                "nobody is left at the other end of its input and output".to_owned()
            }
            "intact" if shape == "launcher" && session.flag("empty") == Some(true) => {
                return Some(("a launcher, and nothing works below it".to_owned(), self.launcher_after));
            }
            _ => return None,
        };
        Some((why, after))
    }
}

/// How much of a processor it uses: over the last looks, or else since it started.
fn load(subject: &Subject) -> Option<i64> {
    let recent = subject.facts.iter().find(|fact| fact.name == "cpu-recent");
    match recent.map(|fact| &fact.value) {
        Some(Value::Number(percent)) => Some(*percent),
        _ => subject.session.number("cpu-percent"),
    }
}

fn span(session: &Session, name: &str) -> Option<Duration> {
    match session.fact(name) {
        Some(Value::Span(span)) => Some(*span),
        _ => None,
    }
}

reap_plugin::export_policy!(KiroOrphans);

#[cfg(test)]
mod tests {
    use super::*;
    use reap_plugin::{Fact, Process, fact, sample};

    const POLICY: KiroOrphans = KiroOrphans {
        after: TEN_MINUTES,
        headless_after: A_DAY,
        held_after: AN_HOUR,
        launcher_after: AN_HOUR,
        busy_percent: 0,
    };

    fn subject(up: Duration, facts: &[(&str, &str)]) -> Subject {
        let texts = facts.iter().map(|(name, value)| fact(name, *value));
        let session = Session {
            processes: vec![Process { pid: 20, started: 1 }],
            extra: texts.chain([fact("up", Value::Span(up)), fact("cpu-percent", 3_i64)]).collect(),
            ..sample::session("a")
        };
        sample::subject("kiro-cli", session)
    }

    fn votes(subject: &Subject) -> bool {
        POLICY.vote(0, subject) != Vote::Abstain
    }

    const GONE: [(&str, &str); 2] = [("shape", "acp"), ("owner", "gone")];

    #[test]
    fn runtimes_without_an_owner() {
        let mut orphan = subject(TEN_MINUTES, &GONE);
        orphan.session.extra.push(fact("owner-reason", "why"));
        assert_eq!(POLICY.vote(0, &orphan), Vote::Orphan("why; it has run for 10m".to_owned()));
        let peers = |owner: &'static str, stdin: &'static str, stdout: &'static str| {
            let facts = [("shape", "acp"), ("owner", owner), ("stdin", stdin), ("stdout", stdout)];
            votes(&subject(TEN_MINUTES, &facts))
        };
        let cases = [
            ("gone", "gone", "gone", true),
            ("gone", "unknown", "unknown", true),
            ("gone", "none", "none", true),
            ("gone", "alive", "gone", false),
            ("gone", "gone", "alive", false),
            ("unknown", "gone", "gone", true),
            ("unknown", "gone", "unknown", false),
            ("unknown", "none", "gone", false),
            ("intact", "gone", "gone", false),
        ];
        for (owner, stdin, stdout, orphan) in cases {
            assert_eq!(peers(owner, stdin, stdout), orphan, "{owner} {stdin} {stdout}");
        }
    }

    #[test]
    fn time_is_given() {
        assert!(!votes(&subject(TEN_MINUTES - 1, &GONE)));
        let wrote = |idle| votes(&Subject { idle: Some(idle), ..subject(A_DAY, &GONE) });
        assert!(wrote(TEN_MINUTES) && !wrote(TEN_MINUTES - 1));
        let headless = [("shape", "headless"), ("owner", "gone")];
        assert!(votes(&subject(A_DAY, &headless)) && !votes(&subject(A_DAY - 1, &headless)));
        let held = [("shape", "acp"), ("owner", "gone"), ("stdin", "alive")];
        assert!(votes(&subject(AN_HOUR, &held)) && !votes(&subject(AN_HOUR - 1, &held)));
    }

    #[test]
    fn launchers_that_wait_for_nothing() {
        let launcher = |up, empty: bool, shape: &'static str| {
            let mut subject = subject(up, &[("shape", shape), ("owner", "intact")]);
            subject.session.extra.push(fact("empty", empty));
            votes(&subject)
        };
        assert!(launcher(AN_HOUR, true, "launcher"));
        assert!(!launcher(AN_HOUR - 1, true, "launcher"));
        assert!(!launcher(A_DAY, false, "launcher"));
        assert!(!launcher(A_DAY, true, "wrapper"), "it may wait for a person, as at a login");
    }

    #[test]
    fn anything_unclear_abstains() {
        let with = |change: fn(&mut Subject)| {
            let mut subject = subject(A_DAY, &GONE);
            change(&mut subject);
            subject
        };
        let without = |name: &'static str| {
            let mut subject = subject(A_DAY, &GONE);
            subject.session.extra.retain(|fact: &Fact| fact.name != name);
            subject
        };
        let cases = [
            ("another backend", with(|subject| subject.backend = "tmux".to_owned())),
            ("an MCP server", subject(A_DAY, &[("shape", "mcp"), ("owner", "gone")])),
            ("attached", with(|subject| subject.session.attached = true)),
            ("no process", with(|subject| subject.session.processes.clear())),
            ("no facts", with(|subject| subject.session.extra.clear())),
            ("no shape", without("shape")),
            ("no owner", without("owner")),
            ("no age", without("up")),
        ];
        for (what, subject) in cases {
            assert!(!votes(&subject), "{what}");
        }
    }

    #[test]
    fn a_busy_one_is_left_alone_where_that_is_wanted() {
        let busy = |busy_percent| KiroOrphans { busy_percent, ..POLICY }.vote(0, &subject(A_DAY, &GONE));
        assert_eq!(busy(3), Vote::Abstain);
        assert_ne!(busy(4), Vote::Abstain);
        let lately = |percent: i64| {
            let subject = Subject { facts: vec![fact("cpu-recent", percent)], ..subject(A_DAY, &GONE) };
            KiroOrphans { busy_percent: 3, ..POLICY }.vote(0, &subject)
        };
        assert_ne!(lately(2), Vote::Abstain, "what it did long ago is over");
        assert_eq!(lately(3), Vote::Abstain);
    }

    #[test]
    fn the_fallbacks_configure_it() {
        let settings = |busy: i64| {
            let fallbacks = KiroOrphans::describe().settings.into_iter();
            let value = |one: Setting| match one.name.as_str() {
                "busy_percent" => fact("busy_percent", busy),
                name => fact(name, one.fallback.clone()),
            };
            Settings::new(fallbacks.map(value).collect())
        };
        assert_eq!(KiroOrphans::configure(&settings(0)).map(|policy| policy.after), Ok(TEN_MINUTES));
        assert!(KiroOrphans::configure(&settings(-1)).is_err());
    }
}
