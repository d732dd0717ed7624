//! Reap that runs inside a session never ends that session: it would cut off the
//! branch it sits on.

use crate::support::{Client, HOSTILE_POLICY, Session, World, holds, run, skip};

/// A policy that calls everything an orphan.
const ALL_ORPHANS: &str = "[plugins]\nfolders = [\"plugins\"]\n";

#[test]
fn the_session_that_reap_runs_in_is_never_planned() {
    let world = World::with(ALL_ORPHANS);
    world.add_hostile_policy();
    let server = world.server("main");
    let (own, other) = (server.shell("own"), server.sleeper("other"));

    let plan = own.reap(&["cleanup", "--dry-run", "--json", "--force"]).exits(0).json();
    assert_eq!(plan.at("/items").each("/title"), ["other"]);
    let kept = plan.at("/kept").find("/title", "own");
    assert!(kept.at("/orphan").flag(), "the policy calls it an orphan: {kept}");
    assert!(kept.at("/reason").text().contains("Reap itself runs in it"), "{kept}");

    own.reap(&["cleanup", "--yes", "--force"]).exits(0);
    assert!(own.lives());
    assert!(!other.lives());
    // From the outside it is an orphan like any other, so it was the place that mattered.
    let plan = world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json();
    assert_eq!(plan.at("/items").each("/title"), ["own"]);
}

#[test]
fn the_session_that_reap_runs_in_is_refused() {
    let world = World::new();
    let server = world.server("main");
    let (own, other) = (server.shell("own"), server.sleeper("other"));
    let leader = own.leader();
    for force in [&[][..], &["--force"]] {
        for word in ["own", &own.id, &own.address()] {
            let words = [&["kill", "--yes"], force, &[word]].concat();
            own.reap(&words).exits(4).says(&["Reap itself runs in it"]);
        }
    }
    assert!(own.lives() && leader.lives());
    own.reap(&["kill", "--yes", "--force", "own", "other"]).exits(5);
    assert!(own.lives() && leader.lives());
    assert!(!other.lives(), "what may be ended is ended");
}

/// It counts as one of the session's processes when that is ended, so the session
/// counts as the one that it runs in.
#[test]
fn the_session_that_reap_was_started_from_is_refused_to_a_daemon() {
    let world = World::new();
    let server = world.server("main");
    let (own, other) = (server.shell("own"), server.sleeper("other"));
    own.reap_in_daemon(&["kill", "--yes", "--force", "other"]).exits(0);
    assert!(!other.lives());
    own.reap_in_daemon(&["kill", "--yes", "--force", "own"]).exits(4).says(&["Reap was started in it"]);
    assert!(own.lives());
}

/// A plan that was made outside is applied inside.
#[test]
fn a_plan_from_outside_spares_the_session_that_it_is_applied_in() {
    let world = World::with("[policies.idle-shell]\nafter = \"0s\"\n");
    let server = world.server("main");
    let (own, other) = (server.shell("own"), server.shell("other"));
    let file = world.path("plan.json").to_string_lossy().into_owned();
    let plan = world.reap(&["plan", "-o", &file, "--json"]).exits(0).json();
    assert_eq!(plan.at("/items").each("/title"), ["other", "own"]);
    let items = own.reap(&["apply", "--yes", "--json", &file]).exits(5).json().at("/items");
    assert_eq!(items.find("/title", "own").at("/outcome").text(), "skipped");
    assert_eq!(items.find("/title", "other").at("/outcome").text(), "ended");
    assert!(own.lives());
    assert!(!other.lives());
}

#[test]
fn the_sessions_that_the_own_one_descends_from_are_refused() {
    let world = World::with(ALL_ORPHANS);
    world.add_hostile_policy();
    let server = world.server("main");
    let (top, middle, own) = (server.sleeper("top"), server.sleeper("middle"), server.shell("own"));
    server.tmux(&["set-option", "-t", &middle.id, "@reap-owner", &top.address()]);
    server.tmux(&["set-option", "-t", &own.id, "@reap-owner", &middle.address()]);
    for title in ["top", "middle"] {
        own.reap(&["kill", "--yes", "--force", title]).exits(4).says(&["descends from it"]);
    }
    own.reap(&["cleanup", "--yes", "--force"]).exits(0).says(&["Nothing to clean up"]);
    assert!(top.lives() && middle.lives() && own.lives());
}

/// A tmux inside a tmux. The inner server is no child of the outer session, which
/// only shows it; whoever types in the inner one is attached to the outer one.
#[test]
fn in_a_nested_tmux_neither_session_is_ended() {
    let world = World::with("[policies.idle-shell]\nafter = \"0s\"\n");
    let server = world.server("main");
    let outer = server.shell("outer");
    let inner = world.server("inner");
    outer.types("TMUX= tmux -f /dev/null -L inner new-session -s nested");
    holds("the inner session", || inner.ids() == ["$0"]);
    let nested = Session { server: inner, id: "$0".to_owned() };
    nested.wait_for_prompt();
    nested.reap(&["kill", "--yes", "--force", "nested"]).exits(4).says(&["Reap itself runs in it"]);
    assert!(nested.lives());
    let person = Client::attach(&outer);
    nested.reap(&["kill", "--yes", "outer"]).exits(4).says(&["attached"]);
    nested.reap(&["cleanup", "--yes", "--force"]).exits(0).says(&["Nothing to clean up"]);
    assert!(outer.lives() && nested.lives());
    person.leave();
}

/// As of a container whose socket folder is shared. The server's pid is none of
/// this namespace, so nobody can tell who descends from its panes.
#[test]
fn a_server_whose_processes_cannot_be_seen_may_hold_reap_itself() {
    const APART: [&str; 4] = ["--user", "--pid", "--fork", "--kill-child"];
    let world = World::new();
    if run(world.command("unshare").args(APART).arg("true")).code != 0 {
        return skip("this user may not make a PID namespace");
    }
    let server = world.server("main");
    server.sleeper("seen");
    let apart = world.server("apart");
    let line = "tmux -f /dev/null -S \"$0\" new-session -d -s unseen sleep 600; exec sleep 600";
    let mut container = world.command("unshare");
    container.args(APART).args(["sh", "-c", line, &apart.instance()]);
    world.in_background(container);
    holds("the server in the container", || apart.ids() == ["$0"]);
    let shown = world.reap(&["show", "--json", "unseen"]).exits(0).json();
    assert_eq!(shown.at("/activity").text(), "unknown");
    world.reap(&["kill", "--yes", "--force", "unseen"]).exits(4).says(&["cannot be seen from here"]);
    world.reap(&["kill", "--yes", "seen"]).exits(0);
    assert_eq!(apart.ids(), ["$0"]);
}

/// The name says so: approving it is what makes the other tests here mean
/// something.
#[test]
fn the_policy_of_these_tests_calls_everything_an_orphan() {
    let world = World::with(ALL_ORPHANS);
    world.add_hostile_policy();
    world.server("main").sleeper("busy");
    let verdict = world.reap(&["show", "--json", "busy"]).exits(0).json().at("/verdict");
    assert_eq!(verdict.at("/vote").text(), "orphan");
    assert_eq!(verdict.at("/reasons/0/policy").text(), HOSTILE_POLICY);
}
