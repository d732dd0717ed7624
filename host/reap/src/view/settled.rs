//! A plan with what became of it.

use reap_core::listing::Unknown;
use reap_core::outcome::{Outcome, Survivor};
use reap_core::plan::{Held, Item, Kept, Plan, PlanId};
use reap_core::time::Timestamp;
use serde::Serialize;

use crate::apply::Settled;

/// A plan that was carried out: `--json` of `reap kill`, `reap cleanup --yes`
/// and `reap apply`. Before the act it is the plan itself, as in a plan file.
#[derive(Debug, Serialize)]
pub struct SettledView<'a> {
    plan: &'a PlanId,
    made: Timestamp,
    expires: Timestamp,
    selector: Option<&'a str>,
    items: Vec<ItemView<'a>>,
    kept: &'a [Kept],
    held: &'a [Held],
    unknown: &'a [Unknown],
}

/// One item of a plan that was carried out.
#[derive(Debug, Serialize)]
pub struct ItemView<'a> {
    #[serde(flatten)]
    item: &'a Item,
    /// `ended`, `skipped` or `failed`.
    outcome: &'static str,
    survivors: &'a [Survivor],
    /// Why it was skipped or has failed.
    reason: Option<&'a str>,
    /// What the operator should know of one that was ended.
    notes: &'a [String],
}

impl<'a> SettledView<'a> {
    /// The plan with what became of its items.
    pub fn of(plan: &'a Plan, settled: &'a [Settled]) -> Self {
        Self {
            plan: &plan.id,
            made: plan.made,
            expires: plan.expires,
            selector: plan.selector.as_deref(),
            items: settled.iter().map(ItemView::from).collect(),
            kept: &plan.kept,
            held: &plan.held,
            unknown: &plan.unknown,
        }
    }
}

impl<'a> From<&'a Settled> for ItemView<'a> {
    fn from(settled: &'a Settled) -> Self {
        let (reason, survivors, notes): (Option<&str>, &[Survivor], &[String]) = match &settled.outcome {
            Outcome::Ended { notes } => (None, &[], notes),
            Outcome::Skipped { reason } => (Some(reason), &[], &[]),
            Outcome::Failed { reason, survivors } => (Some(reason), survivors, &[]),
        };
        Self { item: &settled.item, outcome: outcome_word(&settled.outcome), survivors, reason, notes }
    }
}

/// The word for an outcome.
pub fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Ended { .. } => "ended",
        Outcome::Skipped { .. } => "skipped",
        Outcome::Failed { .. } => "failed",
    }
}

#[cfg(test)]
mod tests {
    use reap_core::plan::Lifts;
    use reap_core::selector::Selector;
    use reap_core::session::ProcessId;
    use reap_core::time::Span;

    use super::*;
    use crate::sample::pass;

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string_pretty(value).expect("JSON")
    }

    #[test]
    fn a_plan_that_was_carried_out() {
        let pass = pass();
        let everything = Selector::everything();
        let (lifts, lifetime) = (Lifts::default(), Span::from_secs(900));
        let plan = Plan::cleanup(&pass.judged, pass.unknown.clone(), &everything, lifts, pass.at, lifetime);
        let process = ProcessId { pid: 80, started: 700 };
        let survivors = vec![Survivor { process, reason: "it ignores KILL".to_owned() }];
        let outcome = Outcome::Failed { reason: "one process lives on".to_owned(), survivors };
        let settled = [Settled { item: plan.items[0].clone(), outcome }];
        let shown = json(&SettledView::of(&plan, &settled)).replace(plan.id.as_str(), "THE ID");
        insta::assert_snapshot!(shown, @r#"
        {
          "plan": "THE ID",
          "made": 1700000000000,
          "expires": 1700000900000,
          "selector": null,
          "items": [
            {
              "handle": "5cbf931683f46fcf",
              "backend": "tmux",
              "instance": "/tmp/tmux-1000/default",
              "key": "$1",
              "label": "default",
              "incarnation": "77.1699990000.1699990001",
              "generation": "77.1699990000",
              "title": "build 日本",
              "last_active": 1699992800000,
              "cause": "orphan",
              "lifts": {
                "attached": false,
                "active": false
              },
              "reasons": [
                {
                  "policy": "idle-shell",
                  "vote": "orphan",
                  "reason": "nothing but its shell for 2h",
                  "shadow": false,
                  "fault": false
                },
                {
                  "policy": "trial",
                  "vote": "keep",
                  "reason": "young",
                  "shadow": true,
                  "fault": false
                }
              ],
              "tokens": null,
              "outcome": "failed",
              "survivors": [
                {
                  "process": {
                    "pid": 80,
                    "started": 700
                  },
                  "reason": "it ignores KILL"
                }
              ],
              "reason": "one process lives on",
              "notes": []
            }
          ],
          "kept": [
            {
              "handle": "e5586c375f0fa1b9",
              "backend": "tmux",
              "instance": "/tmp/tmux-1000/default",
              "key": "$2",
              "title": "agent\u001b[2J",
              "reason": "it is protected: it is pinned",
              "orphan": true
            }
          ],
          "held": [],
          "unknown": [
            {
              "backend": "kiro-cli",
              "instance": null,
              "reason": "it is not loaded"
            },
            {
              "backend": "tmux",
              "instance": "/tmp/tmux-1000/slow",
              "reason": "timed out"
            }
          ]
        }
        "#);
    }

    #[test]
    fn each_outcome_has_all_fields() {
        let pass = pass();
        let plan = Plan::kill(&[&pass.judged[0]], Lifts::default(), pass.at, Span::from_secs(900));
        let outcomes = [
            (Outcome::Ended { notes: vec!["its windows live on".into()] }, "ended", "null"),
            (Outcome::Skipped { reason: "it is gone".into() }, "skipped", "\"it is gone\""),
            (Outcome::Failed { reason: "no answer".into(), survivors: vec![] }, "failed", "\"no answer\""),
        ];
        for (outcome, word, reason) in outcomes {
            let settled = [Settled { item: plan.items[0].clone(), outcome }];
            let view = serde_json::to_value(SettledView::of(&plan, &settled)).expect("JSON");
            let item = &view["items"][0];
            assert_eq!(item["outcome"], word);
            assert_eq!(item["reason"].to_string(), reason);
            assert!(item["survivors"].is_array() && item["notes"].is_array());
        }
    }
}
