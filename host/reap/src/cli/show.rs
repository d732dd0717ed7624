//! `reap show`: everything known of one session.

use std::fmt::Write;

use reap::core::clean;
use reap::core::judge::Judged;
use reap::core::session::Fact;
use reap::core::time::Timestamp;
use reap::core::vote::Decision;
use reap::view::{self, DetailView, VoteView};
use reap::{Pass, Reap};

use super::doubts;
use super::error::{CliError, Exit};
use super::output::{Style, Ui};
use super::selection::named;
use super::when::moment;

/// Shows everything known of one session, and each policy's vote with its reason.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A handle, backend/instance/key, a key, or an exact title
    #[arg(value_name = "SESSION")]
    session: String,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &Args, reap: &Reap, ui: &mut Ui) -> Result<Exit, CliError> {
    let pass = ui.during("looking", reap.look()).await;
    let judged = named(std::slice::from_ref(&args.session), &pass)?[0];
    if args.json {
        ui.json(&DetailView::of(&pass, judged))?;
    } else {
        ui.print(&render(&pass, judged, ui.colours()));
    }
    doubts::report(&pass, ui);
    Ok(Exit::Done)
}

fn render(pass: &Pass, judged: &Judged, colours: bool) -> String {
    let mut text = String::new();
    let fields = fields(judged, pass.observation.at);
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in fields {
        let name = Style::Dim.paint(&format!("{:<width$}", clean::line(&name)), colours);
        let _ = writeln!(text, "{name}  {}", clean::line(&value)); // a String takes everything
    }
    heading(&mut text, "Votes", colours);
    for vote in view::votes(pass, judged) {
        let _ = writeln!(text, "  {}", clean::line(&vote_in_words(&vote)));
    }
    heading(&mut text, "What speaks against ending it", colours);
    if judged.refusals.is_empty() {
        text.push_str("  nothing\n");
    }
    for refusal in &judged.refusals {
        let _ = writeln!(text, "  {}", clean::line(&refusal.to_string()));
    }
    text
}

fn heading(text: &mut String, words: &str, colours: bool) {
    let _ = writeln!(text, "\n{}", Style::Strong.paint(words, colours)); // a String takes everything
}

fn fields(judged: &Judged, now: Timestamp) -> Vec<(String, String)> {
    let subject = &judged.subject;
    let session = &subject.session;
    let processes: Vec<String> = session.processes.iter().map(|process| process.pid.to_string()).collect();
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    let mut fields = vec![
        ("title", session.title.clone()),
        ("handle", subject.handle.to_string()),
        ("address", subject.address.to_string()),
        ("incarnation", session.incarnation.to_string()),
        ("kind", session.kind.word().to_owned()),
        ("activity", session.activity.word().to_owned()),
        ("created", moment(session.created, now)),
        ("last active", moment(session.last_active, now)),
        ("attached", if session.attached { "yes" } else { "no" }.to_owned()),
        ("parent", or_none(session.parent.as_ref().map(ToString::to_string))),
        ("cwd", session.cwd.clone().unwrap_or_else(|| "not known".to_owned())),
        ("processes", if processes.is_empty() { "none known".to_owned() } else { processes.join(" ") }),
    ];
    fields.extend(session.tokens.map(|tokens| ("tokens", tokens.to_string())));
    fields.extend(session.protected.clone().map(|why| ("protected", why)));
    fields.push(("verdict", verdict(judged.verdict.vote).to_owned()));
    let known = |fact: &Fact| (fact.name.clone(), fact.value.to_string());
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
    fields.chain(session.extra.iter().chain(&subject.facts).map(known)).collect()
}

fn verdict(vote: Decision) -> &'static str {
    match vote {
        Decision::Keep => "keep",
        Decision::Orphan => "orphan",
        Decision::Abstain => "none: no policy has anything to say",
    }
}

fn vote_in_words(vote: &VoteView<'_>) -> String {
    let word = match vote.vote {
        None => "not asked about this session",
        Some(Decision::Keep) if vote.fault => "keep, because it failed",
        Some(Decision::Keep) => "keep",
        Some(Decision::Orphan) => "orphan",
        Some(Decision::Abstain) => "abstains",
    };
    let shadow = if vote.shadow { " (shadow: not counted)" } else { "" };
    let reason = vote.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{}: {word}{shadow}{reason}", vote.policy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample::pass;

    #[test]
    fn everything_is_shown() {
        let pass = pass();
        insta::assert_snapshot!(render(&pass, &pass.judged[1], false), @r"
        title        agent\u{1b}[2J
        handle       e5586c375f0fa1b9
        address      tmux//tmp/tmux-1000/default/$2
        incarnation  77.1699990000.1699990002
        kind         worker
        activity     running
        created      2023-11-14T19:26:42Z (2h ago)
        last active  not known
        attached     yes
        parent       tmux//tmp/tmux-1000/default/$1
        cwd          not known
        processes    none known
        tokens       1200
        protected    it is pinned
        verdict      keep

        Votes
          idle-shell: orphan: idle
          mine: keep, because it failed: it trapped
          trial: abstains (shadow: not counted)

        What speaks against ending it
          it is protected: it is pinned
          somebody is attached; reap kill --force ends it anyway
          something runs in it and it is not known when it was last active; reap kill --force ends it anyway
        ");
    }
}
