//! Which processes are a session's, where that is hard to tell. One that is missed
//! lives on for ever; one that is taken by mistake is somebody else's work.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::support::{Process, World, holds, run, skip, until};

/// Its files in /proc are root's, and only its folder tells whose it is.
#[test]
fn a_process_that_does_not_let_itself_be_dumped() {
    let world = World::of_nobody();
    let file = world.path("home/pid");
    let line = format!("trap '' HUP; exec {} undumpable {}", world.odd().display(), file.display());
    let session = world.server("main").start("closed", &["sh", "-c", &line]);
    let process = world.process_in(&file);
    let owner = fs::metadata(format!("/proc/{}/stat", process.pid)).expect("it runs").uid();
    assert_eq!(owner, 0, "else this test shows nothing");
    let ran = world.reap(&["kill", "--yes", "--json", "closed"]).exits(0);
    assert_eq!(ran.json().at("/items/0/outcome").text(), "ended", "{ran}");
    assert!(!session.lives() && !process.lives(), "{ran}");
}

/// Its state is that of one that has ended, and others of its threads run on.
#[test]
fn a_process_whose_first_thread_has_ended() {
    let world = World::new();
    let file = world.path("home/pid");
    let line = format!("trap '' HUP; exec {} headless {}", world.odd().display(), file.display());
    let session = world.server("main").start("headless", &["sh", "-c", &line]);
    let process = world.process_in(&file);
    holds("the end of its first thread", || process.shows_as_ended());
    assert!(process.lives());
    let ran = world.reap(&["kill", "--yes", "--json", "headless"]).exits(0);
    assert_eq!(ran.json().at("/items/0/outcome").text(), "ended", "{ran}");
    assert!(ran.json().at("/items/0/notes").to_string().contains("1 process had to be asked"), "{ran}");
    assert!(!session.lives() && !process.lives(), "{ran}");
}

/// More than a pipe holds, and more than most programs would read of it.
#[test]
fn a_daemon_with_a_huge_environment() {
    let world = World::new();
    let line = "big=$(head -c 100000 /dev/zero | tr '\\0' x)\n\
                setsid env -i A=$big B=$big C=$big D=$big TMUX=\"$TMUX\" TMUX_PANE=$TMUX_PANE \
                REAP_TEST_WORLD=$REAP_TEST_WORLD sleep 600 &\n";
    let script = world.write("huge.sh", line).to_string_lossy().into_owned();
    let line = format!("(sh {script} &); exec sleep 600");
    let session = world.server("main").start("huge", &["sh", "-c", &line]);
    let daemon = until("the daemon", || world.processes().into_iter().find(|it| it.variable("D").is_some()));
    let environment = fs::read(format!("/proc/{}/environ", daemon.pid)).expect("ours");
    let at = environment.windows(6).position(|part| part == b"\0TMUX=");
    assert!(at.is_some_and(|at| at > 256 << 10), "else this test shows nothing: {at:?}");
    let ran = world.reap(&["kill", "--yes", "huge"]).exits(0);
    assert!(!session.lives() && !daemon.lives(), "{ran}");
}

/// tmux tells its panes the path as it is.
#[test]
fn a_daemon_of_a_server_with_a_line_end_in_its_path() {
    let world = World::new();
    let file = world.path("home/pid");
    let line = format!("(setsid sh -c 'echo $$ >{}; exec sleep 600' &); exec sleep 600", file.display());
    let session = world.server("line\nend").start("odd", &["sh", "-c", &line]);
    let daemon = world.process_in(&file);
    assert!(daemon.variable("TMUX").is_some_and(|value| value.contains("line\nend,")));
    let ran = world.reap(&["kill", "--yes", "odd"]).exits(0);
    assert!(!session.lives() && !daemon.lives(), "{ran}");
}

/// The pid of the server in its variables counts in its own namespace. Here that
/// is the pid of somebody else, such as of this very server.
#[test]
fn a_process_of_another_pid_namespace() {
    const APART: [&str; 3] = ["--user", "--pid", "--fork"];
    let world = World::new();
    if run(world.command("unshare").args(APART).arg("true")).code != 0 {
        return skip("this user may not make a PID namespace");
    }
    let session = world.server("main").sleeper("work");
    let leader = session.leader();
    let variables = ["TMUX", "TMUX_PANE"].map(|name| (name, leader.variable(name).expect("tmux sets it")));
    let variables = variables.map(|(name, value)| format!("{name}={value}"));
    let start = |mut command: Command| {
        let before = world.processes();
        command.args(&variables).args(["sleep", "600"]);
        world.in_background(command);
        until("a process with these variables", || {
            let mut new = world.processes().into_iter().filter(|process| !before.contains(process));
            new.find(|process| process.variable("TMUX_PANE").is_some())
        })
    };
    let here = start(world.command("env"));
    let mut apart = world.command("unshare");
    apart.args(APART).arg("env");
    let there = start(apart);
    let namespace = |of: Process| fs::read_link(format!("/proc/{}/ns/pid", of.pid)).expect("ours");
    assert_ne!(namespace(here), namespace(there), "else this test shows nothing");

    let ran = world.reap(&["kill", "--yes", "work"]).exits(0);
    assert!(!session.lives());
    assert!(there.lives(), "it carries the same variables, and is of another world: {ran}");
    assert!(!here.lives(), "in this namespace the variables prove something: {ran}");
}
