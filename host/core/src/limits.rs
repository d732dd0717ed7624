//! Blast limits: how much of one backend may be ended at once.
//!
//! When half of everything looks dead, it is more likely that the look is
//! wrong: a policy that was edited badly, a backend that shows nonsense. Then
//! nothing of that backend is ended, and a person decides over exactly the list
//! that was shown to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::ids::PluginName;
use crate::plan::{Held, Item, Plan, PlanId};
use crate::state::{Refused, State, Step};
use crate::sweep::SweepRules;
use crate::time::Timestamp;

/// What the operator can set: how much of one backend may be ended in one cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Never more than this.
    pub per_cycle: usize,
    /// Nor more than this part, in percent, of what is listed of the backend.
    pub percent: usize,
    /// So few are always fine: of three sessions, two are soon 60 percent.
    pub floor: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_cycle: 20, percent: 30, floor: 5 }
    }
}

impl Limits {
    /// How many may be ended at once of a backend with so many listed sessions.
    pub fn allowed(&self, listed: usize) -> usize {
        let part = listed.saturating_mul(self.percent.min(100)) / 100;
        part.max(self.floor).min(self.per_cycle)
    }

    /// Why so many are too many, for people.
    fn exceeded(&self, due: usize, listed: usize) -> String {
        format!(
            "{due} of its {listed} listed sessions are due, and at most {} may be ended at once ([limits] \
             per_cycle = {}, percent = {}, floor = {})",
            self.allowed(listed),
            self.per_cycle,
            self.percent,
            self.floor,
        )
    }

    /// How few must be due for a hold to be lifted without the operator. Well
    /// below the limit: at the limit itself a hold would come and go, and each
    /// time it goes it would let sessions be ended that were held a moment ago.
    pub fn calm(&self, listed: usize) -> usize {
        self.allowed(listed) / 2
    }
}

/// A plan that waits for the operator. All its items are of one backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldPlan {
    /// The backend.
    pub backend: PluginName,
    /// What would be ended, under the id that is to be approved.
    pub plan: Plan,
    /// Since when it is held.
    pub since: Timestamp,
}

impl HeldPlan {
    /// The line for the operator. `due` of `listed` is how it stands now.
    pub fn notice(&self, due: usize, listed: usize, limits: &Limits) -> Held {
        let id = &self.plan.id;
        let reason = format!(
            "{}; `reap approve {id}` ends those {} of the plan that still qualify",
            limits.exceeded(due, listed),
            self.plan.items.len(),
        );
        Held { backend: self.backend.clone(), reason, plan: Some(id.clone()) }
    }
}

/// What is to become of a plan that is over the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// It is kept, and can be approved.
    Approve,
    /// It is only shown.
    Shown,
}

/// Takes out of a plan what is over the limits, one held plan for each backend.
/// `listed` says how many sessions are listed of each.
pub fn hold(
    plan: Plan,
    listed: &BTreeMap<PluginName, usize>,
    rules: &SweepRules,
    notice: Notice,
) -> (Plan, Vec<HeldPlan>) {
    let mut due: BTreeMap<PluginName, Vec<Item>> = BTreeMap::new();
    for item in plan.items.iter().cloned() {
        due.entry(item.address.backend.clone()).or_default().push(item);
    }
    let listed = |backend: &PluginName| listed.get(backend).copied().unwrap_or(0);
    due.retain(|backend, items| items.len() > rules.limits_for(backend).allowed(listed(backend)));
    let held: Vec<HeldPlan> = due
        .into_iter()
        .map(|(backend, items)| HeldPlan {
            plan: Plan::of_items(items, plan.made, plan.expires),
            backend,
            since: plan.made,
        })
        .collect();
    let told = |held: &HeldPlan| {
        let (due, listed) = (held.plan.items.len(), listed(&held.backend));
        let limits = rules.limits_for(&held.backend);
        match notice {
            Notice::Approve => held.notice(due, listed, limits),
            Notice::Shown => {
                Held { backend: held.backend.clone(), reason: limits.exceeded(due, listed), plan: None }
            }
        }
    };
    let notices = held.iter().map(told).collect();
    (plan.holding(notices), held)
}

/// Why a plan cannot be approved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApproveError {
    /// No such plan is held.
    #[error(
        "no plan {id} is held{}; an approval is good for one plan only, and another may have taken its place",
        if held.is_empty() { String::new() } else { format!("; held are {}", list(held)) }
    )]
    NotHeld {
        /// What was to be approved.
        id: String,
        /// What could be.
        held: Vec<PlanId>,
    },
    /// It is too old.
    #[error("the held plan {id} expired at {expires}; the next cycle makes a new one if it is still needed")]
    Expired {
        /// Which.
        id: PlanId,
        /// When.
        expires: Timestamp,
    },
}

fn list(held: &[PlanId]) -> String {
    held.iter().map(PlanId::as_str).collect::<Vec<_>>().join(", ")
}

/// The operator approves a held plan: a sweep's, or a command's. With that it is
/// used up, and is to be applied at once, whatever the limits say. Like any plan it
/// ends only what is still as it was when it was made.
///
/// Nothing that was approved waits for anybody: an approval that was carried out
/// later, by a cycle, would be without the one who gave it, and could end the very
/// session that they sit in.
pub fn approve(mut state: State, id: &str, now: Timestamp) -> Result<(Step, Plan), Refused<ApproveError>> {
    let of = |held: &HeldPlan| held.plan.id.as_str() == id;
    let Some(held) = state.held.values().chain(state.offered.values()).find(|held| of(held)) else {
        let held = state.held.values().chain(state.offered.values());
        let held = held.map(|held| held.plan.id.clone()).collect();
        return Err(Refused::new(state, ApproveError::NotHeld { id: id.to_owned(), held }));
    };
    if now >= held.plan.expires {
        let error = ApproveError::Expired { id: held.plan.id.clone(), expires: held.plan.expires };
        return Err(Refused::new(state, error));
    }
    let HeldPlan { backend, plan, .. } = held.clone();
    state.held.retain(|_, held| !of(held));
    state.offered.retain(|_, held| !of(held));
    let mut step = Step::of(state);
    step.events.push(Event::PlanApproved { plan: plan.id.clone(), backend });
    step.changes.held = true;
    Ok((step, plan))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_by_number_part_and_floor() {
        let limits = Limits::default();
        let cases = [(0, 5), (3, 5), (16, 5), (20, 6), (40, 12), (66, 19), (67, 20), (10_000, 20)];
        for (listed, allowed) in cases {
            assert_eq!(limits.allowed(listed), allowed, "{listed} listed");
        }
        let one = Limits { per_cycle: 1, ..limits };
        assert_eq!((one.allowed(3), one.allowed(100)), (1, 1), "the floor lifts only the percentage");
        assert_eq!(Limits { per_cycle: 0, ..limits }.allowed(100), 0);
        assert!(limits.calm(40) < limits.allowed(40));
    }
}
