//! `reap approve`: end what waits for the operator.

use reap::core::limits::{ApproveError, HeldPlan};
use reap::core::plan::PlanId;
use reap::now;

use super::act::{self, Consent};
use super::desk::Desk;
use super::error::{CliError, Exit};
use super::output::Ui;
use super::plan_text::count;

/// Ends what of a held plan still qualifies.
///
/// A plan is held where more of a backend would be ended at once than its limits allow. `reap status` names those that
/// wait. An approval is good for exactly this plan, and once. Each session is looked at again just before its end; what
/// is no orphan any more, or was active since, is skipped.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The id of the held plan
    #[arg(value_name = "PLAN")]
    plan: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &Args, desk: &Desk, ui: &mut Ui) -> Result<Exit, CliError> {
    let held = find(&args.plan, desk.held_plans()?)?;
    let plan = &held.plan;
    if !args.yes && !act::agreed(plan, args.json, ui)? {
        return Ok(Exit::Done);
    }
    let what = format!("ending {}", count(plan.items.len()));
    let applied = act::to_the_end(&what, desk.approve(plan.id.as_str()), ui).await?;
    act::tell(plan, &applied, Consent { file: None, yes: args.yes, json: args.json }, ui)
}

fn find(id: &str, held: Vec<HeldPlan>) -> Result<HeldPlan, ApproveError> {
    let ids: Vec<PlanId> = held.iter().map(|held| held.plan.id.clone()).collect();
    match held.into_iter().find(|held| held.plan.id.as_str() == id) {
        Some(held) if now() >= held.plan.expires => {
            Err(ApproveError::Expired { id: held.plan.id, expires: held.plan.expires })
        }
        Some(held) => Ok(held),
        None => Err(ApproveError::NotHeld { id: id.to_owned(), held: ids }),
    }
}

#[cfg(test)]
mod tests {
    use reap::core::ids::PluginName;
    use reap::core::plan::{Lifts, Plan};
    use reap::core::time::Span;

    use super::*;
    use crate::cli::sample::pass;

    fn held(lifetime: Span) -> HeldPlan {
        let (pass, since) = (pass(), now());
        let plan = Plan::kill(&[&pass.judged[0]], Lifts::default(), since, lifetime);
        let backend = PluginName::new("tmux").expect("a name");
        HeldPlan { backend, plan, since }
    }

    #[test]
    fn a_plan_is_found_by_its_whole_id_while_it_is_good() {
        let (good, late) = (held(Span::from_secs(3600)), held(Span::ZERO));
        let id = good.plan.id.as_str().to_owned();
        assert_eq!(find(&id, vec![good.clone()]).expect("held"), good);
        let error = CliError::from(find(late.plan.id.as_str(), vec![late.clone()]).expect_err("too late"));
        assert_eq!(error.exit, Exit::Refused);
        for name in [&id[..8], "", "x\n"] {
            let error = CliError::from(find(name, vec![good.clone()]).expect_err("no such plan"));
            assert_eq!(error.exit, Exit::NotFound);
            assert!(error.message.contains(&format!("held are {id}")), "{}", error.message);
        }
    }
}
