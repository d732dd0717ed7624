//! Too much at once: what is over the limits is held, and ended only when the
//! operator approves exactly that.

use crate::support::{Client, Json, Session, World, holds, quick, run};

/// The floor of the limits is five, so six orphans are one too many.
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn six(world: &World) -> [Session<'_>; 6] {
    let server = world.server("main");
    NAMES.map(|name| server.shell(name))
}

fn alive(sessions: &[Session<'_>]) -> usize {
    sessions.iter().filter(|session| session.lives()).count()
}

/// The one held plan that was made so.
fn held(status: &Json, made_by: &str) -> String {
    status.at("/held").find("/made_by", made_by).at("/plan").text().to_owned()
}

#[test]
fn a_cycle_over_the_limits_waits_for_the_operator() {
    let world = World::with(&quick("enforce"));
    let sessions = six(&world);
    let busy = world.server("main").sleeper("busy");
    let daemon = world.daemon();
    holds("a held plan", || daemon.status().at("/held").list().len() == 1);
    let status = daemon.status();
    let id = held(&status, "cycle");
    assert_eq!(status.at("/held/0/items").number(), 6);
    daemon.cycle();
    daemon.cycle();
    assert_eq!(alive(&sessions), 6);
    assert_eq!(held(&daemon.status(), "cycle"), id, "it stays the same while the operator thinks");
    world.reap(&["status"]).exits(0).says(&["Waiting for `reap approve`", &id]);
    world
        .reap(&["cleanup", "--yes"])
        .exits(4)
        .says(&["Held: tmux: 6 of its 7 listed sessions", "`reap approve "]);
    assert_eq!(alive(&sessions), 6);

    world.reap(&["approve", &id]).exits(2).says(&["To end: 6 sessions", "add --yes"]);
    assert_eq!(alive(&sessions), 6);
    let person = Client::attach(&sessions[2]);
    let done = world.reap(&["approve", "--yes", "--json", &id]).exits(5).json();
    assert_eq!(done.at("/plan").text(), id);
    for (name, session) in NAMES.iter().zip(&sessions) {
        let outcome = done.at("/items").find("/title", name).at("/outcome");
        let expected = if *name == "c" { "skipped" } else { "ended" };
        assert_eq!((outcome.text(), session.lives()), (expected, *name == "c"), "{name}");
    }
    world.reap(&["approve", "--yes", &id]).exits(3).says(&[&format!("no plan {id} is held")]);
    daemon.cycle();
    daemon.cycle();
    assert!(sessions[2].lives() && busy.lives());
    assert!(daemon.status().at("/held").list().iter().all(|held| held.at("/made_by").text() != "cycle"));
    person.leave();
    assert_eq!(daemon.stop(), 0);
    world.reap(&["journal", "verify"]).exits(0);
}

/// An approval is the operator's own word, so a daemon that only observes acts on it.
#[test]
fn a_daemon_that_observes_ends_what_is_approved() {
    let world = World::with(&quick("observe"));
    let sessions = six(&world);
    let daemon = world.daemon();
    holds("a held plan", || daemon.status().at("/held").list().len() == 1);
    let id = held(&daemon.status(), "cycle");
    world.reap(&["approve", "--yes", &id]).exits(0).says(&["Ended 6 sessions."]);
    assert_eq!(alive(&sessions), 0);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_clean_up_over_the_limits_waits_as_well() {
    let world = World::with("[policies.idle-shell]\nafter = \"0s\"\n");
    let sessions = six(&world);
    let dry = world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json();
    assert_eq!((dry.at("/items").list().len(), dry.at("/held/0/backend").text()), (0, "tmux"));
    assert!(!dry.at("/held/0").fields().contains(&"plan"), "there is nothing to approve: {dry}");
    assert!(!world.path("state").exists(), "a dry run keeps nothing");

    let refused = world.reap(&["cleanup", "--yes", "--json"]).exits(4).json();
    assert_eq!(refused.at("/items").list().len(), 0);
    let id = refused.at("/held/0/plan").text().to_owned();
    assert_eq!(alive(&sessions), 6);
    assert_eq!(held(&world.reap(&["status", "--json"]).exits(0).json(), "command"), id);
    world.reap(&["approve", &id]).exits(2).says(&["To end: 6 sessions"]);

    world.server("main").tmux(&["send-keys", "-t", &format!("{}:", sessions[0].id), "sleep 600", "Enter"]);
    holds("work in one of them", || sessions[0].shows("#{pane_current_command}", "sleep"));
    world.reap(&["approve", "--yes", &id]).exits(5).says(&["skipped", "Ended 5 of 6 sessions; 1 skipped."]);
    assert_eq!(alive(&sessions), 1);
    assert!(sessions[0].lives());
    world.reap(&["approve", "--yes", &id]).exits(3).says(&["no plan ", "is held"]);
    world.reap(&["approve", "--yes", "nonsense"]).exits(3);
}

#[test]
fn a_plan_file_leaves_out_what_is_held() {
    let world = World::with("[policies.idle-shell]\nafter = \"0s\"\n");
    let sessions = six(&world);
    let file = world.path("plan.json").to_string_lossy().into_owned();
    let plan = world.reap(&["plan", "-o", &file, "--json"]).exits(4).json();
    let id = plan.at("/held/0/plan").text().to_owned();
    world.reap(&["apply", "--yes", &file]).exits(0).says(&["The plan ends nothing"]);
    assert_eq!(alive(&sessions), 6);
    world.reap(&["approve", "--yes", &id]).exits(0);
    assert_eq!(alive(&sessions), 0);
}

/// What one backend has too much of does not stop the others.
#[test]
fn other_backends_go_on() {
    let world = World::with(
        "[plugins]\nfolders = [\"plugins\"]\n[limits.tmux]\npercent = 1\nfloor = 0\n[policies.idle-shell]\nafter = \"0s\"\n",
    );
    world.add_hostile_backend();
    world.add_hostile_policy();
    let shell = world.server("main").shell("held");
    let victim = world.bystander();
    let mut command = world.reap_command(&["cleanup", "--yes", "--json"]);
    command.env("HOSTILE_PIDS", victim.pid.to_string());
    let done = run(&mut command).exits(5).json();
    assert_eq!(done.at("/items").each("/backend"), ["hostile"]);
    assert_eq!(done.at("/items/0/outcome").text(), "ended");
    assert_eq!(done.at("/held").each("/backend"), ["tmux"]);
    assert!(shell.lives() && !victim.lives());
}
