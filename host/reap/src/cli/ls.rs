//! `reap ls`: what there is.

use std::cmp::Reverse;

use reap::core::clean;
use reap::core::judge::Judged;
use reap::core::vote::Decision;
use reap::view::SessionView;
use reap::{Absent, Pass};

use super::desk::Desk;
use super::doubts;
use super::error::{CliError, Exit};
use super::output::{Screen, Style, Ui};
use super::selection::{Terms, warn_of_strangers};
use super::table::{Cell, Table};
use super::when::ago;

/// Lists sessions, newest activity first.
///
/// Exits with 5 when some backend or instance could not be looked at.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    terms: Terms,
    /// Also show instances in which there is positively nothing (not in JSON)
    #[arg(long)]
    all: bool,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &Args, desk: &Desk, ui: &mut Ui) -> Result<Exit, CliError> {
    let selector = args.terms.selector()?;
    let pass = desk.pass(ui).await?;
    let mut sessions: Vec<&Judged> = pass.judged.iter().filter(|judged| selector.matches(judged)).collect();
    sessions.sort_by_key(|judged| (Reverse(judged.subject.session.last_active), &judged.subject.address));
    if args.json {
        ui.json(&sessions.into_iter().map(SessionView::from).collect::<Vec<_>>())?;
    } else {
        let text = if sessions.is_empty() { nothing(&pass) } else { render(&sessions, ui.screen()) };
        ui.print(&text);
        if args.all {
            ui.print(&absent(&pass.absent));
        }
    }
    doubts::report(&pass, ui);
    warn_of_strangers(&selector, &pass, ui);
    Ok(if pass.unknown.is_empty() { Exit::Done } else { Exit::Partly })
}

/// Why there is nothing to list: that nothing matches, that nothing is there,
/// and that nobody looked are not the same.
fn nothing(pass: &Pass) -> String {
    match pass.judged.len() {
        0 if pass.unknown.is_empty() && pass.backends.is_empty() => "No backend is enabled.\n".to_owned(),
        0 if pass.unknown.is_empty() => "No sessions.\n".to_owned(),
        0 => "No sessions that could be looked at.\n".to_owned(),
        1 => "No session matches; there is 1.\n".to_owned(),
        all => format!("No session matches; there are {all}.\n"),
    }
}

fn render(sessions: &[&Judged], screen: Screen) -> String {
    let mut table = Table::new(&[
        "HANDLE", "BACKEND", "INSTANCE", "TITLE", "KIND", "ACTIVITY", "ATTACHED", "ACTIVE", "VERDICT",
    ]);
    for judged in sessions {
        let subject = &judged.subject;
        let session = &subject.session;
        table.row(vec![
            Cell::styled(subject.handle.short(), Style::Strong),
            Cell::new(subject.address.backend.as_str()),
            Cell::new(subject.label.as_str()),
            Cell::new(&session.title),
            Cell::new(session.kind.word()),
            Cell::new(session.activity.word()),
            Cell::new(if session.attached { "yes" } else { "no" }),
            Cell::new(ago(subject.idle)),
            verdict(judged),
        ]);
    }
    table.fit("", screen).render("", screen.colours)
}

/// What a clean-up would make of it.
fn verdict(judged: &Judged) -> Cell {
    match judged.verdict.vote {
        Decision::Orphan if judged.refusals.is_empty() => Cell::styled("orphan", Style::Bad),
        Decision::Orphan => Cell::styled("orphan, kept", Style::Warn),
        Decision::Keep => Cell::styled("keep", Style::Good),
        Decision::Abstain => Cell::styled("-", Style::Dim),
    }
}

fn absent(absent: &[Absent]) -> String {
    let nothing = |one: &Absent| {
        let instance = clean::line(one.instance.as_str());
        format!("{} {instance}: nothing there: {}\n", one.backend, clean::line(&one.reason))
    };
    absent.iter().map(nothing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample::pass;

    #[test]
    fn an_empty_list_says_why_it_is_empty() {
        let mut pass = pass();
        assert_eq!(nothing(&pass), "No session matches; there are 2.\n");
        pass.judged.truncate(1);
        assert_eq!(nothing(&pass), "No session matches; there is 1.\n");
        pass.judged.clear();
        assert_eq!(nothing(&pass), "No sessions that could be looked at.\n");
        pass.unknown.clear();
        assert_eq!(nothing(&pass), "No sessions.\n");
        pass.backends.clear();
        assert_eq!(nothing(&pass), "No backend is enabled.\n");
    }

    #[test]
    fn a_list() {
        let pass = pass();
        insta::assert_snapshot!(render(&pass.judged.iter().collect::<Vec<_>>(), Screen::default()), @r"
        HANDLE    BACKEND  INSTANCE  TITLE           KIND    ACTIVITY  ATTACHED  ACTIVE  VERDICT
        5cbf9316  tmux     default   build 日本      other   idle      no        2h ago  orphan
        e5586c37  tmux     default   agent\u{1b}[2J  worker  running   yes       -       keep
        ");
        insta::assert_snapshot!(absent(&pass.absent), @"tmux /tmp/tmux-1000/old: nothing there: no server at that socket");
    }
}
