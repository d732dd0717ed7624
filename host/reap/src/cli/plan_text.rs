//! A plan, and what became of it, for people.

use std::fmt::Write;

use reap::core::clean;
use reap::core::outcome::Outcome;
use reap::core::plan::{Cause, Held, Item, Kept, Plan};
use reap::core::time::Timestamp;
use reap::core::vote::Decision;
use reap::{Settled, view};

use super::output::{Screen, Style};
use super::table::{Cell, Table, visible};
use super::when::ago;

/// What would be ended and why, and what is kept although it might not be.
pub fn planned(plan: &Plan, now: Timestamp, screen: Screen) -> String {
    let colours = screen.colours;
    let mut text = String::new();
    if !plan.items.is_empty() {
        let _ = writeln!(
            text,
            "{}",
            Style::Strong
                .paint(&format!("To end: {}{}", count(plan.items.len()), held_tokens(&plan.items)), colours)
        );
        text.push_str(&items(&plan.items, now).fit("  ", screen).render("  ", colours));
    }
    let (orphans, others): (Vec<&Kept>, Vec<&Kept>) = plan.kept.iter().partition(|kept| kept.orphan);
    if !orphans.is_empty() {
        let words = format!("Kept, although a policy calls them orphans: {}", count(orphans.len()));
        let _ = writeln!(text, "{}", Style::Strong.paint(&words, colours));
        text.push_str(&kept(&orphans).fit("  ", screen).render("  ", colours));
    }
    if !others.is_empty() {
        let besides = if text.is_empty() { "" } else { " besides" };
        let _ = writeln!(text, "Kept{besides}: {}.", count(others.len()));
    }
    text.push_str(&held(&plan.held, colours));
    text
}

/// Of which backends nothing is ended, and why.
pub fn held(held: &[Held], colours: bool) -> String {
    let word = Style::Warn.paint("Held", colours);
    let line = |held: &Held| format!("{word}: {}: {}\n", held.backend, clean::line(&held.reason));
    held.iter().map(line).collect()
}

/// What their contexts hold, where any of them says so.
fn held_tokens(items: &[Item]) -> String {
    let told: Vec<u64> = items.iter().filter_map(|item| item.tokens).collect();
    if told.is_empty() {
        return String::new();
    }
    format!(", {} tokens", told.into_iter().fold(0, u64::saturating_add))
}

/// "3 sessions".
pub fn count(sessions: usize) -> String {
    format!("{sessions} session{}", if sessions == 1 { "" } else { "s" })
}

fn items(items: &[Item], now: Timestamp) -> Table {
    let mut table = Table::new(&["HANDLE", "BACKEND", "INSTANCE", "TITLE", "ACTIVE", "WHY"]);
    for item in items {
        table.row(vec![
            Cell::styled(item.handle.short(), Style::Strong),
            Cell::new(item.address.backend.as_str()),
            Cell::new(&item.label),
            Cell::new(&item.title),
            Cell::new(ago(item.last_active.map(|active| now.since(active)))),
            Cell::new(why(item)),
        ]);
    }
    table
}

fn why(item: &Item) -> String {
    match item.cause {
        Cause::Asked => "you named it".to_owned(),
        Cause::Orphan => {
            let votes =
                item.reasons.iter().filter(|reason| reason.vote == Decision::Orphan && !reason.shadow);
            votes.map(|reason| format!("{}: {}", reason.policy, reason.reason)).collect::<Vec<_>>().join("; ")
        }
    }
}

fn kept(kept: &[&Kept]) -> Table {
    let mut table = Table::new(&["HANDLE", "BACKEND", "TITLE", "WHY"]);
    for one in kept {
        table.row(vec![
            Cell::styled(one.handle.short(), Style::Strong),
            Cell::new(one.address.backend.as_str()),
            Cell::new(&one.title),
            Cell::new(&one.reason),
        ]);
    }
    table
}

/// What became of each item.
pub fn settled(settled: &[Settled], colours: bool) -> String {
    let mut text = String::new();
    for one in settled {
        let style = match one.outcome {
            Outcome::Ended { .. } => Style::Good,
            Outcome::Skipped { .. } => Style::Warn,
            Outcome::Failed { .. } => Style::Bad,
        };
        let word = style.paint(&format!("{:<7}", view::outcome_word(&one.outcome)), colours);
        let _ = writeln!(
            text,
            "{word}  {}  {}{}",
            one.item.handle.short(),
            visible(&one.item.title),
            said(&one.outcome)
        );
    }
    text.push_str(&summary(settled));
    text
}

fn said(outcome: &Outcome) -> String {
    let lines = match outcome {
        Outcome::Ended { notes } => notes.clone(),
        Outcome::Skipped { reason } => vec![reason.clone()],
        Outcome::Failed { reason, survivors } => {
            let survivors =
                survivors.iter().map(|survivor| format!("{}: {}", survivor.process, survivor.reason));
            std::iter::once(reason.clone()).chain(survivors).collect()
        }
    };
    lines.iter().map(|line| format!("\n           {}", clean::line(line))).collect()
}

fn summary(settled: &[Settled]) -> String {
    let of = |word: &str| settled.iter().filter(|one| view::outcome_word(&one.outcome) == word).count();
    let (ended, skipped, failed) = (of("ended"), of("skipped"), of("failed"));
    if ended == settled.len() {
        return format!("Ended {}.\n", count(ended));
    }
    let parts = [(skipped, "skipped"), (failed, "failed")];
    let rest: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    format!("Ended {ended} of {}; {}.\n", count(settled.len()), rest.join(", "))
}

#[cfg(test)]
mod tests {
    use reap::core::outcome::Survivor;
    use reap::core::plan::Lifts;
    use reap::core::selector::Selector;
    use reap::core::session::ProcessId;
    use reap::core::time::Span;

    use super::*;
    use crate::cli::sample::pass;

    fn cleanup(selector: &str) -> (Plan, Timestamp) {
        let pass = pass();
        let (selector, now) = (Selector::parse(selector).expect("a selector"), pass.at);
        let lifts = Lifts::default();
        (Plan::cleanup(&pass.judged, Vec::new(), &selector, lifts, now, Span::from_secs(900)), now)
    }

    #[test]
    fn a_plan_says_what_and_why() {
        let (plan, now) = cleanup("*");
        insta::assert_snapshot!(planned(&plan, now, Screen::default()), @r"
        To end: 1 session
          HANDLE    BACKEND  INSTANCE  TITLE       ACTIVE  WHY
          5cbf9316  tmux     default   build 日本  2h ago  idle-shell: nothing but its shell for 2h
        Kept, although a policy calls them orphans: 1 session
          HANDLE    BACKEND  TITLE           WHY
          e5586c37  tmux     agent\u{1b}[2J  it is protected: it is pinned
        ");
    }

    #[test]
    fn a_title_does_not_push_the_rest_off_the_screen() {
        let (mut plan, now) = cleanup("*");
        for title in [&mut plan.items[0].title, &mut plan.kept[0].title] {
            *title = "long ".repeat(100);
        }
        let text = planned(&plan, now, Screen { columns: Some(100), colours: false });
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100 + 30), "a reason may go on in the next line:\n{text}");
        assert!(text.contains('…'), "{text}");
    }

    #[test]
    fn a_plan_that_ends_nothing() {
        let (plan, now) = cleanup("key:$9");
        assert_eq!(planned(&plan, now, Screen::default()), "");
    }

    #[test]
    fn every_outcome_is_told() {
        let item = cleanup("key:$1").0.items[0].clone();
        let survivors =
            vec![Survivor { process: ProcessId { pid: 80, started: 700 }, reason: "it\nlives".into() }];
        let outcomes = [
            Outcome::Ended { notes: vec!["no process ended: its windows live on in $2".into()] },
            Outcome::Skipped { reason: "it is already gone".into() },
            Outcome::Failed { reason: "1 process lives on".into(), survivors },
        ];
        let all = outcomes.map(|outcome| Settled { item: item.clone(), outcome });
        insta::assert_snapshot!(settled(&all, false), @r"
        ended    5cbf9316  build 日本
                   no process ended: its windows live on in $2
        skipped  5cbf9316  build 日本
                   it is already gone
        failed   5cbf9316  build 日本
                   1 process lives on
                   pid 80 (start 700): it\nlives
        Ended 1 of 3 sessions; 1 skipped, 1 failed.
        ");
        assert_eq!(summary(&all[..1]), "Ended 1 session.\n");
    }
}
