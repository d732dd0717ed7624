//! `reap apply`: carry out a plan that was reviewed.

use std::path::{Path, PathBuf};

use reap::core::plan::Plan;
use reap::{files, now};

use super::act::{self, Consent};
use super::desk::Desk;
use super::error::{CliError, Exit};
use super::output::Ui;

/// Carries out a plan that `reap plan` wrote.
///
/// Exactly the sessions in the file are ended, and only those that are still as they were: each is looked at again just
/// before its end.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that `reap plan` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// A plan of a hundred thousand sessions is smaller.
const LARGEST: u64 = 256 << 20;

pub async fn run(args: &Args, desk: &Desk, ui: &mut Ui) -> Result<Exit, CliError> {
    let plan = read(&args.file)?;
    let file = Some(args.file.as_path());
    plan.check_expiry(now()).map_err(|error| act::unusable(&error, file))?;
    if plan.items.is_empty() {
        if args.json {
            act::show(&plan, true, ui)?;
        } else {
            ui.print("The plan ends nothing.\n");
        }
        return Ok(Exit::Done);
    }
    let consent = Consent { file, yes: args.yes, json: args.json };
    Ok(act::carry_out(&plan, consent, desk, ui).await?.unwrap_or(Exit::Done))
}

fn read(file: &Path) -> Result<Plan, CliError> {
    let text = files::read_text(file, LARGEST)
        .map_err(|error| CliError::new(Exit::Error, format!("{} cannot be read: {error}", file.display())))?;
    Plan::read(&text).map_err(|error| CliError::new(Exit::Error, format!("{}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plan_is_said_to_be_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("plan.json");
        assert!(read(&file).expect_err("not there").message.contains("cannot be read"));
        let device = read(Path::new("/dev/zero")).expect_err("it never ends").message;
        assert_eq!(device, "/dev/zero cannot be read: it is a device; it must be a regular file");
        for text in ["", "{}", "[1, 2]", "\u{0}"] {
            std::fs::write(&file, text).expect("written");
            let error = read(&file).expect_err(text);
            assert_eq!(error.exit, Exit::Error);
            assert!(error.message.contains("plan.json: "), "{}", error.message);
        }
    }
}
