//! `reap policy test`.

use reap::authoring::find;
use reap::authoring::trial::{self, Tried};
use reap::{Config, Paths};

use crate::cli::error::{CliError, Exit};
use crate::cli::output::{Style, Ui};

/// Runs the golden cases of policies: sessions in, votes out.
///
/// The cases of rule.star are in rule.cases.toml beside it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The policies
    #[arg(required = true, value_name = "POLICY")]
    policies: Vec<String>,
}

pub async fn run(args: &Args, config: &Config, paths: &Paths, ui: &mut Ui) -> Result<Exit, CliError> {
    let mut exit = Exit::Done;
    for word in &args.policies {
        let found = find(word, config, paths)?;
        let tried = ui.during("preparing the engine", trial::cases(&found, paths)).await?;
        let failed = tried.iter().filter(|case| case.wrong.is_some()).count();
        let text: String = tried.iter().map(|case| shown(case, ui.colours())).collect();
        ui.print(&text);
        let (all, name) = (tried.len(), found.name());
        if failed > 0 {
            exit = Exit::Error;
            ui.print(&format!("{name}: {failed} of {all} cases failed\n"));
        } else {
            ui.print(&format!("{name}: {all} cases passed\n"));
        }
    }
    Ok(exit)
}

/// A case that failed, with all that it rests on. One that passed says nothing.
fn shown(case: &Tried, colours: bool) -> String {
    let Some(wrong) = &case.wrong else { return String::new() };
    format!(
        "{} {}\n  session   {}\n  expected  {}\n  got       {}\n",
        Style::Bad.paint("FAILED", colours),
        case.name,
        wrong.session.join("\n            "),
        wrong.expected,
        wrong.got
    )
}
