//! Reap at a gateway: what it shows, what it would end, what it ends, and above all what
//! it does not.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Asking, Gateway, admin, eventually, world};
use crate::support::{Json, World, holds};

/// The policy waits for nothing.
const AT_ONCE: &str = "[policies.openclaw-orphans]\ncron_after = \"0s\"\njob_gone_after = \"0s\"\nstuck_after = \"0s\"\n\
    subagent_after = \"0s\"\nparent_gone_after = \"0s\"\nhook_after = \"0s\"\ncommand_after = \"0s\"\n\
    [limits]\nper_cycle = 200\npercent = 100\n";

const MAIN: &str = "agent:main:main";
const EXEC: &str = "TOOL:exec {\"command\":\"sleep 600\",\"background\":true}:END";

#[track_caller]
fn list(world: &World) -> Json {
    world.reap(&["ls", "--json"]).exits(0).json()
}

#[track_caller]
fn listed(world: &World) -> BTreeSet<String> {
    list(world).each("/key").into_iter().collect()
}

#[track_caller]
fn items(plan: &Json) -> BTreeSet<String> {
    plan.at("/items").each("/key").into_iter().collect()
}

pub fn hidden_sessions_are_listed(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let world = world(gateway, "", "");
    client.run(MAIN, "hello");
    client.make("agent:main:cron:none:run:idle");
    let job = client.cron("HANG", None);
    let live = client.cron_run(&job);
    holds("a live run", || client.is_live(&live));
    let id = client.make("agent:main:hook:archived");
    let archive = json!({"key": "agent:main:hook:archived", "expectedSessionId": id, "archived": true});
    client.get("sessions.patch", archive);
    let all = list(&world);
    let row = |key: &str| all.find("/key", key);
    assert_eq!((row(MAIN).at("/kind").text(), row(MAIN).at("/tokens").number()), ("main", 100));
    assert!(row(MAIN).at("/protected").text().contains("main session"));
    let idle = row("agent:main:cron:none:run:idle");
    assert_eq!((idle.at("/kind").text(), idle.at("/activity").text()), ("cron", "idle"));
    assert_eq!(idle.at("/protected"), Json::new(Value::Null));
    assert_eq!(row(&live).at("/activity").text(), "running");
    let row = client.describe(&live);
    assert_eq!(all.find("/key", &live).at("/incarnation").text(), row["sessionId"]);
    assert!(!listed(&world).contains("agent:main:hook:archived"));
    let shown = world.reap(&["show", "--json", &live]).exits(0).json().at("/extra");
    assert_eq!(shown.find("/name", "job").at("/value").text(), job);
    assert_eq!(shown.find("/name", "job-state").at("/value").text(), "there");
    assert!(shown.find("/name", "active-run").at("/value").flag());
}

/// Cron runs that timed out, finished or were cut off by a crash, sub-agents, and beside
/// them a chat, the main session and a live run.
pub fn a_plan_names_the_dead_and_no_other(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let mut dead: BTreeSet<String> = (0..20).map(|n| format!("agent:main:cron:none:run:{n}")).collect();
    for key in &dead {
        client.make(key);
        client.run(key, "hello");
    }
    for _ in 0..3 {
        let job = client.cron("HANG", Some(1));
        let run = client.cron_run(&job);
        holds("the end of its time", || client.describe(&run)["status"] == "timeout");
        dead.insert(run);
    }
    for _ in 0..2 {
        let job = client.cron("HANG", None);
        let run = client.cron_run(&job);
        holds("a live run", || client.describe(&run)["status"] == "running");
        dead.insert(run);
    }
    gateway.crash();
    let mut client = admin(gateway);
    // One each: a second message to a chat that is told of its child's end is taken for a
    // part of that.
    let chats: Vec<String> = (0..10).map(|n| format!("agent:main:dashboard:chat-{n}")).collect();
    for chat in &chats {
        client.run(chat, "TOOL:sessions_spawn {\"task\":\"hello\"}:END");
    }
    let agents = |client: &mut reap_openclaw_stand_in::Client| -> BTreeSet<String> {
        let rows = client.get("sessions.list", json!({"limit": 1000}));
        let rows = rows["sessions"].as_array().cloned().unwrap_or_default();
        let done = rows.iter().filter(|row| row["classification"] == "subagent" && row["status"] == "done");
        done.filter_map(|row| row["key"].as_str().map(str::to_owned)).collect()
    };
    eventually("ten sub-agents that have ended", || agents(&mut client).len() == 10);
    dead.extend(agents(&mut client));
    client.run(MAIN, "hello");
    eventually("idle chats", || chats.iter().all(|chat| !client.is_live(chat)));
    let job = client.cron("HANG", None);
    let live = client.cron_run(&job);
    holds("a live run", || client.is_live(&live));

    let world = world(gateway, "", AT_ONCE);
    let all = listed(&world);
    let kept: BTreeSet<String> = chats.iter().cloned().chain([MAIN.to_owned(), live.clone()]).collect();
    for key in dead.iter().chain(&kept) {
        assert!(all.contains(key), "{key} is not listed");
    }
    let plan = world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json();
    assert_eq!(items(&plan), dead);
    assert_eq!(plan.at("/unknown").list(), []);
    for item in plan.at("/items").list() {
        assert!(!item.at("/reasons").list().is_empty());
    }
    assert_eq!(plan.at("/items").find("/key", "agent:main:cron:none:run:0").at("/tokens").number(), 100);
    world.reap(&["cleanup", "--dry-run"]).exits(0).says(&["To end: 35 sessions, ", " tokens"]);
    let done = world.reap(&["cleanup", "--yes", "--json"]).exits(0).json();
    assert_eq!(items(&done), dead);
    assert_eq!(done.at("/items").each("/outcome"), vec!["ended"; dead.len()]);
    let left = listed(&world);
    assert_eq!(left.intersection(&dead).count(), 0);
    assert!(kept.is_subset(&left));
    assert!(client.is_live(&live));
    let again = world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json();
    assert_eq!(items(&again), BTreeSet::new());
}

pub fn an_end_is_soft(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let world = world(gateway, "", "");
    let key = "agent:main:hook:soft";
    let id = client.make(key);
    world.reap(&["kill", "--yes", key]).exits(0).says(&["it was archived, and can be restored"]);
    let row = client.describe(key);
    assert_eq!((&row["archived"], &row["sessionId"]), (&json!(true), &json!(id)));
    assert!(!listed(&world).contains(key));
    world.reap(&["kill", "--yes", key]).exits(3);
    client.run(MAIN, "hello");
    world.reap(&["kill", "--yes", "--force", MAIN]).exits(4);
    assert_eq!(client.describe(MAIN)["archived"], false);
}

pub fn an_end_is_hard_where_that_is_wanted(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let world = world(gateway, "end = \"delete\"", "");
    let key = "agent:main:hook:hard";
    client.make(key);
    world.reap(&["kill", "--yes", key]).exits(0).says(&["it was deleted"]);
    assert_eq!(client.describe(key), Value::Null);
    // A run under way ends only with force, and then for good.
    let world = super::world(gateway, "", "");
    client.make(key);
    client.run(key, "HANG");
    // Reap sees that it was active since, or the backend that it still is.
    world.reap(&["kill", "--yes", key]).exits(5).says(&["skipped"]);
    assert!(client.is_live(key));
    world.reap(&["kill", "--yes", "--force", key]).exits(0);
    assert_eq!(client.describe(key), Value::Null);
}

/// The key means another session when the plan is carried out.
pub fn another_session_has_the_key(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let world = world(gateway, "", AT_ONCE);
    let key = "agent:main:cron:none:run:again";
    client.make(key);
    client.run(key, "hello");
    let plan = world.path("plan.json").to_string_lossy().into_owned();
    world.reap(&["plan", "-o", &plan]).exits(0).says(&["1 session"]);
    client.get("sessions.delete", json!({"key": key}));
    let id = client.make(key);
    world.reap(&["apply", "--yes", &plan]).exits(5).says(&["skipped"]);
    let row = client.describe(key);
    assert_eq!((&row["sessionId"], &row["archived"]), (&json!(id), &json!(false)));
}

/// A run begins between the plan and the act.
pub fn a_run_has_begun(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let world = world(gateway, "", AT_ONCE);
    let key = "agent:main:cron:none:run:late";
    client.make(key);
    client.run(key, "hello");
    let plan = world.path("plan.json").to_string_lossy().into_owned();
    world.reap(&["plan", "-o", &plan]).exits(0).says(&["1 session"]);
    client.run(key, "HANG");
    world.reap(&["apply", "--yes", &plan]).exits(5).says(&["skipped"]);
    assert!(client.is_live(key));
    assert_eq!(client.describe(key)["archived"], false);
}

pub fn commands_end_with_their_session(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let world = world(gateway, "", "");
    let key = "agent:main:hook:exec";
    client.make(key);
    client.run(key, EXEC);
    assert_eq!(client.commands(key).len(), 1);
    let facts = world.reap(&["show", "--json", key]).exits(0).json().at("/extra");
    assert_eq!(facts.find("/name", "background-commands").at("/value/0").text(), "sleep 600");
    world.reap(&["kill", "--yes", key]).exits(0).says(&["its background command was cancelled"]);
    assert_eq!(client.commands(key), Vec::<Value>::new());
}

/// One that outlived its session has a row of its own, and is an orphan.
pub fn a_command_without_its_session(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let world = world(gateway, "", AT_ONCE);
    let key = "agent:main:hook:stray";
    client.make(key);
    client.run(key, EXEC);
    let task = client.commands(key).pop().expect("a task");
    client.get("sessions.delete", json!({"key": key}));
    let stray = format!("task:{}", task["id"].as_str().expect("an id"));
    let row = list(&world).find("/key", &stray);
    assert_eq!((row.at("/title").text(), row.at("/verdict/vote").text()), ("sleep 600", "orphan"));
    let plan = world.reap(&["cleanup", "--yes", "--json"]).exits(0).json();
    assert_eq!(plan.at("/items").find("/key", &stray).at("/outcome").text(), "ended");
    assert_eq!(client.commands(key), Vec::<Value>::new());
    assert!(!listed(&world).contains(&stray));
}

/// After a start the gateway may take up again what was cut off.
pub fn after_a_crash_there_is_a_grace(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let job = client.cron("HANG", None);
    let run = client.cron_run(&job);
    holds("a live run", || client.describe(&run)["status"] == "running");
    gateway.crash();
    let rules = AT_ONCE.replace("stuck_after = \"0s\"", "stuck_after = \"15m\"");
    let patient = world(gateway, "", &rules);
    let row = list(&patient).find("/key", &run);
    assert_eq!((row.at("/activity").text(), row.at("/verdict/vote").text()), ("unknown", "abstain"));
    let hasty = world(gateway, "", AT_ONCE);
    assert_eq!(list(&hasty).find("/key", &run).at("/verdict/vote").text(), "orphan");
}
