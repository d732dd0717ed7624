//! From what a person typed to the one session that is meant.
//!
//! Names match exactly, never by prefix or pattern: with only `app-10` alive, a
//! peer that asked its terminal multiplexer for `app-1` killed `app-10`. And all
//! ways of naming are tried together: where a session *titled* `$0` stands beside
//! one whose *key* is `$0`, any order of trying would end the wrong one for
//! somebody.

use std::fmt;

use crate::clean;
use crate::ids::{Address, Handle};
use crate::judge::Judged;

/// The session that a text names: a handle or at least four digits of one, a
/// full `backend/instance/key`, a key, or an exact title.
pub fn resolve<'a>(text: &str, judged: &'a [Judged]) -> Result<&'a Judged, ResolveError> {
    let mut matches = judged.iter().filter(|judged| names(text, judged));
    let Some(first) = matches.next() else {
        return Err(ResolveError::NotFound { text: text.to_owned() });
    };
    let others: Vec<Candidate> = matches.map(Candidate::of).collect();
    if others.is_empty() {
        return Ok(first);
    }
    let candidates = std::iter::once(Candidate::of(first)).chain(others).collect();
    Err(ResolveError::Ambiguous { text: text.to_owned(), candidates })
}

fn names(text: &str, judged: &Judged) -> bool {
    let subject = &judged.subject;
    subject.handle.answers_to(text)
        || subject.address.key.as_str() == text
        || subject.session.title == text
        || is_written(&subject.address, text)
}

/// Whether the text is the address, without writing out the address.
fn is_written(address: &Address, text: &str) -> bool {
    text.strip_prefix(address.backend.as_str())
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|rest| rest.strip_prefix(address.instance.as_str()))
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|key| key == address.key.as_str())
}

/// One of several sessions that a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its handle.
    pub handle: Handle,
    /// Where it is to be found.
    pub address: Address,
    /// The name that people know it by.
    pub title: String,
}

impl Candidate {
    fn of(judged: &Judged) -> Self {
        Self {
            handle: judged.subject.handle.clone(),
            address: judged.subject.address.clone(),
            title: judged.subject.session.title.clone(),
        }
    }
}

/// Why a text names no session, or no single one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolveError {
    /// No session is called that.
    NotFound {
        /// What was typed.
        text: String,
    },
    /// Several are.
    Ambiguous {
        /// What was typed.
        text: String,
        /// All that it names.
        candidates: Vec<Candidate>,
    },
}

impl std::error::Error for ResolveError {}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { text } => write!(
                f,
                "no session has the handle, address, key or title `{}`; names match exactly, a handle by \
                 its first {} digits or more; `reap ls` shows them",
                clean::line(text),
                Handle::SHORTEST
            ),
            Self::Ambiguous { text, candidates } => {
                write!(
                    f,
                    "`{}` names {} sessions; use the handle of one:",
                    clean::line(text),
                    candidates.len()
                )?;
                for Candidate { handle, address, title } in candidates {
                    let address = clean::line(&address.to_string());
                    write!(f, "\n  {handle}  {address}  {}", clean::line(title))?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{judged, session};
    use crate::session::Session;
    use crate::vote::Decision;

    fn known(sessions: &[(&str, &str)]) -> Vec<Judged> {
        let judge = |(key, title): &(&str, &str)| {
            judged(Session { title: (*title).to_owned(), ..session(key) }, Decision::Abstain, &[])
        };
        sessions.iter().map(judge).collect()
    }

    fn key<'a>(text: &str, judged: &'a [Judged]) -> Option<&'a str> {
        resolve(text, judged).ok().map(|judged| judged.subject.address.key.as_str())
    }

    #[test]
    fn each_way_of_naming_works() {
        let all = known(&[("$0", "main"), ("$1", "app-10"), ("$2", "two words")]);
        let handle = all[1].subject.handle.as_str();
        for text in [handle, &handle[..4], "$1", "app-10", "tmux//tmp/tmux-1000/default/$1"] {
            assert_eq!(key(text, &all), Some("$1"), "{text}");
        }
        assert_eq!(key("two words", &all), Some("$2"));
    }

    #[test]
    fn nothing_but_a_handle_matches_by_its_beginning() {
        let all = known(&[("$10", "app-10")]);
        let handle = all[0].subject.handle.as_str();
        let texts = ["", "app-1", "app-", "app-1*", "app-??", "APP-10", "app-10 ", "$1", "=app-10", "tmux"];
        for text in texts.into_iter().chain([&handle[..3], &handle[1..], "tmux//tmp/tmux-1000/default/$1"]) {
            let error = resolve(text, &all).expect_err(text);
            assert_eq!(error, ResolveError::NotFound { text: text.to_owned() });
        }
    }

    #[test]
    fn all_ways_are_tried_together() {
        let all = known(&[("$0", "base"), ("$1", "$0")]);
        let error = resolve("$0", &all).expect_err("two are called that");
        let ResolveError::Ambiguous { candidates, .. } = &error else { panic!("{error}") };
        let keys: Vec<&str> = candidates.iter().map(|candidate| candidate.address.key.as_str()).collect();
        assert_eq!(keys, ["$0", "$1"]);
        assert_eq!(key("base", &all), Some("$0"));
        assert_eq!(key(all[1].subject.handle.short(), &all), Some("$1"));
    }

    #[test]
    fn a_title_that_looks_like_a_handle_is_ambiguous() {
        let first = known(&[("$0", "base")]);
        let handle = first[0].subject.handle.as_str();
        let all = known(&[("$0", "base"), ("$1", &handle[..6])]);
        assert!(matches!(resolve(&handle[..6], &all), Err(ResolveError::Ambiguous { .. })));
        assert_eq!(key(&handle[..7], &all), Some("$0"));
    }

    #[test]
    fn a_session_named_in_two_ways_is_one() {
        assert_eq!(key("$0", &known(&[("$0", "$0")])), Some("$0"));
    }

    #[test]
    fn an_ambiguous_name_lists_what_it_names() {
        let all = known(&[("$0", "app"), ("$1", "app\n")]);
        let twice = known(&[("$0", "app"), ("$1", "app")]);
        assert_eq!(key("app", &all), Some("$0"));
        let told = resolve("app", &twice).expect_err("two").to_string();
        let handles: Vec<&str> = twice.iter().map(|judged| judged.subject.handle.as_str()).collect();
        assert_eq!(
            told,
            format!(
                "`app` names 2 sessions; use the handle of one:\n  \
                 {}  tmux//tmp/tmux-1000/default/$0  app\n  \
                 {}  tmux//tmp/tmux-1000/default/$1  app",
                handles[0], handles[1]
            )
        );
    }
}
