//! A session as the gateway tells of it. What a version leaves out is nothing, and what
//! another adds is passed over.

use reap_plugin::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// One session of the gateway.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Row {
    /// Its key.
    pub key: String,
    /// Which session the key means at the moment.
    pub session_id: Option<String>,
    /// What the gateway takes it for, such as `cron` or `dashboard`.
    pub classification: Option<String>,
    /// Whether it is an agent's main session.
    pub is_main: Option<bool>,
    /// Who made it: `operator`, `spawn`, `channel`, `cron`, `run`.
    pub created_via: Option<String>,
    /// The agent.
    pub agent_id: Option<String>,
    /// A name that somebody gave it.
    pub label: Option<String>,
    /// A name that the gateway made up.
    pub display_name: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When its record was written last.
    pub updated_at: Option<Timestamp>,
    /// When something happened in it.
    pub last_activity_at: Option<Timestamp>,
    /// When somebody said something in it.
    pub last_interaction_at: Option<Timestamp>,
    /// Whether it is archived.
    pub archived: Option<bool>,
    /// Whether somebody pinned it.
    pub pinned: Option<bool>,
    /// How its last run stands; nothing before the first, and at times during it.
    pub status: Option<String>,
    /// When that began.
    pub started_at: Option<Timestamp>,
    /// When that ended.
    pub ended_at: Option<Timestamp>,
    /// Why that failed.
    pub last_run_error: Option<String>,
    /// Whether that was cut off.
    pub aborted_last_run: Option<bool>,
    /// What the gateway did about a run that a restart cut off.
    pub restart_recovery_status: Option<String>,
    /// Whether a run is under way. Not every method says so.
    pub has_active_run: Option<bool>,
    /// The runs under way.
    pub active_run_ids: Option<Vec<String>>,
    /// Who spawned it.
    pub spawned_by: Option<String>,
    /// Under whom it is filed. Who was made by nobody is filed under the main session.
    pub parent_session_key: Option<String>,
    /// Those that are filed under it, hidden ones too.
    pub child_sessions: Option<Vec<String>>,
    /// Tokens that its context holds.
    pub total_tokens: Option<u64>,
    /// What it has cost.
    pub estimated_cost_usd: Option<f64>,
    /// Its model.
    pub model: Option<String>,
    /// Whether the gateway lets nobody change it.
    pub model_selection_locked: Option<bool>,
    /// Where it works.
    pub worktree: Option<Value>,
}

impl Row {
    /// Reads one. The error names it.
    pub fn read(value: Value) -> Result<Self, String> {
        let key = value.get("key").and_then(Value::as_str).unwrap_or("one without a key").to_owned();
        let row: Self =
            serde_json::from_value(value).map_err(|error| format!("{key} makes no sense: {error}"))?;
        if row.key.is_empty() { Err("a session without a key".to_owned()) } else { Ok(row) }
    }

    /// Whether a run is under way, where it says so.
    pub fn runs(&self) -> Option<bool> {
        let ids = self.active_run_ids.as_ref().is_some_and(|ids| !ids.is_empty());
        if ids { Some(true) } else { self.has_active_run }
    }

    /// Whether it says that its last run has come to an end.
    pub fn has_ended(&self) -> bool {
        matches!(self.status.as_deref(), Some("done" | "failed" | "killed" | "timeout"))
    }

    /// Whether it says that a run is under way or waits for its turn.
    pub fn claims_a_run(&self) -> bool {
        matches!(self.status.as_deref(), Some("running" | "queued"))
    }

    /// The last sign of life.
    pub fn last_active(&self) -> Option<Timestamp> {
        let signs = [
            self.updated_at,
            self.last_activity_at,
            self.last_interaction_at,
            self.started_at,
            self.ended_at,
        ];
        signs.into_iter().flatten().max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_says_what_it_says() {
        let row = Row::read(json!({
            "key": "agent:main:cron:j:run:r", "sessionId": "s", "status": "timeout", "updatedAt": 5, "endedAt": 9,
            "hasActiveRun": false, "activeRunIds": [], "news": {"of": "tomorrow"}, "label": null,
        }));
        let row = row.expect("it is right");
        assert!(row.has_ended() && !row.claims_a_run());
        assert_eq!((row.runs(), row.last_active()), (Some(false), Some(9)));
        let runs = |value| Row::read(value).expect("it is right").runs();
        assert_eq!(runs(json!({"key": "k"})), None);
        assert_eq!(runs(json!({"key": "k", "hasActiveRun": true})), Some(true));
        assert_eq!(runs(json!({"key": "k", "hasActiveRun": false, "activeRunIds": ["r"]})), Some(true));
    }

    #[test]
    fn nonsense_names_its_key() {
        let wrong = Row::read(json!({"key": "k", "updatedAt": "yesterday"})).expect_err("no time");
        assert!(wrong.starts_with("k makes no sense"), "{wrong}");
        assert!(Row::read(json!({})).is_err());
    }
}
