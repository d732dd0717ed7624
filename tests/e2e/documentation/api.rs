//! The page about the daemon's API names what there is, and nothing else.

use std::collections::BTreeSet;

use super::markdown::{Table, page};
use crate::support::{Document, World};

fn table(heading: &str) -> Table {
    page("docs/api.md").table(heading)
}

#[test]
fn the_routes_of_the_page_are_those_of_the_document() {
    let world = World::new();
    let document = Document::new(&world.daemon().http().get("/v1/openapi.json").is(200).body);
    let operations = document.operations();
    let asked: BTreeSet<String> =
        operations.iter().map(|(method, path)| format!("{method} {path}")).collect();
    let routes = table("Asking");
    let told: BTreeSet<String> = routes.names().into_iter().map(str::to_owned).collect();
    assert_eq!(told, asked);
}

#[test]
fn the_errors_of_the_page_are_those_of_the_document() {
    let world = World::new();
    let document = Document::new(&world.daemon().http().get("/v1/openapi.json").is(200).body);
    let codes = document.schema("Error").pointer("/properties/error/properties/code/enum");
    let codes: BTreeSet<&str> = codes
        .and_then(|codes| codes.as_array())
        .into_iter()
        .flatten()
        .filter_map(|code| code.as_str())
        .collect();
    let rows = table("Errors").rows;
    let told: BTreeSet<&str> =
        rows.iter().flat_map(|row| row[1].split(", ")).map(|code| code.trim_matches('`')).collect();
    assert_eq!(told, codes);
}

#[test]
fn the_numbers_of_the_page_are_those_of_the_daemon() {
    let world = World::new();
    let daemon = world.daemon();
    daemon.cycle();
    let page = daemon.http().get("/metrics").is(200).body;
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let given: BTreeSet<&str> = types.map(plain).collect();
    let told = table("Numbers for Prometheus");
    let usual = super::page("docs/api.md").codes().into_iter().filter(|code| code.starts_with("process_"));
    let told: BTreeSet<&str> = told.names().into_iter().chain(usual).collect();
    assert_eq!(told, given);
    for row in table("Numbers for Prometheus").rows {
        let family = row[0].trim_matches('`');
        for label in row[1].split(", ").filter_map(|label| label.strip_prefix('`')?.strip_suffix('`')) {
            let mut samples = page.lines().filter(|line| plain(name(line)).starts_with(family));
            assert!(
                samples.any(|line| line.contains(&format!("{label}=\""))),
                "{family} has no label {label}"
            );
        }
    }
}

/// Of a line with a number.
fn name(line: &str) -> &str {
    line.split(['{', ' ']).next().unwrap_or_default()
}

/// The counters of plugins are one row of the table.
fn plain(metric: &str) -> &str {
    let counter = metric.starts_with("reap_plugin_") && metric.ends_with("_total");
    if counter { "reap_plugin_NAME_total" } else { metric }
}
