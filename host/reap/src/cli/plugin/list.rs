//! `reap plugin list`.

use reap::plugins::{Loading, Plugin, Plugins, State};
use reap::{Config, Paths};

use crate::cli::error::{CliError, Exit};
use crate::cli::output::{Style, Ui};
use crate::cli::table::{Cell, Table};

/// Lists all plugins and what became of each.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(
    _: &Args,
    config: &Config,
    paths: &Paths,
    verbose: bool,
    ui: &mut Ui,
) -> Result<Exit, CliError> {
    let plugins = ui.during("preparing the plugins", Plugins::load(config, paths, Loading::Now)).await?;
    let mut table = Table::new(&["NAME", "WORLD", "VERSION", "ORIGIN", "STATE"]);
    plugins.iter().for_each(|plugin| table.row(row(plugin)));
    ui.print(&table.render("", ui.colours()));
    if verbose {
        plugins.running().flat_map(|running| running.log()).for_each(|line| ui.log_line(&line));
    }
    Ok(Exit::Done)
}

fn row(plugin: &Plugin) -> Vec<Cell> {
    let manifest = plugin.manifest();
    vec![
        Cell::styled(&plugin.entry.name, Style::Strong),
        Cell::new(manifest.map_or("-", |manifest| manifest.world.word())),
        Cell::new(manifest.map_or("-", |manifest| manifest.version.as_str())),
        Cell::new(plugin.entry.origin.to_string()),
        state(&plugin.state),
    ]
}

fn state(state: &State) -> Cell {
    match state {
        State::Ready(_) => Cell::styled("ok", Style::Good),
        State::Failed(why) => Cell::styled(format!("failed: {why}"), Style::Bad),
        State::Unapproved(why) => Cell::styled(format!("not loaded: {why}"), Style::Warn),
        State::Off => Cell::styled("off", Style::Dim),
    }
}
