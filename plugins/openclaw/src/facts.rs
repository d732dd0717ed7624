//! What only this backend knows of a session.

use reap_plugin::{Fact, Timestamp, Value, fact};

/// What the gateway takes it for.
pub const CLASS: &str = "class";
/// How its last run stands: `running`, `done`, `failed`, `killed`, `timeout`.
pub const STATUS: &str = "status";
/// Whether a run is under way.
pub const ACTIVE_RUN: &str = "active-run";
/// When the last run began.
pub const RUN_STARTED: &str = "run-started";
/// When it ended.
pub const RUN_ENDED: &str = "run-ended";
/// Why it failed.
pub const RUN_ERROR: &str = "run-error";
/// It was cut off.
pub const RUN_ABORTED: &str = "run-aborted";
/// What the gateway did about a run that a restart cut off.
pub const RECOVERY: &str = "recovery";
/// The cron job.
pub const JOB: &str = "job";
/// Whether there is such a job: `there`, `gone`, `unknown`.
pub const JOB_STATE: &str = "job-state";
/// It is one run of that job, and not the job's own session.
pub const CRON_RUN: &str = "cron-run";
/// Who made it.
pub const CREATED_VIA: &str = "created-via";
/// The agent.
pub const AGENT: &str = "agent";
/// The model.
pub const MODEL: &str = "model";
/// What it has cost in US dollars, as the gateway guesses.
pub const COST: &str = "cost-usd";
/// For how long this start of the gateway has been running.
pub const GATEWAY_UP: &str = "gateway-up";
/// The background commands of the session: the ids of their tasks.
pub const TASKS: &str = "background-tasks";
/// Their command lines.
pub const COMMANDS: &str = "background-commands";
/// Of a background command: the session that started it.
pub const OF_SESSION: &str = "of-session";
/// How that does: `gone`, `archived`.
pub const OF_SESSION_STATE: &str = "of-session-state";

/// A moment as a fact, where it is known.
pub fn moment(name: &str, at: Option<Timestamp>) -> Option<Fact> {
    at.map(|at| fact(name, Value::Time(at)))
}

/// A text as a fact, where there is one.
pub fn text(name: &str, value: Option<&str>) -> Option<Fact> {
    value.filter(|value| !value.is_empty()).map(|value| fact(name, value))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The documentation names all of them, and no other.
    #[test]
    fn the_facts_are_those_of_the_page() {
        let (_, table) =
            include_str!("../../../docs/openclaw.md").split_once("| fact | meaning |").expect("the table");
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let names = rows.flat_map(|row| row.split('|').nth(1).expect("a cell").split(','));
        let names: BTreeSet<&str> = names.map(|name| name.trim().trim_matches('`')).collect();
        let known = [
            CLASS,
            STATUS,
            ACTIVE_RUN,
            RUN_STARTED,
            RUN_ENDED,
            RUN_ERROR,
            RUN_ABORTED,
            RECOVERY,
            JOB,
            JOB_STATE,
            CRON_RUN,
            CREATED_VIA,
            AGENT,
            MODEL,
            COST,
            GATEWAY_UP,
            TASKS,
            COMMANDS,
            OF_SESSION,
            OF_SESSION_STATE,
        ];
        assert_eq!(names, known.into());
    }
}
