//! From a plan to its end, with the operator's consent in between.

use std::future::Future;
use std::path::Path;

use reap::core::clean;
use reap::core::outcome::Outcome;
use reap::core::plan::{Plan, PlanError};
use reap::view::SettledView;
use reap::{Applied, Settled, now};

use super::desk::Desk;
use super::error::{CliError, Exit};
use super::harmless::typed;
use super::output::Ui;
use super::plan_text::{self, count};

/// How the operator agrees, and how the answer is to look.
#[derive(Debug, Clone, Copy)]
pub struct Consent<'a> {
    /// The file that the plan was read from, if it was.
    pub file: Option<&'a Path>,
    /// Given beforehand, with `--yes`.
    pub yes: bool,
    /// The answer is for a program.
    pub json: bool,
}

/// Shows a plan.
pub fn show(plan: &Plan, json: bool, ui: &mut Ui) -> Result<(), CliError> {
    if json {
        return ui.json(plan);
    }
    let text = plan_text::planned(plan, now(), ui.screen());
    ui.print(&text);
    Ok(())
}

/// Carries a plan out that has something to end, once the operator agrees.
/// Nothing when the operator does not.
pub async fn carry_out(
    plan: &Plan,
    consent: Consent<'_>,
    desk: &Desk,
    ui: &mut Ui,
) -> Result<Option<Exit>, CliError> {
    if !consent.yes && !agreed(plan, consent.json, ui)? {
        return Ok(None);
    }
    // Whoever was asked may have thought for long.
    plan.verify().and_then(|()| plan.check_expiry(now())).map_err(|error| unusable(&error, consent.file))?;
    let applied = to_the_end(&format!("ending {}", count(plan.items.len())), desk.apply(plan), ui).await?;
    tell(plan, &applied, consent, ui).map(Some)
}

/// Waits for something that ends sessions, and must not stop half-way.
pub async fn to_the_end(
    what: &str,
    work: impl Future<Output = Result<Applied, CliError>>,
    ui: &mut Ui,
) -> Result<Applied, CliError> {
    ui.unbroken(what, work).await.map_err(|error| {
        CliError::new(Exit::Error, format!("nothing was ended: no signal can be watched for: {error}"))
    })?
}

/// Says what became of a plan.
pub fn tell(plan: &Plan, applied: &Applied, consent: Consent<'_>, ui: &mut Ui) -> Result<Exit, CliError> {
    if consent.json {
        ui.json(&SettledView::of(plan, &applied.settled))?;
    } else {
        let mut text = plan_text::settled(&applied.settled, ui.colours());
        if consent.yes {
            text.push_str(&plan_text::held(&plan.held, ui.colours())); // the plan was not shown
        }
        ui.print(&text);
    }
    let Some(why) = &applied.unwritten else { return Ok(exit_of(&applied.settled)) };
    let message = format!("what became of it is not in the journal: {}", clean::line(why));
    let hint =
        "it was done all the same; what was begun is, and Reap looks again when it starts the next time";
    ui.error(&CliError::new(Exit::Partly, message).hint(hint));
    Ok(Exit::Partly)
}

/// The status of what was done so far, where a part of the plan is held.
pub fn with_held(done: Exit, plan: &Plan) -> Exit {
    match (plan.held.is_empty(), plan.items.is_empty()) {
        (true, _) => done,
        (false, true) => Exit::Refused,
        (false, false) => Exit::Partly,
    }
}

/// Why a plan is not carried out, and how to get one that is. Where no file was
/// given, nobody knows of the plan.
pub fn unusable(error: &PlanError, file: Option<&Path>) -> CliError {
    match file {
        None => CliError::new(Exit::Error, error.to_string()).hint("run the command again"),
        Some(file) => {
            let message = format!("{}: {error}", typed(&file.to_string_lossy()));
            CliError::new(Exit::Error, message).hint("make a new one with `reap plan`")
        }
    }
}

/// Shows the plan and asks. Where nobody can be asked, it is an error.
pub fn agreed(plan: &Plan, json: bool, ui: &mut Ui) -> Result<bool, CliError> {
    show(plan, json, ui)?;
    if json || !ui.interactive() {
        let why = if json { "--json asks no questions" } else { "standard input is no terminal to ask on" };
        return Err(CliError::new(Exit::Usage, format!("nothing was ended: {why}"))
            .hint("review the plan above and add --yes to carry it out"));
    }
    let these = if plan.items.len() == 1 {
        "this session".to_owned()
    } else {
        format!("these {}", count(plan.items.len()))
    };
    let agreed = ui.ask(&format!("End {these}?"))?;
    if !agreed {
        ui.print("Nothing was ended.\n");
    }
    Ok(agreed)
}

fn exit_of(settled: &[Settled]) -> Exit {
    let whole = settled.iter().all(|one| matches!(one.outcome, Outcome::Ended { .. }));
    if whole { Exit::Done } else { Exit::Partly }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample::pass;
    use reap::core::plan::{Held, Lifts};
    use reap::core::time::Span;

    fn plan() -> Plan {
        let pass = pass();
        Plan::kill(&[&pass.judged[0]], Lifts::default(), pass.at, Span::from_secs(900))
    }

    #[test]
    fn nobody_to_ask_is_no_consent() {
        for json in [false, true] {
            let (mut ui, seen) = Ui::for_test();
            let error = agreed(&plan(), json, &mut ui).expect_err("nobody agreed");
            assert_eq!(error.exit, Exit::Usage);
            assert!(error.hints[0].contains("--yes"));
            ui.finish().expect("written");
            assert!(seen.out().contains("build 日本"), "the plan is shown: {}", seen.out());
        }
    }

    #[test]
    fn an_expired_plan_is_made_anew_in_the_way_it_was_made() {
        let plan = plan();
        let expired = || plan.check_expiry(plan.expires).expect_err("it is over");
        let asked = unusable(&expired(), None);
        assert!(asked.message.starts_with("the plan expired at "), "{}", asked.message);
        assert_eq!(asked.hints, ["run the command again"]);
        let read = unusable(&expired(), Some(Path::new("a b.json")));
        assert!(read.message.starts_with("'a b.json': the plan expired at "), "{}", read.message);
        assert_eq!(read.hints, ["make a new one with `reap plan`"]);
    }

    #[test]
    fn only_a_whole_success_exits_with_zero() {
        let ended = || Outcome::Ended { notes: Vec::new() };
        let skipped = || Outcome::Skipped { reason: String::new() };
        let failed = || Outcome::Failed { reason: String::new(), survivors: Vec::new() };
        let cases = [
            (vec![ended(), ended()], Exit::Done),
            (vec![ended(), skipped()], Exit::Partly),
            (vec![failed()], Exit::Partly),
        ];
        for (outcomes, exit) in cases {
            let item = plan().items.remove(0);
            let settled: Vec<Settled> =
                outcomes.into_iter().map(|outcome| Settled { item: item.clone(), outcome }).collect();
            assert_eq!(exit_of(&settled), exit, "{settled:?}");
        }
    }

    #[test]
    fn what_is_held_is_neither_done_nor_an_error() {
        let backend = reap::core::ids::PluginName::new("tmux").expect("a name");
        let held = Held { backend, reason: String::new(), plan: None };
        let (whole, empty) = (plan(), plan().only(|_| false));
        let cases = [
            (whole.clone(), Vec::new(), Exit::Done, Exit::Done),
            (whole.clone(), Vec::new(), Exit::Partly, Exit::Partly),
            (whole, vec![held.clone()], Exit::Done, Exit::Partly),
            (empty, vec![held], Exit::Done, Exit::Refused),
        ];
        for (plan, held, done, exit) in cases {
            assert_eq!(with_held(done, &Plan { held, ..plan }), exit);
        }
    }

    #[test]
    fn an_outcome_that_is_not_journalled_is_told() {
        let plan = plan();
        let outcome = Outcome::Ended { notes: Vec::new() };
        let settled = vec![Settled { item: plan.items[0].clone(), outcome }];
        let (mut ui, seen) = Ui::for_test();
        let consent = Consent { file: None, yes: true, json: false };
        let whole = Applied { settled: settled.clone(), unwritten: None };
        assert_eq!(tell(&plan, &whole, consent, &mut ui).expect("printed"), Exit::Done);
        let cut = Applied { settled, unwritten: Some("no\nroom".to_owned()) };
        assert_eq!(tell(&plan, &cut, consent, &mut ui).expect("printed"), Exit::Partly);
        assert!(
            seen.err().starts_with("error: what became of it is not in the journal: no\\nroom\nhint: "),
            "{}",
            seen.err()
        );
        assert!(seen.out().contains("Ended 1 session."), "{}", seen.out());
    }
}
