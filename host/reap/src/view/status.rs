//! How Reap is: `reap status --json`, and what the API answers at `/v1/status`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use reap_core::ids::{Handle, PluginName};
use reap_core::listing::Unknown;
use reap_core::plan::PlanId;
use reap_core::session::ProcessId;
use reap_core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cycle::Cost;

/// Everything that an operator wants to see at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the program that answers.
    pub version: String,
    /// The daemon, where one runs.
    pub daemon: Option<DaemonStatus>,
    /// The file with the configuration; nothing when all has its default.
    pub config: Option<PathBuf>,
    /// The state folder.
    pub state: PathBuf,
    /// The last cycle, where one is known.
    pub cycle: Option<CycleStatus>,
    /// What is known of each backend.
    pub backends: Vec<BackendStatus>,
    /// What could not be looked at in the last cycle.
    pub unknown: Vec<Unknown>,
    /// All plugins.
    pub plugins: Vec<PluginStatus>,
    /// The orphans on their way.
    pub marks: MarkStatus,
    /// The plans that wait for the operator.
    pub held: Vec<HeldStatus>,
    /// How many directories are locked.
    pub locks: u64,
    /// What is kept on the disk; nothing where nothing was kept yet.
    pub journal: Option<JournalStatus>,
}

/// A daemon that runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Its process.
    pub process: ProcessId,
    /// Since when it runs.
    pub since: Timestamp,
    /// `observe` or `enforce`.
    pub mode: String,
    /// The time from one cycle to the next.
    pub every: Span,
    /// Where it listens.
    pub socket: PathBuf,
    /// Where it listens besides.
    pub listen: Option<String>,
}

/// The last cycle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CycleStatus {
    /// The how many-th it was since the daemon's start; nothing without a daemon.
    pub number: Option<u64>,
    /// When it began.
    pub at: Timestamp,
    /// What it cost; nothing without a daemon.
    pub cost: Option<Cost>,
    /// Why it came to nothing, where it did.
    pub error: Option<String>,
    /// How many cycles were left out because the one before took too long.
    pub skipped: u64,
}

/// What is known of one backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackendStatus {
    /// Its name.
    pub name: PluginName,
    /// Sessions on record by how they stand: `live`, `missing`, `stopped`, `ended`.
    pub records: BTreeMap<String, u64>,
    /// Live sessions by what they do: `running`, `idle`, `stopped`, `unknown`.
    pub activity: BTreeMap<String, u64>,
}

/// One plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginStatus {
    /// Its name.
    pub name: String,
    /// `backend` or `policy`, where that is known.
    pub world: Option<String>,
    /// `ready`, `failed`, `unapproved` or `off`.
    pub state: String,
    /// Why it does not run although it should.
    pub reason: Option<String>,
    /// How it failed in the last cycle, where it did.
    pub fault: Option<String>,
    /// What it used up and ran into since it was loaded, by name.
    pub counters: BTreeMap<String, u64>,
}

/// The orphans on their way.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MarkStatus {
    /// How many sessions are marked.
    pub set: u64,
    /// Those of them that may be ended.
    pub due: Vec<Handle>,
    /// Those whose end failed, and when it is tried again.
    pub retries: BTreeMap<Handle, Timestamp>,
}

/// A plan that waits for the operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldStatus {
    /// Its id, for `reap approve`.
    pub plan: PlanId,
    /// Its backend.
    pub backend: PluginName,
    /// How many sessions it would end.
    pub items: u64,
    /// Since when it waits.
    pub since: Timestamp,
    /// Until when it can be approved.
    pub expires: Timestamp,
    /// `cycle` or `command`: who made it.
    pub made_by: String,
}

/// What is kept on the disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalStatus {
    /// Entries of the journal.
    pub entries: u64,
    /// Their payload in bytes.
    pub entry_bytes: u64,
    /// Observations.
    pub passes: u64,
    /// Their bodies in bytes.
    pub pass_bytes: u64,
    /// The whole database in bytes.
    pub database_bytes: u64,
    /// Number and hash of the last entry, for `reap journal verify --head`.
    pub head: String,
    /// Intents without outcome.
    pub open_intents: u64,
}

impl BackendStatus {
    pub(crate) fn nothing_of(name: &PluginName) -> Self {
        Self { name: name.clone(), records: BTreeMap::new(), activity: BTreeMap::new() }
    }
}
