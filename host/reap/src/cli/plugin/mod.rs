//! `reap plugin`: which plugins there are, what they may do, and the leave to
//! do it.

mod approve;
mod inspect;
mod list;

use super::error::{CliError, Exit};
use super::output::Ui;
use super::{Common, block_on, configuration};

/// Lists, inspects and approves plugins.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(list::Args),
    Inspect(inspect::Args),
    Approve(approve::Args),
}

pub fn run(args: &Args, common: &Common, ui: &mut Ui) -> Result<Exit, CliError> {
    let (config, paths) = configuration(common)?;
    match &args.command {
        Command::List(args) => block_on(list::run(args, &config, &paths, common.verbose, ui)),
        Command::Inspect(args) => block_on(inspect::run(args, &config, &paths, common.verbose, ui)),
        Command::Approve(args) => approve::run(args, &config, &paths, ui),
    }
}
