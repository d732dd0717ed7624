//! `reap status`: with a daemon, and without one.

use crate::support::{Ran, World, holds, quick};

#[test]
fn without_a_daemon_it_says_so_and_makes_nothing() {
    let world = World::new();
    world.server("main").sleeper("work");
    let status = world.reap(&["status", "--json"]).exits(0).json();
    assert!(
        status.at("/daemon").is_null() && status.at("/cycle").is_null() && status.at("/journal").is_null()
    );
    assert_eq!(status.at("/plugins").find("/name", "tmux").at("/state").text(), "ready");
    assert_eq!(status.at("/config").text(), world.config_file().to_string_lossy());
    world.reap(&["status"]).exits(0).says(&["no daemon runs", "tmux", "none yet"]);
    assert!(!world.path("state").exists());
    assert!(!world.socket().exists());
}

#[test]
fn what_was_done_alone_is_told_without_a_daemon() {
    let world = World::new();
    world.server("main").sleeper("work");
    world.server("main").sleeper("other");
    world.reap(&["kill", "--yes", "work"]).exits(0);
    let status = world.reap(&["status", "--json"]).exits(0).json();
    assert!(status.at("/journal/entries").number() >= 2);
    assert_eq!(status.at("/journal/open_intents").number(), 0);
}

#[test]
fn with_a_daemon_it_tells_how_that_is() {
    let world = World::with(&quick("observe"));
    let server = world.server("main");
    server.shell("orphan");
    server.sleeper("busy");
    let daemon = world.daemon();
    holds("a mark that is due", || daemon.status().at("/marks/due").list().len() == 1);
    let status = daemon.status();
    assert_eq!(status.at("/daemon/mode").text(), "observe");
    assert_eq!(status.at("/daemon/every").number(), 1000);
    assert_eq!(status.at("/daemon/socket").text(), world.socket().to_string_lossy());
    assert!(status.at("/cycle/number").number() >= 2);
    assert!(status.at("/cycle/error").is_null());
    let tmux = status.at("/backends").find("/name", "tmux");
    assert_eq!(tmux.at("/records/live").number(), 2);
    assert_eq!((tmux.at("/activity/running").number(), tmux.at("/activity/idle").number()), (1, 1));
    assert!(status.at("/journal/entries").number() >= 4);
    assert!(status.at("/plugins").find("/name", "tmux").at("/counters").fields().len() > 3);
    let handle = status.at("/marks/due/0").text().to_owned();
    let pid = format!("pid {} ", daemon.process.pid);
    world.reap(&["status"]).exits(0).says(&[
        &pid,
        "mode observe: it ends only what is approved",
        "every 1s",
        "Sessions on record",
        "1 running, 1 idle",
        "1 marked, 1 of them due",
        &handle[..8],
    ]);
    // Alone, the same is known but for the daemon's own part.
    let alone = world.reap(&["--alone", "status", "--json"]).exits(0).json();
    assert!(alone.at("/daemon").is_null());
    assert_eq!(alone.at("/marks/due"), status.at("/marks/due"));
    assert_eq!(daemon.stop(), 0);
}

/// A policy that fails in a cycle is named, with how.
#[test]
fn faults_of_plugins_are_told() {
    let more = "[policies.idle-shell.limits]\nmemory_bytes = 1\n";
    let world = World::with(&format!("{more}[daemon]\nevery = \"1s\"\n"));
    world.server("main").shell("work");
    let daemon = world.daemon();
    daemon.cycle();
    let plugin = daemon.status().at("/plugins").find("/name", "idle-shell");
    let reason = plugin.at(if plugin.at("/fault").is_null() { "/reason" } else { "/fault" });
    assert!(reason.text().contains("memory"), "{plugin}");
    world.reap(&["status"]).exits(0).says(&["idle-shell", "memory"]);
    assert_eq!(daemon.stop(), 0);
}

/// The same commands give the same answers, alone and with a daemon.
#[test]
fn commands_answer_the_same_with_a_daemon() {
    let world = World::with(&quick("observe"));
    let server = world.server("main");
    server.shell("orphan");
    server.sleeper("busy");
    let asked: [&[&str]; 4] =
        [&["ls", "orphaned"], &["show", "orphan"], &["cleanup", "--dry-run"], &["ls", "backend:nothing"]];
    let daemon = world.daemon();
    daemon.cycle();
    // From then on it is told how many seconds ago they were active, and that is left out below.
    holds("some age", || world.reap(&["ls", "--json", "older:1s"]).exits(0).json().list().len() == 2);
    daemon.cycle();
    for words in asked {
        let with = world.reap(words);
        let alone = world.reap(&[&["--alone"], words].concat());
        let tell = |ran: &Ran| {
            let text = format!("{}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
            // How long ago something was differs from one moment to the next.
            let timeless = |line: &&str| !line.contains(" ago") && !line.contains("nothing but its shell");
            text.lines().filter(timeless).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(tell(&with), tell(&alone), "{words:?}");
    }
    let session = |words: &[&str]| world.reap(words).exits(0).json().find("/title", "orphan");
    let (with, alone) = (session(&["ls", "--json"]), session(&["--alone", "ls", "--json"]));
    for field in ["/handle", "/incarnation", "/verdict/vote", "/processes"] {
        assert_eq!(with.at(field), alone.at(field), "{field}");
    }
    assert!(!with.at("/mark").is_null(), "what is remembered is told: {with}");
    world.reap(&["protect", "orphan"]).exits(0);
    world.reap(&["show", "orphan"]).exits(0).says(&["@reap-protect"]);
    world.reap(&["unprotect", "orphan"]).exits(0);
    assert_eq!(daemon.stop(), 0);
}
