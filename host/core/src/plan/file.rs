//! A plan as text, written for a review now and read for an apply later.
//!
//! In between lies a file that anybody may edit. It is applied only when it
//! still says what the plan said, to the last field.

use serde_json::Value;

use super::{Plan, PlanId};
use crate::clean;
use crate::time::Timestamp;

/// Why a plan cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The text is no plan.
    #[error(
        "this is no plan of this version of Reap: {}; make a new one with `reap plan`",
        clean::line(&.0.to_string())
    )]
    Unreadable(serde_json::Error),
    /// It does not say what it said when it was made.
    #[error(
        "the plan was changed after it was made: its id is {}, but what it says makes {}; \
         a plan is applied as it was reviewed or not at all: make a new one with `reap plan`",
        clean::line(written.as_str()), computed
    )]
    Changed {
        /// The id in the plan.
        written: PlanId,
        /// The id of what it says now.
        computed: PlanId,
    },
    /// It says something besides.
    #[error(
        "the plan was changed after it was made: it holds fields that no plan has, or not in this \
         form; make a new one with `reap plan`"
    )]
    Embellished,
    /// It is too old.
    #[error("the plan expired at {expires}, and it is {now} now")]
    Expired {
        /// Until when it was good.
        expires: Timestamp,
        /// The time of the attempt.
        now: Timestamp,
    },
    /// It comes from the future, so the clock was set back and its expiry means nothing.
    #[error(
        "the plan was made at {made}, and it is {now} now: the clock was set back, so nobody can say \
         whether it has expired"
    )]
    FromTheFuture {
        /// When it says it was made.
        made: Timestamp,
        /// The time of the attempt.
        now: Timestamp,
    },
}

impl Plan {
    /// The plan as text. The same plan always gives the same text.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings, numbers and lists can always be written")
    }

    /// Reads a plan and makes sure that it was not changed.
    pub fn read(text: &str) -> Result<Self, PlanError> {
        let plan: Self = serde_json::from_str(text).map_err(PlanError::Unreadable)?;
        plan.verify()?;
        // The id covers what was understood. What was not understood may have
        // been put there for a reviewer, who would then approve something else.
        let whole: Value = serde_json::from_str(text).map_err(PlanError::Unreadable)?;
        let understood: Value = serde_json::from_str(&plan.json()).map_err(PlanError::Unreadable)?;
        if whole == understood { Ok(plan) } else { Err(PlanError::Embellished) }
    }

    /// Makes sure that the plan says what it said when it was made.
    pub fn verify(&self) -> Result<(), PlanError> {
        let computed = self.clone().sealed().id;
        if self.id == computed {
            Ok(())
        } else {
            Err(PlanError::Changed { written: self.id.clone(), computed })
        }
    }

    /// Makes sure that the plan may still be applied.
    pub fn check_expiry(&self, now: Timestamp) -> Result<(), PlanError> {
        if now < self.made {
            return Err(PlanError::FromTheFuture { made: self.made, now });
        }
        if now >= self.expires {
            return Err(PlanError::Expired { expires: self.expires, now });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Unknown;
    use crate::plan::Lifts;
    use crate::samples::{NOW, judged, name, session};
    use crate::selector::Selector;
    use crate::time::Span;
    use crate::vote::Decision;

    const LIFETIME: Span = Span::from_secs(900);

    fn plan() -> Plan {
        let judged =
            [judged(session("$1"), Decision::Orphan, &[]), judged(session("$2"), Decision::Keep, &[])];
        let unknown =
            vec![Unknown { backend: name("openclaw"), instance: None, reason: "it trapped".into() }];
        Plan::cleanup(&judged, unknown, &Selector::everything(), Lifts::default(), NOW, LIFETIME)
    }

    #[test]
    fn a_plan_survives_its_file() {
        let plan = plan();
        assert_eq!(plan.id.as_str().len(), PlanId::DIGITS);
        assert_eq!(Plan::read(&plan.json()).expect("an unchanged plan"), plan);
        let compact = serde_json::to_string(&plan).expect("JSON");
        assert_eq!(Plan::read(&compact).expect("only the blanks differ"), plan);
    }

    #[test]
    fn a_change_is_found() {
        let text = plan().json();
        let changes = [
            ("\"key\": \"$1\"", "\"key\": \"$7\""),
            ("\"cause\": \"orphan\"", "\"cause\": \"asked\""),
            ("\"attached\": false", "\"attached\": true"),
            ("\"expires\": 864900000", "\"expires\": 964900000"),
            ("it trapped", "all is well"),
            ("\"held\": []", "\"held\": [{\"backend\": \"tmux\", \"reason\": \"x\"}]"),
        ];
        for (from, to) in changes {
            assert!(text.contains(from), "{from} is not in {text}");
            let changed = Plan::read(&text.replacen(from, to, 1));
            assert!(matches!(changed, Err(PlanError::Changed { .. })), "{from}: {changed:?}");
        }
    }

    #[test]
    fn what_is_no_plan_is_told_apart() {
        let text = plan().json();
        let more = text.replacen("\"kept\"", "\"note\": \"approved\", \"kept\"", 1);
        assert!(matches!(Plan::read(&more), Err(PlanError::Embellished)));
        for broken in ["", "{}", "[1]", &text[..text.len() / 2]] {
            assert!(matches!(Plan::read(broken), Err(PlanError::Unreadable(_))), "{broken}");
        }
    }

    #[test]
    fn a_plan_is_good_from_its_making_to_its_expiry() {
        let plan = plan();
        let before = Timestamp::from_millis(NOW.millis() - 1);
        let last = Timestamp::from_millis(plan.expires.millis() - 1);
        assert!(matches!(plan.check_expiry(before), Err(PlanError::FromTheFuture { .. })));
        assert!(plan.check_expiry(NOW).is_ok());
        assert!(plan.check_expiry(last).is_ok());
        let expired = plan.check_expiry(plan.expires).expect_err("it is over").to_string();
        assert_eq!(expired, "the plan expired at 1970-01-11T00:15:00Z, and it is 1970-01-11T00:15:00Z now");
    }
}
