//! `reap completions`: what a shell needs to complete Reap's command line.

use clap_complete::{Shell, generate};

use super::error::{CliError, Exit};
use super::output::Ui;

/// Prints the completions for a shell.
///
/// For example: reap completions bash > ~/.local/share/bash-completion/completions/reap
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub fn run(args: &Args, mut command: clap::Command, ui: &mut Ui) -> Result<Exit, CliError> {
    let mut text = Vec::new();
    generate(args.shell, &mut command, "reap", &mut text);
    ui.print(&String::from_utf8_lossy(&text));
    Ok(Exit::Done)
}
