//! What the plugin may not: open the database of credentials, read a variable that
//! was not granted, end what is not the session's. Tried by an attacker that has
//! the plugin's own manifest.

use crate::support::{HOSTILE_BACKEND, Json, Process, Ran, World, run};

/// What must never be read.
const CANARY: &str = "canary-5e0a";

/// A world in which the attacker has what the kiro-cli backend has, and learns from
/// the test which processes to attack.
fn world(attack: &str) -> World {
    world_with(attack, "")
}

fn world_with(attack: &str, more: &str) -> World {
    let world = World::with(&format!(
        "[plugins]\nfolders = [\"plugins\"]\n[backends.hostile]\nattack = \"{attack}\"\n{more}"
    ));
    world.add_hostile_backend();
    let manifest = include_str!("../../../plugins/kiro-cli/kiro-cli.toml")
        .replacen("name = \"kiro-cli\"", "name = \"hostile\"", 1)
        .replacen(
            "[\"KIRO_HOME\", \"HOME\"]",
            "[\"HOME\", \"HOSTILE_PIDS\", \"HOSTILE_OTHER_PIDS\", \"HOSTILE_FAR_PIDS\"]",
            1,
        )
        .replacen(", \"{homes}/sessions\"", "", 1)
        .replacen("    \"{homes}/settings/mcp.json\",\n    \"{homes}/agents/*.json\",\n", "", 1);
    world.write("config/reap/plugins/hostile.toml", manifest);
    world.reap(&["plugin", "approve", HOSTILE_BACKEND, "--yes"]).exits(0);
    world.write("home/.local/share/kiro-cli/data.sqlite3", format!("auth_kv {CANARY}"));
    world
}

#[track_caller]
fn reap(world: &World, victims: &[Process], words: &[&str]) -> Ran {
    let named: Vec<String> = victims.iter().map(|one| format!("{}:{}", one.pid, one.started)).collect();
    run(world.reap_command(words).env("HOSTILE_PIDS", named.join(",")))
}

#[test]
fn the_database_of_credentials_cannot_be_opened() {
    let world = world("credentials");
    let ran =
        reap(&world, &[], &["ls"]).exits(5).says(&["not allowed (files)", "data.sqlite3", "[asks.files]"]);
    assert!(!format!("{ran}").contains(CANARY));
}

#[test]
fn a_variable_that_was_not_granted_cannot_be_read() {
    let world = world("environment");
    reap(&world, &[], &["ls"]).exits(5).says(&["the environment variable PATH", "[asks.settings]"]);
}

/// The plugin lists a process that is none of kiro-cli's, and asks for its end.
#[test]
fn only_processes_of_the_manifest_are_ended() {
    let world = world("");
    let victim = world.bystander();
    reap(&world, &[victim], &["ls"]).exits(0).says(&["victim"]);
    reap(&world, &[victim], &["--verbose", "kill", "--yes", "--force", "victim"])
        .exits(5)
        .says(&["the host refused: Error::Denied", "nothing proves that it may be ended"]);
    assert!(victim.lives());
    world.reap(&["journal", "verify"]).exits(0);
    let asked = format!("signals to pid {}: nothing proves that it may be ended", victim.pid);
    assert_eq!(refusals(&world), [("ending".to_owned(), asked, 1)]);
}

/// The refusals in the journal: capability, what was asked, how often.
#[track_caller]
fn refusals(world: &World) -> Vec<(String, String, u64)> {
    let entries = world.journal().into_iter().filter(|entry| entry.at("/kind").text() == "plugin.refused");
    let told = |entry: Json| {
        let what = entry.at("/payload");
        assert_eq!(what.at("/plugin").text(), HOSTILE_BACKEND);
        let times = what.at("/times").number();
        (what.at("/capability").text().to_owned(), what.at("/asked").text().to_owned(), times)
    };
    entries.map(told).collect()
}

/// A daemon of this world runs its first cycle and those that the test asks for, and each
/// of them tells the refusals in one entry; the counter counts all of them.
#[track_caller]
fn are_journalled(attack: &str, capability: &str, asked: &str, times: u64) {
    let world = world_with(attack, "[daemon]\nevery = \"1h\"\n");
    let daemon = world.daemon();
    daemon.cycle();
    let counted = || {
        let counters = daemon.status().at("/plugins").find("/name", HOSTILE_BACKEND).at("/counters/denials");
        counters.number()
    };
    let before = (refusals(&world).len() as u64, counted());
    assert!(before.0 > 0 && before.1 == before.0 * times, "{before:?}");
    daemon.cycle();
    assert_eq!((refusals(&world).len() as u64, counted()), (before.0 + 1, before.1 + times));
    for one in refusals(&world) {
        assert_eq!((one.0.as_str(), one.2), (capability, times));
        assert!(one.1.contains(asked), "{one:?}");
    }
    world.reap(&["journal", "verify"]).exits(0);
}

#[test]
fn a_file_that_is_refused_is_journalled() {
    are_journalled("credentials", "files", "data.sqlite3", 1);
}

#[test]
fn a_variable_that_is_refused_is_journalled() {
    are_journalled("environment", "settings", "the environment variable PATH", 1);
}

/// One entry for each cycle, however often it asks.
#[test]
fn a_plugin_cannot_fill_the_journal() {
    are_journalled("beg", "settings", "the environment variable PATH0", 1_000);
}

/// Nor is any file removed but the one that the manifest names.
#[test]
fn only_removals_of_the_manifest_are_carried_out() {
    let world = world("not-granted");
    let words = ["--verbose", "kill", "--yes", "--force", "victim"];
    reap(&world, &[], &words).says(&["the host refused", "the ending command", "format-the-disk"]);
}
