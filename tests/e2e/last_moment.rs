//! Something changes after the last look, just before the end. tmux compares in
//! the same step in which it would end the session, so the session is left alone,
//! and Reap says what changed.

use std::fs;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::{Client, Family, Meddler, Process, Ran, World, holds};

/// The one item is skipped, for this reason.
#[track_caller]
fn skipped(ran: Ran, reason: &str) -> Ran {
    let item = ran.json().at("/items/0");
    assert_eq!(item.at("/outcome").text(), "skipped", "{ran}");
    assert!(item.at("/reason").text().contains(reason), "not for the reason {reason:?}: {ran}");
    ran.exits(5)
}

/// Nobody has looked at what runs in it.
#[test]
fn a_window_that_was_just_opened() {
    let world = World::with("[policies.idle-shell]\nafter = \"0s\"\n");
    let server = world.server("main");
    let session = server.shell("work");
    let leader = session.leader();
    let ran = Meddler::in_world(&world).reap(&["cleanup", "--yes", "--json"], || {
        server.tmux(&["new-window", "-d", "-t", "work:", "sleep", "600"]);
    });
    skipped(ran, "its panes are not the same any more");
    assert!(session.shows("#{session_windows}", "2") && leader.lives());
}

#[test]
fn somebody_who_just_attached() {
    let world = World::new();
    let session = world.server("main").sleeper("work");
    let leader = session.leader();
    let mut client = None;
    let ran = Meddler::in_world(&world).reap(&["kill", "--yes", "--json", "work"], || {
        client = Some(Client::attach(&session));
    });
    skipped(ran, "somebody is attached to it");
    assert!(session.lives() && leader.lives());
}

/// Also where somebody is attached and --force lifts that: nobody lifts the tag.
#[test]
fn a_tag_that_was_just_set() {
    for (words, attach) in [
        (&["kill", "--yes", "--json", "work"][..], false),
        (&["kill", "--force", "--yes", "--json", "work"], true),
    ] {
        let world = World::new();
        let server = world.server("main");
        let session = server.sleeper("work");
        let leader = session.leader();
        let client = attach.then(|| Client::attach(&session));
        let ran = Meddler::in_world(&world).reap(words, || {
            server.tmux(&["set-option", "-t", "work:", "@reap-protect", "1"]);
        });
        skipped(ran, "it is protected now");
        assert!(session.lives() && leader.lives());
        server.tmux(&["set-option", "-t", "work:", "@reap-protect", "off"]);
        world.reap(words).exits(0);
        assert!(!session.lives(), "a tag that says no is none");
        drop(client);
    }
}

#[test]
fn a_server_that_was_just_restarted() {
    let world = World::with("[policies.idle-shell]\nafter = \"0s\"\n");
    let server = world.server("main");
    let old = server.shell("work");
    let plan = world.path("plan.json").to_string_lossy().into_owned();
    world.reap(&["plan", "-o", &plan]).exits(0);
    let mut new = None;
    let ran = Meddler::in_world(&world).reap(&["apply", "--yes", "--json", &plan], || {
        server.end();
        new = Some(server.sleeper("work"));
    });
    skipped(ran, "its id belongs to another session now");
    let new = new.expect("it was started");
    assert_eq!(new.id, old.id);
    assert!(new.lives() && new.leader().lives());
}

#[test]
fn a_server_that_just_ended() {
    let world = World::new();
    let server = world.server("main");
    server.sleeper("work");
    let ran = Meddler::in_world(&world).reap(&["kill", "--yes", "--json", "work"], || server.end());
    skipped(ran, "its server has ended");
}

#[test]
fn a_session_that_just_ended() {
    let world = World::new();
    let server = world.server("main");
    let (session, stays) = (server.sleeper("work"), server.sleeper("stays"));
    let ran = Meddler::in_world(&world).reap(&["kill", "--yes", "--json", "work"], || {
        server.tmux(&["kill-session", "-t", &session.id]);
    });
    let ran = skipped(ran, "it has ended by itself");
    assert!(!ran.stdout.contains("live on"), "{ran}");
    assert!(stays.lives());
}

/// Reap ends nothing of a session that it did not end. But no later run could find
/// what that left behind, so it is named.
#[test]
fn what_a_session_left_that_just_ended() {
    let world = World::new();
    let server = world.server("main");
    let _stays = server.sleeper("stays");
    let (session, family) = Family::start(&server, "work", false, "wait");
    let ran = Meddler::in_world(&world).reap(&["kill", "--yes", "--json", "work"], || {
        server.tmux(&["kill-session", "-t", &session.id]);
        holds("the end of the leader", || !family.leader.lives());
    });
    let ran = skipped(ran, "processes of it live on and were left alone: pid ");
    let mut left: Vec<u32> =
        family.children.values().filter(|child| child.lives()).map(|it| it.pid).collect();
    left.sort_unstable();
    assert!(left.len() >= 4, "only {left:?} of {:?} live on", family.children);
    let left: Vec<String> = left.iter().map(|pid| format!("pid {pid}")).collect();
    skipped(ran, &format!("left alone: {}", left.join(", ")));
}

/// What did not change is ended all the same.
#[test]
fn only_what_changed_is_left_alone() {
    let world = World::new();
    let (one, two) = (world.server("one"), world.server("two"));
    let [changed, same, elsewhere] = [one.sleeper("changed"), one.sleeper("same"), two.sleeper("elsewhere")];
    let words = ["kill", "--yes", "--json", "changed", "same", "elsewhere"];
    let ran = Meddler::in_world(&world).reap(&words, || {
        one.tmux(&["split-window", "-d", "-t", "changed:", "sleep", "600"]);
    });
    let items = ran.exits(5).json().at("/items");
    assert_eq!(items.find("/title", "changed").at("/outcome").text(), "skipped");
    assert_eq!(items.find("/title", "same").at("/outcome").text(), "ended", "{items}");
    assert_eq!(items.find("/title", "elsewhere").at("/outcome").text(), "ended", "{items}");
    assert!(changed.lives() && !same.lives() && !elsewhere.lives());
}

/// Ctrl-C goes to every program of the group in the foreground. What has begun is
/// finished, so what Reap started must not be ended by it.
#[test]
fn somebody_who_just_typed_ctrl_c() {
    let world = World::new();
    let session = world.server("main").sleeper("work");
    let ran = Meddler::in_world(&world).reap(&["kill", "--yes", "work"], || {
        let named = |process: &Process| fs::read_to_string(format!("/proc/{}/comm", process.pid));
        let is_reap = |process: &Process| named(process).is_ok_and(|name| name.trim() == "reap");
        let reap = world.processes().into_iter().find(is_reap).expect("it waits for tmux");
        let group = i32::try_from(reap.pid).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process_group(group, Signal::INT).expect("our own child leads it");
    });
    let ran = ran.exits(0).says(&["told to stop", "finished first"]);
    assert!(!session.lives(), "{ran}");
}

/// A server that was stopped has the command waiting for it, and carries it out
/// once it goes on. So nobody may say that the session was left alone.
#[test]
fn a_server_that_just_stopped() {
    let world = World::new();
    let server = world.server("main");
    let (session, stays) = (server.sleeper("work"), server.sleeper("stays"));
    let process = server.process();
    let ran = Meddler::in_world(&world).reap(&["kill", "--yes", "--json", "work"], || {
        process.signal(Signal::STOP);
    });
    let item = ran.json().at("/items/0");
    assert_eq!(item.at("/outcome").text(), "failed", "{ran}");
    let reason = item.at("/reason").text().to_owned();
    for part in ["the tmux server does not answer", "may still carry the command out", "look again later"] {
        assert!(reason.contains(part), "{reason}");
    }
    ran.exits(5);
    process.signal(Signal::CONT);
    holds("the end that was waiting", || !session.lives());
    assert!(stays.lives());
}
