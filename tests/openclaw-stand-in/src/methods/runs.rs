//! Runs of a model, without any model: the control words of `tests/live/provider.mjs`
//! are read here.

use serde_json::{Value, json};

use super::{Answer, Caller};
use crate::failure::Failure;
use crate::json::{now, text, uuid};
use crate::state::{Live, Row, State, Task, whole_key};

/// Tokens that a made-up run holds.
const TOKENS: u64 = 100;

/// Starts a run. It is over at once, or never ends.
pub fn agent(state: &mut State, caller: &Caller<'_>) -> Answer {
    let message = caller.text("message")?;
    let run = caller.text("idempotencyKey")?.to_owned();
    let key = whole_key(caller.optional("sessionKey").unwrap_or("agent:main:main"));
    let row = state.rows.entry(key.clone()).or_insert_with(|| Row::new(&key, "run"));
    if row.archived_at.is_some() {
        let told = format!("Session {key} is archived. Restore it before sending a message.");
        return Err(Failure::invalid(told));
    }
    row.updated_at = now();
    row.started_at = Some(now());
    // A real gateway tells of a run for a cron's key only once it has ended.
    row.status = (!row.is_hidden()).then_some("running");
    row.live = Some(Live { run: run.clone(), until: None });
    state.tasks.push(task("cli", message, &key, Some(&key), &run));
    match tool(message) {
        Some((name, arguments)) => use_tool(state, &key, name, &arguments),
        None if message.contains("HANG") => return Ok(accepted(&run, &key)),
        None => {}
    }
    finish(state, &key);
    Ok(accepted(&run, &key))
}

fn accepted(run: &str, key: &str) -> Value {
    json!({"runId": run, "sessionKey": key, "agentId": "main", "status": "accepted", "acceptedAt": now()})
}

/// A run that comes to its end.
pub fn finish(state: &mut State, key: &str) {
    state.stop(key, "done", "completed", None);
    if let Some(row) = state.rows.get_mut(key) {
        row.tokens = Some(TOKENS);
        row.updated_at = now();
    }
}

/// A task that begins.
pub fn task(kind: &'static str, title: &str, key: &str, child: Option<&str>, run: &str) -> Task {
    Task {
        id: uuid(),
        kind,
        title: title.to_owned(),
        session_key: key.to_owned(),
        child: child.map(str::to_owned),
        run: run.to_owned(),
        status: "running",
        held: true,
        error: None,
        at: now(),
    }
}

/// `TOOL:name {json}:END`.
fn tool(message: &str) -> Option<(&str, Value)> {
    let (_, call) = message.split_once("TOOL:")?;
    let (call, _) = call.split_once(":END")?;
    let (name, arguments) = call.split_once(' ')?;
    Some((name, serde_json::from_str(arguments).ok()?))
}

fn use_tool(state: &mut State, key: &str, name: &str, arguments: &Value) {
    match name {
        "exec" => {
            let command = text(arguments, "command").unwrap_or_default();
            state.tasks.push(task("exec", command, key, None, &format!("exec:{}", uuid())));
        }
        "sessions_spawn" => spawn(state, key, text(arguments, "task").unwrap_or_default()),
        _ => {}
    }
}

fn spawn(state: &mut State, parent: &str, message: &str) {
    let child = format!("agent:main:subagent:{}", uuid());
    let run = uuid();
    let row = Row {
        parent: Some(parent.to_owned()),
        spawned_by: Some(parent.to_owned()),
        status: Some("running"),
        started_at: Some(now()),
        live: Some(Live { run: run.clone(), until: None }),
        ..Row::new(&child, "spawn")
    };
    state.rows.insert(child.clone(), row);
    state.tasks.push(task("subagent", message, parent, Some(&child), &run));
    if !message.contains("HANG") {
        finish(state, &child);
    }
}

/// How a run did. Nobody waits here.
pub fn wait(state: &mut State, caller: &Caller<'_>) -> Answer {
    let run = caller.text("runId")?;
    let lives = state.rows.values().any(|row| row.live.as_ref().is_some_and(|live| live.run == run));
    Ok(json!({"runId": run, "status": if lives { "timeout" } else { "ok" }}))
}

/// Ends a run, and leaves the session.
pub fn abort(state: &mut State, caller: &Caller<'_>) -> Answer {
    let key = whole_key(caller.text("key")?);
    let lives = state.rows.get(&key).is_some_and(|row| row.live.is_some());
    state.stop(&key, "killed", "cancelled", None);
    Ok(json!({"ok": true, "status": if lives { "aborted" } else { "no-active-run" }}))
}
