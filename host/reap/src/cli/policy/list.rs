//! `reap policy list`.

use reap::plugins::approvals::Standing;
use reap::plugins::{Loading, Plugin, Plugins, State};
use reap::runtime::World;
use reap::{Config, Paths};

use crate::cli::error::{CliError, Exit};
use crate::cli::output::{Style, Ui};
use crate::cli::table::{Cell, Table};

/// Lists all policies: what they are, whether they vote, and what about.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: &Args, config: &Config, paths: &Paths, ui: &mut Ui) -> Result<Exit, CliError> {
    let plugins = ui.during("preparing the plugins", Plugins::load(config, paths, Loading::Now)).await?;
    let mut table = Table::new(&["NAME", "WRITTEN AS", "MODE", "ASKED ABOUT", "STATE"]);
    plugins.iter().filter(|plugin| is_policy(plugin)).for_each(|plugin| table.row(row(plugin, config)));
    ui.print(&table.render("", ui.colours()));
    Ok(Exit::Done)
}

/// What cannot be read may be one.
fn is_policy(plugin: &Plugin) -> bool {
    plugin.manifest().is_none_or(|manifest| manifest.world == World::Policy)
}

fn row(plugin: &Plugin, config: &Config) -> Vec<Cell> {
    let manifest = plugin.manifest();
    let said = manifest.map(|manifest| config.policy(&manifest.name));
    let script = plugin.entry.found.as_ref().is_ok_and(|found| found.standing == Standing::Script);
    let select = said.as_ref().and_then(|said| said.select.clone());
    let select = select.or_else(|| manifest.and_then(|manifest| manifest.select.clone()));
    vec![
        Cell::styled(&plugin.entry.name, Style::Strong),
        Cell::new(if script { "script" } else { "component" }),
        Cell::new(said.as_ref().map_or("-", |said| said.mode.word())),
        Cell::new(select.map_or_else(|| "all".to_owned(), |select| select.to_string())),
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
