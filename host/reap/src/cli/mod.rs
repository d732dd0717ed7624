//! The command line: one file a command, and the few things that they share.
//!
//! Commands decide nothing about sessions. They find out what is asked, call the
//! library, and say what came of it.

mod act;
mod apply;
mod approve;
mod cleanup;
mod completions;
mod cycle_text;
mod daemon;
mod desk;
mod doubts;
mod error;
mod harmless;
mod journal;
mod journal_names;
mod journal_text;
mod kill;
mod locks;
mod ls;
mod man;
mod output;
mod plan;
mod plan_text;
mod plugin;
mod policy;
mod protect;
#[cfg(test)]
#[path = "../../testdata/sample.rs"]
mod sample;
mod selection;
mod show;
mod status;
mod status_text;
mod stop;
mod table;
mod when;

use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use reap::core::clean;
use reap::{Config, Paths};

use desk::Desk;
use error::{CliError, Exit};
use output::Ui;

/// Finds AI-agent sessions that nobody needs any more, says why, and ends them safely.
///
/// SESSION is a handle as `reap ls` shows it (4 digits are enough where they are unique), a full
/// backend/instance/key, a key, or an exact title. SELECTOR is one or more terms that must all hold, such as
/// backend:tmux, kind:cron, activity:idle, title:build-*, label:team=x, older:30m, orphaned, inactive, or a glob over
/// key and title.
#[derive(Debug, Parser)]
#[command(name = "reap", version, after_help = error::exit_statuses(), max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Common {
    /// Read this file in the place of reap.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show what the plugins write to their logs, on standard error
    #[arg(long, short, global = true)]
    verbose: bool,
    /// Do not ask the daemon: look with the plugins of this very process
    #[arg(long, global = true)]
    alone: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(ls::Args),
    Show(show::Args),
    Kill(kill::Args),
    Cleanup(cleanup::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Protect(protect::ProtectArgs),
    Unprotect(protect::UnprotectArgs),
    Daemon(daemon::Args),
    Status(status::Args),
    Approve(approve::Args),
    Journal(journal::Args),
    Lock(locks::LockArgs),
    Unlock(locks::UnlockArgs),
    Locks(locks::Args),
    Plugin(plugin::Args),
    Policy(policy::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let mut ui = Ui::of_process();
    let exit = run(std::env::args_os(), &mut ui);
    ExitCode::from(exit as u8)
}

fn run(words: impl IntoIterator<Item = OsString>, ui: &mut Ui) -> Exit {
    let words: Vec<OsString> = words.into_iter().collect();
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => return say_usage(&error, &words, ui),
    };
    let done = dispatch(cli, ui).and_then(|exit| ui.finish().map(|()| exit));
    done.unwrap_or_else(|error| {
        ui.error(&error);
        error.exit
    })
}

/// Help and version are asked for; the rest are mistakes.
fn say_usage(error: &clap::Error, words: &[OsString], ui: &mut Ui) -> Exit {
    let text = error.render();
    if error.use_stderr() {
        // A mistake is shown as it was typed: with colours nobody could tell its escapes from ours.
        let tame = words.iter().map(|word| word.to_string_lossy()).all(|word| clean::line(&word) == word);
        let coloured = tame && ui.colours_on_stderr();
        ui.complain(&if coloured { text.ansi().to_string() } else { harmless::message(&text.to_string()) });
        return Exit::Usage;
    }
    ui.print(&if ui.screen().colours { text.ansi().to_string() } else { text.to_string() });
    match ui.finish() {
        Ok(()) => Exit::Done,
        Err(error) => error.exit,
    }
}

/// Finds the command. Those that need no plugins load none.
fn dispatch(cli: Cli, ui: &mut Ui) -> Result<Exit, CliError> {
    let common = &cli.common;
    match cli.command {
        Command::Completions(args) => completions::run(&args, Cli::command(), ui),
        Command::Man(args) => man::run(&args, Cli::command(), ui),
        Command::Plugin(args) => plugin::run(&args, common, ui),
        Command::Policy(args) => policy::run(&args, common, ui),
        Command::Daemon(args) => daemon::run(&args, common, ui),
        Command::Journal(args) => journal::run(&args, ui),
        Command::Ls(args) => with_desk(common, ui, async |desk, ui| ls::run(&args, desk, ui).await),
        Command::Show(args) => with_desk(common, ui, async |desk, ui| show::run(&args, desk, ui).await),
        Command::Kill(args) => with_desk(common, ui, async |desk, ui| kill::run(&args, desk, ui).await),
        Command::Cleanup(args) => with_desk(common, ui, async |desk, ui| cleanup::run(&args, desk, ui).await),
        Command::Plan(args) => with_desk(common, ui, async |desk, ui| plan::run(&args, desk, ui).await),
        Command::Apply(args) => with_desk(common, ui, async |desk, ui| apply::run(&args, desk, ui).await),
        Command::Approve(args) => with_desk(common, ui, async |desk, ui| approve::run(&args, desk, ui).await),
        Command::Status(args) => with_desk(common, ui, async |desk, ui| status::run(&args, desk, ui).await),
        Command::Lock(args) => with_desk(common, ui, async |desk, ui| locks::lock(&args, desk, ui).await),
        Command::Unlock(args) => with_desk(common, ui, async |desk, ui| locks::unlock(&args, desk, ui).await),
        Command::Locks(args) => with_desk(common, ui, async |desk, ui| locks::list(&args, desk, ui).await),
        Command::Protect(args) => {
            with_desk(common, ui, async |desk, ui| protect::run(&args.sessions, true, desk, ui).await)
        }
        Command::Unprotect(args) => {
            with_desk(common, ui, async |desk, ui| protect::run(&args.sessions, false, desk, ui).await)
        }
    }
}

/// Finds out who answers, runs the command, and shows what the plugins logged.
fn with_desk(
    common: &Common,
    ui: &mut Ui,
    command: impl AsyncFnOnce(&Desk, &mut Ui) -> Result<Exit, CliError>,
) -> Result<Exit, CliError> {
    let (config, paths) = configuration(common)?;
    block_on(async {
        let desk = Desk::open(config, paths, common.alone, ui).await?;
        let done = command(&desk, ui).await;
        if common.verbose {
            desk.show_log(ui);
        }
        desk.close();
        done
    })
}

fn configuration(common: &Common) -> Result<(Config, Paths), CliError> {
    let paths = Paths::from_environment()?;
    let config = Config::find(common.config.as_deref(), &paths)?;
    Ok((config, paths))
}

/// Two workers: a compile is spread over its own threads, and all else waits
/// for other programs most of the time.
fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(
            |error| CliError::new(Exit::Error, format!("the scheduler could not be started: {error}")),
        )?;
    let done = runtime.block_on(work);
    // What still runs was given up and has its own time limit; nobody waits for it.
    runtime.shutdown_background();
    done
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// The help of every command in one place, so that a flag that changes
    /// shows in a review.
    #[test]
    fn help() {
        let mut all = String::new();
        let mut top = Cli::command().term_width(100);
        top.build();
        describe(&mut top, &mut all);
        insta::assert_snapshot!("help", all);
    }

    fn describe(command: &mut clap::Command, all: &mut String) {
        let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
        let _ = writeln!(all, "──── {name}\n\n{}", command.render_long_help()); // a String takes everything
        let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        for name in names.iter().filter(|name| *name != "help") {
            if let Some(sub) = command.find_subcommand_mut(name) {
                describe(sub, all);
            }
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn usage_errors_exit_with_two() {
        let cases: [&[&str]; 5] = [
            &["reap", "kil"],
            &["reap", "kill"],
            &["reap", "ls", "--older-than", "3"],
            &["reap", "cleanup", "--dry-run", "--yes"],
            &["reap", "cleanup", "--older-than", "half an hour"],
        ];
        for words in cases {
            let (mut ui, seen) = Ui::for_test();
            assert_eq!(run(words.iter().map(OsString::from), &mut ui), Exit::Usage, "{words:?}");
            assert!(seen.err().contains("error:"), "{words:?}: {}", seen.err());
            assert_eq!(seen.out(), "");
        }
    }

    #[test]
    fn a_mistake_is_shown_without_its_escapes() {
        for word in ["k\u{1b}[31mil", "k\u{7}il", "k\u{202e}il"] {
            let (ui, seen) = Ui::for_test();
            let words = ["reap", word].map(OsString::from);
            assert_eq!(run(words, &mut ui.with_colours()), Exit::Usage);
            assert!(!seen.err().contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", seen.err());
        }
        let (ui, seen) = Ui::for_test();
        run(["reap", "kil"].map(OsString::from), &mut ui.with_colours());
        assert!(seen.err().contains('\u{1b}'), "{:?}", seen.err());
    }

    #[test]
    fn help_is_no_error() {
        let (mut ui, seen) = Ui::for_test();
        assert_eq!(run(["reap", "--help"].map(OsString::from), &mut ui), Exit::Done);
        assert!(seen.out().contains("Exit status"), "{}", seen.out());
    }
}
