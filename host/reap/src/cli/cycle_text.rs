//! What a cycle of the daemon found and did, in a line.

use reap::core::clean;
use reap::core::outcome::Outcome;
use reap::core::plan::{Held, Item};
use reap::daemon::Report;
use reap::{Applied, Cycle, Settled};

use super::doubts;
use super::plan_text::count;
use super::status_text::in_parts;

/// Sessions that are named one by one.
const MOST_NAMED: usize = 10;

/// Tells what is news. A daemon that says the same every half a minute is not
/// read any more.
#[derive(Debug, Default)]
pub struct Teller {
    every_cycle: bool,
    /// What the cycle before found.
    before: Vec<String>,
}

impl Teller {
    /// One that tells of every cycle, or only of those that did something or
    /// found something else than the one before.
    pub fn new(every_cycle: bool) -> Self {
        Self { every_cycle, before: Vec::new() }
    }

    /// The line to say about this cycle, if there is one.
    pub fn tell(&mut self, report: &Report) -> Option<String> {
        let (deeds, findings, cost) = match &report.done {
            Err(error) => (Vec::new(), vec![format!("it came to nothing: {}", clean::line(error))], None),
            Ok(cycle) => (deeds(cycle), findings(cycle), Some(cycle)),
        };
        let news = self.every_cycle || !deeds.is_empty() || findings != self.before;
        let said: Vec<&str> = deeds.iter().chain(&findings).map(String::as_str).collect();
        let said = if said.is_empty() { "nothing to do".to_owned() } else { said.join("; ") };
        let line = match cost {
            Some(cycle) => {
                let sessions = count(cycle.pass.judged.len());
                format!("cycle {}: {sessions}; {said}; {}", report.number, in_parts(&cycle.cost))
            }
            None => format!("cycle {}: {said}", report.number),
        };
        self.before = findings;
        news.then_some(line)
    }
}

/// What was done to sessions, and what else is told each time that it happens.
fn deeds(cycle: &Cycle) -> Vec<String> {
    let unpruned =
        cycle.unpruned.iter().map(|why| format!("nothing old could be let go: {}", clean::line(why)));
    let Some(Applied { settled, unwritten }) = &cycle.applied else { return unpruned.collect() };
    let deed = |one: &Settled| {
        let name = name(&one.item);
        match &one.outcome {
            Outcome::Ended { .. } => format!("ended {name}"),
            Outcome::Skipped { reason } => format!("skipped {name}: {}", clean::line(reason)),
            Outcome::Failed { reason, .. } => format!("could not end {name}: {}", clean::line(reason)),
        }
    };
    let cut = unwritten.iter().map(|why| format!("this is not in the journal yet: {}", clean::line(why)));
    settled.iter().map(deed).chain(cut).chain(unpruned).collect()
}

/// What is not as it should be, or waits for somebody.
fn findings(cycle: &Cycle) -> Vec<String> {
    let (pass, plan) = (&cycle.pass, &cycle.plan);
    let due = (cycle.applied.is_none() && !plan.items.is_empty()).then(|| due(&plan.items));
    let held = |held: &Held| match &held.plan {
        Some(id) => format!("the plan {id} of {} waits for `reap approve`", held.backend),
        None => format!("{} is held: {}", held.backend, clean::line(&held.reason)),
    };
    let unknown = pass.unknown.iter().map(doubts::in_words);
    let faults = pass.faults.iter().map(doubts::fault_in_words);
    due.into_iter().chain(plan.held.iter().map(held)).chain(unknown).chain(faults).collect()
}

fn due(items: &[Item]) -> String {
    let mut names: Vec<String> = items.iter().take(MOST_NAMED).map(name).collect();
    if items.len() > MOST_NAMED {
        names.push(format!("{} more", items.len() - MOST_NAMED));
    }
    format!("{} due: {}", items.len(), names.join(", "))
}

fn name(item: &Item) -> String {
    format!("{} ({})", clean::line(&item.title), item.handle.short())
}

#[cfg(test)]
mod tests {
    use reap::Cost;
    use reap::core::ids::PluginName;
    use reap::core::plan::{Lifts, Plan};
    use reap::core::time::Span;

    use super::*;
    use crate::cli::sample::pass;

    /// A cycle that knows everything, and in which nothing is to be done.
    fn quiet() -> Cycle {
        let mut pass = pass();
        pass.unknown.clear();
        pass.faults.clear();
        let plan = Plan::kill(&[], Lifts::default(), pass.at, Span::from_secs(900));
        let cost = Cost { observe: 20, reconcile: 0, vote: 1, decide: 2, act: 0 };
        Cycle { pass, plan, applied: None, cost, unpruned: None }
    }

    fn with_due() -> Cycle {
        let quiet = quiet();
        let plan =
            Plan::kill(&[&quiet.pass.judged[0]], Lifts::default(), quiet.pass.at, Span::from_secs(900));
        Cycle { plan, ..quiet }
    }

    fn report(done: Cycle) -> Report {
        Report { number: 7, done: Ok(done), log: Vec::new() }
    }

    #[test]
    fn the_same_is_told_once() {
        let mut teller = Teller::new(false);
        assert_eq!(teller.tell(&report(quiet())), None);
        let line = teller.tell(&report(with_due())).expect("news");
        assert_eq!(
            line,
            "cycle 7: 2 sessions; 1 due: build 日本 (5cbf9316); 23 ms (observe 20, vote 1, decide 2)"
        );
        assert_eq!(teller.tell(&report(with_due())), None);
        let line = teller.tell(&report(quiet())).expect("news");
        assert!(line.contains("; nothing to do; "), "{line}");
        assert_eq!(teller.tell(&report(quiet())), None);
    }

    #[test]
    fn every_cycle_is_told_when_that_is_wanted() {
        let mut teller = Teller::new(true);
        assert!(teller.tell(&report(quiet())).is_some());
        assert!(teller.tell(&report(quiet())).is_some());
    }

    #[test]
    fn every_deed_is_told() {
        let mut teller = Teller::new(false);
        let due = with_due();
        let outcomes = [
            Outcome::Ended { notes: Vec::new() },
            Outcome::Skipped { reason: "it is\nactive".to_owned() },
            Outcome::Failed { reason: "it lives".to_owned(), survivors: Vec::new() },
        ];
        let settled = outcomes.map(|outcome| Settled { item: due.plan.items[0].clone(), outcome }).to_vec();
        let applied = Some(Applied { settled, unwritten: Some("no room".to_owned()) });
        for _ in 0..2 {
            let unpruned = Some("no\nroom".to_owned());
            let done = Cycle { applied: applied.clone(), unpruned, ..with_due() };
            let line = teller.tell(&report(done)).expect("a deed is always news");
            let name = "build 日本 (5cbf9316)";
            let said = format!(
                "ended {name}; skipped {name}: it is\\nactive; could not end {name}: it lives; this is not in the \
                 journal yet: no room; nothing old could be let go: no\\nroom; "
            );
            assert!(line.contains(&said), "{line}");
        }
    }

    #[test]
    fn what_is_not_well_is_told() {
        let mut teller = Teller::new(false);
        let mut cycle = quiet();
        let backend = PluginName::new("tmux").expect("a name");
        cycle.pass = pass();
        cycle.plan.held =
            vec![Held { backend, reason: "too many".to_owned(), plan: Some(cycle.plan.id.clone()) }];
        let id = cycle.plan.id.clone();
        let line = teller.tell(&report(cycle)).expect("news");
        for words in [
            &format!("the plan {id} of tmux waits for `reap approve`")[..],
            "kiro-cli: it is not loaded",
            "the policy mine failed, so it keeps what it was asked about: it trapped",
        ] {
            assert!(line.contains(words), "{line}");
        }
        let failed = || Report { number: 8, done: Err("no\nroom".to_owned()), log: Vec::new() };
        assert_eq!(teller.tell(&failed()).expect("news"), "cycle 8: it came to nothing: no\\nroom");
        assert_eq!(teller.tell(&failed()), None);
    }
}
