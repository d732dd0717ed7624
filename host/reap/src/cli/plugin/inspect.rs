//! `reap plugin inspect`.

use std::fmt::Write;

use reap::core::clean;
use reap::plugins::{Plugin, Plugins, Ready, State};
use reap::runtime::Manifest;
use reap::{Config, Paths};

use crate::cli::error::{CliError, Exit};
use crate::cli::output::{Style, Ui};
use crate::cli::table::{Cell, Table};

/// Shows what a plugin is, may do, is set to and uses up.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name, as `reap plugin list` shows it
    name: String,
}

pub async fn run(
    args: &Args,
    config: &Config,
    paths: &Paths,
    verbose: bool,
    ui: &mut Ui,
) -> Result<Exit, CliError> {
    let plugin = ui.during("preparing the plugin", Plugins::load_one(&args.name, config, paths)).await?;
    ui.print(&render(&plugin, ui.colours()));
    let State::Ready(ready) = &plugin.state else {
        let why = plugin.trouble().unwrap_or_else(|| format!("the plugin {} does not run", args.name));
        return Err(CliError::new(Exit::Error, why));
    };
    if verbose {
        ready.running.log().iter().for_each(|line| ui.log_line(line));
    }
    Ok(Exit::Done)
}

fn render(plugin: &Plugin, colours: bool) -> String {
    let mut text = String::new();
    if let Some(manifest) = plugin.manifest() {
        text.push_str(&identity(manifest, &plugin.entry.origin.to_string()));
        text.push_str(&heading("What it may do", colours));
        text.push_str(&asks(manifest));
    }
    if let State::Ready(ready) = &plugin.state {
        text.push_str(&heading("Settings", colours));
        text.push_str(&settings(ready, colours));
        text.push_str(&heading("Limits", colours));
        text.push_str(&limits(ready, colours));
        text.push_str(&heading("Counters", colours));
        text.push_str(&counters(ready, colours));
    }
    text
}

fn heading(words: &str, colours: bool) -> String {
    format!("\n{}\n", Style::Strong.paint(words, colours))
}

fn identity(manifest: &Manifest, origin: &str) -> String {
    format!(
        "{} {}, a {}: {}\norigin    {origin}\nmanifest  sha256 {}\n",
        manifest.name,
        clean::line(&manifest.version),
        manifest.world.word(),
        clean::line(&manifest.summary),
        manifest.digest()
    )
}

/// What a manifest asks for, a line each.
pub fn asks(manifest: &Manifest) -> String {
    let words = manifest.in_words();
    if words.is_empty() {
        return "  It may write to its log, and nothing else.\n".to_owned();
    }
    words.iter().fold(String::new(), |mut text, ask| {
        let _ = writeln!(text, "  {}", clean::line(ask)); // a String takes everything
        text
    })
}

fn settings(ready: &Ready, colours: bool) -> String {
    if ready.settings.is_empty() {
        return "  It has none.\n".to_owned();
    }
    let mut table = Table::new(&["NAME", "VALUE", "MEANING"]);
    for (setting, fact) in ready.description.settings.iter().zip(&ready.settings) {
        let value = fact.value.to_string();
        let shown = if value.is_empty() { "(none)" } else { &value };
        table.row(vec![Cell::new(&setting.name), Cell::new(shown), Cell::new(&setting.help)]);
    }
    table.render("  ", colours)
}

fn limits(ready: &Ready, colours: bool) -> String {
    let mut table = Table::new(&["NAME", "VALUE", "MEANING"]);
    for (name, value, meaning) in ready.limits.table() {
        table.row(vec![Cell::new(name), Cell::new(value.to_string()), Cell::new(meaning)]);
    }
    table.render("  ", colours)
}

fn counters(ready: &Ready, colours: bool) -> String {
    let mut table = Table::new(&["NAME", "VALUE"]);
    for (name, value) in ready.running.counters() {
        table.row(vec![Cell::new(name), Cell::new(value.to_string())]);
    }
    table.render("  ", colours)
}
