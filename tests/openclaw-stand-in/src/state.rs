//! What the gateway keeps: sessions, tasks, jobs and their runs.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::json::{now, put, uuid};

/// Everything that it keeps.
#[derive(Debug)]
pub struct State {
    /// Which start of the gateway this is.
    pub boot: String,
    /// When that was.
    pub started: Instant,
    /// The sessions by key.
    pub rows: BTreeMap<String, Row>,
    /// The tasks, oldest first.
    pub tasks: Vec<Task>,
    /// The cron jobs by id, with their names.
    pub jobs: BTreeMap<String, Job>,
    /// What is told of the jobs' runs.
    pub runs: Vec<Run>,
    /// What `sessions.usage` said last.
    pub usage: Option<Value>,
    /// Keys that come back after their end, and after how many looks.
    pub revenants: BTreeMap<String, u32>,
    /// Those that wait for that.
    ended: BTreeMap<String, (Row, u32)>,
}

/// One session.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its key.
    pub key: String,
    /// Which session the key means at the moment.
    pub session_id: String,
    /// `operator`, `run`, `spawn`, `cron`.
    pub created_via: &'static str,
    pub created_at: u64,
    pub updated_at: u64,
    pub label: Option<String>,
    pub parent: Option<String>,
    pub spawned_by: Option<String>,
    pub archived_at: Option<u64>,
    pub pinned: bool,
    /// `running`, `done`, `timeout` and so on; nothing before the first run.
    pub status: Option<&'static str>,
    pub started_at: Option<u64>,
    pub ended_at: Option<u64>,
    pub last_run_error: Option<String>,
    pub aborted_last_run: bool,
    /// Tokens of the context, where a run has told them.
    pub tokens: Option<u64>,
    /// The run under way.
    pub live: Option<Live>,
}

/// A run under way.
#[derive(Debug, Clone)]
pub struct Live {
    pub run: String,
    /// When the job's time is over.
    pub until: Option<u64>,
}

/// A task: a run, or a command in the background.
#[derive(Debug, Clone)]
pub struct Task {
    pub id: String,
    /// `exec`, `cli`, `subagent`, `automation_run`.
    pub kind: &'static str,
    pub title: String,
    pub session_key: String,
    pub child: Option<String>,
    pub run: String,
    /// `running`, `completed`, `failed`, `cancelled`, `timed_out`.
    pub status: &'static str,
    /// Whether this start of the gateway knows how to cancel it.
    pub held: bool,
    pub error: Option<String>,
    pub at: u64,
}

/// A cron job.
#[derive(Debug, Clone)]
pub struct Job {
    pub name: String,
    pub message: String,
    pub timeout: Option<u64>,
}

/// What is told of a run of a job.
#[derive(Debug, Clone)]
pub struct Run {
    pub job: String,
    pub status: &'static str,
    pub key: Option<String>,
    pub session_id: Option<String>,
    pub error: Option<String>,
}

impl State {
    /// A gateway that never ran.
    pub fn new() -> Self {
        Self {
            boot: uuid(),
            started: Instant::now(),
            rows: BTreeMap::new(),
            tasks: Vec::new(),
            jobs: BTreeMap::new(),
            runs: Vec::new(),
            usage: None,
            revenants: BTreeMap::new(),
            ended: BTreeMap::new(),
        }
    }

    /// A session is about to be archived or deleted.
    pub fn will_end(&mut self, key: &str) {
        if let (Some(row), Some(looks)) = (self.rows.get(key), self.revenants.remove(key)) {
            self.ended.insert(key.to_owned(), (row.clone(), looks));
        }
    }

    /// Somebody looks at this key.
    pub fn looked_at(&mut self, key: &str) {
        let Some((row, looks)) = self.ended.get_mut(key) else { return };
        if *looks == 0 {
            self.rows.insert(key.to_owned(), row.clone());
            self.ended.remove(key);
        } else {
            *looks -= 1;
        }
    }

    /// What is left after a crash and a new start: rows that run and have no run.
    pub fn crash(&mut self) {
        self.boot = uuid();
        self.started = Instant::now();
        self.usage = None;
        for row in self.rows.values_mut() {
            if row.live.take().is_some() && row.class() == "subagent" {
                row.status = None;
            }
        }
        for task in &mut self.tasks {
            task.held = false;
            match task.kind {
                _ if task.status != "running" => {}
                "automation_run" => {
                    task.status = "failed";
                    task.child = None;
                    task.error = Some("cron: job interrupted by gateway restart".to_owned());
                }
                "cli" => {
                    task.status = "cancelled";
                    task.error = Some("Task execution process exited before restart.".to_owned());
                }
                _ => {}
            }
        }
    }

    /// Ends the runs whose time is over.
    pub fn settle(&mut self) {
        let now = now();
        let over =
            |row: &Row| row.live.as_ref().and_then(|live| live.until).is_some_and(|until| until <= now);
        let keys: Vec<String> =
            self.rows.values().filter(|row| over(row)).map(|row| row.key.clone()).collect();
        for key in keys {
            let error = "cron: job execution timed out (last phase: model-call-started)";
            self.stop(&key, "timeout", "timed_out", Some(error));
            let job = job_of(&key).unwrap_or_default().to_owned();
            let session_id = self.rows.get(&key).map(|row| row.session_id.clone());
            let error = Some(error.to_owned());
            self.runs.push(Run { job, status: "error", key: Some(key), session_id, error });
        }
    }

    /// Ends the live run of a session, if it has one.
    pub fn stop(&mut self, key: &str, status: &'static str, task: &'static str, error: Option<&str>) {
        let Some(row) = self.rows.get_mut(key) else { return };
        let Some(live) = row.live.take() else { return };
        row.status = Some(status);
        row.ended_at = Some(now());
        row.last_run_error = error.map(str::to_owned);
        for one in self.tasks.iter_mut().filter(|one| one.run == live.run && one.kind != "exec") {
            one.status = task;
            one.error = error.map(str::to_owned);
        }
    }
}

impl Row {
    /// A new session.
    pub fn new(key: &str, created_via: &'static str) -> Self {
        let now = now();
        Self {
            key: key.to_owned(),
            session_id: uuid(),
            created_via,
            created_at: now,
            updated_at: now,
            label: None,
            parent: None,
            spawned_by: None,
            archived_at: None,
            pinned: false,
            status: None,
            started_at: None,
            ended_at: None,
            last_run_error: None,
            aborted_last_run: false,
            tokens: None,
            live: None,
        }
    }

    /// What the key says that it is.
    pub fn class(&self) -> &'static str {
        let known = ["main", "cron", "subagent", "acp", "hook", "dashboard", "heartbeat"];
        let word = rest(&self.key).split(':').next().unwrap_or_default();
        match known.into_iter().find(|known| *known == word) {
            Some(known) => known,
            None if matches!(word, "telegram" | "discord" | "signal") => "direct",
            None => "custom",
        }
    }

    /// Whether the lists leave it out.
    pub fn is_hidden(&self) -> bool {
        is_cron_run(&self.key)
    }

    /// What every method shows of it.
    pub fn describe(&self) -> Map<String, Value> {
        let class = self.class();
        let background = matches!(class, "cron" | "subagent" | "hook" | "heartbeat");
        let shown = json!({
            "key": self.key, "kind": "direct", "classification": class, "agentId": agent(&self.key),
            "isMain": class == "main", "isBackground": background, "createdVia": self.created_via,
            "createdAt": self.created_at, "updatedAt": self.updated_at, "archived": self.archived_at.is_some(),
            "pinned": self.pinned, "unread": false, "sessionId": self.session_id,
            "abortedLastRun": self.aborted_last_run, "totalTokensFresh": self.tokens.is_some(),
            "modelProvider": "fake", "model": "echo", "contextTokens": 128_000,
        });
        let Value::Object(mut shown) = shown else { return Map::new() };
        put(&mut shown, "label", self.label.clone());
        put(&mut shown, "parentSessionKey", self.parent.clone());
        put(&mut shown, "spawnedBy", self.spawned_by.clone());
        put(&mut shown, "archivedAt", self.archived_at);
        put(&mut shown, "status", self.status);
        put(&mut shown, "startedAt", self.started_at);
        put(&mut shown, "endedAt", self.ended_at);
        put(&mut shown, "lastRunError", self.last_run_error.clone());
        put(&mut shown, "totalTokens", self.tokens);
        put(&mut shown, "inputTokens", self.tokens);
        put(&mut shown, "estimatedCostUsd", self.tokens.map(|_| 0));
        shown
    }

    /// The same with what `sessions.list` and `chat.history` say of its runs.
    pub fn with_runs(&self) -> Map<String, Value> {
        let mut shown = self.describe();
        shown.insert("hasActiveRun".to_owned(), self.live.is_some().into());
        // Of a live run the real one tells the ids at times, and at times not.
        if self.live.is_none() {
            shown.insert("activeRunIds".to_owned(), json!([]));
        }
        shown
    }
}

impl Task {
    /// As `tasks.list` shows it.
    pub fn to_json(&self) -> Value {
        let state = match (self.status, self.held) {
            ("running", true) => "running",
            ("running", false) => "unknown",
            _ => "finished",
        };
        let runtime = match self.kind {
            "automation_run" => "cron",
            "subagent" => "subagent",
            _ => "cli",
        };
        let shown = json!({
            "id": self.id, "taskId": self.id, "kind": self.kind, "runtime": runtime, "status": self.status,
            "title": self.title, "agentId": "main", "sessionKey": self.session_key, "ownerKey": self.session_key,
            "runId": self.run, "execution": {"state": state}, "createdAt": self.at, "startedAt": self.at,
            "updatedAt": self.at,
        });
        let Value::Object(mut shown) = shown else { return Value::Null };
        put(&mut shown, "childSessionKey", self.child.clone());
        put(&mut shown, "error", self.error.clone());
        Value::Object(shown)
    }
}

/// The key as the gateway writes it.
pub fn whole_key(key: &str) -> String {
    let key = key.to_lowercase();
    if key.starts_with("agent:") || matches!(key.as_str(), "global" | "unknown") {
        key
    } else {
        format!("agent:main:{key}")
    }
}

/// The agent in a key.
fn agent(key: &str) -> &str {
    key.split(':').nth(1).unwrap_or("main")
}

/// What follows the agent in a key.
fn rest(key: &str) -> &str {
    key.splitn(3, ':').nth(2).unwrap_or(key)
}

/// Whether it is the key of a run of a cron job.
pub fn is_cron_run(key: &str) -> bool {
    let mut words = rest(key).split(':');
    words.next() == Some("cron") && words.next().is_some() && words.next() == Some("run")
}

/// The job in the key of its run.
pub fn job_of(key: &str) -> Option<&str> {
    rest(key).strip_prefix("cron:")?.split(':').next()
}
