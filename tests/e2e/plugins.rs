//! Plugins of others: none runs before the operator has agreed, none that is
//! broken stops the rest, and one that was relied on does not fall silent.

use std::fs;

use crate::support::{HOSTILE_BACKEND, HOSTILE_POLICY, World, run};

const FOLDER: &str = "[plugins]\nfolders = [\"plugins\"]\n[policies.idle-shell]\nafter = \"0s\"\n";

/// A manifest of a policy.
fn policy(name: &str) -> String {
    format!("name = \"{name}\"\nversion = \"1.0.0\"\nworld = \"policy\"\nsummary = \"For a test.\"\n")
}

#[test]
fn a_broken_plugin_is_named_and_the_rest_works() {
    let world = World::with(FOLDER);
    let orphan = world.server("main").shell("orphan");
    world.bring_hostile_policy();
    let whole = fs::read(world.path("config/reap/plugins/hostile-policy.wasm")).expect("it was brought");
    fs::remove_file(world.path("config/reap/plugins/hostile-policy.wasm")).expect("it is ours");
    fs::remove_file(world.path("config/reap/plugins/hostile-policy.toml")).expect("it is ours");
    let module = b"\0asm\x01\0\0\0";
    let cases: [(&str, Vec<u8>, String, &[&str]); 9] = [
        ("cut", whole[..whole.len() / 2].to_vec(), policy("cut"), &["cut"]),
        ("empty", Vec::new(), policy("empty"), &["empty"]),
        ("foreign", b"\x7fELF\x02\x01\x01".to_vec(), policy("foreign"), &["foreign"]),
        ("module", module.to_vec(), policy("module"), &["module", "component"]),
        ("misnamed", whole.clone(), policy("misnamed"), &["misnamed", HOSTILE_POLICY]),
        (
            "asks",
            whole.clone(),
            format!("{}[asks.telepathy]\n", policy("asks")),
            &["asks.toml", "telepathy", "commands"],
        ),
        (
            "greedy",
            whole.clone(),
            format!("{}[asks.files]\npaths = [\"/\"]\n", policy("greedy")),
            &["greedy.toml", "policy"],
        ),
        ("garbled", whole.clone(), "name = \n".to_owned(), &["garbled.toml"]),
        ("other", whole, policy("another"), &["other.toml", "another"]),
    ];
    for (name, wasm, manifest, words) in cases {
        let wasm = world.write(format!("config/reap/plugins/{name}.wasm").as_str(), wasm);
        let manifest = world.write(format!("config/reap/plugins/{name}.toml").as_str(), manifest);
        // Where the manifest is good the operator may well have agreed.
        world.reap(&["plugin", "approve", name, "--yes"]);
        world.reap(&["plugin", "list"]).exits(0).says(&[name, "idle-shell"]);
        let ran = world.reap(&["ls", "--json"]).exits(0).says(words);
        assert_eq!(ran.json().each("/title"), ["orphan"], "{name}");
        fs::remove_file(wasm).and_then(|()| fs::remove_file(manifest)).expect("they are ours");
        world.reap(&["plugin", "approve", name, "--revoke"]);
    }
    world.reap(&["cleanup", "--yes"]).exits(0);
    assert!(!orphan.lives());
}

#[test]
fn a_plugin_runs_only_after_it_was_approved() {
    let world = World::with(FOLDER);
    let session = world.server("main").sleeper("busy");
    world.bring_hostile_policy();
    let vote = || {
        let shown = world.reap(&["show", "--json", "busy"]).exits(0);
        shown.json().at("/verdict/vote").text().to_owned()
    };
    assert_eq!(vote(), "abstain");
    world.reap(&["ls"]).exits(0).says(&["reap plugin approve hostile-policy", "not approved"]);
    world.reap(&["plugin", "list"]).exits(0).says(&[HOSTILE_POLICY, "not approved"]);

    // Nobody can be asked, so nobody has agreed.
    world.reap(&["plugin", "approve", HOSTILE_POLICY]).exits(2).says(&["--yes"]);
    assert_eq!(vote(), "abstain");
    world.reap(&["plugin", "approve", HOSTILE_POLICY, "--yes"]).exits(0);
    assert_eq!(vote(), "orphan");

    // It asks for more than was agreed to, or says that it is something else.
    let manifest = world.path("config/reap/plugins/hostile-policy.toml");
    let text = fs::read_to_string(&manifest).expect("the manifest");
    fs::write(&manifest, format!("{text}\n# changed\n")).expect("it can be changed");
    assert_ne!(vote(), "orphan");
    world
        .reap(&["ls"])
        .exits(0)
        .says(&["reap plugin approve hostile-policy", "not the one that was approved"]);
    world.reap(&["plugin", "approve", HOSTILE_POLICY, "--yes"]).exits(0);
    assert_eq!(vote(), "orphan");
    assert!(session.lives());
}

/// A policy that keeps sessions alive must not end them by breaking.
#[test]
fn a_policy_that_was_relied_on_and_broke_keeps_everything() {
    let world = World::with(FOLDER);
    let session = world.server("main").shell("orphan");
    world.add_hostile_policy();
    assert_eq!(world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json().at("/items").list().len(), 1);
    let wasm = world.path("config/reap/plugins/hostile-policy.wasm");
    let whole = fs::read(&wasm).expect("the plugin");
    let cut = &whole[..whole.len() / 2];
    for broken in [Some(cut), Some(b"no wasm"), None] {
        match broken {
            Some(bytes) => fs::write(&wasm, bytes).expect("it can be broken"),
            None => fs::remove_file(&wasm).expect("it can be removed"),
        }
        let ran = world.reap(&["cleanup", "--yes", "--json"]).exits(0).says(&[HOSTILE_POLICY]);
        assert!(ran.json().at("/items").list().is_empty());
        assert!(session.lives());
    }
    fs::write(&wasm, whole).expect("it can be mended");
    world.reap(&["cleanup", "--yes"]).exits(0);
    assert!(!session.lives());
}

/// An unmounted folder or a half-done deployment takes the files away, and not
/// the reasons for keeping sessions alive.
#[test]
fn a_policy_that_was_relied_on_and_went_keeps_everything() {
    let world = World::with(FOLDER);
    let session = world.server("main").shell("orphan");
    world.add_hostile_policy();
    fs::rename(world.path("config/reap/plugins"), world.path("unmounted")).expect("it is ours");
    fs::create_dir(world.path("config/reap/plugins")).expect("it is gone");
    for more in ["", "[policies.hostile-policy]\nattack = \"none\"\n"] {
        world.configure(&format!("{FOLDER}{more}"));
        let ran = world.reap(&["cleanup", "--yes", "--json"]).exits(0);
        let ran = ran.says(&["reap plugin approve hostile-policy --revoke", "in [policies.hostile-policy]"]);
        assert!(ran.json().at("/items").list().is_empty(), "{ran}");
        assert!(session.lives());
    }
    world.reap(&["plugin", "list"]).exits(0).says(&[HOSTILE_POLICY, "in no plugin folder"]);
    world.reap(&["plugin", "approve", HOSTILE_POLICY, "--yes"]).exits(1).says(&["in no plugin folder"]);

    let items = || world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json().at("/items").list().len();
    world.configure(&format!("{FOLDER}[policies.hostile-policy]\nmode = \"off\"\n"));
    assert_eq!(items(), 1, "the operator does without it");
    world.configure(FOLDER);
    assert_eq!(items(), 0);
    world.reap(&["plugin", "approve", HOSTILE_POLICY, "--revoke"]).exits(0);
    assert_eq!(items(), 1, "nobody relies on it any more");
    world.reap(&["plugin", "approve", HOSTILE_POLICY, "--revoke"]).exits(3).says(&["nothing to take back"]);
    world.reap(&["cleanup", "--yes"]).exits(0);
    assert!(!session.lives());
}

#[test]
fn a_backend_that_was_relied_on_and_went_is_unknown() {
    let world = World::with(FOLDER);
    world.server("main").shell("orphan");
    world.add_hostile_backend();
    fs::remove_dir_all(world.path("config/reap/plugins")).expect("it is ours");
    fs::create_dir(world.path("config/reap/plugins")).expect("it is gone");
    let unknown = || world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json().at("/unknown");
    let reason = unknown().find("/backend", HOSTILE_BACKEND).at("/reason");
    assert!(reason.text().contains("set enabled = false in [backends.hostile]"), "{reason}");
    world.configure(&format!("{FOLDER}[backends.hostile]\nenabled = false\n"));
    assert!(unknown().list().is_empty());
    world.configure(FOLDER);
    world.reap(&["plugin", "approve", HOSTILE_BACKEND, "--revoke"]).exits(0);
    assert!(unknown().list().is_empty());
}

#[test]
fn a_plugin_whose_name_has_dots_is_named_with_them() {
    let world = World::with(FOLDER);
    world.write("config/reap/plugins/my.rules.wasm", "");
    world.write("config/reap/plugins/my.rules.toml", policy("my-rules"));
    let ran = world.reap(&["plugin", "list"]).exits(0);
    ran.says(&["my.rules.toml", "the file must be named my-rules.toml"]);
}

#[test]
fn a_second_plugin_of_a_name_does_not_take_the_place_of_the_first() {
    let world = World::with(FOLDER);
    let session = world.server("main").shell("orphan");
    world.bring_hostile_policy();
    let from = world.path("config/reap/plugins/hostile-policy.wasm");
    for name in ["tmux", "idle-shell"] {
        fs::copy(&from, world.path(format!("config/reap/plugins/{name}.wasm"))).expect("a copy");
        world.write(&format!("config/reap/plugins/{name}.toml"), policy(name));
    }
    world.reap(&["ls"]).exits(0).says(&["tmux", "taken by the bundled one", "idle-shell"]);
    world.reap(&["kill", "--yes", "orphan"]).exits(0);
    assert!(!session.lives());
}

#[test]
fn a_folder_of_plugins_that_is_missing_is_an_error() {
    let world = World::with("[plugins]\nfolders = [\"nowhere\"]\n");
    world.reap(&["ls"]).exits(1).says(&["nowhere", "[plugins] folders"]);
}

#[test]
fn plugins_are_listed_and_inspected() {
    let world = World::new();
    world.reap(&["plugin", "list"]).exits(0).says(&[
        "tmux",
        "dead-panes",
        "idle-shell",
        "bundled",
        "backend",
        "policy",
    ]);
    world.reap(&["plugin", "inspect", "tmux"]).exits(0).says(&["sockets", "kill-session"]);
    world.reap(&["plugin", "inspect", "idle-shell"]).exits(0).says(&["after", "1d"]);
    world.reap(&["plugin", "inspect", "nobody"]).exits(3).says(&["nobody", "tmux"]);
}

/// Another user's compiled code would be another user's commands.
#[test]
fn a_cache_that_others_may_write_is_not_used() {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let world = World::cold();
    world.server("main").sleeper("work");
    world.reap(&["ls"]).exits(0);
    let folder = world.path("cache/reap");
    let mode = fs::metadata(&folder).expect("it was made").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let files = fs::read_dir(&folder).expect("it can be read").count();
    assert_eq!(files, 8, "one file for each bundled plugin");

    fs::remove_dir_all(&folder).expect("it is ours");
    fs::DirBuilder::new().mode(0o700).create(&folder).expect("it is gone");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("it is ours");
    world.reap(&["ls"]).exits(0);
    assert_eq!(fs::read_dir(&folder).expect("it can be read").count(), 0);
}

/// Root could make any folder, and nobody would find what is kept there.
#[test]
fn a_home_that_does_not_exist_is_not_made() {
    let world = World::cold();
    let home = world.path("nowhere");
    let reap = |words: &[&str]| {
        let mut command = world.reap_command(words);
        run(command.env("HOME", &home).env_remove("XDG_CACHE_HOME").env_remove("XDG_STATE_HOME"))
    };
    let told = reap(&["ls"]).exits(0).says(&["nowhere does not exist", "XDG_CACHE_HOME"]);
    assert_eq!(told.stderr.matches("compiled plugins are not kept").count(), 1, "{told}");
    assert!(!home.exists());
    world.configure(FOLDER);
    world.bring_hostile_policy();
    let refused = reap(&["plugin", "approve", HOSTILE_POLICY, "--yes"]).exits(1);
    refused.says(&["approved.toml", "nowhere does not exist"]);
    assert!(!home.exists());
    fs::create_dir(&home).expect("it is ours");
    let told = reap(&["ls"]).exits(0);
    assert!(!told.stderr.contains("compiled plugins are not kept"), "{told}");
    assert!(home.join(".cache/reap").exists());
}

#[test]
fn a_damaged_cache_is_a_miss() {
    let world = World::cold();
    let session = world.server("main").sleeper("work");
    world.reap(&["ls"]).exits(0);
    for entry in fs::read_dir(world.path("cache/reap")).expect("it was made") {
        let path = entry.expect("an entry").path();
        let mut bytes = fs::read(&path).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("it can be damaged");
    }
    world.reap(&["ls", "--json"]).exits(0).json().find("/key", &session.id);
}
