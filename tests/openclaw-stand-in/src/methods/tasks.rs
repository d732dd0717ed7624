//! Tasks: runs, and commands in the background, which outlive their session.

use serde_json::{Value, json};

use super::{Answer, Caller};
use crate::state::{State, Task};

/// One page, newest first.
pub fn list(state: &mut State, caller: &Caller<'_>) -> Answer {
    let statuses: Option<Vec<&str>> = match caller.params.get("status") {
        Some(Value::String(one)) => Some(vec![one]),
        Some(Value::Array(several)) => Some(several.iter().filter_map(Value::as_str).collect()),
        _ => None,
    };
    let wanted = |task: &&Task| statuses.as_ref().is_none_or(|statuses| statuses.contains(&task.status));
    let limit = caller.number("limit", 100);
    let from: usize = caller.optional("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let all: Vec<&Task> = state.tasks.iter().rev().filter(wanted).collect();
    let page: Vec<Value> = all.iter().skip(from).take(limit).map(|task| task.to_json()).collect();
    let next = from + page.len();
    let mut answer = json!({"tasks": page});
    if next < all.len() {
        answer["nextCursor"] = next.to_string().into();
    }
    Ok(answer)
}

/// Ends one, if it still can be.
pub fn cancel(state: &mut State, caller: &Caller<'_>) -> Answer {
    let (id, reason) = (caller.text("taskId")?, caller.optional("reason"));
    let Some(task) = state.tasks.iter_mut().find(|task| task.id == id) else {
        return Ok(json!({"found": false, "cancelled": false}));
    };
    if task.status != "running" || !task.held {
        let why = "Background command has no active cancellation handle.";
        return Ok(json!({"found": true, "cancelled": false, "reason": why, "task": task.to_json()}));
    }
    task.status = "cancelled";
    task.error = reason.map(str::to_owned);
    Ok(json!({"found": true, "cancelled": true, "task": task.to_json()}))
}
