//! Cron jobs. A run has a key of its own, and the job's key means the same session.

use serde_json::{Value, json};

use super::runs::{finish, task};
use super::{Answer, Caller};
use crate::failure::Failure;
use crate::json::{now, text, uuid};
use crate::state::{Job, Live, Row, Run, State};

/// One page of the jobs.
pub fn list(state: &mut State, caller: &Caller<'_>) -> Answer {
    let jobs = state.jobs.iter().map(|(id, job)| json!({"id": id, "name": job.name, "enabled": true}));
    let mut page = page(jobs.collect(), caller);
    page["jobs"] = page["items"].take();
    Ok(page)
}

/// One page of what is told of their runs, newest first.
pub fn runs(state: &mut State, caller: &Caller<'_>) -> Answer {
    let entries = state.runs.iter().rev().map(|run| {
        let mut shown = json!({"jobId": run.job, "status": run.status, "action": "finished"});
        for (name, value) in [("sessionKey", &run.key), ("sessionId", &run.session_id), ("error", &run.error)]
        {
            if let Some(value) = value {
                shown[name] = value.clone().into();
            }
        }
        shown
    });
    let mut page = page(entries.collect(), caller);
    page["entries"] = page["items"].take();
    Ok(page)
}

fn page(all: Vec<Value>, caller: &Caller<'_>) -> Value {
    let (limit, offset) = (caller.number("limit", 50), caller.number("offset", 0));
    let total = all.len();
    let items: Vec<Value> = all.into_iter().skip(offset).take(limit).collect();
    let next = offset + items.len();
    let more = next < total;
    json!({
        "items": items, "total": total, "offset": offset, "limit": limit, "hasMore": more,
        "nextOffset": more.then_some(next),
    })
}

/// Adds a job.
pub fn add(state: &mut State, caller: &Caller<'_>) -> Answer {
    let payload = caller.params.get("payload").ok_or_else(|| Failure::invalid("payload is missing"))?;
    let job = Job {
        name: caller.text("name")?.to_owned(),
        message: text(payload, "message").unwrap_or_default().to_owned(),
        timeout: payload.get("timeoutSeconds").and_then(Value::as_u64),
    };
    let id = uuid();
    state.jobs.insert(id.clone(), job);
    Ok(json!({"id": id}))
}

/// Takes one away. Its sessions stay.
pub fn remove(state: &mut State, caller: &Caller<'_>) -> Answer {
    Ok(json!({"ok": true, "removed": state.jobs.remove(caller.text("id")?).is_some()}))
}

/// Runs one now.
pub fn run(state: &mut State, caller: &Caller<'_>) -> Answer {
    let id = caller.text("id")?;
    let job =
        state.jobs.get(id).cloned().ok_or_else(|| Failure::invalid(format!("unknown cron job {id}")))?;
    let session_id = uuid();
    let base = format!("agent:main:cron:{id}");
    let key = format!("{base}:run:{session_id}");
    let run = uuid();
    let row = |key: &str| Row {
        session_id: session_id.clone(),
        label: Some(format!("Automation: {}", job.name)),
        ..Row::new(key, "cron")
    };
    let until = job.timeout.map(|seconds| now() + seconds * 1000);
    let live = Some(Live { run: run.clone(), until });
    let running = Row { status: Some("running"), started_at: Some(now()), live, ..row(&key) };
    state.rows.insert(base.clone(), row(&base));
    state.rows.insert(key.clone(), running);
    state.tasks.push(task("automation_run", &job.name, "", Some(&key), &run));
    if !job.message.contains("HANG") {
        finish(state, &key);
        // The row of a run that went well is taken away at once; the job's own stays.
        let tokens = state.rows.remove(&key).and_then(|row| row.tokens);
        if let Some(base) = state.rows.get_mut(&base) {
            base.tokens = tokens;
        }
        let (key, session_id) = (Some(key), Some(session_id.clone()));
        state.runs.push(Run { job: id.to_owned(), status: "ok", key, session_id, error: None });
    }
    Ok(json!({"ok": true, "enqueued": true, "runId": format!("manual:{id}:{run}")}))
}
