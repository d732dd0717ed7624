//! Mistakes in what the operator writes. Each says what is wrong, where, and what
//! would be right; none is passed over.

use crate::support::{World, run};

#[test]
fn unknown_keys_and_bad_values_are_named_with_their_line() {
    let world = World::bare();
    let session = world.server("main").sleeper("work");
    let cases: [(&str, &str, &[&str]); 28] = [
        ("[gaurd]\n", "line 1", &["gaurd", "guard", "policies"]),
        (
            "[guard]\n\nstart_grase = \"0s\"\n",
            "line 3",
            &["start_grase", "start_grace", "active_within", "protect"],
        ),
        ("[guard]\nstart_grace = \"soon\"\n", "line 2", &["guard.start_grace", "soon", "30m"]),
        ("[guard]\nstart_grace = 30\n", "line 2", &["guard.start_grace", "length of time", "30"]),
        ("[guard]\nprotect = [\"a\",\n\"titel:x\"]\n", "line 3", &["titel:x", "title:"]),
        ("[guard]\nprotect = [\"orphaned\"]\n", "line 2", &["orphaned"]),
        ("[guard]\nprotect = \"a\"\n", "line 2", &["guard.protect", "list"]),
        ("[plan]\nlifetime = \"-1m\"\n", "line 2", &["plan.lifetime", "-1m"]),
        ("[policies.idle-shel]\n", "line 1", &["idle-shel", "idle-shell", "dead-panes"]),
        ("[policies.idle-shell]\nmode = \"on\"\n", "line 2", &["on", "active", "shadow", "off"]),
        ("[policies.idle-shell]\nafetr = \"1h\"\n", "line 2", &["afetr", "after"]),
        ("[policies.idle-shell]\nafter = 3\n", "line 2", &["after", "length of time"]),
        ("[policies.idle-shell]\nlimits = { memroy = 1 }\n", "line 2", &["memroy", "valid are"]),
        (
            "[policies.idle-shell.limits]\ncall_ms = 9\nrun_ms = 0\n",
            "line 3",
            &["policies.idle-shell.limits.run_ms", "more than 0"],
        ),
        ("[backends.tmux]\nenabled = true\nsockets = [\"here\"]\n", "line 3", &["sockets", "\"here\""]),
        ("[backends.tmux]\nsockets = [\n  \"/a\",\n  \"b\",\n]\n", "line 4", &["sockets", "\"b\""]),
        ("[backends.tmux]\nsocket = [\"/x\"]\n", "line 2", &["socket", "sockets"]),
        ("[records]\nconfirmations = 0\n", "line 2", &["records.confirmations", "from 1 to"]),
        ("[marks]\ngrase = \"1m\"\n", "line 2", &["grase", "times", "grace", "longest_gap"]),
        ("[limits]\npercent = 101\n", "line 2", &["limits.percent", "from 1 to 100", "101"]),
        ("[limits.tmux]\n\nper_cycle = 0\n", "line 3", &["limits.tmux.per_cycle", "from 1 to"]),
        ("[limits]\nfloor = 1\n[limits.tmx]\n", "line 3", &["limits.tmx", "there are: ", "tmux"]),
        ("[retry]\nlongest = \"1s\"\n", "line 2", &["retry.longest", "`first` is 1m"]),
        ("[locks]\nautomatic = [\"titel:x\"]\n", "line 2", &["titel:x", "title:"]),
        ("[store]\njournal_age = \"30s\"\n", "line 2", &["store.journal_age", "1h or more", "30s"]),
        ("[daemon]\nmode = \"on\"\n", "line 2", &["daemon.mode", "observe", "enforce"]),
        ("[daemon]\nlisten = \"127.0.0.1:0\"\n", "line 2", &["daemon.listen", "token_file"]),
        ("[guard\n", "line 1", &["reap.toml"]),
    ];
    for (text, line, words) in cases {
        world.configure_only(text);
        let place = format!("{}, {line}:", world.config_file().display());
        for command in [&["ls"][..], &["kill", "--yes", "--force", "work"]] {
            world.reap(command).exits(1).says(&[&place]).says(words);
        }
    }
    assert!(session.lives());
    // What needs no plugins still works.
    world.reap(&["--help"]).exits(0);
    world.reap(&["completions", "bash"]).exits(0);
}

#[test]
fn a_configuration_that_is_named_must_be_there() {
    let world = World::new();
    world.reap(&["ls", "--config", "nowhere.toml"]).exits(1).says(&["nowhere.toml"]);
    run(world.reap_command(&["ls"]).env("REAP_CONFIG", "/nowhere/reap.toml"))
        .exits(1)
        .says(&["/nowhere/reap.toml"]);
    let other = world.write("other.toml", "[guard]\nbad = 1\n").to_string_lossy().into_owned();
    world.reap(&["ls", "--config", &other]).exits(1).says(&[&other, "bad"]);
    run(world.reap_command(&["ls"]).env("REAP_CONFIG", &other)).exits(1).says(&[&other]);
    let good = world.write("good.toml", "").to_string_lossy().into_owned();
    run(world.reap_command(&["ls", "--config", &good]).env("REAP_CONFIG", &other)).exits(0);
}

/// A pipe that nobody writes to would be waited for, and a device may never end.
#[test]
fn what_is_no_regular_file_is_not_read() {
    let world = World::new();
    let pipe = world.path("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("it is made");
    let large = world.write("large", vec![b'#'; (1 << 20) + 1]);
    let pipe = pipe.to_string_lossy();
    for (path, words) in [
        (&*pipe, "it is a pipe; it must be a regular file"),
        ("/dev/zero", "it is a device; it must be a regular file"),
        (&large.to_string_lossy(), "it is larger than 1048576 bytes"),
    ] {
        world.reap(&["ls", "--config", path]).exits(1).says(&[path, words]);
    }
    for path in [&*pipe, "/dev/zero"] {
        world.reap(&["apply", path]).exits(1).says(&[path, "it must be a regular file"]);
    }
    world.reap(&["ls", "--config", "/dev/null"]).exits(0);
    std::fs::rename(&*pipe, world.config_file()).expect("in the place of the file");
    world.reap(&["ls"]).exits(1).says(&["reap.toml: cannot be read: it is a pipe"]);
}

#[test]
fn a_home_that_is_no_whole_path_is_not_called_unset() {
    let world = World::bare();
    let mut command = world.reap_command(&["ls"]);
    command.env("HOME", "rel").env_remove("XDG_CONFIG_HOME");
    run(&mut command).exits(1).says(&["HOME is not set to a whole path (it is \"rel\")"]);
}

#[test]
fn a_slip_in_a_selector_selects_nothing() {
    let world = World::with("[policies.idle-shell]\nafter = \"0s\"\n");
    let session = world.server("main").shell("work");
    let cases: [(&[&str], &[&str]); 9] = [
        (&["bakend:tmux"], &["bakend:tmux", "backend:"]),
        (&["titel:work"], &["title:"]),
        (&["orphand"], &["orphaned"]),
        (&["activity:idel"], &["idle", "running", "stopped", "unknown"]),
        (&["kind:corn"], &["cron", "subagent"]),
        (&["older:soon"], &["soon", "30m"]),
        (&["attached:maybe"], &["yes", "no"]),
        (&[""], &[]),
        (&["title:\"work"], &["work"]),
    ];
    for (selector, words) in cases {
        for command in [&["ls"][..], &["cleanup", "--yes"]] {
            world.reap(&[command, selector].concat()).exits(2).says(words);
        }
    }
    assert!(session.lives());
    let shown = world.reap(&["ls", "backend:tmux", "titel:x"]).exits(2);
    let lines: Vec<&str> = shown.stderr.lines().collect();
    let place = lines.iter().position(|line| line.trim_start().starts_with('^')).expect("a caret line");
    let column = lines[place].find('^').expect("it has one");
    assert!(lines[place - 1][column..].starts_with("titel:x"), "the caret points elsewhere\n{shown}");
}

#[test]
fn everything_works_without_a_configuration() {
    let world = World::bare();
    let session = world.server("main").sleeper("work");
    world.reap(&["ls", "--json"]).exits(0).json().find("/key", &session.id);
    let plan = world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json();
    assert!(plan.at("/items").list().is_empty());
    assert_eq!(plan.at("/kept").each("/title"), ["work"]);
}

#[test]
fn a_backend_can_be_switched_off() {
    let world = World::with("[backends.tmux]\nenabled = false\n");
    let session = world.server("main").sleeper("work");
    assert!(world.reap(&["ls", "--json"]).exits(0).json().list().is_empty());
    world.reap(&["kill", "--yes", "work"]).exits(3);
    assert!(session.lives());
}
