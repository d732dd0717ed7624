//! `reap policy check`.

use reap::authoring::{find, trial};
use reap::{Config, Paths};

use crate::cli::error::{CliError, Exit};
use crate::cli::output::Ui;

/// Looks for mistakes in policies without asking them about real sessions.
///
/// Each is loaded, as a start would load it, and asked about sessions of every kind of which little is known. A policy
/// that stumbles there would keep every session once such a one comes along.
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
        match ui.during("preparing the engine", trial::check(&found, paths)).await {
            Ok((loaded, faults)) if faults.is_empty() => {
                let select =
                    loaded.manifest.select.map_or("every session".to_owned(), |select| select.to_string());
                let facts = match loaded.manifest.facts {
                    None => "every fact".to_owned(),
                    Some(facts) if facts.is_empty() => "no fact".to_owned(),
                    Some(facts) => facts.join(", "),
                };
                ui.print(&format!("{}: no mistake found\n", found.name()));
                ui.print(&format!("  asked about  {select}\n  reads        {facts}\n"));
            }
            Ok((_, faults)) => {
                exit = Exit::Error;
                ui.print(&format!("{}: it fails, and a policy that fails keeps everything\n", found.name()));
                faults.iter().for_each(|fault| ui.print(&format!("  {fault}\n")));
            }
            Err(error) => {
                exit = Exit::Error;
                ui.print(&format!("{}: {error}\n", found.name()));
            }
        }
    }
    Ok(exit)
}
