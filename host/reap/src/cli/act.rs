//! From a plan to its end, with the operator's consent in between.

use std::path::Path;

use reap::core::outcome::Outcome;
use reap::core::plan::{Plan, PlanError};
use reap::view::SettledView;
use reap::{Reap, Settled, now};

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
    reap: &Reap,
    ui: &mut Ui,
) -> Result<Option<Exit>, CliError> {
    if !consent.yes && !agreed(plan, consent.json, ui)? {
        return Ok(None);
    }
    let what = format!("ending {}", count(plan.items.len()));
    let applied = ui.unbroken(&what, reap.apply(plan)).await.map_err(|error| {
        CliError::new(Exit::Error, format!("nothing was ended: no signal can be watched for: {error}"))
    })?;
    let settled = applied.map_err(|error| unusable(&error, consent.file))?;
    if consent.json {
        ui.json(&SettledView::of(plan, &settled))?;
    } else {
        let text = plan_text::settled(&settled, ui.colours());
        ui.print(&text);
    }
    Ok(Some(exit_of(&settled)))
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
fn agreed(plan: &Plan, json: bool, ui: &mut Ui) -> Result<bool, CliError> {
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
    use reap::core::plan::Lifts;
    use reap::core::time::Span;

    fn plan() -> Plan {
        let pass = pass();
        Plan::kill(&[&pass.judged[0]], Lifts::default(), pass.observation.at, Span::from_secs(900))
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
}
