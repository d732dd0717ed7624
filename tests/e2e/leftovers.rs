//! What a session leaves behind: what is still its own and ends with it, and what
//! only looks like it and is left alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use rustix::process::Signal;

use crate::support::{Process, World, holds, skip, until};

/// A pane is opened anew and its first program is gone; what that left behind is
/// older than everything else in the session.
#[test]
fn a_daemon_older_than_its_pane_ends_with_the_session() {
    let world = World::new();
    let server = world.server("main");
    let file = world.path("home/pid");
    let leave = format!("(setsid sh -c 'echo $$ >{}; exec sleep 600' &); exec sleep 600", file.display());
    let session = server.start("again", &["sh", "-c", &leave]);
    let daemon = world.process_in(&file);
    server.tmux(&["respawn-pane", "-k", "-t", &session.id, "sleep 600"]);
    world.reap(&["kill", "--yes", "again"]).exits(0);
    assert!(!session.lives() && !daemon.lives());
}

/// The same after a pane died and another was opened beside it.
#[test]
fn a_daemon_of_a_dead_pane_ends_with_the_session() {
    let world = World::new();
    let server = world.server("main");
    let keeper = server.sleeper("keeper");
    server.tmux(&["set-option", "-g", "remain-on-exit", "on"]);
    let file = world.path("home/pid");
    // It waits for its daemon: one that has not left yet would hear the hangup.
    let leave = format!(
        "(setsid sh -c 'echo $$ >{0}; exec sleep 600' &); until [ -s {0} ]; do sleep 0.05; done",
        file.display()
    );
    let session = server.start("dead", &["sh", "-c", &leave]);
    let daemon = world.process_in(&file);
    server.tmux(&["split-window", "-d", "-t", &session.id, "sleep 600"]);
    world.reap(&["kill", "--yes", "dead"]).exits(0);
    assert!(!session.lives() && !daemon.lives() && keeper.lives());
}

/// A job in `screen` carries the variables of the pane that screen was started
/// from. It is screen's, and not the pane's.
#[test]
fn what_runs_in_a_daemon_that_serves_others_is_left_alone() {
    let world = World::new();
    let server = world.server("main");
    let (first, second) = (world.path("home/first"), world.path("home/second"));
    let screen = world.write(
        "home/screen",
        format!(
            "#!/bin/sh\nsleep 600 &\necho $! >{}\necho $$ >{}\nwait\n",
            second.display(),
            first.display()
        ),
    );
    fs::set_permissions(&screen, fs::Permissions::from_mode(0o700)).expect("ours");
    // It has left its pane for good, or is a child of the pane's program still.
    for start in ["(setsid SCREEN &); exec sleep 600", "setsid SCREEN & exec sleep 600"] {
        let start = start.replace("SCREEN", &screen.to_string_lossy());
        let session = server.start("started", &["sh", "-c", &start]);
        let (daemon, job) = (world.process_in(&first), world.process_in(&second));
        let ran = world.reap(&["kill", "--yes", "started"]).exits(0);
        assert!(!session.lives(), "{ran}");
        assert!(daemon.lives() && job.lives(), "{start}: {ran}");
        assert!(ran.stdout.contains("left alone") && ran.stdout.contains("screen"), "{ran}");
        [&first, &second].into_iter().for_each(|file| fs::remove_file(file).expect("ours"));
    }
}

/// Reap is told to stop while it waits for a process that ignores TERM: it still
/// ends that process, which nobody could find any more afterwards.
#[test]
fn an_end_that_began_is_finished() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let world = World::new();
        let server = world.server("main");
        let file = world.path("home/pid");
        let stubborn = format!(
            "(setsid sh -c 'trap \"\" HUP TERM; echo $$ >{}; while :; do sleep 600; done' &); exec sleep 600",
            file.display()
        );
        let session = server.start("stubborn", &["sh", "-c", &stubborn]);
        let child = world.process_in(&file);
        let mut reap = world.reap_command(&["kill", "--yes", "stubborn"]);
        let mut reap =
            reap.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("reap");
        let process = Process::of(reap.id()).expect("a child is there until it was waited for");
        holds("the end of the session", || !session.lives());
        process.signal(signal);
        let status = until("the end of reap", || reap.try_wait().expect("it is our child"));
        assert!(!child.lives(), "{signal:?}: {status}");
        assert_eq!(status.code(), Some(0), "{signal:?}");
    }
}

/// What runs as another user cannot be ended, and an end that leaves it is none;
/// also where nothing but its kernel session ties it to the pane.
#[test]
fn another_users_leftover_is_a_survivor() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can start a program as another user");
    }
    let world = World::new();
    world.open_to_all();
    let server = world.server("main");
    let file = world.path("home/pid");
    let leave = format!(
        "trap '' HUP; (sh -c 'echo $$ >{}; exec setpriv --reuid=65534 sleep 600' &); exec sleep 600",
        file.display()
    );
    let session = server.start("mixed", &["sh", "-c", &leave]);
    let other = world.process_in(&file);
    holds("the change of the user", || {
        let status = fs::read_to_string(format!("/proc/{}/status", other.pid)).unwrap_or_default();
        status.contains("Uid:\t65534")
    });
    let ran = world.reap(&["kill", "--yes", "--json", "mixed"]).exits(5);
    assert!(!session.lives() && other.lives(), "{ran}");
    let item = ran.json().at("/items/0");
    assert_eq!(item.at("/outcome").text(), "failed");
    assert_eq!(item.at("/survivors/0/process/pid").number(), u64::from(other.pid), "{ran}");
}
