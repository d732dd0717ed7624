//! Arguments that choose sessions.

use clap::Args;
use reap::Pass;
use reap::core::judge::Judged;
use reap::core::resolve::resolve;
use reap::core::selector::Selector;
use reap::core::time::Span;

use super::doubts;
use super::error::{CliError, Exit};

/// The terms of a selector, as words of the command line.
#[derive(Debug, Clone, Default, Args)]
pub struct Terms {
    /// Only sessions for which all these terms hold, such as backend:tmux 'title:build-*'
    #[arg(value_name = "SELECTOR")]
    terms: Vec<String>,
}

/// Which sessions a clean-up is about.
#[derive(Debug, Clone, Default, Args)]
pub struct Selection {
    #[command(flatten)]
    terms: Terms,
    /// Only sessions that did nothing for this long, such as 30m; the same as the term older:30m
    #[arg(long, value_name = "SPAN")]
    older_than: Option<Span>,
}

impl Terms {
    /// The selector that the words make together. No words select everything;
    /// an empty word is what a variable leaves that was never set, and an error.
    pub fn selector(&self) -> Result<Selector, CliError> {
        if self.terms.is_empty() {
            return Ok(Selector::everything());
        }
        match self.terms.iter().find(|term| term.trim().is_empty()) {
            Some(empty) => Ok(Selector::parse(empty)?),
            None => Ok(Selector::parse(&self.terms.join(" "))?),
        }
    }
}

impl Selection {
    /// The selector that terms and flags make together.
    pub fn selector(&self) -> Result<Selector, CliError> {
        let mut all = self.terms.clone();
        all.terms.extend(self.older_than.map(|span| format!("older:{}", span.exact())));
        all.selector()
    }
}

/// The sessions of these names. When one of them cannot be found nothing is
/// done to the others either: all the mistakes are said at once.
pub fn named<'a>(names: &[String], pass: &'a Pass) -> Result<Vec<&'a Judged>, CliError> {
    let mut found = Vec::new();
    let mut wrong: Vec<CliError> = Vec::new();
    for name in names {
        match resolve(name, &pass.judged) {
            Ok(judged) => found.push(judged),
            Err(error) => wrong.push(error.into()),
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(together(wrong, !found.is_empty(), pass)) }
}

fn together(wrong: Vec<CliError>, others: bool, pass: &Pass) -> CliError {
    let missing = wrong.iter().any(|error| error.exit == Exit::NotFound);
    let exit = if missing { Exit::NotFound } else { Exit::Usage };
    let messages: Vec<String> = wrong.into_iter().map(|error| error.message).collect();
    let mut error = CliError::new(exit, messages.join("\n"));
    if others {
        error = error.hint("nothing was done to the other sessions that were named");
    }
    for unknown in pass.unknown().iter().filter(|_| missing) {
        error = error.hint(format!("it may be where Reap could not look: {}", doubts::in_words(unknown)));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(terms: &[&str], older_than: Option<&str>) -> Result<String, CliError> {
        let terms = Terms { terms: terms.iter().map(ToString::to_string).collect() };
        let older_than = older_than.map(|span| span.parse().expect("a span"));
        Selection { terms, older_than }.selector().map(|selector| selector.to_string())
    }

    #[test]
    fn words_and_flags_are_one_selector() {
        assert_eq!(selection(&[], None).expect("everything"), Selector::everything().to_string());
        assert_eq!(
            selection(&["backend:tmux", "cron:*"], Some("90m")).expect("good"),
            "backend:tmux cron:* older:1h30m"
        );
        assert_eq!(selection(&[], Some("30m")).expect("good"), "older:30m");
    }

    #[test]
    fn an_unset_variable_does_not_select_everything() {
        for terms in [&[""][..], &["backend:tmux", " "]] {
            assert_eq!(selection(terms, None).expect_err("an empty word").exit, Exit::Usage);
        }
    }

    fn find(names: &[&str]) -> Result<usize, CliError> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        named(&names, &crate::cli::sample::pass()).map(|found| found.len())
    }

    #[test]
    fn one_name_that_is_not_found_stops_all() {
        assert_eq!(find(&["$1", "build 日本"]).expect("found"), 2);
        let error = find(&["$1", "build"]).expect_err("names are exact");
        assert_eq!(error.exit, Exit::NotFound);
        assert_eq!(error.hints[0], "nothing was done to the other sessions that were named");
        assert!(
            error.hints[1].contains("where Reap could not look: kiro-cli: it is not loaded"),
            "{:?}",
            error.hints
        );
    }
}
