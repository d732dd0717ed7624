//! Tasks: runs, and commands in the background, which outlive their session.

use reap_plugin::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// One task that runs or waits.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// `exec` for a command in the background.
    pub kind: Option<String>,
    /// What it does, in words; a command's line.
    pub title: Option<String>,
    /// The session that started it.
    pub session_key: Option<String>,
    /// The session that it is.
    pub child_session_key: Option<String>,
    /// The agent.
    pub agent_id: Option<String>,
    /// `queued`, `running`.
    pub status: Option<String>,
    /// How it does.
    pub execution: Option<Execution>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When its record was written last.
    pub updated_at: Option<Timestamp>,
}

/// How a task does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Execution {
    /// `running`, `waiting`; `unknown` where another start of the gateway had it.
    pub state: Option<String>,
    /// When something was heard of it.
    pub last_activity_at: Option<Timestamp>,
}

impl Task {
    /// Reads one.
    pub fn read(value: Value) -> Result<Self, String> {
        let task: Self =
            serde_json::from_value(value).map_err(|error| format!("a task makes no sense: {error}"))?;
        if task.id.is_empty() { Err("a task without an id".to_owned()) } else { Ok(task) }
    }

    /// Whether it is a command in the background that the gateway still holds. What an
    /// earlier start of it ran has ended with that, and only its record stays.
    pub fn is_live_command(&self) -> bool {
        let state = self.execution.as_ref().and_then(|execution| execution.state.as_deref());
        self.kind.as_deref() == Some("exec")
            && self.status.as_deref() == Some("running")
            && matches!(state, Some("running" | "waiting" | "queued"))
    }

    /// The session that a run of a model is in; nothing for a command.
    pub fn runs_in(&self) -> Option<&str> {
        match self.kind.as_deref() {
            Some("exec") => None,
            _ => self.child_session_key.as_deref().or(self.session_key.as_deref()),
        }
    }

    /// The last sign of life.
    pub fn last_active(&self) -> Option<Timestamp> {
        let heard = self.execution.as_ref().and_then(|execution| execution.last_activity_at);
        [heard, self.updated_at, self.started_at].into_iter().flatten().max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn which_commands_still_run() {
        let live = |kind, status, state| {
            let task = json!({"id": "t", "kind": kind, "status": status, "execution": {"state": state}});
            Task::read(task).expect("it is right").is_live_command()
        };
        assert!(live("exec", "running", "running"));
        assert!(!live("exec", "running", "unknown"), "its gateway has ended");
        assert!(!live("exec", "cancelled", "finished") && !live("cli", "running", "running"));
        assert!(Task::read(json!({"kind": "exec"})).is_err());
        let run = json!({"id": "t", "kind": "automation_run", "sessionKey": "", "childSessionKey": "k"});
        assert_eq!(Task::read(run).expect("it is right").runs_in(), Some("k"));
    }
}
