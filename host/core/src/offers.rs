//! What a command held back, because it was over the limits of its backend.
//!
//! A command plans what a person could end now, marked or not, so no sweep may
//! judge its held plans: it would find nothing of them due, and withdraw them
//! while the operator still reads.

use std::collections::BTreeMap;

use crate::event::Event;
use crate::ids::PluginName;
use crate::limits::HeldPlan;
use crate::state::{State, Step};
use crate::sweep::SweepRules;
use crate::time::Timestamp;

/// Keeps what [`crate::limits::hold`] took out of a command's plan. Of each
/// backend the latest counts. `listed` says how many sessions are listed of each.
pub fn offer(
    state: State,
    held: Vec<HeldPlan>,
    listed: &BTreeMap<PluginName, usize>,
    rules: &SweepRules,
) -> Step {
    let mut step = Step::of(state);
    for held in held {
        let listed = listed.get(&held.backend).copied().unwrap_or(0);
        step.events.push(Event::PlanHeld {
            plan: held.plan.id.clone(),
            backend: held.backend.clone(),
            due: held.plan.items.len(),
            listed,
            allowed: rules.limits_for(&held.backend).allowed(listed),
        });
        step.changes.held = true;
        if let Some(earlier) = step.state.offered.insert(held.backend.clone(), held) {
            withdraw(&mut step, earlier, "a later command took its place");
        }
    }
    step
}

/// Drops what nobody approved in time.
pub(crate) fn expire(step: &mut Step, now: Timestamp) {
    let late: Vec<HeldPlan> =
        step.state.offered.extract_if(.., |_, held| now >= held.plan.expires).map(|(_, held)| held).collect();
    for held in late {
        step.changes.held = true;
        withdraw(step, held, "it waited too long");
    }
}

fn withdraw(step: &mut Step, held: HeldPlan, reason: &str) {
    let HeldPlan { backend, plan, .. } = held;
    step.events.push(Event::PlanWithdrawn { plan: plan.id, backend, reason: reason.to_owned() });
}
