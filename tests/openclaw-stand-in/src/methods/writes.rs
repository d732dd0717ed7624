//! Making, archiving and deleting sessions.

use serde_json::{Value, json};

use super::{Answer, Caller, Scope};
use crate::failure::Failure;
use crate::json::{now, text, uuid};
use crate::state::{Row, State, whole_key};

/// Makes a session, or takes the one that has the key.
pub fn create(state: &mut State, caller: &Caller<'_>) -> Answer {
    let key = caller.optional("key").map_or_else(|| format!("agent:main:dashboard:{}", uuid()), whole_key);
    let parent = caller.optional("parentSessionKey");
    if let Some(parent) = parent.filter(|parent| !state.rows.contains_key(*parent)) {
        return Err(Failure::invalid(format!("unknown parent session: {parent}")));
    }
    let row = state.rows.entry(key.clone()).or_insert_with(|| Row::new(&key, "operator"));
    row.parent = Some(parent.unwrap_or("agent:main:main").to_owned());
    row.label = caller.optional("label").map(str::to_owned);
    let entry = json!({
        "sessionId": row.session_id, "updatedAt": row.updated_at, "createdVia": row.created_via,
        "createdAt": row.created_at, "parentSessionKey": row.parent,
    });
    Ok(json!({"ok": true, "key": key, "sessionId": row.session_id, "entry": entry, "runStarted": false}))
}

/// Changes one session.
pub fn patch(state: &mut State, caller: &Caller<'_>) -> Answer {
    let key = change(state, caller.params, caller.params)?;
    Ok(json!({"ok": true, "key": key}))
}

/// Changes up to a hundred, each with an answer of its own.
pub fn patch_many(state: &mut State, caller: &Caller<'_>) -> Answer {
    let targets = caller.params.get("targets").and_then(Value::as_array);
    let targets = targets.filter(|targets| (1..=100).contains(&targets.len()));
    let targets = targets.ok_or_else(|| Failure::invalid("at /targets: must have 1 to 100 items"))?;
    let patch = caller.params.get("patch").ok_or_else(|| Failure::invalid("patch is missing"))?;
    let outcomes = targets.iter().map(|target| match change(state, target, patch) {
        Ok(key) => json!({"ok": true, "key": key}),
        Err(failure) => json!({"ok": false, "key": target.get("key"), "error": failure.to_json()}),
    });
    Ok(json!({"outcomes": outcomes.collect::<Vec<_>>()}))
}

fn change(state: &mut State, target: &Value, patch: &Value) -> Result<String, Failure> {
    let key = text(target, "key").map(whole_key).ok_or_else(|| Failure::invalid("key is missing"))?;
    expect(state, &key, text(target, "expectedSessionId"))?;
    let archived = patch.get("archived").and_then(Value::as_bool);
    let is_main = state.rows.get(&key).is_some_and(|row| row.class() == "main");
    if archived.is_some() && !is_main && text(target, "expectedSessionId").is_none() {
        return Err(Failure::invalid(format!(
            "expectedSessionId required for session lifecycle patch: {key}"
        )));
    }
    if archived == Some(true) {
        state.will_end(&key);
    }
    let row = state.rows.entry(key.clone()).or_insert_with(|| Row::new(&key, "operator"));
    if archived == Some(true) && row.class() == "main" {
        return Err(Failure::invalid("Cannot archive an agent's main session."));
    }
    row.updated_at = now();
    if let Some(pinned) = patch.get("pinned").and_then(Value::as_bool) {
        row.pinned = pinned;
    }
    match archived {
        Some(true) if row.archived_at.is_none() => {
            row.archived_at = Some(now());
            state.stop(&key, "killed", "cancelled", None);
        }
        Some(false) => row.archived_at = None,
        _ => {}
    }
    Ok(key)
}

fn expect(state: &State, key: &str, expected: Option<&str>) -> Result<(), Failure> {
    let found = state.rows.get(key).map(|row| row.session_id.as_str());
    match expected {
        Some(expected) if found != Some(expected) => {
            let failure = Failure::invalid(format!("Session {key} changed before patch. Retry."));
            Err(failure.with_reason("session-changed"))
        }
        _ => Ok(()),
    }
}

/// Deletes a session for good.
pub fn delete(state: &mut State, caller: &Caller<'_>) -> Answer {
    let key = whole_key(caller.text("key")?);
    let archived_only = caller.flag("archivedOnly");
    if !archived_only && caller.scope < Scope::Admin {
        return Err(Failure::forbidden(Scope::Admin.word()));
    }
    let Some(row) = state.rows.get(&key) else {
        return Ok(json!({"ok": true, "key": key, "deleted": false, "archived": []}));
    };
    if row.class() == "main" {
        return Err(Failure::invalid("Cannot delete the main session"));
    }
    expect(state, &key, caller.optional("expectedSessionId"))?;
    if archived_only && row.archived_at.is_none() {
        return Err(Failure::invalid(format!(
            "Session {key} is not archived. Archive it first, then delete it."
        )));
    }
    state.will_end(&key);
    state.stop(&key, "killed", "cancelled", None);
    state.rows.remove(&key);
    Ok(json!({"ok": true, "key": key, "deleted": true, "archived": []}))
}
