//! What the plugin may not: open the database of credentials, read a variable that
//! was not granted, end what is not the session's. Tried by an attacker that has
//! the plugin's own manifest.

use crate::support::{HOSTILE_BACKEND, Process, Ran, World, run};

/// What must never be read.
const CANARY: &str = "canary-5e0a";

/// A world in which the attacker has what the kiro-cli backend has, and learns from
/// the test which processes to attack.
fn world(attack: &str) -> World {
    let world = World::with(&format!(
        "[plugins]\nfolders = [\"plugins\"]\n[backends.hostile]\nattack = \"{attack}\"\n"
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
    reap(&world, &[victim], &["kill", "--yes", "--force", "victim"])
        .exits(5)
        .says(&["nothing proves that it may be ended"]);
    assert!(victim.lives());
    world.reap(&["journal", "verify"]).exits(0);
    world.reap(&["journal", "--json"]).exits(0).says(&["nothing proves that it may be ended"]);
}

/// Nor is any file removed but the one that the manifest names.
#[test]
fn only_removals_of_the_manifest_are_carried_out() {
    let world = world("not-granted");
    let words = ["--verbose", "kill", "--yes", "--force", "victim"];
    reap(&world, &[], &words).says(&["the host refused", "the ending command", "format-the-disk"]);
}
