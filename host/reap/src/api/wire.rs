//! What goes over the wire and is no view or type of the library already. The
//! server writes it, the client reads it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use reap_core::ids::{Address, Handle};
use reap_core::plan::PlanId;
use reap_core::session::ProcessId;
use reap_core::subject::Subject;
use reap_core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cycle::Cost;
use crate::view::{ItemView, SettledView};

/// The version of the program at the other end, on requests and answers alike.
pub(crate) const VERSION_HEADER: &str = "reap-version";

/// When the sessions of an answer were seen, in milliseconds since 1970.
pub(crate) const SEEN_HEADER: &str = "reap-seen-at";

/// The version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The body of every error.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Complaint {
    pub error: Problem,
}

/// What went wrong.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Problem {
    /// A word for programs.
    pub code: String,
    /// What happened, for people.
    pub message: String,
    /// What to do, or where else to look.
    pub hints: Vec<String>,
    /// The sessions that an ambiguous name fits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Named>,
}

/// One of several sessions that a name fits.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Named {
    pub handle: Handle,
    #[serde(flatten)]
    pub address: Address,
    pub title: String,
}

/// Which daemon answers: enough to tell whether it is the one that is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    pub version: String,
    pub process: ProcessId,
    pub since: Timestamp,
    /// `observe` or `enforce`.
    pub mode: String,
    pub every: Span,
    pub socket: PathBuf,
    pub listen: Option<String>,
    pub state: PathBuf,
    /// The configuration's file; nothing when all has its default.
    pub config: Option<PathBuf>,
    /// Of the text that was read from it.
    pub config_digest: Option<String>,
    /// The environment variables that decide where its plugins look, as it has them.
    pub surroundings: BTreeMap<String, Option<String>>,
}

/// A plan that was carried out. What is not in the journal is said.
#[derive(Debug, Serialize)]
pub(super) struct Done<'a> {
    #[serde(flatten)]
    pub settled: SettledView<'a>,
    pub unwritten: Option<&'a str>,
}

/// A held plan that was approved and carried out.
#[derive(Debug, Serialize)]
pub(super) struct Approved<'a> {
    pub plan: &'a str,
    pub items: Vec<ItemView<'a>>,
    pub unwritten: Option<&'a str>,
}

/// A cycle that was asked for.
#[derive(Debug, Serialize)]
pub(super) struct CycleDone {
    pub number: u64,
    pub at: Timestamp,
    pub cost: Cost,
    pub sessions: usize,
    pub unknown: usize,
    pub plan: Option<PlanId>,
    pub due: usize,
    pub kept: usize,
    pub held: usize,
}

/// Whether the journal is as it was written.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Verified {
    pub sound: bool,
    /// How many entries are kept.
    pub entries: Option<u64>,
    /// The last of them.
    pub head: Option<String>,
    /// Whether the head noted beside the database was there to check against.
    pub anchored: Option<bool>,
    pub open_intents: Option<u64>,
    pub broken: Option<BrokenAt>,
}

/// The first place that does not fit.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct BrokenAt {
    pub seq: u64,
    pub reason: String,
}

/// Sessions to be ended, by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kill {
    pub sessions: Vec<String>,
    #[serde(default)]
    pub force: bool,
}

/// Orphans to be ended.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Cleanup {
    pub selector: Option<String>,
    pub older_than: Option<Span>,
    pub force: bool,
    pub dry_run: bool,
}

/// A directory to be locked, for a session or for a person.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockAsk {
    pub directory: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A held plan to be approved.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApproveAsk {
    pub plan: String,
}

/// A session whose opt-out tag is to be set or cleared.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TagAsk {
    pub subject: Subject,
    pub protect: bool,
}
