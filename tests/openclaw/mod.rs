//! Cases that a gateway and Reap have to pass together: each runs against the stand-in
//! in every test run, and against a real gateway in `tests/live`. What passes with one
//! and not with the other is a fault of the stand-in.

pub mod protocol;
pub mod reaping;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use reap_openclaw_stand_in::{Client, Login, Refused};
use serde_json::{Value, json};

use crate::support::{World, until};

/// A gateway, whichever it is.
pub trait Gateway {
    /// Its address, as Reap names it.
    fn url(&self) -> String;
    /// Its token.
    fn token(&self) -> &str;
    /// Ends it in the middle of its work, and starts it again.
    fn crash(&mut self);
}

/// Makes something of the list of all cases.
macro_rules! for_all_cases {
    ($make:ident) => {
        $make! {
            protocol::logins,
            protocol::greeting,
            protocol::parameters,
            protocol::lists,
            protocol::pages,
            protocol::live_runs,
            protocol::archiving,
            protocol::deleting,
            protocol::scopes,
            protocol::background_commands,
            protocol::cron_runs,
            protocol::sub_agents,
            protocol::crash,
            reaping::hidden_sessions_are_listed,
            reaping::a_plan_names_the_dead_and_no_other,
            reaping::an_end_is_soft,
            reaping::an_end_is_hard_where_that_is_wanted,
            reaping::another_session_has_the_key,
            reaping::a_run_has_begun,
            reaping::commands_end_with_their_session,
            reaping::a_command_without_its_session,
            reaping::after_a_crash_there_is_a_grace,
        }
    };
}
pub(crate) use for_all_cases;

/// A world in which Reap looks at this gateway and at nothing else.
pub fn world(gateway: &dyn Gateway, settings: &str, more: &str) -> World {
    let world = World::bare();
    let file = world.write("home/token", gateway.token());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("our own file");
    world.configure(&format!(
        "[backends.openclaw]\ngateways = [\"{}\"]\n{settings}\n[backends.openclaw.secrets]\ntoken = \"file:{}\"\n{more}",
        gateway.url(),
        file.display()
    ));
    world
}

/// A connection that may do everything.
#[track_caller]
pub fn admin(gateway: &dyn Gateway) -> Client {
    enter(gateway, &Login::with(gateway.token())).expect("the token lets us in")
}

/// Logs in.
pub fn enter(gateway: &dyn Gateway, login: &Login<'_>) -> Result<Client, Refused> {
    Client::enter(&gateway.url(), login)
}

/// Shorthands for what the cases do over and over.
pub trait Asking {
    /// Asks for something that must be done.
    fn get(&mut self, method: &str, params: Value) -> Value;
    /// Makes a session, and gives its id.
    fn make(&mut self, key: &str) -> String;
    /// What is known of a session.
    fn describe(&mut self, key: &str) -> Value;
    /// Starts a run in a session.
    fn run(&mut self, key: &str, message: &str);
    /// Whether a run is under way there.
    fn is_live(&mut self, key: &str) -> bool;
    /// The keys of `sessions.list`.
    fn listed(&mut self) -> Vec<String>;
    /// The keys of `sessions.usage`.
    fn used(&mut self) -> Vec<String>;
    /// The commands that this session left in the background, and that are told to run.
    fn commands(&mut self, of: &str) -> Vec<Value>;
    /// Adds a cron job and runs it; gives its id.
    fn cron(&mut self, message: &str, timeout: Option<u64>) -> String;
    /// The key of the one run of a job that `sessions.usage` knows.
    fn cron_run(&mut self, job: &str) -> String;
}

impl Asking for Client {
    #[track_caller]
    fn get(&mut self, method: &str, params: Value) -> Value {
        self.call(method, params).unwrap_or_else(|refused| panic!("{method}: {}", refused.error))
    }

    #[track_caller]
    fn make(&mut self, key: &str) -> String {
        let made = self.get("sessions.create", json!({"key": key}));
        assert_eq!(made["key"], key);
        made["sessionId"].as_str().expect("an id").to_owned()
    }

    #[track_caller]
    fn describe(&mut self, key: &str) -> Value {
        self.get("sessions.describe", json!({"key": key}))["session"].take()
    }

    #[track_caller]
    fn run(&mut self, key: &str, message: &str) {
        // The gateway does nothing twice under one id.
        let run = format!("run-{}", unique());
        self.get("agent", json!({"message": message, "sessionKey": key, "idempotencyKey": run}));
        if message == "HANG" {
            until("a live run", || self.is_live(key).then_some(()));
        } else {
            let done = self.get("agent.wait", json!({"runId": run, "timeoutMs": 60_000}));
            assert_eq!(done["status"], "ok", "{done}");
        }
    }

    #[track_caller]
    fn is_live(&mut self, key: &str) -> bool {
        let history = self.get("chat.history", json!({"sessionKey": key, "limit": 1}));
        history["sessionInfo"]["hasActiveRun"].as_bool().unwrap_or(false)
    }

    #[track_caller]
    fn listed(&mut self) -> Vec<String> {
        keys(&self.get("sessions.list", json!({"limit": 1000}))["sessions"], "key")
    }

    #[track_caller]
    fn used(&mut self) -> Vec<String> {
        // It is kept for half a minute for each way to ask; so it is asked in another way.
        let limit = 10_000 + unique() % 1_000_000;
        let asked = json!({"agentScope": "all", "range": "all", "limit": limit});
        keys(&self.get("sessions.usage", asked)["sessions"], "key")
    }

    #[track_caller]
    fn commands(&mut self, of: &str) -> Vec<Value> {
        let listed = self.get("tasks.list", json!({"limit": 500, "status": ["running"]}));
        let all = listed["tasks"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|task| task["kind"] == "exec" && task["sessionKey"] == of).collect()
    }

    #[track_caller]
    fn cron(&mut self, message: &str, timeout: Option<u64>) -> String {
        let mut payload = json!({"kind": "agentTurn", "message": message});
        if let Some(seconds) = timeout {
            payload["timeoutSeconds"] = seconds.into();
        }
        let job = json!({
            "name": message.to_lowercase(), "enabled": true, "schedule": {"kind": "every", "everyMs": 86_400_000},
            "sessionTarget": "isolated", "wakeMode": "now", "payload": payload, "delivery": {"mode": "none"},
        });
        let id = self.get("cron.add", job)["id"].as_str().expect("an id").to_owned();
        self.get("cron.run", json!({"id": id, "mode": "force"}));
        id
    }

    #[track_caller]
    fn cron_run(&mut self, job: &str) -> String {
        let start = format!("agent:main:cron:{job}:run:");
        until("a run of the job", || self.used().into_iter().find(|key| key.starts_with(&start)))
    }
}

/// A number that was not there before.
fn unique() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("the clock is set");
    u64::try_from(since.as_micros()).expect("not so late")
}

/// Waits for something that takes a real gateway more than a moment.
#[track_caller]
pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let since = std::time::Instant::now();
    while !so() {
        assert!(since.elapsed() < LONG, "gave up after {LONG:?} waiting for: {what}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// Ten sub-agents took a real gateway 20 seconds and more.
const LONG: std::time::Duration = std::time::Duration::from_secs(120);

/// This text of each element of a list.
pub fn keys(list: &Value, field: &str) -> Vec<String> {
    let elements = list.as_array().into_iter().flatten();
    elements.filter_map(|one| Some(one.get(field)?.as_str()?.to_owned())).collect()
}
