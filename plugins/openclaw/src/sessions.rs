//! Makes sessions of what was found at a gateway.

use std::collections::BTreeMap;

use reap_plugin::{Activity, Address, Fact, Kind, Session, Timestamp, Value, fact};

use crate::NAME;
use crate::facts;
use crate::hello::Hello;
use crate::key;
use crate::protect;
use crate::row::Row;
use crate::scan::{Scene, Seen};
use crate::tasks::Task;

/// All sessions at this address.
pub fn of(address: &str, scene: &Scene, hello: &Hello, now: Timestamp) -> Vec<Session> {
    let mut commands: BTreeMap<&str, Vec<&Task>> = BTreeMap::new();
    for task in scene.tasks.iter().filter(|task| task.is_live_command()) {
        commands.entry(task.session_key.as_deref().unwrap_or_default()).or_default().push(task);
    }
    let up = hello.started.map(|started| fact(facts::GATEWAY_UP, Value::Span(now.saturating_sub(started))));
    let row = |seen: &Seen| {
        let mut session = session(address, seen, scene);
        session.extra.extend(up.clone());
        session.extra.extend(running(commands.get(seen.row.key.as_str()).map_or(&[][..], Vec::as_slice)));
        session
    };
    let mut sessions: Vec<Session> = scene.rows.iter().map(row).collect();
    let strays = commands.iter().filter_map(|(of, tasks)| Some((*of, *scene.ended.get(*of)?, tasks)));
    sessions
        .extend(strays.flat_map(|(of, state, tasks)| tasks.iter().map(move |task| stray(task, of, state))));
    sessions
}

fn session(address: &str, Seen { row, live }: &Seen, scene: &Scene) -> Session {
    let class = row.classification.as_deref().unwrap_or_default();
    let parent = row.spawned_by.as_deref().or(row.parent_session_key.as_deref());
    Session {
        key: row.key.clone(),
        incarnation: row.session_id.clone().unwrap_or_else(|| "unknown".to_owned()),
        title: title(row),
        kind: if row.is_main == Some(true) { Kind::Main } else { key::kind(class) },
        activity: activity(row, *live),
        created: row.created_at,
        last_active: row.last_active(),
        attached: false,
        parent: parent.filter(|parent| *parent != row.key).map(|parent| self::address(address, parent)),
        cwd: row.worktree.as_ref().and_then(|tree| tree.get("path")?.as_str()).map(str::to_owned),
        processes: Vec::new(),
        tokens: row.total_tokens,
        protected: protect::reason(row),
        extra: facts_of(row, *live, scene),
    }
}

fn address(instance: &str, key: &str) -> Address {
    Address { backend: NAME.to_owned(), instance: instance.to_owned(), key: key.to_owned() }
}

fn title(row: &Row) -> String {
    let given = [&row.label, &row.display_name].into_iter().flatten().find(|name| !name.is_empty());
    given.map_or_else(|| key::rest(&row.key).to_owned(), Clone::clone)
}

/// A run that the row claims and nobody knows of may be about to be taken up again, so
/// nothing is said of it. A chat waits for its next word, whatever became of the last.
fn activity(row: &Row, live: Option<bool>) -> Activity {
    let ends_with_its_run =
        key::is_cron_run(&row.key) || matches!(row.classification.as_deref(), Some("subagent" | "acp"));
    match live {
        Some(true) => Activity::Running,
        None => Activity::Unknown,
        Some(false) if row.claims_a_run() => Activity::Unknown,
        Some(false) if ends_with_its_run && row.has_ended() => Activity::Stopped,
        Some(false) => Activity::Idle,
    }
}

fn facts_of(row: &Row, live: Option<bool>, scene: &Scene) -> Vec<Fact> {
    let mut all: Vec<Option<Fact>> = vec![
        facts::text(facts::CLASS, row.classification.as_deref()),
        facts::text(facts::STATUS, row.status.as_deref()),
        live.map(|live| fact(facts::ACTIVE_RUN, live)),
        facts::moment(facts::RUN_STARTED, row.started_at),
        facts::moment(facts::RUN_ENDED, row.ended_at),
        facts::text(facts::RUN_ERROR, row.last_run_error.as_deref()),
        row.aborted_last_run.filter(|aborted| *aborted).map(|aborted| fact(facts::RUN_ABORTED, aborted)),
        facts::text(facts::RECOVERY, row.restart_recovery_status.as_deref()),
        facts::text(facts::CREATED_VIA, row.created_via.as_deref()),
        facts::text(facts::AGENT, row.agent_id.as_deref()),
        facts::text(facts::MODEL, row.model.as_deref()),
        row.estimated_cost_usd
            .filter(|cost| cost.is_finite())
            .map(|cost| fact(facts::COST, Value::Real(cost))),
    ];
    if let Some(job) = key::job(&row.key) {
        let known = scene.jobs.as_ref().map(|jobs| if jobs.contains(job) { "there" } else { "gone" });
        all.push(Some(fact(facts::JOB, job)));
        all.push(Some(fact(facts::JOB_STATE, known.unwrap_or("unknown"))));
        all.push(Some(fact(facts::CRON_RUN, key::is_cron_run(&row.key))));
    }
    all.into_iter().flatten().collect()
}

/// The background commands of a session.
fn running(tasks: &[&Task]) -> Vec<Fact> {
    if tasks.is_empty() {
        return Vec::new();
    }
    let ids: Vec<String> = tasks.iter().map(|task| task.id.clone()).collect();
    let lines: Vec<String> = tasks.iter().filter_map(|task| task.title.clone()).collect();
    vec![fact(facts::TASKS, ids), fact(facts::COMMANDS, lines)]
}

/// A background command that has outlived its session.
fn stray(task: &Task, of: &str, state: &str) -> Session {
    let line = task.title.clone().unwrap_or_else(|| task.id.clone());
    let extra = [
        facts::text(facts::OF_SESSION, Some(of)),
        facts::text(facts::OF_SESSION_STATE, Some(state)),
        facts::text(facts::AGENT, task.agent_id.as_deref()),
        Some(fact(facts::TASKS, vec![task.id.clone()])),
        Some(fact(facts::COMMANDS, vec![line.clone()])),
    ];
    Session {
        key: format!("{}{}", key::TASK, task.id),
        incarnation: task.id.clone(),
        title: line,
        kind: Kind::Worker,
        // It runs; whether it does anything, nobody can tell.
        activity: Activity::Unknown,
        created: task.started_at.or(task.created_at),
        last_active: task.last_active(),
        attached: false,
        parent: None,
        cwd: None,
        processes: Vec::new(),
        tokens: None,
        protected: None,
        extra: extra.into_iter().flatten().collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(value: serde_json::Value) -> Row {
        Row::read(value).expect("it is right")
    }

    fn scene(rows: Vec<(Row, Option<bool>)>) -> Scene {
        let rows = rows.into_iter().map(|(row, live)| Seen { row, live }).collect();
        Scene { rows, jobs: Some(["j".to_owned()].into()), ..Scene::default() }
    }

    fn sessions(scene: &Scene) -> Vec<Session> {
        let hello = Hello::read(r#"{"snapshot":{"uptimeMs":1000}}"#, 10_000).expect("it is right");
        of("ws://x:1", scene, &hello, 12_000)
    }

    fn run(status: &str) -> Row {
        row(json!({
            "key": "agent:main:cron:j:run:r", "sessionId": "s", "classification": "cron", "status": status,
            "createdAt": 5, "updatedAt": 7, "endedAt": 9, "totalTokens": 100, "estimatedCostUsd": 0.5,
            "spawnedBy": "agent:main:main", "label": "nightly",
        }))
    }

    #[test]
    fn a_cron_run() {
        let session = sessions(&scene(vec![(run("timeout"), Some(false))])).pop().expect("one");
        assert_eq!((session.key.as_str(), session.incarnation.as_str()), ("agent:main:cron:j:run:r", "s"));
        assert_eq!((session.kind, session.activity), (Kind::Cron, Activity::Stopped));
        assert_eq!((session.created, session.last_active, session.tokens), (Some(5), Some(9), Some(100)));
        assert_eq!((session.title.as_str(), session.protected.as_deref()), ("nightly", None));
        assert_eq!(session.parent.as_ref().map(|parent| parent.key.as_str()), Some("agent:main:main"));
        assert_eq!((session.text("job"), session.text("job-state")), (Some("j"), Some("there")));
        assert_eq!((session.flag("cron-run"), session.flag("active-run")), (Some(true), Some(false)));
        assert_eq!(session.fact("cost-usd"), Some(&Value::Real(0.5)));
        assert_eq!(session.fact("gateway-up"), Some(&Value::Span(3_000)));
        let unknown = Scene { jobs: None, ..scene(vec![(run("timeout"), Some(false))]) };
        assert_eq!(sessions(&unknown)[0].text("job-state"), Some("unknown"));
    }

    #[test]
    fn what_it_is_doing() {
        let hook = |status: Option<&str>| {
            row(json!({"key": "agent:main:hook:x", "classification": "hook", "status": status}))
        };
        let cases = [
            (run("timeout"), Some(false), Activity::Stopped),
            (run("timeout"), Some(true), Activity::Running),
            (run("timeout"), None, Activity::Unknown),
            (run("running"), Some(false), Activity::Unknown),
            (run("running"), Some(true), Activity::Running),
            (run("queued"), Some(false), Activity::Unknown),
            (run(""), Some(false), Activity::Idle),
            (hook(None), Some(false), Activity::Idle),
            (hook(Some("done")), Some(false), Activity::Idle),
            (hook(Some("running")), Some(true), Activity::Running),
        ];
        for (row, live, expected) in cases {
            assert_eq!(activity(&row, live), expected, "{:?} {live:?}", row.status);
        }
    }

    #[test]
    fn people_are_protected() {
        let main = row(
            json!({"key": "agent:main:main", "sessionId": "s", "classification": "main", "isMain": true}),
        );
        let session = sessions(&scene(vec![(main, Some(false))])).pop().expect("one");
        assert!(session.kind == Kind::Main && session.protected.is_some());
        assert_eq!(session.title, "main");
    }

    #[test]
    fn commands_in_the_background() {
        let task = |id: &str, of: &str, state: &str| {
            let task = json!({
                "id": id, "kind": "exec", "status": "running", "title": "sleep 5", "sessionKey": of, "startedAt": 3,
                "execution": {"state": state, "lastActivityAt": 8},
            });
            Task::read(task).expect("it is right")
        };
        let mut scene = scene(vec![(run("done"), Some(false))]);
        scene.ended =
            [("agent:main:gone".to_owned(), "gone"), ("agent:main:old".to_owned(), "archived")].into();
        scene.tasks = vec![
            task("t1", "agent:main:cron:j:run:r", "running"),
            task("t2", "agent:main:gone", "running"),
            task("t3", "agent:main:old", "running"),
            task("t4", "agent:main:gone", "unknown"),
            task("t5", "agent:main:nobody-looked", "running"),
        ];
        let sessions = sessions(&scene);
        assert_eq!(sessions[0].fact("background-tasks"), Some(&Value::Texts(vec!["t1".to_owned()])));
        let strays: Vec<(&str, Option<&str>)> =
            sessions[1..].iter().map(|stray| (stray.key.as_str(), stray.text("of-session-state"))).collect();
        assert_eq!(strays, [("task:t2", Some("gone")), ("task:t3", Some("archived"))]);
        let stray = &sessions[1];
        assert_eq!((stray.title.as_str(), stray.incarnation.as_str()), ("sleep 5", "t2"));
        assert_eq!((stray.created, stray.last_active, stray.kind), (Some(3), Some(8), Kind::Worker));
        assert_eq!(stray.fact("background-tasks"), Some(&Value::Texts(vec!["t2".to_owned()])));
    }
}
