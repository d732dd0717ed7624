//! Between a plan and its end everything may change. What is applied is the plan
//! as it was reviewed, and only where it still holds.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::support::{Client, Json, Ran, Session, World};

/// Every shell that waits is an orphan at once.
const AT_ONCE: &str = "[policies.idle-shell]\nafter = \"0s\"\n";

/// A world in which shells that wait are orphans, and a plan to end them.
struct Planned {
    world: World,
    plan: PathBuf,
}

impl Planned {
    fn new() -> Self {
        let world = World::with(AT_ONCE);
        let plan = world.path("plan.json");
        Self { world, plan }
    }

    #[track_caller]
    fn plan(&self) -> Json {
        self.world.reap(&["plan", "--overwrite", "-o", &self.file(), "--json"]).exits(0).json()
    }

    #[track_caller]
    fn apply(&self) -> Ran {
        self.world.reap(&["apply", "--yes", "--json", &self.file()])
    }

    /// Applies the plan, of which the one item must be skipped for this reason.
    #[track_caller]
    fn skips(&self, reason: &str) {
        let ran = self.apply().exits(5);
        let item = ran.json().at("/items/0");
        assert_eq!(item.at("/outcome").text(), "skipped", "{ran}");
        assert!(item.at("/reason").text().contains(reason), "not for the reason {reason:?}: {ran}");
    }

    fn file(&self) -> String {
        self.plan.to_string_lossy().into_owned()
    }
}

/// The one item of a plan.
#[track_caller]
fn only_item(plan: &Json, session: &Session<'_>) -> Json {
    assert_eq!(plan.at("/items").each("/key"), [&*session.id], "{plan}");
    plan.at("/items/0")
}

#[test]
fn exactly_the_plan_is_ended_and_only_once() {
    let planned = Planned::new();
    let server = planned.world.server("main");
    let (first, second, busy) = (server.shell("first"), server.shell("second"), server.sleeper("busy"));
    let plan = planned.plan();
    assert_eq!(plan.at("/items").each("/title"), ["first", "second"]);
    // It is an orphan as well, but nobody has reviewed it.
    let later = server.shell("later");

    let ran = planned.apply().exits(0);
    assert_eq!(ran.json().at("/items").each("/outcome"), ["ended", "ended"]);
    assert!(!first.lives() && !second.lives());
    assert!(busy.lives() && later.lives());

    let again = planned.apply().exits(5);
    assert_eq!(again.json().at("/items").each("/outcome"), ["skipped", "skipped"]);
    assert!(again.json().at("/items").each("/reason").iter().all(|why| why.contains("gone")), "{again}");
    assert!(busy.lives() && later.lives());
}

#[test]
fn a_selector_narrows_the_plan() {
    let planned = Planned::new();
    let server = planned.world.server("main");
    let (job, other) = (server.shell("cron:build"), server.shell("other"));
    let file = planned.file();
    let plan = planned.world.reap(&["plan", "title:cron*", "-o", &file, "--json"]).exits(0).json();
    only_item(&plan, &job);
    planned.apply().exits(0);
    assert!(!job.lives());
    assert!(other.lives());
}

/// The ids of a server start over with it: `$0` is another session then.
#[test]
fn a_server_that_was_restarted_keeps_its_new_session() {
    let planned = Planned::new();
    let server = planned.world.server("main");
    let old = server.shell("work");
    only_item(&planned.plan(), &old);
    server.end();
    let new = server.shell("work");
    assert_eq!(new.id, old.id);
    let leader = new.leader();
    planned.skips("restarted");
    assert!(new.lives() && leader.lives());
}

/// Somebody ended the old one and began anew under the same name.
#[test]
fn a_new_session_of_an_old_name_is_kept() {
    let planned = Planned::new();
    let server = planned.world.server("main");
    let (old, stays) = (server.shell("work"), server.sleeper("stays"));
    only_item(&planned.plan(), &old);
    server.tmux(&["kill-session", "-t", &old.id]);
    let new = server.shell("work");
    planned.skips("already gone");
    assert!(new.lives() && stays.lives());
}

#[test]
fn what_became_attached_is_left_alone() {
    let planned = Planned::new();
    let server = planned.world.server("main");
    let session = server.shell("work");
    only_item(&planned.plan(), &session);
    let client = Client::attach(&session);
    planned.skips("attached");
    assert!(session.lives());
    client.leave();
}

#[test]
fn what_became_active_is_left_alone() {
    let planned = Planned::new();
    let server = planned.world.server("main");
    let session = server.shell("work");
    let item = only_item(&planned.plan(), &session);
    session.becomes_active_after(item.at("/last_active").number());
    planned.skips("active since");
    assert!(session.lives());
}

#[test]
fn what_is_no_orphan_any_more_is_left_alone() {
    let planned = Planned::new();
    let server = planned.world.server("main");
    let session = server.shell("work");
    only_item(&planned.plan(), &session);
    planned.world.configure("[policies.idle-shell]\nafter = \"24h\"\n");
    planned.skips("no longer an orphan");
    assert!(session.lives());
    planned.world.configure(&format!("{AT_ONCE}mode = \"shadow\"\n"));
    planned.skips("no longer an orphan");
    assert!(session.lives());
    planned.world.configure(AT_ONCE);
    planned.apply().exits(0);
    assert!(!session.lives());
}

#[test]
fn what_became_protected_is_left_alone() {
    let planned = Planned::new();
    let server = planned.world.server("main");
    let session = server.shell("work");
    only_item(&planned.plan(), &session);
    planned.world.reap(&["protect", "work"]).exits(0);
    planned.skips("protected");
    planned.world.reap(&["unprotect", "work"]).exits(0);
    planned
        .world
        .configure_only(&format!("[guard]\nstart_grace = \"0s\"\nprotect = [\"title:w*\"]\n{AT_ONCE}"));
    planned.skips("title:w*");
    assert!(session.lives());
}

/// A server that does not answer says nothing about its sessions.
#[test]
fn what_cannot_be_looked_at_again_is_left_alone() {
    let planned = Planned::new();
    let server = planned.world.server("main");
    let session = server.shell("work");
    only_item(&planned.plan(), &session);
    let process = server.process();
    process.signal(Signal::STOP);
    planned.skips("could not be looked at");
    process.signal(Signal::CONT);
    assert!(session.lives());
    planned.apply().exits(0);
    assert!(!session.lives());
}

/// A part of a plan can still be done.
#[test]
fn the_rest_of_a_plan_is_applied() {
    let planned = Planned::new();
    let server = planned.world.server("main");
    let (changed, same) = (server.shell("changed"), server.shell("same"));
    planned.plan();
    planned.world.reap(&["protect", "changed"]).exits(0);
    let items = planned.apply().exits(5).json().at("/items");
    assert_eq!(items.find("/title", "changed").at("/outcome").text(), "skipped");
    assert_eq!(items.find("/title", "same").at("/outcome").text(), "ended");
    assert!(changed.lives());
    assert!(!same.lives());
}

#[test]
fn a_plan_that_was_edited_is_refused() {
    let planned = Planned::new();
    let server = planned.world.server("main");
    let (first, busy) = (server.shell("first"), server.sleeper("busy"));
    only_item(&planned.plan(), &first);
    let good = fs::read_to_string(&planned.plan).expect("the plan");
    let last_active = format!("\"last_active\": {}", planned.plan().at("/items/0/last_active"));
    let edits = [
        ("\"$0\"", "\"$1\"", "changed after it was made"),
        ("\"first\"", "\"other\"", "changed after it was made"),
        ("\"orphan\"", "\"asked\"", "changed after it was made"),
        ("\"attached\": false", "\"attached\": true", "changed after it was made"),
        (&last_active, "\"last_active\": null", "changed after it was made"),
        ("\"items\":", "\"note\": \"reviewed\", \"items\":", "changed after it was made"),
        ("\"items\"", "\"itmes\"", "no plan"),
        ("}", "", "no plan"),
    ];
    for (from, to, reason) in edits {
        let edited = good.replacen(from, to, 1);
        assert_ne!(edited, good, "{from} is not in the plan");
        fs::write(&planned.plan, edited).expect("the plan can be edited");
        planned.apply().exits(1).says(&[reason, "plan.json", "reap plan"]);
    }
    fs::write(&planned.plan, "").expect("the plan can be emptied");
    planned.apply().exits(1).says(&["no plan"]);
    fs::remove_file(&planned.plan).expect("the plan can be removed");
    planned.apply().exits(1).says(&["plan.json", "No such file"]);
    assert!(first.lives() && busy.lives());
    fs::write(&planned.plan, good).expect("the plan can be put back");
    planned.apply().exits(0);
    assert!(!first.lives());
    assert!(busy.lives());
}

#[test]
fn a_plan_expires() {
    let world = World::with(&format!("{AT_ONCE}[plan]\nlifetime = \"1ms\"\n"));
    let session = world.server("main").shell("work");
    let file = world.path("plan.json").to_string_lossy().into_owned();
    let plan = world.reap(&["plan", "-o", &file, "--json"]).exits(0).json();
    assert_eq!(plan.at("/expires").number() - plan.at("/made").number(), 1);
    world.reap(&["apply", "--yes", &file]).exits(1).says(&["expired"]);
    assert!(session.lives());
}

#[test]
fn a_plan_file_is_its_owners_and_not_overwritten() {
    let planned = Planned::new();
    let session = planned.world.server("main").shell("work");
    let file = planned.file();
    planned.plan();
    let mode = fs::metadata(&planned.plan).expect("the plan").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::write(&planned.plan, "precious").expect("it can be written");
    planned.world.reap(&["plan", "-o", &file]).exits(1).says(&["plan.json", "--overwrite"]);
    assert_eq!(fs::read_to_string(&planned.plan).expect("it is there"), "precious");
    planned.world.reap(&["plan", "-o", &file, "--overwrite"]).exits(0);
    planned.world.reap(&["apply", &file]).exits(2).says(&["--yes"]);
    assert!(session.lives(), "without --yes nothing is ended");
}
