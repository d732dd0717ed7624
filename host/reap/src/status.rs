//! How Reap is, put together from what it remembers, what is on the disk, and
//! what the daemon knows besides.

use std::collections::BTreeMap;

use reap_core::ids::PluginName;
use reap_core::limits::HeldPlan;
use reap_core::record::Standing;
use reap_core::state::State;
use reap_store::{StoreError, View};

use crate::engine::Reap;
use crate::memory::MemoryError;
use crate::pass::Pass;
use crate::plugins::{Plugin, State as PluginState};
use crate::view::{BackendStatus, CycleStatus, HeldStatus, JournalStatus, MarkStatus, PluginStatus, Status};

impl Reap {
    /// How Reap is, as far as can be told without looking at any session. `last`
    /// is the last pass, where one is at hand. The daemon's own part is left out.
    pub async fn status(&self, last: Option<&Pass>) -> Result<Status, MemoryError> {
        let rules = self.rules.sweep.marks;
        let remembered = self.memory.recall(move |state| Remembered {
            backends: backends(state),
            marks: marks(state, &rules),
            held: held(state),
            locks: state.locks().iter().count() as u64,
            cycle: state.clock().map(|clock| CycleStatus {
                number: None,
                at: clock.at,
                cost: None,
                error: None,
                skipped: 0,
            }),
        });
        let remembered = remembered.await?;
        let journal = self.memory.read(|reader| reader.snapshot(|view| journal(&view))).await?;
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            daemon: None,
            config: self.config.file.clone(),
            state: self.memory.folder().to_owned(),
            cycle: remembered.cycle,
            backends: self.with_all_backends(remembered.backends),
            unknown: last.map(|pass| pass.unknown.clone()).unwrap_or_default(),
            plugins: self.plugins().iter().map(|plugin| plugin_status(plugin, last)).collect(),
            marks: remembered.marks,
            held: remembered.held,
            locks: remembered.locks,
            journal,
        })
    }

    /// A backend that has no sessions is there all the same.
    fn with_all_backends(&self, mut known: BTreeMap<PluginName, BackendStatus>) -> Vec<BackendStatus> {
        for backend in &self.backends {
            let name = backend.name();
            known.entry(name.clone()).or_insert_with(|| BackendStatus::nothing_of(name));
        }
        known.into_values().collect()
    }
}

struct Remembered {
    backends: BTreeMap<PluginName, BackendStatus>,
    marks: MarkStatus,
    held: Vec<HeldStatus>,
    locks: u64,
    cycle: Option<CycleStatus>,
}

fn backends(state: &State) -> BTreeMap<PluginName, BackendStatus> {
    let mut all: BTreeMap<PluginName, BackendStatus> = BTreeMap::new();
    for record in state.records() {
        let name = &record.address.backend;
        let status = all.entry(name.clone()).or_insert_with(|| BackendStatus::nothing_of(name));
        let standing = match record.standing {
            Standing::Live => "live",
            Standing::Missing { .. } => "missing",
            Standing::Stopped { .. } => "stopped",
            Standing::Ended { .. } => "ended",
        };
        *status.records.entry(standing.to_owned()).or_default() += 1;
        if record.present() {
            *status.activity.entry(record.session.activity.word().to_owned()).or_default() += 1;
        }
    }
    all
}

fn marks(state: &State, rules: &reap_core::marks::MarkRules) -> MarkStatus {
    let mut marks = MarkStatus::default();
    for record in state.records() {
        let Some(tally) = record.tally else { continue };
        marks.set += 1;
        if tally.due(rules) {
            marks.due.push(record.handle.clone());
        }
        if let Some(retry) = &record.retry {
            marks.retries.insert(record.handle.clone(), retry.not_before);
        }
    }
    marks.due.sort();
    marks
}

fn held(state: &State) -> Vec<HeldStatus> {
    let told = |made_by: &'static str| {
        move |held: &HeldPlan| HeldStatus {
            plan: held.plan.id.clone(),
            backend: held.backend.clone(),
            items: held.plan.items.len() as u64,
            since: held.since,
            expires: held.plan.expires,
            made_by: made_by.to_owned(),
        }
    };
    let swept = state.held().values().map(told("cycle"));
    swept.chain(state.offered().values().map(told("command"))).collect()
}

fn journal(view: &View<'_>) -> Result<JournalStatus, StoreError> {
    let sizes = view.sizes()?;
    Ok(JournalStatus {
        entries: sizes.entries,
        entry_bytes: sizes.entry_bytes,
        passes: sizes.passes,
        pass_bytes: sizes.pass_bytes,
        database_bytes: sizes.database,
        head: view.head()?.to_string(),
        open_intents: view.count_open_intents()?,
    })
}

fn plugin_status(plugin: &Plugin, last: Option<&Pass>) -> PluginStatus {
    let (state, counters) = match &plugin.state {
        PluginState::Ready(ready) => ("ready", ready.running.counters()),
        PluginState::Failed(_) => ("failed", Vec::new()),
        PluginState::Unapproved(_) => ("unapproved", Vec::new()),
        PluginState::Off => ("off", Vec::new()),
    };
    let name = &plugin.entry.name;
    let policy = last.into_iter().flat_map(|pass| &pass.faults).find(|fault| fault.policy.as_str() == name);
    let backend = last.into_iter().flat_map(|pass| &pass.unknown);
    let backend = backend.filter(|gap| gap.instance.is_none()).find(|gap| gap.backend.as_str() == name);
    PluginStatus {
        name: name.clone(),
        world: plugin.manifest().map(|manifest| manifest.world.word().to_owned()),
        state: state.to_owned(),
        reason: plugin.trouble(),
        fault: policy.map(|fault| fault.reason.clone()).or_else(|| backend.map(|gap| gap.reason.clone())),
        counters: counters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}
