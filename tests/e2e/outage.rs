//! Backends that do not answer, answer nonsense, or answer late, while a daemon
//! runs: what cannot be seen is not gone. And what is truly gone is known to be.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::process::Signal;

use crate::support::{Daemon, Gate, HOSTILE_BACKEND, Json, World, holds};

/// A cycle begins when the test asks for it, and an orphan is due at the third.
const RULES: &str = "[policies.idle-shell]\nafter = \"0s\"\n[marks]\ntimes = 3\ngrace = \"0s\"\n\
    [records]\nspacing = \"0s\"\n[daemon]\nmode = \"enforce\"\nevery = \"1h\"\n";

/// As many as a peer's gateway had when it was down for one list.
const MANY: &str = "400";

/// A gateway with sessions that the test lets come and go.
struct Crowd<'w> {
    world: &'w World,
    daemon: Daemon<'w>,
}

/// A world with such a gateway, and the rules.
fn world_with_a_crowd() -> World {
    let world = World::bare();
    let file = world.write("home/crowd/answer", MANY);
    world.configure(&format!(
        "{RULES}[plugins]\nfolders = [\"plugins\"]\n[backends.hostile]\nattack = \"crowd:{}\"\n\
         [backends.hostile.limits]\ncall_ms = 1000\n",
        file.canonicalize().expect("it was just written").display()
    ));
    world.add_hostile_backend();
    world
}

impl<'w> Crowd<'w> {
    fn in_world(world: &'w World) -> Self {
        let daemon = world.daemon();
        first_cycle(&daemon);
        Self { world, daemon }
    }

    /// One cycle in which the gateway answers so. Gives what could not be seen.
    #[track_caller]
    fn answers(&self, answer: &str) -> Vec<String> {
        self.world.write("home/crowd/answer", answer);
        self.daemon.cycle();
        let unknown = status(&self.daemon).at("/unknown").list();
        let ours = unknown.iter().filter(|one| one.at("/backend").text() == HOSTILE_BACKEND);
        ours.map(|one| one.at("/reason").text().to_owned()).collect()
    }

    /// How many of its sessions live, are missing, and are stopped.
    #[track_caller]
    fn stand(&self) -> [u64; 3] {
        standing(&status(&self.daemon), HOSTILE_BACKEND)
    }
}

#[track_caller]
fn first_cycle(daemon: &Daemon<'_>) {
    holds("the first cycle", || !status(daemon).at("/cycle").is_null());
}

#[track_caller]
fn status(daemon: &Daemon<'_>) -> Json {
    daemon.http().get("/v1/status").is(200).json()
}

/// How many sessions of a backend live, are missing, and are stopped.
#[track_caller]
fn standing(status: &Json, backend: &str) -> [u64; 3] {
    let records = status.at("/backends").find("/name", backend).at("/records");
    let count = |word: &str| {
        if records.fields().contains(&word) { records.at(&format!("/{word}")).number() } else { 0 }
    };
    [count("live"), count("missing"), count("stopped")]
}

/// A peer marked 400 of 400 sessions as stopped when its gateway was down for one
/// list, and left them so when it was back.
#[test]
fn a_gateway_that_is_down_for_a_while_loses_nothing() {
    let world = world_with_a_crowd();
    let crowd = Crowd::in_world(&world);
    assert_eq!(crowd.stand(), [400, 0, 0]);
    for (answer, reason) in [
        ("down", "the gateway does not answer"),
        ("cut 3", "the gateway was cut short"),
        ("cut 0", "the gateway was cut short"),
        ("nonsense", "is no number"),
        ("down", "the gateway does not answer"),
    ] {
        let unknown = crowd.answers(answer);
        assert!(unknown.len() == 1 && unknown[0].contains(reason), "{answer}: {unknown:?}");
        assert_eq!(crowd.stand(), [400, 0, 0], "{answer}");
    }
    assert_eq!(crowd.answers(MANY), [""; 0]);
    assert_eq!(crowd.stand(), [400, 0, 0]);
    assert_eq!(crowd.daemon.stop(), 0);
    nothing_happened(&world);
}

/// Nobody was missed, stopped or ended.
#[track_caller]
fn nothing_happened(world: &World) {
    let kinds = world.journal_kinds();
    let deeds = ["session.missing", "session.stopped", "session.ended", "intent.journalled"];
    assert!(!kinds.iter().any(|kind| deeds.contains(&kind.as_str())), "{kinds:?}");
}

#[test]
fn one_empty_answer_after_many_sessions_ends_and_forgets_nothing() {
    let world = world_with_a_crowd();
    let crowd = Crowd::in_world(&world);
    assert_eq!(crowd.answers("0"), [""; 0], "it is a whole answer");
    assert_eq!(crowd.stand(), [0, 400, 0]);
    crowd.answers(MANY);
    assert_eq!(crowd.stand(), [400, 0, 0]);
    assert_eq!(crowd.daemon.stop(), 0);
    let kinds = world.journal_kinds();
    assert!(!kinds.iter().any(|kind| kind == "session.stopped" || kind == "intent.journalled"), "{kinds:?}");
}

/// A peer's breaker reported a board that was truly dead as alive for ever.
#[test]
fn all_that_vanish_for_good_are_stopped() {
    let world = world_with_a_crowd();
    let crowd = Crowd::in_world(&world);
    crowd.answers("0");
    crowd.answers("down");
    assert_eq!(crowd.stand(), [0, 400, 0], "an outage confirms nothing");
    crowd.answers("0");
    assert_eq!(crowd.stand(), [0, 0, 400]);
    assert_eq!(crowd.daemon.stop(), 0);
    assert!(world.intents().is_empty());
}

/// A peer took the answer that came after its time for a success without sessions.
#[test]
fn a_late_gateway_stops_no_other_backend_and_loses_nothing() {
    let world = world_with_a_crowd();
    let server = world.server("main");
    let (work, stays) = (server.shell("work"), server.sleeper("stays"));
    let crowd = Crowd::in_world(&world);
    crowd.answers(MANY);
    assert!(work.lives());
    let unknown = crowd.answers("late");
    assert!(unknown.len() == 1 && unknown[0].contains("call_ms"), "{unknown:?}");
    assert!(!work.lives() && stays.lives(), "what is due elsewhere was ended in that cycle");
    assert_eq!(crowd.stand(), [400, 0, 0]);
    assert_eq!(crowd.daemon.stop(), 0);
}

/// A stopped server takes connections and answers nothing.
#[test]
fn a_tmux_server_that_does_not_answer() {
    let world = World::with(RULES);
    let (server, other) = (world.server("main"), world.server("other"));
    let (work, stays) = (server.shell("work"), server.sleeper("stays"));
    let elsewhere = other.shell("elsewhere");
    let process = server.process();
    let daemon = world.daemon();
    first_cycle(&daemon);
    daemon.cycle();
    process.signal(Signal::STOP);
    daemon.cycle();
    assert!(!elsewhere.lives(), "the server that answers is looked at as ever");
    let there = status(&daemon);
    assert_eq!(standing(&there, "tmux"), [2, 0, 0], "{there}");
    assert_eq!(there.at("/unknown/0/instance").text(), server.instance());
    assert!(there.at("/unknown/0/reason").text().contains("does not answer"), "{there}");
    process.signal(Signal::CONT);
    assert!(work.lives() && stays.lives());
    daemon.cycle();
    assert!(!work.lives() && stays.lives(), "its votes were neither lost nor counted on");
    assert_eq!(daemon.stop(), 0);
    let kinds = world.journal_kinds();
    assert!(!kinds.iter().any(|kind| kind == "session.missing" || kind == "session.stopped"), "{kinds:?}");
}

/// The new server counts its sessions from the start, so the same id and the same
/// name mean another session, which nobody voted on yet.
#[test]
fn a_tmux_server_that_was_started_anew() {
    let world = World::with(RULES);
    let server = world.server("main");
    let (old, _stays) = (server.shell("work"), server.sleeper("stays"));
    let daemon = world.daemon();
    first_cycle(&daemon);
    daemon.cycle();
    server.end();
    let new = server.shell("work");
    assert_eq!(new.id, old.id);
    daemon.cycle();
    assert_eq!(standing(&status(&daemon), "tmux"), [1, 0, 2]);
    assert!(new.lives(), "the votes on the old one are not its");
    daemon.cycle();
    assert!(new.lives());
    daemon.cycle();
    assert!(!new.lives());
    assert_eq!(daemon.stop(), 0);
}

/// Peers asked about each session by itself, and were slow for it.
#[test]
fn a_look_at_a_server_is_one_command() {
    let world = World::with(RULES);
    let (gate, server) = (Gate::in_world(&world), world.server("main"));
    for name in ["one", "two", "three", "four", "five", "six"] {
        server.sleeper(name);
    }
    let daemon = world.daemon_as(&mut gate.command(&["daemon"]));
    first_cycle(&daemon);
    let before = gate.commands();
    daemon.cycle();
    assert_eq!(gate.commands() - before, 1);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_tmux_that_is_not_installed_any_more() {
    let world = World::with(RULES);
    let server = world.server("main");
    let (work, stays) = (server.shell("work"), server.sleeper("stays"));
    fs::create_dir(world.path("bin")).expect("it is new");
    let tmux = world.path("bin/tmux");
    let real = std::env::split_paths(&std::env::var_os("PATH").expect("a PATH"))
        .map(|folder| folder.join("tmux"))
        .find(|path| path.is_file())
        .expect("tmux is installed");
    symlink(&real, &tmux).expect("linked");
    let mut command = world.reap_command(&["daemon"]);
    let daemon = world.daemon_as(command.env("PATH", world.path("bin")));
    first_cycle(&daemon);
    daemon.cycle();
    fs::remove_file(&tmux).expect("it is ours");
    for _ in 0..3 {
        daemon.cycle();
        let there = status(&daemon);
        assert_eq!(standing(&there, "tmux"), [2, 0, 0], "{there}");
        assert!(there.at("/unknown/0/reason").text().contains("tmux"), "{there}");
    }
    assert!(work.lives() && stays.lives());
    symlink(&real, &tmux).expect("linked");
    daemon.cycle();
    assert!(!work.lives() && stays.lives());
    assert_eq!(daemon.stop(), 0);
}
