//! `reap kill`: end the sessions that are named.

use reap::core::clean;
use reap::core::plan::Kept;

use super::act::{self, Consent};
use super::desk::Desk;
use super::error::{CliError, Exit};
use super::output::Ui;
use super::selection::{lifts, named};

/// Ends the named sessions, whatever the policies say of them.
///
/// Names match exactly and never by prefix. When one of several is not found, nothing is ended. What a rule protects
/// is refused; --force lifts only the protection of attached and of active sessions. What a backend would keep to be
/// restored, as OpenClaw keeps ended sessions, it removes for good with --force.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A handle, backend/instance/key, a key, or an exact title
    #[arg(value_name = "SESSION", required = true)]
    sessions: Vec<String>,
    /// Also end sessions that are active or that somebody is attached to
    #[arg(long)]
    force: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &Args, desk: &Desk, ui: &mut Ui) -> Result<Exit, CliError> {
    let pass = desk.pass(ui).await?;
    let sessions = named(&args.sessions, &pass)?;
    let plan = desk.plan_kill(&sessions, lifts(args.force));
    if plan.items.is_empty() {
        if args.json {
            act::show(&plan, true, ui)?;
        }
        return Err(refused(&plan.kept));
    }
    // Those that are refused are said before anything is ended, whoever reads the rest.
    plan.kept.iter().for_each(|kept| ui.warn(&refusal(kept)));
    let consent = Consent { file: None, yes: args.yes, json: args.json };
    Ok(match act::carry_out(&plan, consent, desk, ui).await? {
        None => Exit::Done,
        Some(exit) if plan.kept.is_empty() => exit,
        Some(_) => Exit::Partly,
    })
}

fn refused(kept: &[Kept]) -> CliError {
    let lines: Vec<String> = kept.iter().map(refusal).collect();
    CliError::new(Exit::Refused, lines.join("\n"))
}

fn refusal(kept: &Kept) -> String {
    format!(
        "{} ({}) is not ended: {}",
        clean::line(&kept.title),
        kept.handle.short(),
        clean::line(&kept.reason)
    )
}
