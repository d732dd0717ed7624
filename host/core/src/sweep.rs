//! The daemon's plan: the orphans that are due, within the limits.
//!
//! `Plan::cleanup` says what a person could end now; this says what may be
//! ended without one: only what has a [mark](crate::marks) that is due, is not
//! being left alone after a failed attempt, and does not go over the
//! [limits](crate::limits) of its backend.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::backoff::BackoffRules;
use crate::event::Event;
use crate::ids::{Handle, PluginName};
use crate::judge::Judged;
use crate::limits::{HeldPlan, Limits};
use crate::listing::Unknown;
use crate::marks::{self, MarkRules};
use crate::offers;
use crate::plan::{Cause, Held, Item, Kept, Lifts, Plan};
use crate::state::{State, Step};
use crate::time::{Span, Timestamp};
use crate::vote::Decision;

/// Everything that the operator can set of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepRules {
    /// When an orphan is due.
    pub marks: MarkRules,
    /// How much may be ended at once of one backend.
    pub limits: Limits,
    /// Limits of single backends, in the place of `limits`.
    pub limits_of: BTreeMap<PluginName, Limits>,
    /// When a failed end is tried again.
    pub backoff: BackoffRules,
    /// How long a plan is good for.
    pub lifetime: Span,
    /// How long a held plan waits for the operator.
    pub hold: Span,
}

impl Default for SweepRules {
    fn default() -> Self {
        Self {
            marks: MarkRules::default(),
            limits: Limits::default(),
            limits_of: BTreeMap::new(),
            backoff: BackoffRules::default(),
            lifetime: Span::from_secs(15 * 60),
            hold: Span::from_secs(24 * 3600),
        }
    }
}

impl SweepRules {
    /// The limits of this backend: its own, or else those of all.
    pub fn limits_for(&self, backend: &PluginName) -> &Limits {
        self.limits_of.get(backend).unwrap_or(&self.limits)
    }
}

/// Counts the votes of a pass, and plans what is to be ended now. `judged` and
/// `unknown` are of the observation that was reconciled last, surveyed with this
/// state.
///
/// The plan's `kept` holds the orphans that are not ended yet, and why; what no
/// policy calls an orphan is not in it.
pub fn sweep(state: State, judged: &[Judged], unknown: Vec<Unknown>, rules: &SweepRules) -> (Step, Plan) {
    let mut step = Step::of(state);
    marks::count(&mut step, judged, &rules.marks);
    let now = step.state.now();
    offers::expire(&mut step, now);
    let mut draft = Draft::new(step.state.now(), rules);
    draft.sort(&step.state, judged);
    let backends: BTreeSet<PluginName> =
        draft.backends.keys().chain(step.state.held.keys()).cloned().collect();
    for backend in backends {
        let known = !unknown.iter().any(|unknown| unknown.backend == backend);
        draft.decide(&mut step, &backend, known);
    }
    let Draft { items, kept, held, now, .. } = draft;
    let items = items.into_iter().map(|judged| Item::of(judged, Cause::Orphan, Lifts::default())).collect();
    (step, Plan::swept(items, kept, held, unknown, now, rules.lifetime))
}

/// A plan under way.
struct Draft<'a> {
    now: Timestamp,
    rules: &'a SweepRules,
    backends: BTreeMap<PluginName, Share<'a>>,
    items: Vec<&'a Judged>,
    kept: Vec<Kept>,
    held: Vec<Held>,
}

/// What there is of one backend.
#[derive(Default)]
struct Share<'a> {
    listed: usize,
    due: Vec<&'a Judged>,
}

impl<'a> Draft<'a> {
    fn new(now: Timestamp, rules: &'a SweepRules) -> Self {
        Self { now, rules, backends: BTreeMap::new(), items: Vec::new(), kept: Vec::new(), held: Vec::new() }
    }

    /// Finds what is due, and says of the other orphans why they are not.
    fn sort(&mut self, state: &State, judged: &'a [Judged]) {
        let same = |a: &Judged, b: &Judged| a.subject.address.backend == b.subject.address.backend;
        for group in judged.chunk_by(same) {
            let backend = group[0].subject.address.backend.clone();
            let share = self.backends.entry(backend).or_default();
            share.listed += group.len();
            for judged in group.iter().filter(|judged| judged.verdict.vote == Decision::Orphan) {
                match wait(state, judged, self.now, &self.rules.marks) {
                    None => share.due.push(judged),
                    Some(reason) => self.kept.push(Kept::of(judged, reason)),
                }
            }
        }
    }

    /// Settles what becomes of the due sessions of one backend.
    fn decide(&mut self, step: &mut Step, backend: &PluginName, known: bool) {
        let Share { listed, mut due } = self.backends.remove(backend).unwrap_or_default();
        let mut waiting = step.state.held.remove(backend);
        if let Some(held) = waiting.take_if(|held| self.now >= held.plan.expires) {
            withdraw(step, held, "it waited too long");
        }
        let limits = self.rules.limits_for(backend);
        let calm = known && due.len() <= limits.calm(listed);
        let stale = |held: &HeldPlan| {
            let granted = Granted::by(held);
            !due.iter().any(|judged| granted.covers(judged))
        };
        match waiting {
            Some(held) if calm => {
                withdraw(step, held, "few enough sessions are due now");
                self.items.append(&mut due);
            }
            // None of what is due is in it, so an approval would end nothing.
            Some(held) if known && stale(&held) => {
                withdraw(step, held, "other sessions are due now");
                self.hold(step, backend, listed, due, None);
            }
            Some(held) => self.hold(step, backend, listed, due, Some(held)),
            None if due.len() > limits.allowed(listed) => self.hold(step, backend, listed, due, None),
            None => self.items.append(&mut due),
        }
    }

    fn hold(
        &mut self,
        step: &mut Step,
        backend: &PluginName,
        listed: usize,
        due: Vec<&'a Judged>,
        held: Option<HeldPlan>,
    ) {
        let limits = self.rules.limits_for(backend);
        let held = held.unwrap_or_else(|| {
            let items = due.iter().map(|judged| Item::of(judged, Cause::Orphan, Lifts::default())).collect();
            let plan = Plan::of_items(items, self.now, self.now.plus(self.rules.hold));
            step.changes.held = true;
            step.events.push(Event::PlanHeld {
                plan: plan.id.clone(),
                backend: backend.clone(),
                due: due.len(),
                listed,
                allowed: limits.allowed(listed),
            });
            HeldPlan { backend: backend.clone(), plan, since: self.now }
        });
        self.held.push(held.notice(due.len(), listed, limits));
        let reason = format!("its backend's plan {} is held", held.plan.id);
        self.kept.extend(due.into_iter().map(|judged| Kept::of(judged, reason.clone())));
        step.state.held.insert(backend.clone(), held);
    }
}

fn withdraw(step: &mut Step, held: HeldPlan, reason: &str) {
    let HeldPlan { backend, plan, .. } = held;
    step.events.push(Event::PlanWithdrawn { plan: plan.id, backend, reason: reason.to_owned() });
    step.changes.held = true;
}

/// What an approval of a held plan covers.
struct Granted<'a>(HashMap<&'a Handle, &'a Item>);

impl<'a> Granted<'a> {
    fn by(held: &'a HeldPlan) -> Self {
        Self(held.plan.items.iter().map(|item| (&item.handle, item)).collect())
    }

    /// Whether the session is still the one that was planned, and has done
    /// nothing since.
    fn covers(&self, judged: &Judged) -> bool {
        let same = |item: &&Item| {
            item.generation == judged.subject.generation
                && item.last_active == judged.subject.session.last_active
        };
        self.0.get(&judged.subject.handle).is_some_and(same)
    }
}

/// Why an orphan is not to be ended now, where that is so.
fn wait(state: &State, judged: &Judged, now: Timestamp, rules: &MarkRules) -> Option<String> {
    if let Some(refusals) =
        judged.standing(Lifts::default()).map(ToString::to_string).reduce(|a, b| a + "; " + &b)
    {
        return Some(refusals);
    }
    let record = state.record(&judged.subject.handle).filter(|record| record.last_seen == now);
    let Some(record) = record else {
        return Some("what its backend answered contradicts itself".to_owned());
    };
    let Some(tally) = record.tally else { return Some("it has no mark".to_owned()) };
    if !tally.due(rules) {
        return Some(tally.wait(rules));
    }
    let retry = record.retry.as_ref().filter(|retry| now < retry.not_before)?;
    Some(format!(
        "it could not be ended {} in a row, last because: {}; the next attempt is after {}",
        if retry.failures == 1 { "once".to_owned() } else { format!("{} times", retry.failures) },
        crate::clean::line(&retry.reason),
        retry.not_before
    ))
}
