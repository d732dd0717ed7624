//! Failed ends are tried again, with growing pauses.
//!
//! What cannot be ended now may well be in an hour; but an end that fails every
//! 30 seconds for a night fills the journal and helps nobody.

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::ids::Handle;
use crate::outcome::Outcome;
use crate::record::Standing;
use crate::state::{State, Step};
use crate::time::{Span, Timestamp};

/// What the operator can set: the pauses after a failed end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffRules {
    /// The pause after the first failure. Each further one doubles it.
    pub first: Span,
    /// No pause is longer.
    pub longest: Span,
}

impl Default for BackoffRules {
    fn default() -> Self {
        Self { first: Span::from_secs(60), longest: Span::from_secs(6 * 3600) }
    }
}

impl BackoffRules {
    /// The pause after so many failures in a row.
    pub fn pause(&self, failures: u32) -> Span {
        let doubled = 1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX);
        Span::from_millis(self.first.millis().saturating_mul(doubled)).min(self.longest)
    }
}

/// The failed attempts to end a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How many in a row.
    pub failures: u32,
    /// The next attempt comes no sooner.
    pub not_before: Timestamp,
    /// Why the last one failed.
    pub reason: String,
}

/// Notes what became of a session that was to be ended. One that is not on
/// record changes nothing: a command line may end what no daemon ever saw.
pub fn settle(
    state: State,
    handle: &Handle,
    outcome: &Outcome,
    now: Timestamp,
    rules: &BackoffRules,
) -> Step {
    let mut step = Step::of(state);
    let Some(place) = step.state.records.find(handle) else { return step };
    let Some(record) = step.state.records.at(place).filter(|record| record.present()) else { return step };
    let who = record.who();
    match outcome {
        Outcome::Ended { .. } => {
            step.leave(place, Standing::Ended { at: now });
            step.events.push(Event::Ended { session: who });
            step.free_departed("its session was ended");
        }
        Outcome::Skipped { reason } => {
            step.events.push(Event::EndSkipped { session: who, reason: reason.clone() });
        }
        Outcome::Failed { reason, .. } => {
            let failures = record.retry.as_ref().map_or(0, |retry| retry.failures).saturating_add(1);
            let not_before = now.plus(rules.pause(failures));
            step.change_at(place, |record| {
                record.retry = Some(Retry { failures, not_before, reason: reason.clone() });
            });
            let reason = reason.clone();
            step.events.push(Event::EndFailed { session: who, reason, failures, not_before });
        }
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest() {
        let rules = BackoffRules::default();
        let pauses = [1, 2, 3, 8, 9, 10, 64, 65, u32::MAX].map(|failures| rules.pause(failures).to_string());
        assert_eq!(pauses, ["1m", "2m", "4m", "2h8m", "4h16m", "6h", "6h", "6h", "6h"]);
    }
}
