//! `reap status`: how Reap is.

use reap::now;

use super::desk::Desk;
use super::error::{CliError, Exit};
use super::output::Ui;
use super::status_text;

/// Shows how Reap is: the daemon and its last cycle, what is known of each backend, plugins and their faults, orphans on
/// their way, plans that wait for approval, and the journal.
///
/// Looks at no session. Where no daemon runs, it shows what was last written down.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &Args, desk: &Desk, ui: &mut Ui) -> Result<Exit, CliError> {
    let status = desk.status().await?;
    if args.json {
        ui.json(&status)?;
    } else {
        let text = status_text::render(&status, now(), ui.colours());
        ui.print(&text);
    }
    Ok(Exit::Done)
}
