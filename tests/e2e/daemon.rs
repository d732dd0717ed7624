//! The daemon: what it ends and what it leaves alone, and how it comes and goes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;

use rustix::process::Signal;

use crate::support::{Daemon, Forgetful, Json, Manager, Meddler, Ran, World, holds, quick, run};

#[test]
fn a_daemon_that_observes_ends_nothing() {
    let world = World::with(&quick("observe"));
    let server = world.server("main");
    let orphan = server.shell("orphan");
    let daemon = world.daemon();
    holds("a mark that is due", || daemon.status().at("/marks/due").list().len() == 1);
    daemon.cycle();
    daemon.cycle();
    assert!(orphan.lives());
    assert!(daemon.said().contains("1 due: orphan ("), "{}", daemon.said());
    assert_eq!(daemon.stop(), 0);
    let kinds = world.journal_kinds();
    assert!(kinds.iter().any(|kind| kind == "mark.due"), "{kinds:?}");
    assert!(!kinds.iter().any(|kind| kind.starts_with("intent.")), "{kinds:?}");
}

#[test]
fn a_daemon_that_enforces_ends_an_orphan_after_its_marks() {
    let world = World::with(&quick("enforce"));
    let server = world.server("main");
    let (orphan, busy) = (server.shell("orphan"), server.sleeper("busy"));
    let leader = orphan.leader();
    let handle = orphan.handle();
    let daemon = world.daemon();
    holds("the end of the orphan", || !orphan.lives() && !leader.lives());
    holds("its settlement", || world.journal_kinds().iter().any(|kind| kind == "session.ended"));
    assert!(busy.lives());
    daemon.process.signal(Signal::TERM);
    daemon.ends().exits(0).says(&["ended orphan ("]);

    let told: Vec<String> = world
        .reap(&["journal", "--all", "--json", &handle])
        .exits(0)
        .json()
        .list()
        .iter()
        .map(kind)
        .collect();
    let expected =
        ["session.seen", "mark.set", "mark.due", "intent.journalled", "intent.settled", "session.ended"];
    assert_eq!(told, expected);
    world.reap(&["journal", "verify"]).exits(0).says(&["is as it was written"]);
}

fn kind(entry: &Json) -> String {
    entry.at("/kind").text().to_owned()
}

#[test]
fn a_second_daemon_says_who_runs() {
    let world = World::with(&quick("observe"));
    let daemon = world.daemon();
    let pid = format!("pid {} ", daemon.process.pid);
    world.reap(&["daemon"]).exits(1).says(&[&pid, "only one process writes to a state folder"]);
    assert_eq!(daemon.status().at("/daemon/process/pid").number(), u64::from(daemon.process.pid));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn it_stops_in_good_order_when_it_is_told_to() {
    let world = World::with(&quick("observe"));
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let daemon = world.daemon();
        daemon.cycle();
        assert!(world.socket().exists());
        daemon.process.signal(signal);
        daemon.ends().exits(0).says(&["stopped"]);
        assert!(!world.socket().exists(), "{signal:?}");
        world.reap(&["journal", "verify"]).exits(0);
    }
}

/// As after `nohup`, when the terminal is closed.
#[test]
fn a_signal_that_it_was_told_to_ignore_does_not_stop_it() {
    let world = World::with(&quick("observe"));
    let mut command = world.command("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" daemon", env!("CARGO_BIN_EXE_reap")]);
    let daemon = world.daemon_as(&mut command);
    daemon.process.signal(Signal::HUP);
    daemon.cycle();
    daemon.cycle();
    assert!(daemon.process.lives());
    assert_eq!(daemon.stop(), 0);
}

/// What it has begun to end is ended, and written down.
#[test]
fn told_to_stop_in_a_cycle_it_finishes_it() {
    let world = World::with(&quick("enforce"));
    let server = world.server("main");
    let (orphan, _other) = (server.shell("orphan"), server.sleeper("other"));
    let meddler = Meddler::in_world(&world);
    let mut manager = Manager::in_world(&world);
    let mut command = meddler.command(&["daemon"]);
    let daemon = world.daemon_as(command.env("NOTIFY_SOCKET", manager.socket()));
    meddler.is_asked();
    daemon.process.signal(Signal::TERM);
    manager.hears("STOPPING=1", 1);
    assert!(orphan.lives() && daemon.process.lives(), "it waits for what it began");
    meddler.lets_go();
    daemon.ends().exits(0).says(&["ended orphan (", "stopped"]);
    assert!(!orphan.lives());
    assert!(!world.socket().exists());
    let settled: Vec<String> = world
        .journal()
        .iter()
        .filter(|entry| kind(entry) == "intent.settled")
        .map(|entry| entry.at("/payload/outcome").text().to_owned())
        .collect();
    assert_eq!(settled, ["ended"]);
}

#[test]
fn the_socket_of_a_daemon_that_crashed_is_replaced() {
    let world = World::with(&quick("observe"));
    world.daemon().crash();
    assert!(world.socket().exists(), "or this test shows nothing");
    world.reap(&["status"]).exits(0).says(&["no daemon runs"]);
    let daemon = world.daemon();
    daemon.cycle();
    assert_eq!(daemon.stop(), 0);
    assert!(!world.socket().exists());
}

#[test]
fn a_service_manager_is_told_how_it_goes() {
    let world = World::with(&quick("observe"));
    let mut manager = Manager::in_world(&world);
    let mut command = world.reap_command(&["daemon"]);
    command.env("NOTIFY_SOCKET", manager.socket()).env("WATCHDOG_USEC", "200000");
    let daemon = world.daemon_as(&mut command);
    manager.hears("READY=1", 1);
    assert!(world.socket().exists(), "ready means that it answers");
    manager.hears("WATCHDOG=1", 3);
    assert_eq!(manager.heard("STOPPING=1"), 0);
    assert_eq!(daemon.stop(), 0);
    assert_eq!(manager.heard("STOPPING=1"), 1);
    assert_eq!(manager.heard("READY=1"), 1);
}

/// The answers of all are right, one process writes, and nobody waits for ever.
#[test]
fn many_at_once_get_along() {
    let world = World::with(&quick("observe"));
    let server = world.server("main");
    let orphans = ["one", "two", "three"].map(|name| server.shell(name));
    let busy = server.sleeper("busy");
    let daemon = world.daemon();
    daemon.cycle();
    let mut lists: Vec<_> = (0..10).map(|_| world.reap_command(&["ls", "--json"])).collect();
    let mut cleanup = world.reap_command(&["cleanup", "--yes", "--json"]);
    let (lists, cleaned): (Vec<Ran>, Ran) = thread::scope(|scope| {
        let lists: Vec<_> = lists.iter_mut().map(|command| scope.spawn(|| run(command))).collect();
        let cleaned = scope.spawn(|| run(&mut cleanup)).join().expect("it ran");
        (lists.into_iter().map(|list| list.join().expect("it ran")).collect(), cleaned)
    });
    let items = cleaned.exits(0).json().at("/items");
    assert_eq!(items.each("/title"), ["one", "three", "two"]);
    assert_eq!(items.each("/outcome"), ["ended"; 3]);
    for list in lists {
        let titles = list.exits(0).json().each("/title");
        assert!(titles.contains(&"busy".to_owned()), "{titles:?}");
    }
    assert!(orphans.iter().all(|orphan| !orphan.lives()));
    assert!(busy.lives());
    assert_eq!(daemon.stop(), 0);
    let kinds = world.journal_kinds();
    for kind in ["intent.journalled", "intent.settled"] {
        assert_eq!(kinds.iter().filter(|other| *other == kind).count(), 3, "{kinds:?}");
    }
    world.reap(&["journal", "verify"]).exits(0);
}

/// Two commands without a daemon: the second waits, looks again, and ends nothing twice.
#[test]
fn two_clean_ups_at_once_end_each_session_once() {
    let world = World::with(&quick("observe"));
    let server = world.server("main");
    let orphans = ["one", "two", "three"].map(|name| server.shell(name));
    server.sleeper("busy");
    let mut commands = [(); 2].map(|()| world.reap_command(&["cleanup", "--yes", "--json"]));
    thread::scope(|scope| {
        let both = commands.each_mut().map(|command| scope.spawn(|| run(command)));
        for one in both {
            let ran = one.join().expect("it ran");
            assert!(matches!(ran.code, 0 | 5), "{ran}");
        }
    });
    assert!(orphans.iter().all(|orphan| !orphan.lives()));
    let outcomes = world.journal().into_iter().filter(|entry| kind(entry) == "intent.settled");
    let ended = outcomes.filter(|entry| entry.at("/payload/outcome").text() == "ended");
    assert_eq!(ended.count(), 3);
}

#[test]
fn whoever_asks_the_daemon_is_not_ended_by_it() {
    let world = World::with(&quick("observe"));
    let server = world.server("main");
    let (own, other) = (server.shell("own"), server.sleeper("other"));
    let daemon = world.daemon();
    for words in [&["kill", "--yes", "own"][..], &["kill", "--yes", "--force", "own"]] {
        own.reap(words).exits(4).says(&["Reap itself runs in it"]);
    }
    assert!(own.lives());
    own.reap(&["kill", "--yes", "--force", "own", "other"]).exits(5);
    assert!(own.lives() && !other.lives());
    // Only the one who holds the journal could end it, so the daemon was asked.
    assert!(daemon.process.lives());
    world.reap(&["kill", "--yes", "own"]).exits(0);
    assert!(!own.lives());
    assert_eq!(daemon.stop(), 0);
}

/// One whose configuration differs protects other sessions, so it is not asked.
#[test]
fn a_daemon_of_another_configuration_is_not_asked() {
    let world = World::with(&quick("observe"));
    let server = world.server("main");
    let session = server.sleeper("work");
    let daemon = world.daemon();
    let other = world.write("other.toml", "[guard]\nstart_grace = \"0s\"\nactive_within = \"0s\"\n");
    let other = other.to_string_lossy().into_owned();
    world.reap(&["--config", &other, "ls"]).exits(0).says(&["warning: the daemon is not asked", "work"]);
    let pid = format!("pid {} ", daemon.process.pid);
    let refused = world.reap(&["--config", &other, "kill", "--yes", "work"]).exits(1);
    refused.says(&["nothing was ended", &pid, "hint: ", "leave out --config"]);
    assert!(session.lives());
    let quiet = world.reap(&["--config", &other, "--alone", "ls"]).exits(0);
    assert_eq!(quiet.stderr, "");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_sessions_of_a_server_that_ended_are_stopped_at_the_next_cycle() {
    let world = World::with(&quick("observe"));
    let (server, other) = (world.server("main"), world.server("other"));
    let doomed = [server.sleeper("one"), server.sleeper("two")];
    other.sleeper("three");
    let process = server.process();
    let daemon = world.daemon();
    holds("three sessions on record", || records(&daemon, "live") == 3);
    process.signal(Signal::KILL);
    holds("the end of the server", || !process.lives());
    daemon.cycle();
    assert_eq!(
        (records(&daemon, "live"), records(&daemon, "stopped"), records(&daemon, "missing")),
        (1, 2, 0)
    );
    drop(doomed);
    let proofs: Vec<String> = world
        .journal()
        .iter()
        .filter(|entry| kind(entry) == "session.stopped")
        .map(|entry| entry.at("/payload/proof/proof").text().to_owned())
        .collect();
    assert_eq!(proofs, ["server", "server"]);
    assert_eq!(daemon.stop(), 0);
}

/// A peer took one empty answer for the end of 400 sessions.
#[test]
fn one_empty_answer_stops_nothing() {
    let world = World::with(&quick("enforce"));
    let server = world.server("main");
    let sessions = [server.sleeper("one"), server.sleeper("two")];
    let front = Forgetful::in_world(&world);
    let daemon = world.daemon_as(&mut front.reap_command(&["daemon"]));
    holds("two sessions on record", || records(&daemon, "live") == 2);
    front.forget();
    holds("two that are missing", || records(&daemon, "missing") == 2);
    front.remember();
    holds("both again", || records(&daemon, "live") == 2);
    assert!(sessions.iter().all(|session| session.lives()));
    assert_eq!(daemon.stop(), 0);
    let kinds = world.journal_kinds();
    for kind in ["session.missing", "session.returned"] {
        assert_eq!(kinds.iter().filter(|other| *other == kind).count(), 2, "{kinds:?}");
    }
    assert!(!kinds.iter().any(|kind| kind == "session.stopped"), "{kinds:?}");
}

/// Sessions of tmux on record that stand so.
fn records(daemon: &Daemon<'_>, standing: &str) -> u64 {
    let records = daemon.status().at("/backends").find("/name", "tmux").at("/records");
    if records.fields().contains(&standing) { records.at(&format!("/{standing}")).number() } else { 0 }
}

/// Nobody else is let in, whatever the mask of the process is.
#[test]
fn the_socket_is_its_users_alone() {
    let world = World::with(&quick("observe"));
    let daemon = world.daemon();
    let mode = |path: PathBuf| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(world.socket()), 0o600);
    assert_eq!(mode(world.path("run/reap")), 0o700);
    daemon.status();
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_command_without_a_runtime_folder_finds_the_daemon() {
    let world = World::with(&quick("observe"));
    let session = world.server("main").sleeper("needed");
    let daemon = world.daemon();
    let mut lean = world.reap_command(&["status", "--json"]);
    let status = run(lean.env_remove("XDG_RUNTIME_DIR")).exits(0).json();
    assert!(!status.at("/daemon").is_null(), "cron has no such variable: {status}");
    assert_eq!(daemon.stop(), 0);
    let alone = run(world.reap_command(&["status", "--json"]).env_remove("XDG_RUNTIME_DIR")).exits(0);
    assert!(alone.json().at("/daemon").is_null(), "{alone}");
    assert!(session.lives());
}

#[test]
fn a_command_that_looks_elsewhere_asks_no_daemon() {
    let world = World::with(&quick("observe"));
    let session = world.server("main").sleeper("work");
    let _daemon = world.daemon();
    std::fs::create_dir(world.path("elsewhere")).expect("a folder");
    let mut other = world.reap_command(&["kill", "--yes", "work"]);
    let killed = run(other.env("TMUX_TMPDIR", world.path("elsewhere"))).exits(3);
    assert!(killed.stderr.contains("TMUX_TMPDIR is"), "{killed}");
    assert!(session.lives(), "it is of another world");
}
