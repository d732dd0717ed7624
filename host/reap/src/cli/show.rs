//! `reap show`: everything known of one session.

use std::fmt::Write;

use reap::config::Mode;
use reap::core::clean;
use reap::core::guard::{self, Refusal};
use reap::core::ids::PluginName;
use reap::core::judge::Judged;
use reap::core::session::Fact;
use reap::core::time::Timestamp;
use reap::core::vote::Decision;
use reap::view::{self, DetailView, VoteView};
use reap::{Config, Pass};

use super::desk::Desk;
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

pub async fn run(args: &Args, desk: &Desk, ui: &mut Ui) -> Result<Exit, CliError> {
    let pass = desk.pass(ui).await?;
    let judged = named(std::slice::from_ref(&args.session), &pass)?[0];
    if args.json {
        ui.json(&DetailView::of(&pass, judged))?;
    } else {
        ui.print(&render(&pass, judged, &Policies::of(desk.config()), ui.colours()));
    }
    doubts::report(&pass, ui);
    Ok(Exit::Done)
}

/// What is known of the policies besides their votes.
#[derive(Debug, Default)]
struct Policies {
    /// Those that are asked only about the sessions of a selector.
    asked_about: Vec<(PluginName, String)>,
    /// Those that the configuration switches off.
    off: Vec<String>,
}

impl Policies {
    fn of(config: &Config) -> Self {
        let (off, on): (Vec<_>, Vec<_>) =
            config.policies.iter().partition(|(_, policy)| policy.mode == Mode::Off);
        let asked = on.into_iter().filter_map(|(name, policy)| Some((name, policy.select.as_ref()?)));
        Self {
            asked_about: asked.map(|(name, select)| (name.clone(), select.to_string())).collect(),
            off: off.into_iter().map(|(name, _)| name.to_string()).collect(),
        }
    }

    /// Why a policy was not asked about a session.
    fn why_not_asked(&self, policy: &PluginName) -> String {
        match self.asked_about.iter().find(|(name, _)| name == policy) {
            Some((_, selector)) => format!("not asked: it is asked only about `{selector}`"),
            None => "not asked about this session".to_owned(),
        }
    }
}

fn render(pass: &Pass, judged: &Judged, policies: &Policies, colours: bool) -> String {
    let mut text = String::new();
    let fields = fields(judged, pass.at);
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in fields {
        let name = Style::Dim.paint(&format!("{:<width$}", clean::line(&name)), colours);
        let _ = writeln!(text, "{name}  {}", clean::line(&value)); // a String takes everything
    }
    heading(&mut text, "Votes", colours);
    let votes = view::votes(pass, judged).into_iter().map(|vote| vote_in_words(&vote, policies));
    let off = policies.off.iter().map(|name| format!("{name}: off"));
    list(&mut text, votes.chain(off), "none");
    heading(&mut text, "What speaks against ending it", colours);
    let liftable = !judged.refusals.is_empty() && judged.refusals.iter().all(Refusal::liftable);
    let refusals = judged.refusals.iter().map(ToString::to_string);
    list(&mut text, refusals.chain(liftable.then(|| guard::WITH_FORCE.to_owned())), "nothing");
    text
}

fn list(text: &mut String, lines: impl Iterator<Item = String>, none: &str) {
    let mut lines = lines.peekable();
    let none = lines.peek().is_none().then(|| none.to_owned());
    for line in lines.chain(none) {
        let _ = writeln!(text, "  {}", clean::line(&line)); // a String takes everything
    }
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

fn vote_in_words(vote: &VoteView<'_>, policies: &Policies) -> String {
    let word = match vote.vote {
        None => &policies.why_not_asked(vote.policy),
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
        insta::assert_snapshot!(render(&pass, &pass.judged[1], &Policies::default(), false), @r"
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
          somebody is attached
          something runs in it and it is not known when it was last active
        ");
    }

    #[test]
    fn a_policy_without_a_vote_is_explained() {
        let mut pass = pass();
        let votes = |pass: &Pass, policies: &Policies| {
            let text = render(pass, &pass.judged[0], policies, false);
            let (_, votes) = text.split_once("Votes\n").expect("its votes");
            votes.split_once("\n\n").expect("what follows").0.to_owned()
        };
        let mine = PluginName::new("mine").expect("a plugin name");
        let policies = Policies {
            asked_about: vec![(mine, "kind:cron".to_owned())],
            off: vec!["dead-panes".to_owned()],
        };
        insta::assert_snapshot!(votes(&pass, &policies), @r"
          idle-shell: orphan: nothing but its shell for 2h
          mine: not asked: it is asked only about `kind:cron`
          trial: keep (shadow: not counted): young
          dead-panes: off
        ");
        pass.ballots.clear();
        assert_eq!(votes(&pass, &Policies::default()), "  none");
    }

    #[test]
    fn force_is_named_where_it_would_do() {
        let mut pass = pass();
        pass.judged[1].refusals.remove(0);
        let text = render(&pass, &pass.judged[1], &Policies::default(), false);
        assert!(text.ends_with("last active\n  reap kill --force ends it anyway\n"), "{text}");
    }
}
