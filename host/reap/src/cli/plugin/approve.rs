//! `reap plugin approve`.

use reap::core::clean;
use reap::core::ids::PluginName;
use reap::plugins::approvals::{Approvals, ApprovalsError, Standing};
use reap::plugins::catalogue::Found;
use reap::plugins::find;
use reap::runtime::Manifest;
use reap::{Config, Paths};

use super::inspect::asks;
use crate::cli::error::{CliError, Exit};
use crate::cli::output::Ui;

/// Shows what a plugin asks for, and lets it run.
///
/// The approval is for the manifest as it is now. Should the manifest change, the plugin does not run before it is
/// approved again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name, as `reap plugin list` shows it
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Take the approval back: it does not run any more, and is not missed
    #[arg(long)]
    revoke: bool,
}

pub fn run(args: &Args, config: &Config, paths: &Paths, ui: &mut Ui) -> Result<Exit, CliError> {
    if args.revoke {
        return revoke(&args.name, paths, ui);
    }
    let entry = find(&args.name, config, paths)?;
    let found = entry
        .found
        .map_err(|why| CliError::new(Exit::Error, format!("{} cannot be approved: {why}", args.name)))?;
    ui.print(&question(&found, &entry.origin.in_words()));
    match found.standing {
        Standing::Bundled => ui.print("It came with Reap and needs no approval.\n"),
        Standing::Script => ui.print("A script can only vote, and needs no approval.\n"),
        Standing::Approved => ui.print("It is approved already.\n"),
        Standing::New | Standing::Changed => return ask(args, &found.manifest, paths, ui),
    }
    Ok(Exit::Done)
}

fn question(found: &Found, origin: &str) -> String {
    let manifest = &found.manifest;
    format!(
        "{} {}, a {} ({origin}): {}\nIt asks for this:\n{}",
        manifest.name,
        clean::line(&manifest.version),
        manifest.world.word(),
        clean::line(&manifest.summary),
        asks(manifest)
    )
}

fn ask(args: &Args, manifest: &Manifest, paths: &Paths, ui: &mut Ui) -> Result<Exit, CliError> {
    if !args.yes {
        if !ui.interactive() {
            return Err(CliError::new(
                Exit::Usage,
                "nothing was approved: standard input is no terminal to ask on",
            )
            .hint(format!("read what it asks for, and run: reap plugin approve {} --yes", manifest.name)));
        }
        if !ui.ask("Let it run with this?")? {
            ui.print("Nothing was approved.\n");
            return Ok(Exit::Done);
        }
    }
    record(manifest, paths).map_err(unusable)?;
    ui.print(&format!("{} is approved.\n", manifest.name));
    Ok(Exit::Done)
}

fn record(manifest: &Manifest, paths: &Paths) -> Result<(), ApprovalsError> {
    let mut approvals = Approvals::load(&paths.state)?;
    approvals.approve(manifest);
    approvals.save(paths)
}

/// Goes by the record alone: the plugin's files may be gone.
fn revoke(name: &str, paths: &Paths, ui: &mut Ui) -> Result<Exit, CliError> {
    let mut approvals = Approvals::load(&paths.state).map_err(unusable)?;
    if !PluginName::new(name).is_ok_and(|name| approvals.revoke(&name)) {
        let message = format!("{name} is not approved, so there is nothing to take back");
        return Err(CliError::new(Exit::NotFound, message));
    }
    approvals.save(paths).map_err(unusable)?;
    ui.print(&format!("{name} is not approved any more.\n"));
    Ok(Exit::Done)
}

fn unusable(error: ApprovalsError) -> CliError {
    CliError::new(Exit::Error, error.to_string())
}
