//! `reap policy`: which policies vote, and what their authors need.

mod check;
mod list;
mod new;
mod test;

use reap::authoring::NotTried;

use super::error::{CliError, Exit};
use super::output::Ui;
use super::{Common, block_on, configuration};

/// Lists policies, begins new ones, and tries them.
///
/// POLICY is the name of a script in this folder (`rule` for rule.star), the path of one, the name of a script that
/// comes with Reap, or that of a configured policy. Trying one looks at no session and changes nothing.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(list::Args),
    New(new::Args),
    Check(check::Args),
    Test(test::Args),
}

pub fn run(args: &Args, common: &Common, ui: &mut Ui) -> Result<Exit, CliError> {
    if let Command::New(args) = &args.command {
        return new::run(args, ui);
    }
    let (config, paths) = configuration(common)?;
    match &args.command {
        Command::List(args) => block_on(list::run(args, &config, &paths, ui)),
        Command::Check(args) => block_on(check::run(args, &config, &paths, ui)),
        Command::Test(args) => block_on(test::run(args, &config, &paths, ui)),
        Command::New(args) => new::run(args, ui),
    }
}

impl From<NotTried> for CliError {
    fn from(error: NotTried) -> Self {
        let exit = match error {
            NotTried::NotFound { .. } => Exit::NotFound,
            _ => Exit::Error,
        };
        Self::new(exit, error.to_string())
    }
}
