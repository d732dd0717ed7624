//! `reap cleanup`: end what the policies call orphans.

use super::act::{self, Consent};
use super::desk::Desk;
use super::error::{CliError, Exit};
use super::output::Ui;
use super::selection::Selection;

/// Ends the sessions that the policies call orphans.
///
/// Shows the plan with the reasons and asks. Just before each end the session is looked at again; what has changed is
/// skipped. Where more of a backend would be ended than its limits allow, nothing of it is, and that part waits for
/// `reap approve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Show what would be ended, and end nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &Args, desk: &Desk, ui: &mut Ui) -> Result<Exit, CliError> {
    let (plan, pass) = args.selection.plan(desk, ui).await?;
    let plan =
        if args.dry_run { desk.without_excess(plan, &pass) } else { desk.hold_back(plan, &pass).await? };
    if plan.items.is_empty() && plan.held.is_empty() && !args.json {
        ui.print("Nothing to clean up.\n");
    }
    if args.dry_run {
        act::show(&plan, args.json, ui)?;
        return Ok(Exit::Done);
    }
    if plan.items.is_empty() {
        act::show(&plan, args.json, ui)?;
        return Ok(act::with_held(Exit::Done, &plan));
    }
    let consent = Consent { file: None, yes: args.yes, json: args.json };
    let done = act::carry_out(&plan, consent, desk, ui).await?;
    Ok(done.map_or(Exit::Done, |exit| act::with_held(exit, &plan)))
}
