//! Votes for MCP servers that outlived the kiro-cli which started them.
//!
//! kiro-cli puts its MCP servers into process groups of their own, so that Ctrl-C spares
//! them, and whoever kills it does not reach them: 80 and more were counted on one
//! machine. A server of which nobody holds the input can be told nothing any more. It may
//! still be at work on the last thing that it was told, so one that uses a processor is
//! left alone.

use reap_plugin::{
    Description, Duration, Error, Policy, Session, Setting, SettingKind, Settings, Subject, Timestamp, Value,
    Vote, span_in_words,
};

const TEN_MINUTES: Duration = 10 * 60 * 1000;

/// The policy, with its settings.
pub struct LeakedMcp {
    after: Duration,
    busy_percent: i64,
}

impl Policy for LeakedMcp {
    fn describe() -> Description {
        Description {
            name: "kiro-leaked-mcp".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Votes for MCP servers that outlived the kiro-cli which started them.".to_owned(),
            settings: vec![
                Setting {
                    name: "after".to_owned(),
                    kind: SettingKind::Span,
                    fallback: Value::Span(TEN_MINUTES),
                    help: "How long the server must have run.".to_owned(),
                },
                Setting {
                    name: "busy_percent".to_owned(),
                    kind: SettingKind::Number,
                    fallback: Value::Number(20),
                    help: "A server that uses so much of a processor is left alone; 0 for none.".to_owned(),
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
        Ok(Self { after: settings.span("after")?, busy_percent })
    }

    fn vote(&self, _now: Timestamp, subject: &Subject) -> Vote {
        self.reason(subject).map_or(Vote::Abstain, Vote::Orphan)
    }
}

impl LeakedMcp {
    /// Why nobody needs the server, where that is clear.
    fn reason(&self, subject: &Subject) -> Option<String> {
        let session = &subject.session;
        let left = subject.backend == "kiro-cli"
            && !session.attached
            && !session.processes.is_empty()
            && session.text("shape") == Some("mcp")
            && session.text("owner") == Some("gone")
            && session.text("stdin") == Some("gone")
            // A log file is nobody who waits for an answer.
            && matches!(session.text("stdout"), Some("gone" | "none"));
        if !left || (self.busy_percent > 0 && load(subject)? >= self.busy_percent) {
            return None;
        }
        let up = span(session, "up").filter(|up| *up >= self.after)?;
        let name = session.text("mcp-server")?;
        Some(format!(
            "the MCP server {name} outlived its kiro-cli, and nobody holds its input any more; it has run for {}",
            span_in_words(up)
        ))
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

reap_plugin::export_policy!(LeakedMcp);

#[cfg(test)]
mod tests {
    use super::*;
    use reap_plugin::{Process, fact, sample};

    const POLICY: LeakedMcp = LeakedMcp { after: TEN_MINUTES, busy_percent: 20 };

    fn left(up: Duration, percent: i64) -> Subject {
        let session = Session {
            processes: vec![Process { pid: 20, started: 1 }],
            extra: vec![
                fact("shape", "mcp"),
                fact("owner", "gone"),
                fact("stdin", "gone"),
                fact("stdout", "gone"),
                fact("mcp-server", "git"),
                fact("up", Value::Span(up)),
                fact("cpu-percent", percent),
            ],
            ..sample::session("mcp:20:1")
        };
        sample::subject("kiro-cli", session)
    }

    fn with(name: &str, value: &str) -> Subject {
        let mut subject = left(TEN_MINUTES, 0);
        subject.session.extra.retain(|fact| fact.name != name);
        if !value.is_empty() {
            subject.session.extra.push(fact(name, value));
        }
        subject
    }

    fn votes(subject: &Subject) -> bool {
        POLICY.vote(0, subject) != Vote::Abstain
    }

    #[test]
    fn servers_that_nobody_can_talk_to() {
        let reason =
            "the MCP server git outlived its kiro-cli, and nobody holds its input any more; it has run \
                      for 10m"
                .to_owned();
        assert_eq!(POLICY.vote(0, &left(TEN_MINUTES, 0)), Vote::Orphan(reason));
        assert!(votes(&with("stdout", "none")));
        assert!(!votes(&left(TEN_MINUTES - 1, 0)));
    }

    #[test]
    fn busy_ones_are_left_alone() {
        assert!(votes(&left(TEN_MINUTES, 19)) && !votes(&left(TEN_MINUTES, 20)));
        let recent = |percent: i64| Subject {
            facts: vec![fact("cpu-recent", percent)],
            ..left(TEN_MINUTES, 20 - percent)
        };
        assert!(votes(&recent(0)) && votes(&recent(19)), "what it did long ago is over");
        assert!(!votes(&recent(20)));
        let careless = LeakedMcp { busy_percent: 0, ..POLICY };
        assert_ne!(careless.vote(0, &left(TEN_MINUTES, 100)), Vote::Abstain);
    }

    #[test]
    fn anything_unclear_abstains() {
        let cases = [
            ("another backend", Subject { backend: "tmux".to_owned(), ..left(TEN_MINUTES, 0) }),
            ("a runtime", with("shape", "acp")),
            ("its owner lives", with("owner", "intact")),
            ("nobody knows", with("owner", "unknown")),
            ("somebody holds its input", with("stdin", "alive")),
            ("its input is not known", with("stdin", "unknown")),
            ("no input is known", with("stdin", "")),
            ("somebody reads its output", with("stdout", "alive")),
            ("its output is not known", with("stdout", "unknown")),
            ("no name", with("mcp-server", "")),
            ("no age", with("up", "")),
            ("no load", with("cpu-percent", "")),
        ];
        for (what, subject) in cases {
            assert!(!votes(&subject), "{what}");
        }
        let mut gone = left(TEN_MINUTES, 0);
        gone.session.processes.clear();
        assert!(!votes(&gone));
        let mut attached = left(TEN_MINUTES, 0);
        attached.session.attached = true;
        assert!(!votes(&attached));
    }

    #[test]
    fn the_fallbacks_configure_it() {
        let settings = |busy: i64| {
            let fallbacks = LeakedMcp::describe().settings.into_iter();
            let value = |one: Setting| match one.name.as_str() {
                "busy_percent" => fact("busy_percent", busy),
                name => fact(name, one.fallback.clone()),
            };
            Settings::new(fallbacks.map(value).collect())
        };
        assert_eq!(LeakedMcp::configure(&settings(0)).map(|policy| policy.after), Ok(TEN_MINUTES));
        assert!(LeakedMcp::configure(&settings(-1)).is_err());
    }
}
