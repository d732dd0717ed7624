//! `reap cleanup`: end what the policies call orphans.

use reap::Reap;

use super::act::{self, Consent};
use super::error::{CliError, Exit};
use super::output::Ui;
use super::selection::Selection;

/// Ends the sessions that the policies call orphans.
///
/// Shows the plan with the reasons and asks. Just before each end the session is looked at again; what has changed is
/// skipped.
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

pub async fn run(args: &Args, reap: &Reap, ui: &mut Ui) -> Result<Exit, CliError> {
    let plan = args.selection.plan(reap, ui).await?;
    if plan.items.is_empty() {
        if !args.json {
            ui.print("Nothing to clean up.\n");
        }
        act::show(&plan, args.json, ui)?;
        return Ok(Exit::Done);
    }
    if args.dry_run {
        act::show(&plan, args.json, ui)?;
        return Ok(Exit::Done);
    }
    let consent = Consent { file: None, yes: args.yes, json: args.json };
    Ok(act::carry_out(&plan, consent, reap, ui).await?.unwrap_or(Exit::Done))
}
