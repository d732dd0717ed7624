//! Selectors: how people and configurations choose sessions.
//!
//! A selector is a list of terms that must all hold:
//! `backend:tmux kind:cron title:build-* label:team=x older:30m orphaned`.
//! The one danger is a typo that silently selects nothing, or everything: a
//! protect rule that protects nobody is found out when it is too late. So what
//! looks like a slip is an error that says what to write instead.

mod error;
mod parse;
mod slip;

use std::fmt;

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

pub use self::error::SelectorError;
use crate::ids::PluginName;
use crate::judge::Judged;
use crate::session::{Activity, Kind};
use crate::subject::Subject;
use crate::time::Span;
use crate::vote::Decision;

/// Terms that must all hold.
///
/// | term | holds when |
/// |---|---|
/// | `backend:` `instance:` `key:` `title:` `cwd:` | the text matches the glob (`*`, `?`); of an instance its path or its label |
/// | `kind:cron` `activity:idle` `attached:yes` | it is so |
/// | `label:NAME=VALUE` | a fact of that name matches the glob VALUE |
/// | `older:30m` | it did nothing for that long; where that is not known, it is that old |
/// | `orphaned` | the policies call it an orphan |
/// | `inactive` | its activity is idle or stopped, and nobody is attached |
/// | anything else, such as `cron:*` | the key or the title matches the glob |
///
/// A value in `"..."` may hold spaces, `\"` and `\\`; a whole term in quotes is
/// a glob over key and title whatever it looks like. What is not known matches
/// nothing: unclear never qualifies for ending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    Text(TextField, WildMatch),
    Kind(Kind),
    Activity(Activity),
    Attached(bool),
    Label { name: String, value: WildMatch },
    Older(Span),
    Orphaned,
    Inactive,
    KeyOrTitle(WildMatch),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextField {
    Backend,
    Instance,
    Key,
    Title,
    Cwd,
}

impl Selector {
    /// Selects every session. Written `*`: an empty text is an error, for it is
    /// what a variable leaves behind that was never set.
    pub fn everything() -> Self {
        Self { terms: Vec::new() }
    }

    /// Reads a selector.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        Ok(Self { terms: parse::terms(text)? })
    }

    /// Reads a selector from the words of a command line. Each word is one term
    /// or several, and is read apart from the others. A shell takes quotes away:
    /// `title:"my job"` arrives as `title:my job`, and must not be taken for
    /// every session called `my` or `job`. So a blank outside of quotes parts
    /// terms only where what follows says itself that it is one.
    pub fn parse_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, SelectorError> {
        let terms: Result<Vec<_>, _> = words.into_iter().map(parse::word_terms).collect();
        Ok(Self { terms: terms?.concat() })
    }

    /// Reads a selector that is applied before the votes are in: a protect
    /// rule, or the sessions that a policy is asked about. There `orphaned`
    /// means nothing and is an error.
    pub fn parse_plain(text: &str) -> Result<Self, SelectorError> {
        Ok(Self { terms: parse::plain_terms(text)? })
    }

    /// Whether a judged session is selected.
    pub fn matches(&self, judged: &Judged) -> bool {
        let orphan = judged.verdict.vote == Decision::Orphan;
        self.decide(&judged.subject, Some(orphan)) == Some(true)
    }

    /// Whether a session is selected, as far as that is decided before the
    /// votes are in. Always decided for a selector from [`Selector::parse_plain`].
    pub fn matches_subject(&self, subject: &Subject) -> Option<bool> {
        self.decide(subject, None)
    }

    /// The `backend:` terms that none of these backends match, as they are
    /// written: they select nothing, whatever there is.
    pub fn strangers(&self, backends: &[PluginName]) -> Vec<String> {
        let strange = |term: &&Term| match term {
            Term::Text(TextField::Backend, glob) => {
                !backends.iter().any(|backend| glob.matches(backend.as_str()))
            }
            _ => false,
        };
        self.terms.iter().filter(strange).map(ToString::to_string).collect()
    }

    /// One term that does not hold decides; one that is open leaves it open.
    fn decide(&self, subject: &Subject, orphan: Option<bool>) -> Option<bool> {
        let mut decided = Some(true);
        for term in &self.terms {
            match term.holds(subject, orphan) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => decided = None,
            }
        }
        decided
    }
}

impl Term {
    fn holds(&self, subject: &Subject, orphan: Option<bool>) -> Option<bool> {
        let session = &subject.session;
        Some(match self {
            Self::Text(field, glob) => field.of(subject).into_iter().flatten().any(|text| glob.matches(text)),
            Self::Kind(kind) => session.kind == *kind,
            Self::Activity(activity) => session.activity == *activity,
            Self::Attached(attached) => session.attached == *attached,
            Self::Label { name, value } => session
                .extra
                .iter()
                .chain(&subject.facts)
                .any(|fact| fact.name == *name && value.matches(&fact.value.to_string())),
            Self::Older(span) => subject.idle.or(subject.age).is_some_and(|time| time >= *span),
            Self::Orphaned => return orphan,
            Self::Inactive => {
                matches!(session.activity, Activity::Idle | Activity::Stopped) && !session.attached
            }
            Self::KeyOrTitle(glob) => glob.matches(session.key.as_str()) || glob.matches(&session.title),
        })
    }
}

impl TextField {
    /// What a match may be with.
    fn of(self, subject: &Subject) -> [Option<&str>; 2] {
        match self {
            Self::Backend => [Some(subject.address.backend.as_str()), None],
            // The label is what the table of `reap ls` shows.
            Self::Instance => [Some(subject.address.instance.as_str()), Some(&subject.label)],
            Self::Key => [Some(subject.address.key.as_str()), None],
            Self::Title => [Some(&subject.session.title), None],
            Self::Cwd => [subject.session.cwd.as_deref(), None],
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Instance => "instance",
            Self::Key => "key",
            Self::Title => "title",
            Self::Cwd => "cwd",
        }
    }
}

impl fmt::Display for Selector {
    /// The text that parses back to the same selector.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.terms.is_empty() {
            return f.write_str("*");
        }
        for (index, term) in self.terms.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{term}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(field, glob) => write!(f, "{}:{}", field.word(), value(&glob.pattern())),
            Self::Kind(kind) => write!(f, "kind:{}", kind.word()),
            Self::Activity(activity) => write!(f, "activity:{}", activity.word()),
            Self::Attached(attached) => write!(f, "attached:{}", if *attached { "yes" } else { "no" }),
            Self::Label { name, value: glob } => write!(f, "label:{name}={}", value(&glob.pattern())),
            Self::Older(span) => write!(f, "older:{}", span.exact()),
            Self::Orphaned => f.write_str("orphaned"),
            Self::Inactive => f.write_str("inactive"),
            Self::KeyOrTitle(glob) => {
                let text = glob.pattern();
                // Written as it is only where it reads as what it is.
                let plain = parse::terms(&text).is_ok_and(|terms| terms == [self.clone()]);
                f.write_str(&if plain { text } else { quoted(&text) })
            }
        }
    }
}

fn value(text: &str) -> String {
    if text.contains(|c: char| c.is_whitespace() || c == '"') { quoted(text) } else { text.to_owned() }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl TryFrom<String> for Selector {
    type Error = SelectorError;
    fn try_from(text: String) -> Result<Self, SelectorError> {
        Self::parse(&text)
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{judged, name, session};
    use crate::session::{Fact, Session, Value};

    fn read(text: &str) -> Selector {
        Selector::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn terms_choose() {
        let subject = judged(
            Session { title: "cron:night build".into(), ..session("agent:main:1") },
            Decision::Orphan,
            &[],
        );
        let cases = [
            ("*", true),
            ("backend:tmux", true),
            ("backend:t*", true),
            ("backend:kiro-cli", false),
            ("instance:/tmp/*/default", true),
            ("instance:default", true),
            ("instance:def*", true),
            ("instance:tmp", false),
            ("kind:worker", true),
            ("kind:cron", false),
            ("activity:idle", true),
            ("activity:running", false),
            ("title:cron:*", true),
            ("title:cron", false),
            ("title:\"cron:night b*\"", true),
            ("key:agent:main:?", true),
            ("key:agent", false),
            ("cwd:/home/*", true),
            ("cwd:/home", false),
            ("label:team=\"x y\"", true),
            ("label:team=x*", true),
            ("label:team=x", false),
            ("label:owner=*", false),
            ("older:2h", true),
            ("older:2h1s", false),
            ("attached:no", true),
            ("attached:yes", false),
            ("orphaned", true),
            ("inactive", true),
            ("cron:*", true),
            ("agent:main:*", true),
            ("agent:*:2", false),
            ("kind:worker older:1h cron:*", true),
            ("kind:worker older:1h hook:*", false),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).matches(&subject), expected, "{text}");
        }
    }

    #[test]
    fn a_backend_that_nobody_has_is_found() {
        let both = [name("tmux"), name("kiro-cli")];
        let tmux = &both[..1];
        let cases: [(&str, &[PluginName], &[&str]); 5] = [
            ("backend:tmux kind:cron", tmux, &[]),
            ("backend:tmx kind:cron", tmux, &["backend:tmx"]),
            ("backend:t* backend:k*", tmux, &["backend:k*"]),
            ("backend:t* backend:k*", &both, &[]),
            ("tmx", &[], &[]),
        ];
        for (text, backends, strangers) in cases {
            assert_eq!(read(text).strangers(backends), strangers, "{text}");
        }
    }

    #[test]
    fn words_of_a_command_line_are_read_one_by_one() {
        let cases: [(&[&str], &str); 8] = [
            (&[], "*"),
            (&["backend:tmux", "cron:*"], "backend:tmux cron:*"),
            (&["cron:* backend:tmux  inactive"], "cron:* backend:tmux inactive"),
            (&["label:owner=* orphaned"], "label:owner=* orphaned"),
            (&["title:\"my job\""], "title:\"my job\""),
            (&["title:\"my job\" \"two words\"", "x"], "title:\"my job\" \"two words\" x"),
            (&[" title:x "], "title:x"),
            (&["my", "job"], "my job"),
        ];
        for (words, text) in cases {
            assert_eq!(Selector::parse_words(words.iter().copied()), Ok(read(text)), "{words:?}");
        }
    }

    #[test]
    fn a_blank_that_lost_its_quotes_is_an_error() {
        let cases = [
            ("title:my job", "job", "'title:\"my job\"'"),
            ("backend:tmux title:my job kind:cron", "job", "'title:\"my job\"'"),
            ("my job", "job", "'\"my job\"'"),
            ("title:it's done", "done", "'title:\"it'\\''s done\"'"),
        ];
        for (word, term, quoted) in cases {
            let error = Selector::parse_words([word]).expect_err(word);
            assert_eq!(&error.text[error.range.clone()], term, "{word}");
            assert!(error.help.contains(quoted), "{word}: {}", error.help);
        }
        let error = Selector::parse_words(["title:\"my", "job\""]).expect_err("words are read apart");
        assert!(error.message.contains("closing quote"), "{}", error.message);
    }

    #[test]
    fn older_goes_by_idle_then_age_then_never() {
        let judge = |created: bool, active: bool| {
            let mut session = session("$1");
            session.created = session.created.filter(|_| created);
            session.last_active = session.last_active.filter(|_| active);
            judged(session, Decision::Abstain, &[])
        };
        for (created, active, hour, day) in
            [(true, true, true, false), (true, false, true, true), (false, false, false, false)]
        {
            let judged = judge(created, active);
            assert_eq!(read("older:1h").matches(&judged), hour, "{created} {active}");
            assert_eq!(read("older:1d").matches(&judged), day, "{created} {active}");
        }
    }

    #[test]
    fn inactive_means_nobody_and_nothing_is_at_work() {
        let cases = [
            (Activity::Idle, false, true),
            (Activity::Stopped, false, true),
            (Activity::Idle, true, false),
            (Activity::Running, false, false),
            (Activity::Unknown, false, false),
        ];
        for (activity, attached, expected) in cases {
            let judged = judged(Session { activity, attached, ..session("$1") }, Decision::Abstain, &[]);
            assert_eq!(read("inactive").matches(&judged), expected, "{activity:?} {attached}");
        }
    }

    #[test]
    fn labels_look_at_what_was_found_out_besides() {
        let mut judged = judged(session("$1"), Decision::Abstain, &[]);
        judged.subject.facts.push(Fact { name: "dirty".into(), value: Value::Flag(true) });
        assert!(read("label:dirty=true").matches(&judged));
    }

    #[test]
    fn orphaned_is_open_before_the_votes() {
        let subject = judged(session("$1"), Decision::Orphan, &[]).subject;
        assert_eq!(read("orphaned").matches_subject(&subject), None);
        assert_eq!(read("orphaned kind:worker").matches_subject(&subject), None);
        assert_eq!(read("orphaned kind:cron").matches_subject(&subject), Some(false));
        assert_eq!(read("kind:worker").matches_subject(&subject), Some(true));
    }

    #[test]
    fn the_text_comes_back_canonical() {
        let cases = [
            ("*", "*"),
            (" **  kind:cron ", "kind:cron"),
            ("title:\"a\"", "title:a"),
            ("title:\"a b\\\"c\\\\\"", "title:\"a b\\\"c\\\\\""),
            ("label:team=\"x y\"", "label:team=\"x y\""),
            ("older:90m", "older:1h30m"),
            ("older:2w1s", "older:14d1s"),
            ("cron:\"a b\"", "\"cron:a b\""),
            ("\"orphaned\"", "\"orphaned\""),
            ("\"title:x\"", "\"title:x\""),
            ("\"bakend:x\"", "\"bakend:x\""),
            ("\"cron:*\"", "cron:*"),
            ("backend:t**", "backend:t*"),
        ];
        for (text, canonical) in cases {
            assert_eq!(read(text).to_string(), canonical, "{text}");
            assert_eq!(read(canonical), read(text), "{text}");
        }
    }

    #[test]
    fn selectors_are_texts_in_files() {
        let selector = read("kind:cron older:1h");
        let json = serde_json::to_string(&selector).expect("a text");
        assert_eq!(json, "\"kind:cron older:1h\"");
        assert_eq!(serde_json::from_str::<Selector>(&json).expect("a selector"), selector);
        assert!(serde_json::from_str::<Selector>("\"\"").is_err());
    }
}
