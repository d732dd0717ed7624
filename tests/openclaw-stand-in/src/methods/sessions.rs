//! Looking at sessions.

use serde_json::{Value, json};

use super::{Answer, Caller};
use crate::failure::Failure;
use crate::state::{Row, State, whole_key};

/// One page, without the runs of cron jobs.
pub fn list(state: &mut State, caller: &Caller<'_>) -> Answer {
    let archived = caller.params.get("archived");
    let wanted = |row: &&Row| match archived {
        Some(Value::Bool(archived)) => row.archived_at.is_some() == *archived,
        Some(Value::String(_)) => true,
        _ => row.archived_at.is_none(),
    };
    let (limit, offset) = (caller.number("limit", 100), caller.number("offset", 0));
    let mut rows: Vec<&Row> = state.rows.values().filter(|row| !row.is_hidden()).filter(wanted).collect();
    rows.sort_by(|a, b| (b.updated_at, &a.key).cmp(&(a.updated_at, &b.key)));
    let page: Vec<Value> = rows
        .iter()
        .skip(offset)
        .take(limit)
        .map(|row| {
            let mut shown = row.with_runs();
            let children = state.rows.values().filter(|one| one.parent.as_ref() == Some(&row.key));
            let children: Vec<Value> = children.map(|one| one.key.clone().into()).collect();
            if !children.is_empty() {
                shown.insert("childSessions".to_owned(), children.into());
            }
            Value::Object(shown)
        })
        .collect();
    let next = offset + page.len();
    let more = next < rows.len();
    Ok(json!({
        "ts": crate::json::now(), "count": page.len(), "totalCount": rows.len(), "limitApplied": limit,
        "nextOffset": more.then_some(next), "hasMore": more, "sessions": page,
    }))
}

/// The only list with the runs of cron jobs. Of two keys with one session it shows one.
pub fn usage(state: &mut State, caller: &Caller<'_>) -> Answer {
    let all = caller.optional("agentScope") == Some("all");
    let limit = caller.number("limit", 50);
    let shadowed = |row: &Row| {
        let twin = |one: &&Row| one.session_id == row.session_id && one.key.len() > row.key.len();
        state.rows.values().any(|one| twin(&one))
    };
    let rows = state.rows.values().filter(|row| all || row.key.starts_with("agent:main:"));
    let rows: Vec<&Row> = rows.filter(|row| !shadowed(row)).collect();
    let shown = rows.iter().take(limit).map(|row| {
        json!({
            "key": row.key, "label": row.label, "sessionId": row.session_id, "scope": "instance",
            "updatedAt": row.updated_at, "agentId": "main", "usage": null,
        })
    });
    let sessions: Vec<Value> = shown.collect();
    Ok(json!({"updatedAt": crate::json::now(), "sessions": sessions, "cacheStatus": {"status": "fresh"}}))
}

/// One session, whichever it is.
pub fn describe(state: &mut State, caller: &Caller<'_>) -> Answer {
    let key = whole_key(caller.text("key")?);
    state.looked_at(&key);
    let row = state.rows.get(&key);
    Ok(json!({"session": row.map(Row::describe)}))
}

/// What was said in a session, which the stand-in does not keep, and how it does.
pub fn history(state: &mut State, caller: &Caller<'_>) -> Answer {
    let key = whole_key(caller.text("sessionKey")?);
    state.looked_at(&key);
    let mut answer = json!({"sessionKey": key, "messages": [], "hasMore": false});
    if let Some(row) = state.rows.get(&key) {
        answer["sessionId"] = row.session_id.clone().into();
        answer["sessionInfo"] = Value::Object(row.with_runs());
    }
    Ok(answer)
}

/// The key of a session.
pub fn resolve(state: &mut State, caller: &Caller<'_>) -> Answer {
    let found = match (caller.optional("key"), caller.optional("sessionId")) {
        (Some(key), _) => state.rows.get(&whole_key(key)),
        (None, Some(id)) => state.rows.values().find(|row| row.session_id == id),
        (None, None) => return Err(Failure::invalid("key or sessionId is required")),
    };
    match found {
        Some(row) => Ok(json!({"ok": true, "key": row.key})),
        None if caller.flag("allowMissing") => Ok(json!({"ok": false})),
        None => Err(Failure::invalid("No session found")),
    }
}
