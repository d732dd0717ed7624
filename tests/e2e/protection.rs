//! What is never ended, whatever anybody says; and what only `--force` ends.

use crate::support::{Client, World, holds};

/// The guard as it is without a configuration, but for the start grace.
const OLD_ENOUGH: &str = "[guard]\nstart_grace = \"0s\"\n";

#[test]
fn a_tag_protects_until_it_is_taken_off() {
    let world = World::with("[policies.idle-shell]\nafter = \"0s\"\n");
    let server = world.server("main");
    let session = server.shell("work");
    world.reap(&["protect", "work"]).exits(0);
    assert_eq!(session.format("#{@reap-protect}"), "1");
    assert!(!world.reap(&["show", "--json", "work"]).exits(0).json().at("/protected").is_null());

    world.reap(&["cleanup", "--yes", "--force"]).exits(0);
    world.reap(&["kill", "--yes", "work"]).exits(4).says(&["reap unprotect"]);
    world.reap(&["kill", "--yes", "--force", "work"]).exits(4).says(&["reap unprotect"]);
    assert!(session.lives());

    world.reap(&["unprotect", "work"]).exits(0);
    assert_eq!(session.format("#{@reap-protect}"), "");
    world.reap(&["cleanup", "--yes"]).exits(0);
    assert!(!session.lives());
}

/// People set the option by hand, too. What does not clearly say no protects.
#[test]
fn the_tag_can_be_set_by_hand() {
    let world = World::new();
    let server = world.server("main");
    let session = server.sleeper("work");
    for (value, protects) in
        [("1", true), ("on", true), ("yes, please", true), ("0", false), ("off", false), ("", false)]
    {
        server.tmux(&["set-option", "-t", &session.id, "@reap-protect", value]);
        let shown = world.reap(&["show", "--json", "work"]).exits(0).json();
        assert_eq!(!shown.at("/protected").is_null(), protects, "{value:?}");
    }
}

/// Only the session that is named gets the tag, whatever its name.
#[test]
fn a_tag_goes_to_the_right_session() {
    let world = World::new();
    let server = world.server("main");
    let (base, named) = (server.sleeper("base"), server.sleeper("$0"));
    world.reap(&["protect", &named.handle()]).exits(0);
    assert_eq!(named.format("#{@reap-protect}"), "1");
    assert_eq!(base.format("#{@reap-protect}"), "");
    world.reap(&["protect", "$0"]).exits(2);
    assert_eq!(base.format("#{@reap-protect}"), "");
}

#[test]
fn the_operators_selectors_protect() {
    let world = World::bare();
    world.configure_only(&format!("{OLD_ENOUGH}active_within = \"0s\"\nprotect = [\"title:prod-*\"]\n"));
    let server = world.server("main");
    let (prod, test) = (server.sleeper("prod-db"), server.sleeper("test-db"));
    world.reap(&["kill", "--yes", "--force", "prod-db"]).exits(4).says(&["title:prod-*", "protect"]);
    world.reap(&["kill", "--yes", "test-db"]).exits(0);
    assert!(prod.lives());
    assert!(!test.lives());
}

#[test]
fn what_is_just_being_started_is_left_alone() {
    let world = World::bare();
    let server = world.server("main");
    let session = server.shell("work");
    for force in [&[][..], &["--force"]] {
        let words = [&["kill", "--yes", "work"], force].concat();
        world.reap(&words).exits(4).says(&["start_grace", "2m"]);
    }
    assert!(session.lives());
    world.configure_only(OLD_ENOUGH);
    world.reap(&["kill", "--yes", "work"]).exits(0);
    assert!(!session.lives());
}

#[test]
fn somebody_who_looks_at_it_is_not_cut_off_without_force() {
    let world = World::new();
    let server = world.server("main");
    let session = server.sleeper("work");
    let client = Client::attach(&session);
    assert!(world.reap(&["show", "--json", "work"]).exits(0).json().at("/attached").flag());
    world.reap(&["kill", "--yes", "work"]).exits(4).says(&["attached", "--force"]);
    assert!(session.lives());
    world.reap(&["kill", "--yes", "--force", "work"]).exits(0);
    assert!(!session.lives());
    client.leave();
}

/// iTerm2 shows people its sessions through a client in control mode.
#[test]
fn clients_in_control_mode_are_counted_apart_and_count() {
    let world = World::new();
    let server = world.server("main");
    let (session, console) = (server.sleeper("work"), world.server("console").shell("console"));
    let clients = || {
        let shown = world.reap(&["show", "--json", &session.address()]).exits(0).json();
        let count = |name| shown.at("/extra").find("/name", name).at("/value").number();
        (shown.at("/attached").flag(), count("clients"), count("control-clients"))
    };
    assert_eq!(clients(), (false, 0, 0));
    let client = Client::attach(&session);
    assert_eq!(clients(), (true, 0, 1));
    console.types(&format!("TMUX= tmux -S {} attach-session -t '{}'", server.instance(), session.id));
    holds("a client on a terminal", || session.shows("#{session_attached}", "2"));
    assert_eq!(clients(), (true, 1, 1));
    client.leave();
    holds("the end of the first client", || session.shows("#{session_attached}", "1"));
    assert_eq!(clients(), (true, 1, 0));
    world.reap(&["kill", "--yes", &session.address()]).exits(4).says(&["attached"]);
    assert!(session.lives());
}

#[test]
fn what_is_at_work_is_not_ended_without_force() {
    let world = World::bare();
    world.configure_only(OLD_ENOUGH);
    let server = world.server("main");
    let session = server.sleeper("work");
    world.reap(&["kill", "--yes", "work"]).exits(4).says(&["active", "--force"]);
    assert!(session.lives());
    world.reap(&["kill", "--yes", "--force", "work"]).exits(0);
    assert!(!session.lives());
}

/// Whoever is told that `--force` would do, and then that it does not, believes
/// neither.
#[test]
fn force_is_offered_only_where_it_would_do() {
    let world = World::bare();
    world.configure_only(OLD_ENOUGH);
    world.server("main").sleeper("work");
    world.reap(&["protect", "work"]).exits(0);
    let ran = world.reap(&["kill", "--yes", "work"]).exits(4).says(&["@reap-protect", "it was active"]);
    assert!(!ran.stderr.contains("--force"), "{ran}");
    let shown = world.reap(&["show", "work"]).exits(0).says(&["@reap-protect", "it was active"]);
    assert!(!shown.stdout.contains("--force"), "{shown}");
    world.reap(&["unprotect", "work"]).exits(0);
    world.reap(&["show", "work"]).exits(0).says(&["reap kill --force ends it anyway"]);
}

#[test]
fn what_is_refused_does_not_stop_the_rest() {
    let world = World::new();
    let server = world.server("main");
    let (kept, ended) = (server.sleeper("kept"), server.sleeper("ended"));
    world.reap(&["protect", "kept"]).exits(0);
    let ran = world.reap(&["kill", "--yes", "--json", "kept", "ended"]).exits(5);
    assert_eq!(ran.json().at("/kept").each("/title"), ["kept"]);
    assert_eq!(ran.json().at("/items").each("/title"), ["ended"]);
    assert!(kept.lives());
    assert!(!ended.lives());
}

#[test]
fn one_that_is_not_found_stops_everything() {
    let world = World::new();
    let server = world.server("main");
    let session = server.sleeper("work");
    world.reap(&["kill", "--yes", "work", "wrok"]).exits(3).says(&["wrok"]);
    assert!(session.lives());
    world.reap(&["kill", "--yes", "work", "work"]).exits(0);
    assert!(!session.lives(), "named twice is named once");
}
