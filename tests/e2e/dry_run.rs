//! Looking changes nothing: not the state, not the configuration, not the
//! servers. A peer's dry run wrote fifty of fifty live sessions down as ended.

use crate::support::{Client, Snapshot, World};

const LOOKS: [&[&str]; 13] = [
    &["ls"],
    &["ls", "--json", "--all"],
    &["show", "orphan"],
    &["cleanup", "--dry-run"],
    &["cleanup", "--dry-run", "--json", "--force"],
    &["cleanup", "--dry-run", "--older-than", "1s", "backend:tmux"],
    &["plan", "--overwrite", "-o", "../plan.json"],
    &["plugin", "list"],
    &["plugin", "inspect", "tmux"],
    &["status"],
    &["locks"],
    &["journal"],
    &["journal", "verify"],
];

/// Without a terminal and without `--yes` these are looks as well.
const REFUSED: [&[&str]; 4] =
    [&["cleanup"], &["cleanup", "--json"], &["kill", "orphan"], &["apply", "../plan.json"]];

#[test]
fn looking_changes_nothing() {
    let world = World::with("[plugins]\nfolders = [\"plugins\"]\n[policies.idle-shell]\nafter = \"0s\"\n");
    world.bring_hostile_policy();
    let servers = [world.server("one"), world.server("two")];
    for server in &servers {
        server.sleeper("busy");
        server.tmux(&["set-option", "-g", "automatic-rename", "off"]);
    }
    servers[0].shell("orphan");
    let seen = servers[1].shell("seen");
    let client = Client::attach(&seen);
    let compare = || {
        let folders = ["state", "config", "home", "run", "tmux"].map(|name| Snapshot::of(&world.path(name)));
        (folders, servers.map(|server| server.state()))
    };

    let before = compare();
    assert!(before.0[0].is_empty(), "there is no state yet, and looking makes none");
    for words in LOOKS {
        world.reap(words).exits(0);
        assert_eq!(compare(), before, "reap {words:?} changed something");
    }
    for words in REFUSED {
        world.reap(words).exits(2);
        assert_eq!(compare(), before, "reap {words:?} changed something");
    }

    world.approve_hostile_policy();
    let before = compare();
    assert!(!before.0[0].is_empty(), "an approval is state");
    for words in LOOKS {
        world.reap(words).exits(0);
        assert_eq!(compare(), before, "reap {words:?} changed something");
    }
    client.leave();
}

/// Where nothing was compiled yet, that is kept: what can be removed at any time.
#[test]
fn the_first_look_fills_the_cache_and_nothing_else() {
    let world = World::cold();
    let server = world.server("main");
    server.sleeper("busy");
    server.tmux(&["set-option", "-g", "automatic-rename", "off"]);
    let names = ["state", "config", "home", "run", "tmux"];
    let compare = || (names.map(|name| Snapshot::of(&world.path(name))), server.state());
    let before = compare();
    world.reap(&["cleanup", "--dry-run"]).exits(0);
    assert_eq!(compare(), before);
    let entries = std::fs::read_dir(world.path("")).expect("the world's folder");
    let entries = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("ours"));
    let others: Vec<String> = entries.filter(|entry| !names.contains(&&**entry)).collect();
    assert_eq!(others, ["cache"]);
}

#[test]
fn a_dry_run_tells_what_the_run_does() {
    let world = World::with("[policies.idle-shell]\nafter = \"0s\"\n");
    let server = world.server("main");
    let (orphan, busy) = (server.shell("orphan"), server.sleeper("busy"));
    let dry = world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json();
    assert!(orphan.lives());
    let done = world.reap(&["cleanup", "--yes", "--json"]).exits(0).json();
    for list in ["/items", "/kept"] {
        assert_eq!(dry.at(list).each("/handle"), done.at(list).each("/handle"));
    }
    assert_eq!(dry.at("/items").each("/title"), ["orphan"]);
    assert!(!orphan.lives());
    assert!(busy.lives());
    world.reap(&["cleanup", "--yes"]).exits(0).says(&["Nothing to clean up"]);
}

/// Servers are not started by being asked for.
#[test]
fn looking_starts_no_server() {
    let world = World::bare();
    assert_eq!(world.reap(&["ls", "--json"]).exits(0).json().list().len(), 0);
    world.reap(&["ls"]).exits(0).says(&["No sessions"]);
    world.reap(&["cleanup", "--yes"]).exits(0);
    assert!(!world.sockets().exists());
    assert!(world.processes().is_empty());
}
