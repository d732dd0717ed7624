//! `reap daemon`: the reaper that runs for months.

use reap::{Config, Daemon, Paths};

use super::cycle_text::Teller;
use super::error::{CliError, Exit};
use super::output::Ui;
use super::stop::Stop;
use super::{Common, block_on, configuration};

/// Looks at all sessions again and again, and answers the other commands.
///
/// It ends orphans only where the configuration says `mode = "enforce"`, and otherwise only what `reap approve` is told.
/// It stays in the foreground, and says on standard error what its cycles find and do when that changes; with --verbose,
/// every cycle. SIGTERM, SIGINT and SIGHUP stop it, once what it has begun is finished. There is one daemon to a state
/// folder.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: &Args, common: &Common, ui: &mut Ui) -> Result<Exit, CliError> {
    let (config, paths) = configuration(common)?;
    block_on(async {
        let mut stop = Stop::watch().map_err(|error| {
            CliError::new(
                Exit::Error,
                format!("the signals that stop a daemon cannot be watched for: {error}"),
            )
        })?;
        let daemon = tokio::select! {
            daemon = start(config, &paths, ui) => daemon?,
            () = stop.asked() => return Ok(Exit::Done), // nothing was looked at yet
        };
        let mut teller = Teller::new(common.verbose);
        let report = |report: &reap::daemon::Report| {
            if common.verbose {
                report.log.iter().for_each(|line| ui.log_line(line));
            }
            if let Some(line) = teller.tell(report) {
                ui.note(&line);
            }
        };
        daemon.run(stop.asked(), report).await;
        ui.note("stopped");
        Ok(Exit::Done)
    })
}

async fn start(config: Config, paths: &Paths, ui: &mut Ui) -> Result<Daemon, CliError> {
    let daemon = ui.during("preparing the plugins", Daemon::start(config, paths)).await?;
    for note in daemon.reap().plugins().notes() {
        ui.warn(&note);
    }
    ui.note(&introduction(&daemon));
    Ok(daemon)
}

fn introduction(daemon: &Daemon) -> String {
    let config = &daemon.reap().config().daemon;
    let (mode, every) = (config.mode.word(), config.every.exact());
    let socket = daemon.socket().map(|path| path.display().to_string()).unwrap_or_default();
    let listen = config.listen.as_ref().map(|listen| format!(" and {}", listen.address)).unwrap_or_default();
    format!("mode {mode}, a cycle every {every}, listening at {socket}{listen}")
}
