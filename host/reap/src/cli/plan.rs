//! `reap plan`: write down what a clean-up would end, for a review.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use reap::core::plan::Plan;
use reap::files;

use super::act;
use super::desk::Desk;
use super::error::{CliError, Exit};
use super::harmless::typed;
use super::output::Ui;
use super::selection::Selection;

/// Writes what a clean-up would end to a file, for `reap apply`.
///
/// The file holds exactly what will be ended. It can be read and copied, but not changed, and it expires. What is over
/// the limits of its backend is held, and is not in the file.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Where to write the plan
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Write it in the place of a file that is there
    #[arg(long)]
    overwrite: bool,
    /// Print the plan as JSON, too
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &Args, desk: &Desk, ui: &mut Ui) -> Result<Exit, CliError> {
    let (plan, pass) = args.selection.plan(desk, ui).await?;
    let plan = desk.hold_back(plan, &pass).await?;
    write(&plan, &args.output, args.overwrite)?;
    act::show(&plan, args.json, ui)?;
    if !args.json {
        ui.say(&next_step(&plan, &args.output));
    }
    Ok(act::with_held(Exit::Done, &plan))
}

fn write(plan: &Plan, file: &Path, overwrite: bool) -> Result<(), CliError> {
    let json = plan.json();
    let written = if overwrite {
        files::replace(file, json.as_bytes())
    } else {
        files::write_new(file, json.as_bytes())
    };
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => CliError::new(Exit::Error, format!("{} is there already", shown(file)))
            .hint("give another name, or --overwrite"),
        _ => CliError::new(Exit::Error, format!("the plan cannot be written to {}: {error}", shown(file))),
    })
}

fn next_step(plan: &Plan, file: &Path) -> String {
    let file = shown(file);
    if plan.items.is_empty() {
        return format!("The plan ends nothing. It was written to {file}.\n");
    }
    format!(
        "The plan {} was written to {file}.\nTo carry it out before {}: reap apply {file}\n",
        plan.id, plan.expires
    )
}

fn shown(file: &Path) -> String {
    typed(&file.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use reap::core::plan::Lifts;
    use reap::core::selector::Selector;
    use reap::core::time::Span;

    use super::*;

    #[test]
    fn a_plan_is_overwritten_only_when_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("plan.json");
        let everything = Selector::everything();
        let plan =
            Plan::cleanup(&[], Vec::new(), &everything, Lifts::default(), reap::now(), Span::from_secs(60));
        write(&plan, &file, false).expect("it is new");
        let error = write(&plan, &file, false).expect_err("it is there");
        assert!(error.message.contains("is there already"), "{}", error.message);
        assert_eq!(error.hints, ["give another name, or --overwrite"]);
        write(&plan, &file, true).expect("overwritten");
        let text = std::fs::read_to_string(&file).expect("read");
        assert_eq!(Plan::read(&text).expect("a plan"), plan);
    }
}
