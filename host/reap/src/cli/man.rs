//! `reap man`: the manual pages, made from the same words as `--help`.

use clap_mangen::Man;

use super::error::{CliError, Exit};
use super::output::Ui;

/// Prints the manual page of Reap, or of one of its commands.
///
/// For example: reap man cleanup | man -l -
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The command, such as: plugin inspect
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

pub fn run(args: &Args, mut top: clap::Command, ui: &mut Ui) -> Result<Exit, CliError> {
    top.build();
    let mut command = &top;
    for name in &args.command {
        command = command.find_subcommand(name).ok_or_else(|| {
            CliError::new(Exit::Usage, format!("there is no command {name:?}")).hint("see reap --help")
        })?;
    }
    let mut page = Vec::new();
    Man::new(command.clone())
        .source(concat!("reap ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)
        .map_err(|error| CliError::new(Exit::Error, format!("the page could not be made: {error}")))?;
    ui.print(&String::from_utf8_lossy(&page));
    Ok(Exit::Done)
}
