//! MCP servers that outlived the kiro-cli which started them: found and ended, and never
//! one that somebody can still talk to.

use std::fs;

use rustix::process::Signal;

use super::stage::{AT_ONCE, Family, Stage, id};
use crate::support::{Json, World, holds};

const SETTINGS: &str = "settings/mcp.json";
const SESSION: &[&str] = &["gateway", "kiro-cli", "acp"];
const SERVER: &str = "mcp-server";

/// A runtime with two MCP servers, which have a child each.
fn start(stage: &Stage<'_>, n: usize, modes: &str) -> Family {
    stage.start(SESSION, &format!("session={} mcp=2 {modes}", id(n)), 7)
}

/// Ends all of a family but its MCP servers, as a wave of kills does.
#[track_caller]
fn kill_kiro(family: &Family) {
    for role in ["gateway", "wrapper", "backend"] {
        family.of(role).signal(Signal::KILL);
    }
    for role in ["gateway", "wrapper", "backend"] {
        holds("its end", || !family.of(role).lives());
    }
}

/// The rows of MCP servers.
#[track_caller]
fn leaked(stage: &Stage<'_>) -> Vec<Json> {
    let is_one = |row: &Json| row.at("/key").text().starts_with("mcp:");
    stage.list().list().into_iter().filter(is_one).collect()
}

#[track_caller]
fn are_found_and_ended(file: &str, modes: &str) {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    stage.configure_mcp(file);
    let (dead, sibling) = (start(&stage, 1, modes), start(&stage, 2, modes));
    assert!(leaked(&stage).is_empty(), "their kiro-cli lives");
    let all = stage.alive(&sibling);
    kill_kiro(&dead);
    assert_eq!(stage.alive(&dead).len(), 4, "two servers with a child each live on");

    let found = leaked(&stage);
    assert_eq!(found.len(), 2, "{found:#?}");
    for row in &found {
        assert_eq!(row.at("/title").text(), "git (MCP server)");
        assert_eq!(row.at("/processes").list().len(), 2, "it and its child");
        let reason =
            row.at("/verdict/reasons").find("/policy", "kiro-leaked-mcp").at("/reason").text().to_owned();
        assert!(reason.starts_with("the MCP server git outlived its kiro-cli"), "{reason}");
    }
    let facts = stage.reap(&["show", "--json", found[0].at("/handle").text()]).exits(0).json().at("/extra");
    for (name, value) in [("shape", "mcp"), ("owner", "gone"), ("stdin", "gone"), ("stdout", "gone")] {
        assert_eq!(facts.find("/name", name).at("/value").text(), value, "{name}");
    }
    assert!(facts.find("/name", "mcp-config").at("/value").text().ends_with(file));

    stage.reap(&["kill", "--yes", found[0].at("/handle").text()]).exits(0);
    assert_eq!(stage.alive(&dead).len(), 2, "one of the two is ended by its handle");
    let ran = stage.reap(&["cleanup", "--yes", "--json"]).exits(0);
    assert!(!format!("{ran}").contains("canary"), "the secrets beside the command line are nobody's");
    stage.nothing_left(&dead);
    assert_eq!(stage.alive(&sibling), all, "the sibling and its servers are untouched");
    assert!(leaked(&stage).is_empty());
}

#[test]
fn servers_with_pipes() {
    are_found_and_ended(SETTINGS, "ignore-hup");
}

#[test]
fn servers_with_sockets() {
    are_found_and_ended(SETTINGS, "ignore-hup mcp-sockets");
}

#[test]
fn servers_of_an_agent() {
    are_found_and_ended("agents/reviewer.json", "ignore-hup ignore-term");
}

/// Nothing names its command line: then nobody knows whose it is.
#[test]
fn without_a_configuration_nothing_is_known() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let dead = start(&stage, 1, "");
    kill_kiro(&dead);
    assert!(leaked(&stage).is_empty());
    stage.reap(&["cleanup", "--yes"]).exits(0);
    assert_eq!(stage.alive(&dead).len(), 4);
}

/// What another program starts with the same command line is not kiro-cli's: not while
/// that one lives, however it started it, nor afterwards where it did so in another way.
#[test]
fn what_an_editor_started_is_left_alone() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    stage.configure_mcp(SETTINGS);
    let ways = ["--own-group", "--own-session", "--background"];
    let families = ways.map(|way| (way, stage.start(&["editor", way, SERVER], "", 3)));
    assert!(leaked(&stage).is_empty(), "the editors live");
    for (way, family) in families.iter().skip(1) {
        family.of("editor").signal(Signal::KILL);
        holds("the end of the editor", || !family.of("editor").lives());
        assert_eq!(stage.alive(family).len(), 2, "{way}");
    }
    assert!(leaked(&stage).is_empty());
    stage.reap(&["cleanup", "--yes"]).exits(0);
    for (way, family) in &families {
        assert!(stage.alive(family).len() >= 2, "{way}");
    }
}

/// A configuration that cannot be read may name it: then it is not known what there is.
#[test]
fn a_torn_configuration_is_a_doubt() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let dead = start(&stage, 1, "");
    fs::create_dir_all(stage.kiro("settings")).expect("a folder");
    fs::write(stage.kiro(SETTINGS), r#"{"mcpServers": {"git": {"env": {"TOKEN": "canary"#).expect("a file");
    stage.reap(&["ls"]).exits(0);
    kill_kiro(&dead);
    let ran = stage.reap(&["ls"]).exits(5).says(&["settings/mcp.json is no JSON"]);
    assert!(!format!("{ran}").contains("canary"));
}

/// One that works is left alone, also when nobody can talk to it any more.
#[test]
fn a_busy_server_is_left_alone() {
    let busy = |percent: u32| format!("{AT_ONCE}busy_percent = {percent}\n");
    // So little, since others work on this machine.
    let world = World::with(&busy(1));
    let Some(stage) = Stage::open(&world) else { return };
    stage.configure_mcp(SETTINGS);
    let dead = start(&stage, 1, "mcp-spin");
    kill_kiro(&dead);
    let is_kept = |row: &Json| row.at("/verdict/vote").text() == "abstain";
    holds("the work of both", || leaked(&stage).iter().filter(|row| is_kept(row)).count() == 2);
    stage.reap(&["cleanup", "--yes"]).exits(0);
    assert_eq!(stage.alive(&dead).len(), 4);
    world.configure(&busy(0));
    stage.reap(&["cleanup", "--yes"]).exits(0);
    stage.nothing_left(&dead);
}

/// A child that forked twice has left the tree, and its arguments are not those of a
/// server: nothing says whose it is.
#[test]
fn a_child_that_forked_twice_is_not_found() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    stage.configure_mcp(SETTINGS);
    let family = stage.start(SESSION, &format!("session={} double-fork", id(1)), 3);
    holds("the child", || stage.alive(&family).len() == 4);
    stage.reap(&["kill", "--yes", &id(1)]).exits(0);
    assert!(leaked(&stage).is_empty());
    assert_eq!(stage.alive(&family).len(), 2, "the host, and the child that left");
}
