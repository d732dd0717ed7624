//! What the plugin builds on, asked of the gateway itself.

use reap_openclaw_stand_in::Login;
use serde_json::{Value, json};

use super::{Asking, Gateway, admin, enter, keys};
use crate::support::holds;

const MAIN: &str = "agent:main:main";

/// A key of a cron run that no job is known of.
fn cron_run(name: &str) -> String {
    format!("agent:main:cron:no-job:run:{name}")
}

pub fn logins(gateway: &mut dyn Gateway) {
    let ours = Login::with(gateway.token());
    let refusal = |login: Login<'_>| enter(gateway, &login).expect_err("it is not let in");
    let wrong = refusal(Login { token: Some("wrong"), ..ours.clone() });
    assert_eq!((wrong.code(), wrong.detail("code")), ("INVALID_REQUEST", "AUTH_TOKEN_MISMATCH"));
    let nobody = refusal(Login { token: None, ..ours.clone() });
    assert_eq!((nobody.code(), nobody.detail("code")), ("NOT_PAIRED", "DEVICE_IDENTITY_REQUIRED"));
    let old = refusal(Login { protocols: (3, 3), ..ours.clone() });
    assert_eq!((old.code(), old.error["details"]["expectedProtocol"].as_u64()), ("INVALID_REQUEST", Some(4)));
    assert_eq!(refusal(Login { client: ("reap", "backend"), ..ours.clone() }).code(), "INVALID_REQUEST");
    for client in [("gateway-client", "backend"), ("cli", "cli")] {
        let mut client =
            enter(gateway, &Login { client, protocols: (3, 4), ..ours.clone() }).expect("let in");
        client.get("sessions.list", json!({}));
    }
    let mut stranger = enter(gateway, &Login { client: ("test", "backend"), ..ours }).expect("let in");
    let refused = stranger.call("sessions.list", json!({})).expect_err("it has no scope");
    assert_eq!((refused.code(), refused.detail("missingScope")), ("FORBIDDEN", "operator.read"));
}

pub fn greeting(gateway: &mut dyn Gateway) {
    let hello = admin(gateway).hello;
    assert_eq!((&hello["type"], &hello["protocol"]), (&json!("hello-ok"), &json!(4)));
    assert!(hello["server"]["bootId"].is_string() && hello["snapshot"]["uptimeMs"].is_u64());
    let methods = hello["features"]["methods"].as_array().expect("a list");
    for method in [
        "sessions.list",
        "sessions.describe",
        "chat.history",
        "sessions.patch",
        "sessions.patchMany",
        "sessions.delete",
        "tasks.list",
        "tasks.cancel",
        "cron.list",
        "cron.runs",
    ] {
        assert!(methods.contains(&json!(method)), "no {method}");
    }
    // It is there, and not told of.
    assert!(!methods.contains(&json!("sessions.usage")));
    assert_eq!(admin(gateway).hello["server"]["bootId"], hello["server"]["bootId"]);
}

pub fn parameters(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    for method in ["sessions.list", "sessions.usage", "tasks.list", "cron.list", "cron.runs"] {
        let refused = client.call(method, json!({"dryRun": true})).expect_err("nobody knows that");
        assert_eq!(refused.code(), "INVALID_REQUEST", "{method}");
        assert!(refused.message().contains("unexpected property 'dryRun'"), "{}", refused.message());
    }
    let unknown = client.call("sessions.kill", json!({})).expect_err("there is none");
    assert_eq!(unknown.code(), "INVALID_REQUEST");
}

/// The gateway's own list hides the runs of cron jobs, and nothing else of these.
pub fn lists(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let (hidden, hook) = (cron_run("lists"), "agent:main:hook:lists".to_owned());
    let id = client.make(&hidden);
    client.make(&hook);
    let listed = client.listed();
    assert!(listed.contains(&hook) && !listed.contains(&hidden), "{listed:?}");
    let used = client.used();
    assert!(used.contains(&hook) && used.contains(&hidden), "{used:?}");
    let row = client.describe(&hidden);
    assert_eq!(row["sessionId"], id);
    assert_eq!((&row["classification"], &row["isMain"]), (&json!("cron"), &json!(false)));
    assert_eq!((&row["archived"], &row["pinned"]), (&json!(false), &json!(false)));
    assert!(row.get("status").is_none() && row.get("hasActiveRun").is_none());
    assert_eq!(client.describe(&hook)["classification"], "hook");
    assert_eq!(client.describe(&cron_run("none")), Value::Null);
    client.run(MAIN, "hello");
    let main = client.describe(MAIN);
    assert_eq!(
        (&main["isMain"], &main["status"], &main["totalTokens"]),
        (&json!(true), &json!("done"), &json!(100))
    );
    // Who was not made by anybody is called a child of the main session.
    let rows = client.get("sessions.list", json!({"limit": 1000}));
    let main = rows["sessions"].as_array().into_iter().flatten().find(|row| row["key"] == MAIN).expect("it");
    assert!(main["childSessions"].as_array().expect("a list").contains(&json!(hidden)));
    assert_eq!(main["hasActiveRun"], false);
}

pub fn pages(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let mut made: Vec<String> = (0..5).map(|n| format!("agent:main:hook:page-{n}")).collect();
    made.iter().for_each(|key| {
        client.make(key);
    });
    let (mut found, mut offset) = (Vec::new(), json!(0));
    while !offset.is_null() {
        let page = client.get("sessions.list", json!({"limit": 2, "offset": offset}));
        assert_eq!(page["hasMore"], !page["nextOffset"].is_null());
        found.extend(keys(&page["sessions"], "key"));
        offset = page["nextOffset"].clone();
    }
    found.retain(|key| key.starts_with("agent:main:hook:page-"));
    found.sort();
    made.sort();
    assert_eq!(found, made);
}

/// Only the history says whether a hidden session works; its row may not say a thing.
pub fn live_runs(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let (key, shown) = (cron_run("live"), "agent:main:hook:live");
    client.make(&key);
    assert!(!client.is_live(&key));
    client.run(&key, "HANG");
    assert!(client.describe(&key).get("hasActiveRun").is_none());
    client.make(shown);
    client.run(shown, "HANG");
    let rows = client.get("sessions.list", json!({"limit": 1000}));
    let row = rows["sessions"].as_array().into_iter().flatten().find(|row| row["key"] == shown).expect("it");
    assert_eq!(row["hasActiveRun"], true);
    assert_eq!(client.get("sessions.abort", json!({"key": key}))["status"], "aborted");
    holds("the end of the run", || !client.is_live(&key));
    assert_eq!(client.get("sessions.abort", json!({"key": key}))["status"], "no-active-run");
    client.get("sessions.abort", json!({"key": shown}));
}

/// The soft end: it ends a live run, and can be taken back.
pub fn archiving(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let (idle, live) = (cron_run("idle"), "agent:main:hook:soft".to_owned());
    let ids = [client.make(&idle), client.make(&live)];
    client.run(&live, "HANG");
    let targets = json!([
        {"key": idle, "expectedSessionId": ids[0]},
        {"key": MAIN, "expectedSessionId": "another"},
        {"key": live, "expectedSessionId": "another"},
        {"key": cron_run("none"), "expectedSessionId": ids[0]},
    ]);
    let answer = client.get("sessions.patchMany", json!({"targets": targets, "patch": {"archived": true}}));
    let outcomes = answer["outcomes"].as_array().expect("a list");
    assert_eq!((&outcomes[0]["ok"], &outcomes[0]["key"]), (&json!(true), &json!(idle)));
    for outcome in &outcomes[1..] {
        assert_eq!(
            (&outcome["ok"], &outcome["error"]["details"]["reason"]),
            (&json!(false), &json!("session-changed"))
        );
    }
    assert_eq!(client.describe(&idle)["archived"], true);
    assert!(client.is_live(&live), "it had another id");
    let soft = json!({"targets": [{"key": live, "expectedSessionId": ids[1]}], "patch": {"archived": true}});
    assert_eq!(client.get("sessions.patchMany", soft)["outcomes"][0]["ok"], true);
    assert!(!client.is_live(&live));
    let row = client.describe(&live);
    assert_eq!((&row["archived"], &row["sessionId"]), (&json!(true), &json!(ids[1])));
    assert!(!client.listed().contains(&live));
    assert!(client.used().contains(&idle), "it is still told of");
    let run = json!({"message": "hello", "sessionKey": idle, "idempotencyKey": "archived"});
    assert!(client.call("agent", run).expect_err("it is archived").message().contains("is archived"));
    let restore = json!({"key": idle, "expectedSessionId": ids[0], "archived": false});
    client.get("sessions.patch", restore);
    assert_eq!(client.describe(&idle)["archived"], false);
    client.run(&idle, "hello");
    let blind =
        client.call("sessions.patch", json!({"key": idle, "archived": true})).expect_err("which one?");
    assert!(blind.message().contains("expectedSessionId required"), "{}", blind.message());
    client.run(MAIN, "hello");
    let main = client.call("sessions.patch", json!({"key": MAIN, "archived": true})).expect_err("never");
    assert!(main.message().contains("main session"), "{}", main.message());
    let many: Vec<Value> = (0..101).map(|n| json!({"key": cron_run(&n.to_string())})).collect();
    let many = json!({"targets": many, "patch": {"archived": true}});
    assert_eq!(client.call("sessions.patchMany", many).expect_err("too many").code(), "INVALID_REQUEST");
}

/// The hard end.
pub fn deleting(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let key = cron_run("hard");
    let id = client.make(&key);
    let delete = |id: &str| json!({"key": key, "expectedSessionId": id});
    let stale = client.call("sessions.delete", delete("another")).expect_err("it is another");
    assert_eq!(stale.code(), "INVALID_REQUEST");
    let archived = json!({"key": key, "expectedSessionId": id, "archivedOnly": true});
    let live = client.call("sessions.delete", archived).expect_err("it is not archived");
    assert!(live.message().contains("is not archived"), "{}", live.message());
    let gone = client.get("sessions.delete", delete(&id));
    assert_eq!((&gone["ok"], &gone["deleted"]), (&json!(true), &json!(true)));
    assert_eq!(client.describe(&key), Value::Null);
    let again = client.get("sessions.delete", json!({"key": key}));
    assert_eq!((&again["ok"], &again["deleted"]), (&json!(true), &json!(false)));
    client.run(MAIN, "hello");
    let main = client.call("sessions.delete", json!({"key": MAIN})).expect_err("never");
    assert!(main.message().contains("main session"), "{}", main.message());
}

/// To archive and then delete takes no more than the scope to write.
pub fn scopes(gateway: &mut dyn Gateway) {
    let ours = Login::with(gateway.token());
    let key = cron_run("scopes");
    let id = admin(gateway).make(&key);
    let reader = Login { scopes: &["operator.read"], ..ours.clone() };
    let mut reader = enter(gateway, &reader).expect("let in");
    reader.describe(&key);
    let archive = json!({"targets": [{"key": key, "expectedSessionId": id}], "patch": {"archived": true}});
    let refused = reader.call("sessions.patchMany", archive.clone()).expect_err("it may only look");
    assert_eq!((refused.code(), refused.detail("missingScope")), ("FORBIDDEN", "operator.write"));
    let mut writer =
        enter(gateway, &Login { scopes: &["operator.read", "operator.write"], ..ours }).expect("let in");
    let hard = json!({"key": key, "expectedSessionId": id});
    let refused = writer.call("sessions.delete", hard).expect_err("that takes more");
    assert_eq!((refused.code(), refused.detail("missingScope")), ("FORBIDDEN", "operator.admin"));
    assert_eq!(writer.get("sessions.patchMany", archive)["outcomes"][0]["ok"], true);
    let hard = json!({"key": key, "expectedSessionId": id, "archivedOnly": true, "deleteTranscript": true});
    assert_eq!(writer.get("sessions.delete", hard)["deleted"], true);
    assert_eq!(writer.describe(&key), Value::Null);
}

/// A command in the background outlives its session, and can be cancelled all the same.
pub fn background_commands(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let key = "agent:main:hook:exec";
    let id = client.make(key);
    client.run(key, "TOOL:exec {\"command\":\"sleep 600\",\"background\":true}:END");
    let task = client.commands(key).pop().expect("a task");
    assert_eq!((&task["sessionKey"], &task["execution"]["state"]), (&json!(key), &json!("running")));
    client.get("sessions.delete", json!({"key": key, "expectedSessionId": id}));
    assert_eq!(client.describe(key), Value::Null);
    assert_eq!(client.commands(key).len(), 1);
    let cancel = json!({"taskId": task["id"], "reason": "its session has ended"});
    assert_eq!(client.get("tasks.cancel", cancel)["cancelled"], true);
    assert_eq!(client.commands(key), Vec::<Value>::new());
    assert_eq!(client.get("tasks.cancel", json!({"taskId": "none"}))["found"], false);
}

/// A run that timed out stays, hidden, even when its job is removed. One that went well
/// goes at once. The job's own key means the same session as its last run.
pub fn cron_runs(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let late = client.cron("HANG", Some(1));
    let run = client.cron_run(&late);
    holds("the end of its time", || client.describe(&run)["status"] == "timeout");
    let row = client.describe(&run);
    assert_eq!((&row["createdVia"], &row["classification"]), (&json!("cron"), &json!("cron")));
    assert!(row["lastRunError"].as_str().is_some_and(|why| why.contains("timed out")));
    let base = format!("agent:main:cron:{late}");
    assert_eq!(client.describe(&base)["sessionId"], row["sessionId"]);
    let listed = client.listed();
    assert!(listed.contains(&base) && !listed.contains(&run));
    let told = client.get("cron.runs", json!({"scope": "all", "limit": 200}));
    let told = told["entries"].as_array().into_iter().flatten().find(|entry| entry["jobId"] == late).cloned();
    assert_eq!(told.expect("an entry")["sessionKey"], run);
    let jobs = |client: &mut reap_openclaw_stand_in::Client| {
        keys(&client.get("cron.list", json!({"includeDisabled": true, "limit": 200}))["jobs"], "id")
    };
    assert!(jobs(&mut client).contains(&late));
    client.get("cron.remove", json!({"id": late}));
    assert!(!jobs(&mut client).contains(&late));
    assert_eq!(client.describe(&run)["status"], "timeout");

    let fine = client.cron("hello", None);
    let base = format!("agent:main:cron:{fine}");
    holds("the job's session", || client.describe(&base)["totalTokens"] == 100);
    let run = format!("{base}:run:{}", client.describe(&base)["sessionId"].as_str().expect("an id"));
    holds("the end of its row", || client.describe(&run).is_null());
    client.get("cron.remove", json!({"id": fine}));
}

pub fn sub_agents(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let parent = "agent:main:dashboard:parent";
    client.run(parent, "TOOL:sessions_spawn {\"task\":\"hello\"}:END");
    let mut child = Value::Null;
    holds("a child that has ended", || {
        let rows = client.get("sessions.list", json!({"limit": 1000}));
        let rows = rows["sessions"].as_array().cloned().unwrap_or_default();
        child = rows.into_iter().find(|row| row["spawnedBy"] == parent).unwrap_or_default();
        child["status"] == "done"
    });
    assert_eq!((&child["classification"], &child["createdVia"]), (&json!("subagent"), &json!("spawn")));
    assert_eq!((&child["parentSessionKey"], &child["hasActiveRun"]), (&json!(parent), &json!(false)));
    assert!(child["endedAt"].is_u64());
}

/// What is left of a live run after a crash: a row that runs, and no run.
pub fn crash(gateway: &mut dyn Gateway) {
    let mut client = admin(gateway);
    let job = client.cron("HANG", None);
    let run = client.cron_run(&job);
    holds("a live run", || client.describe(&run)["status"] == "running" && client.is_live(&run));
    let boot = client.hello["server"]["bootId"].clone();
    let key = "agent:main:hook:crash";
    client.make(key);
    client.run(key, "TOOL:exec {\"command\":\"sleep 600\",\"background\":true}:END");
    gateway.crash();
    let mut client = admin(gateway);
    assert_ne!(client.hello["server"]["bootId"], boot);
    assert_eq!(client.describe(&run)["status"], "running");
    assert!(!client.is_live(&run));
    // The command has ended with the gateway that held it; its task does not know.
    let task = client.commands(key).pop().expect("a task");
    assert_eq!((&task["sessionKey"], &task["execution"]["state"]), (&json!(key), &json!("unknown")));
    assert_eq!(client.get("tasks.cancel", json!({"taskId": task["id"]}))["cancelled"], false);
    client.get("cron.remove", json!({"id": job}));
}
