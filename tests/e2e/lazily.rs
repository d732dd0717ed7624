//! A command that looks once loads only the policies that may have a vote. Whether a plugin
//! was loaded shows in the folder of compiled code: what was removed comes back.

use std::fs;
use std::path::PathBuf;

use crate::support::World;

/// Where the compiled code of this plugin lies.
fn code_of(world: &World, name: &str) -> PathBuf {
    let said = format!("{{\"name\":\"{name}\",");
    let files = fs::read_dir(world.path("cache/reap")).expect("it was made");
    // The first line is a checksum.
    let says = |text: String| text.split_once('\n').is_some_and(|(_, text)| text.starts_with(&said));
    let its = |path: &PathBuf| fs::read_to_string(path).is_ok_and(says);
    let mut descriptions = files
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json") && its(path));
    descriptions.next().expect("it was loaded once").with_extension("cwasm")
}

/// Whether a plugin is loaded by this command.
fn is_loaded(world: &World, name: &str, words: &[&str]) -> bool {
    let code = code_of(world, name);
    fs::remove_file(&code).expect("it was compiled");
    world.reap(words).exits(0);
    let loaded = code.exists();
    world.reap(&["plugin", "list"]).exits(0); // which loads all of them
    assert!(code.exists(), "{name}");
    loaded
}

#[test]
fn a_policy_without_sessions_is_not_loaded() {
    let world = World::cold();
    let session = world.server("main").sleeper("work");
    world.reap(&["ls"]).exits(0);

    assert!(is_loaded(&world, "tmux", &["ls"]));
    assert!(is_loaded(&world, "idle-shell", &["ls"]));
    assert!(is_loaded(&world, "kiro-cli", &["ls"]), "every backend is asked");
    assert!(!is_loaded(&world, "kiro-orphans", &["ls"]));
    world.reap(&["ls", "--json"]).exits(0).json().find("/key", &session.id);

    fs::create_dir_all(world.path("home/.kiro/sessions/cli")).expect("it is ours");
    assert!(is_loaded(&world, "kiro-orphans", &["ls"]), "it may have a vote now");
}

/// A mistake shows at once, whether the plugin is needed or not.
#[test]
fn a_plugin_with_settings_of_its_own_is_always_asked() {
    let world = World::cold();
    world.reap(&["ls"]).exits(0);
    world.configure("[backends.kiro-cli]\nhomes = [\"~/k\"]\n");
    world.reap(&["ls"]).exits(1).says(&["homes", "whole path"]);
    world.configure("[policies.kiro-orphans]\nafter = \"soon\"\n");
    world.reap(&["ls"]).exits(1).says(&["after", "soon"]);
    world.configure("[policies.kiro-orphans.limits]\nmemory_bytes = 1\n");
    world.reap(&["ls"]).exits(0).says(&["kiro-orphans", "memory_bytes"]);
}

/// What a plugin said is only believed where it can be read.
#[test]
fn a_damaged_description_is_a_miss() {
    let world = World::cold();
    let session = world.server("main").sleeper("work");
    world.reap(&["ls"]).exits(0);
    let description = code_of(&world, "tmux").with_extension("json");
    let good = fs::read(&description).expect("it is there");
    fs::write(&description, &good[..good.len() / 2]).expect("it is ours");
    world.reap(&["ls", "--json"]).exits(0).json().find("/key", &session.id);
    assert_eq!(fs::read(&description).expect("it is there"), good, "it was written anew");
}
