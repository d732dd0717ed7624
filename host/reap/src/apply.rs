//! Carrying out a plan: look again, issue permits, end, verify.
//!
//! What is applied is exactly the plan. Each item is looked at once more just
//! before the act; what has changed since is skipped and said. A peer computed
//! its preview and its act apart, and ended what nobody had seen in the preview.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use reap_core::ids::{Address, Instance, PluginName};
use reap_core::outcome::Outcome;
use reap_core::permit::{Fresh, Permit};
use reap_core::plan::{Item, Plan, PlanError};
use reap_core::session::ProcessId;
use reap_runtime::{Backend, Care};

use crate::clock::now;
use crate::engine::Reap;
use crate::pass::Pass;
use crate::side_by_side::side_by_side;
use crate::verify::{Target, verify};

/// One item of a plan and what became of it.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The item.
    pub item: Item,
    /// What became of it.
    pub outcome: Outcome,
}

/// The items of one instance that may be ended.
struct Group {
    backend: Backend,
    instance: Instance,
    server: Option<ProcessId>,
    /// Their places in the plan.
    places: Vec<usize>,
    permits: Vec<Permit>,
    targets: Vec<Target>,
}

impl Reap {
    /// Carries out a plan. Everything is looked at again first.
    ///
    /// # Errors
    /// When the plan was changed after it was made, or has expired. Then nothing
    /// is ended.
    pub async fn apply(&self, plan: &Plan) -> Result<Vec<Settled>, PlanError> {
        plan.verify()?;
        plan.check_expiry(now())?;
        let pass = self.look().await;
        let mut outcomes: Vec<Option<Outcome>> = vec![None; plan.items.len()];
        let groups = self.permit(plan, &pass, &mut outcomes);
        let care = Arc::new(self.care(&pass, &groups));
        let places: Vec<Vec<usize>> = groups.iter().map(|group| group.places.clone()).collect();
        let work = groups.into_iter().map(|group| group.end(care.clone())).collect();
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
        Ok(plan.items.iter().zip(outcomes).map(settle).collect())
    }

    /// A permit for each item that is still as planned. The others are skipped.
    fn permit(&self, plan: &Plan, pass: &Pass, outcomes: &mut [Option<Outcome>]) -> Vec<Group> {
        let fresh = Fresh::new(&pass.observation, &pass.judged);
        let mut groups: BTreeMap<(PluginName, Instance), Group> = BTreeMap::new();
        let mut issued: HashSet<&Address> = HashSet::new();
        for (place, item) in plan.items.iter().enumerate() {
            let skip = |reason: String| Some(Outcome::Skipped { reason });
            let Some(backend) = self.backend(item.address.backend.as_str()) else {
                outcomes[place] = skip(format!("the backend {} is not loaded", item.address.backend));
                continue;
            };
            if !issued.insert(&item.address) {
                outcomes[place] = skip("the plan names it twice".to_owned());
                continue;
            }
            match Permit::issue(item, plan.made, &fresh) {
                Ok(permit) => groups
                    .entry((item.address.backend.clone(), item.address.instance.clone()))
                    .or_insert_with(|| Group::new(backend, &item.address.instance, pass))
                    .add(place, permit),
                Err(why) => outcomes[place] = skip(why.to_string()),
            }
        }
        groups.into_values().collect()
    }

    /// What must live through it: Reap, every server, and every process of a
    /// session that is not being ended.
    fn care(&self, pass: &Pass, groups: &[Group]) -> Care {
        let ending: HashSet<&Address> =
            groups.iter().flat_map(|group| &group.targets).map(|target| &target.address).collect();
        let others = pass
            .judged
            .iter()
            .filter(|judged| !ending.contains(&judged.subject.address))
            .flat_map(|judged| judged.subject.session.processes.iter().copied());
        let servers = pass.observation.listings.iter().filter_map(|listing| listing.server);
        Care { here: self.here.clone(), bystanders: others.chain(servers).collect() }
    }
}

impl Group {
    fn new(backend: &Backend, instance: &Instance, pass: &Pass) -> Self {
        let listing = pass
            .observation
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
        }
    }

    fn add(&mut self, place: usize, permit: Permit) {
        self.places.push(place);
        self.targets.push(Target::of(&permit));
        self.permits.push(permit);
    }

    async fn end(self, care: Arc<Care>) -> Vec<Outcome> {
        let mut outcomes = self.backend.end(self.server, self.permits, &care).await;
        outcomes.resize_with(self.targets.len(), || lost("its backend gave no answer"));
        verify(&self.backend, &self.instance, &self.targets, outcomes).await
    }
}

/// Nobody knows whether the session was ended.
fn lost(why: &str) -> Outcome {
    Outcome::Failed { reason: format!("whether it was ended is not known: {why}"), survivors: Vec::new() }
}
