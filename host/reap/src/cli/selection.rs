//! Arguments that choose sessions.

use clap::Args;
use reap::Pass;
use reap::core::ids::PluginName;
use reap::core::judge::Judged;
use reap::core::plan::{Lifts, Plan};
use reap::core::resolve::resolve;
use reap::core::selector::Selector;
use reap::core::time::Span;

use super::desk::Desk;
use super::doubts;
use super::error::{CliError, Exit};
use super::output::Ui;

/// The terms of a selector, as words of the command line.
#[derive(Debug, Clone, Default, Args)]
pub struct Terms {
    /// Only sessions for which all these terms hold, such as backend:tmux 'title:build-*'
    #[arg(value_name = "SELECTOR")]
    terms: Vec<String>,
}

/// Which orphans a clean-up is about.
#[derive(Debug, Clone, Default, Args)]
pub struct Selection {
    #[command(flatten)]
    terms: Terms,
    /// Only sessions that did nothing for this long, such as 30m; the same as the term older:30m
    #[arg(long, value_name = "SPAN")]
    older_than: Option<Span>,
    /// Also orphans that are active or that somebody is attached to
    #[arg(long)]
    force: bool,
}

impl Terms {
    /// The selector that the words make together. No words select everything;
    /// an empty word is what a variable leaves that was never set, and an error.
    pub fn selector(&self) -> Result<Selector, CliError> {
        Ok(Selector::parse_words(self.terms.iter().map(String::as_str))?)
    }
}

impl Selection {
    /// The selector that terms and flags make together.
    pub fn selector(&self) -> Result<Selector, CliError> {
        let mut all = self.terms.clone();
        all.terms.extend(self.older_than.map(|span| format!("older:{}", span.exact())));
        all.selector()
    }

    /// Looks, says what could not be found out, and plans the end of the orphans
    /// among these. Limits are not applied yet.
    pub async fn plan(&self, desk: &Desk, ui: &mut Ui) -> Result<(Plan, Pass), CliError> {
        let selector = self.selector()?;
        let pass = desk.pass(ui).await?;
        doubts::report(&pass, ui);
        warn_of_strangers(&selector, &pass, ui);
        let plan = desk.plan_cleanup(&pass, &selector, lifts(self.force));
        Ok((plan, pass))
    }
}

/// What `--force` lifts.
pub fn lifts(force: bool) -> Lifts {
    if force { Lifts::force() } else { Lifts::default() }
}

/// Says which `backend:` terms name none that there is.
pub fn warn_of_strangers(selector: &Selector, pass: &Pass, ui: &mut Ui) {
    strangers(selector, &pass.backends).iter().for_each(|warning| ui.warn(warning));
}

fn strangers(selector: &Selector, backends: &[PluginName]) -> Vec<String> {
    let names: Vec<&str> = backends.iter().map(PluginName::as_str).collect();
    let known = if names.is_empty() { "none is enabled".to_owned() } else { names.join(", ") };
    let told =
        |term: String| format!("`{term}` selects nothing: no backend has that name; there are: {known}");
    selector.strangers(backends).into_iter().map(told).collect()
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
    for unknown in pass.unknown.iter().filter(|_| missing) {
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
        Selection { terms, older_than, force: false }.selector().map(|selector| selector.to_string())
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

    #[test]
    fn quotes_that_the_shell_took_are_missed() {
        let error = selection(&["title:my job"], None).expect_err("one term or two");
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.message.contains("'title:\"my job\"'"), "{}", error.message);
    }

    #[test]
    fn a_backend_that_is_not_there_is_said() {
        let backends = ["kiro-cli", "tmux"].map(|name| PluginName::new(name).expect("a name"));
        let selector = |text| Selector::parse(text).expect("a selector");
        assert_eq!(strangers(&selector("backend:t*"), &backends), [""; 0]);
        assert_eq!(
            strangers(&selector("backend:tmx"), &backends),
            ["`backend:tmx` selects nothing: no backend has that name; there are: kiro-cli, tmux"]
        );
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
