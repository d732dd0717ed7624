//! Carrying out a plan: look again, issue permits, journal the intents, end,
//! verify, journal the outcomes.
//!
//! What is applied is exactly the plan. Each item is looked at once more just
//! before the act; what has changed since is skipped and said. A peer computed
//! its preview and its act apart, and ended what nobody had seen in the preview.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use reap_core::backoff;
use reap_core::guard::{Here, Refusal};
use reap_core::ids::{Address, Handle, Instance, PluginName};
use reap_core::judge::Judged;
use reap_core::listing::Observation;
use reap_core::outcome::Outcome;
use reap_core::permit::{Fresh, Permit};
use reap_core::plan::{Item, Plan, PlanError};
use reap_core::session::ProcessId;
use reap_runtime::{Backend, Care, Report};
use reap_store::StoreError;
use reap_store::intents::{Intent, Journalled, Owed, Settled as Fate, Settlement};
use reap_store::tombstones::Tombstone;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::caller::Caller;
use crate::clock::now;
use crate::engine::Reap;
use crate::memory::MemoryError;
use crate::pass::Pass;
use crate::side_by_side::side_by_side;
use crate::turn::Turn;
use crate::verify::{Target, verify};

/// One item of a plan and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// The item.
    pub item: Item,
    /// What became of it.
    pub outcome: Outcome,
}

/// A plan that was carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// What became of each item, in their order.
    pub settled: Vec<Settled>,
    /// Why the outcomes are not in the journal, where the disk refused them. The
    /// intents are, so the next start looks at them.
    pub unwritten: Option<String>,
}

/// How many sessions were to be ended since the start, by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndCounts {
    /// They are gone.
    pub ended: u64,
    /// They were left alone.
    pub skipped: u64,
    /// They are not gone, or not wholly.
    pub failed: u64,
}

impl EndCounts {
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Ended { .. } => self.ended += 1,
            Outcome::Skipped { .. } => self.skipped += 1,
            Outcome::Failed { .. } => self.failed += 1,
        }
    }
}

/// Why nothing of a plan was done.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The plan must not be applied.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// What is about to be done could not be written down.
    #[error("nothing was ended, since it could not be journalled: {0}")]
    Memory(#[from] MemoryError),
}

impl From<StoreError> for ApplyError {
    fn from(error: StoreError) -> Self {
        Self::Memory(error.into())
    }
}

/// An item that may be ended, at this place of the plan.
struct Permitted {
    place: usize,
    permit: Permit,
}

/// The items of one instance that are to be ended. Each permit has its intent in
/// the journal: there is no other way to come by a [`Journalled`].
struct Group {
    backend: Backend,
    instance: Instance,
    server: Option<ProcessId>,
    /// Their places in the plan.
    places: Vec<usize>,
    permits: Vec<Permit>,
    targets: Vec<Target>,
    owed: Vec<Owed>,
}

impl Reap {
    /// Carries out a plan. Everything is looked at again first, and nothing is
    /// ended whose intent is not in the journal. When this is given up, the ends that
    /// have begun go on; what became of them is found out by the next cycle.
    ///
    /// # Errors
    /// When the plan was changed after it was made, or has expired, and when the
    /// journal cannot be written to. Then nothing is ended.
    pub async fn apply(&self, plan: &Plan, caller: &Caller) -> Result<Applied, ApplyError> {
        let turn = self.turns.take().await;
        let applied = self.carry_out(plan, caller, &turn).await?;
        Ok(self.with_refusals(applied).await)
    }

    /// The same for whoever has the turn already.
    pub(crate) async fn carry_out(
        &self,
        plan: &Plan,
        caller: &Caller,
        turn: &Turn,
    ) -> Result<Applied, ApplyError> {
        plan.verify()?;
        plan.check_expiry(now())?;
        self.memory.hold(crate::memory::WAIT).await?;
        let (observation, pass) = self.look_closely(caller).await;
        self.settle_left_open(&observation).await?;
        let mut outcomes: Vec<Option<Outcome>> = vec![None; plan.items.len()];
        let permitted = self.permit(plan, &observation, &pass, &mut outcomes);
        let groups = self.journal(plan, caller, permitted, &observation).await?;
        let care = Arc::new(self.care(&observation, &pass, &groups, &caller.here(&self.here)));
        let places: Vec<Vec<usize>> = groups.iter().map(|group| group.places.clone()).collect();
        let mut owed: HashMap<usize, Owed> = HashMap::new();
        let mut work = Vec::new();
        for mut group in groups {
            owed.extend(group.places.iter().copied().zip(group.owed.drain(..)));
            work.push(group.end(care.clone(), turn.clone()));
        }
        for (places, answer) in places.into_iter().zip(side_by_side(work).await) {
            let answers =
                answer.unwrap_or_else(|panic| places.iter().map(|_| lost(&panic.to_string())).collect());
            for (place, outcome) in places.into_iter().zip(answers) {
                outcomes[place] = Some(outcome);
            }
        }
        let settle = |(item, outcome): (&Item, Option<Outcome>)| Settled {
            item: item.clone(),
            outcome: outcome.unwrap_or_else(|| lost("its backend gave no answer")),
        };
        let settled: Vec<Settled> = plan.items.iter().zip(outcomes).map(settle).collect();
        settled
            .iter()
            .for_each(|one| self.ends.lock().unwrap_or_else(PoisonError::into_inner).add(&one.outcome));
        let unwritten = self.write_down(plan, caller, &settled, owed).await;
        Ok(Applied { settled, unwritten })
    }

    /// What became of all that was to be ended since the start.
    pub fn ends(&self) -> EndCounts {
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A permit for each item that is still as planned. The others are skipped.
    fn permit(
        &self,
        plan: &Plan,
        observation: &Observation,
        pass: &Pass,
        outcomes: &mut [Option<Outcome>],
    ) -> Vec<Permitted> {
        let fresh = Fresh::new(observation, &pass.judged);
        let mut issued: HashSet<&Address> = HashSet::new();
        let mut permitted = Vec::new();
        for (place, item) in plan.items.iter().enumerate() {
            let skip = |reason: String| Some(Outcome::Skipped { reason });
            if self.backend(item.address.backend.as_str()).is_none() {
                outcomes[place] = skip(format!("the backend {} is not loaded", item.address.backend));
            } else if !issued.insert(&item.address) {
                outcomes[place] = skip("the plan names it twice".to_owned());
            } else {
                match Permit::issue(item, plan.made, &fresh) {
                    Ok(permit) => permitted.push(Permitted { place, permit }),
                    Err(why) => outcomes[place] = skip(why.to_string()),
                }
            }
        }
        permitted
    }

    /// Writes down what is about to be done, all of it with one wait for the disk.
    async fn journal(
        &self,
        plan: &Plan,
        caller: &Caller,
        permitted: Vec<Permitted>,
        observation: &Observation,
    ) -> Result<Vec<Group>, ApplyError> {
        if permitted.is_empty() {
            return Ok(Vec::new());
        }
        let told: Vec<(Tombstone, serde_json::Value)> =
            permitted.iter().map(|one| intent(plan, caller, one)).collect();
        let at = now();
        let journalled = self.memory.keep(move |keeper| {
            let intents: Vec<Intent<'_>> =
                told.iter().map(|(tombstone, why)| Intent { tombstone, why: why.clone() }).collect();
            keeper.intend(at, &intents)
        });
        let journalled = journalled.await??;
        let mut groups: BTreeMap<(PluginName, Instance), Group> = BTreeMap::new();
        for (one, leave) in permitted.into_iter().zip(journalled) {
            let address = one.permit.address().clone();
            let Some(backend) = self.backend(address.backend.as_str()) else { continue };
            groups
                .entry((address.backend, address.instance.clone()))
                .or_insert_with(|| Group::new(backend, &address.instance, observation))
                .add(one, leave);
        }
        Ok(groups.into_values().collect())
    }

    /// What must live through it: Reap, its caller, every server, and every
    /// process of a session that is not being ended.
    fn care(&self, observation: &Observation, pass: &Pass, groups: &[Group], here: &Here) -> Care {
        let ending: HashSet<&Address> =
            groups.iter().flat_map(|group| &group.targets).map(|target| &target.address).collect();
        let servers = observation.listings.iter().filter_map(|listing| listing.server);
        let mut care = Care { here: here.clone(), protected: servers.collect(), bystanders: HashMap::new() };
        for judged in pass.judged.iter().filter(|judged| !ending.contains(&judged.subject.address)) {
            let set = if is_never_ended(judged) {
                &mut care.protected
            } else {
                care.bystanders.entry(judged.subject.address.backend.clone()).or_default()
            };
            set.extend(&judged.subject.session.processes);
        }
        care
    }

    /// Journals what became of a plan. The acts are done by now, so a disk that
    /// refuses is told and changes nothing.
    async fn write_down(
        &self,
        plan: &Plan,
        caller: &Caller,
        settled: &[Settled],
        mut owed: HashMap<usize, Owed>,
    ) -> Option<String> {
        let settlements: Vec<Settlement> = settled
            .iter()
            .enumerate()
            .filter_map(|(place, one)| Some(settlement(owed.remove(&place)?, &one.outcome)))
            .collect();
        let outcomes: Vec<(Handle, Outcome)> =
            settled.iter().map(|one| (one.item.handle.clone(), one.outcome.clone())).collect();
        let applied = json!({ "plan": plan.id, "by": caller.name(), "items": summary(settled) });
        let (rules, at) = (self.rules.sweep.backoff, now());
        let written = self.memory.keep(move |keeper| {
            let done = keeper.settle(at, settlements);
            for (handle, outcome) in &outcomes {
                keeper.step(|state| backoff::settle(state, handle, outcome, at, &rules));
            }
            keeper.note("plan.applied", None, applied);
            done.map_err(|unwritten| unwritten.to_string())?;
            keeper.flush(at, None).map_err(|error| error.to_string())
        });
        match written.await {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// What is kept of a session, and why it is to be ended.
fn intent(plan: &Plan, caller: &Caller, one: &Permitted) -> (Tombstone, serde_json::Value) {
    let (item, session) = (&plan.items[one.place], one.permit.session());
    let tombstone = Tombstone {
        address: item.address.clone(),
        incarnation: item.incarnation.clone(),
        title: session.title.clone(),
        body: json!({ "session": session, "generation": item.generation, "label": item.label }),
    };
    let why = json!({
        "plan": plan.id,
        "by": caller.name(),
        "cause": item.cause,
        "reasons": item.reasons,
        "lifts": item.lifts,
    });
    (tombstone, why)
}

/// An outcome, for the journal.
pub(crate) fn settlement(owed: Owed, outcome: &Outcome) -> Settlement {
    Settlement { owed, outcome: Fate::from(outcome), detail: json!(outcome) }
}

fn summary(settled: &[Settled]) -> Vec<serde_json::Value> {
    let told = |one: &Settled| {
        let mut told = json!({ "handle": one.item.handle, "outcome": Fate::from(&one.outcome) });
        if let Outcome::Skipped { reason } | Outcome::Failed { reason, .. } = &one.outcome {
            told["reason"] = json!(reason);
        }
        told
    };
    settled.iter().map(told).collect()
}

impl Group {
    fn new(backend: &Backend, instance: &Instance, observation: &Observation) -> Self {
        let listing = observation
            .listings
            .iter()
            .find(|listing| listing.backend == *backend.name() && listing.instance == *instance);
        Self {
            backend: backend.clone(),
            instance: instance.clone(),
            server: listing.and_then(|listing| listing.server),
            places: Vec::new(),
            permits: Vec::new(),
            targets: Vec::new(),
            owed: Vec::new(),
        }
    }

    fn add(&mut self, one: Permitted, leave: Journalled) {
        self.places.push(one.place);
        self.targets.push(Target::of(&one.permit));
        self.permits.push(one.permit);
        self.owed.push(leave.into());
    }

    async fn end(self, care: Arc<Care>, _turn: Turn) -> Vec<Outcome> {
        let mut reports = self.backend.end(self.server, self.permits, &care).await;
        let silence = || Report { outcome: lost("its backend gave no answer"), processes: HashSet::new() };
        reports.resize_with(self.targets.len(), silence);
        verify(&self.backend, &self.instance, self.targets, reports).await
    }
}

/// Whether nobody may end the session, whatever it has in common with others.
fn is_never_ended(judged: &Judged) -> bool {
    let never =
        |refusal: &Refusal| matches!(refusal, Refusal::Main | Refusal::Protected(_) | Refusal::Operator(_));
    judged.refusals.iter().any(never)
}

/// Nobody knows whether the session was ended.
fn lost(why: &str) -> Outcome {
    Outcome::Failed { reason: format!("whether it was ended is not known: {why}"), survivors: Vec::new() }
}
