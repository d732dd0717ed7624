//! What happened: the facts that a step of the pure middle leaves behind.
//!
//! The journal keeps them, the API streams them, an embedder subscribes to
//! them. Their names (`session.stopped`) and fields are read by other programs:
//! new ones may come, old ones stay.

use serde::{Deserialize, Serialize};

use crate::ids::{Address, Handle, Incarnation, Instance, PluginName};
use crate::locks::{Directory, Holder};
use crate::plan::PlanId;
use crate::proof::Proof;
use crate::time::{Span, Timestamp};

/// The session that an event is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Who {
    /// Its handle.
    pub handle: Handle,
    /// Where it is, or was, to be found.
    #[serde(flatten)]
    pub address: Address,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// A session is seen for the first time.
    #[serde(rename = "session.seen")]
    Seen {
        /// Which.
        session: Who,
        /// What its key meant before, where it meant another session.
        after: Option<Incarnation>,
    },
    /// A session is absent from an answer in which absence counts, and that is
    /// not yet enough.
    #[serde(rename = "session.missing")]
    Missing {
        /// Which.
        session: Who,
        /// How often it was absent.
        misses: u32,
        /// How often it must be.
        of: u32,
    },
    /// A session is gone, without Reap's doing.
    #[serde(rename = "session.stopped")]
    Stopped {
        /// Which.
        session: Who,
        /// How that is known.
        proof: Proof,
    },
    /// A session that was missing, stopped or ended is listed again.
    #[serde(rename = "session.returned")]
    Returned {
        /// Which.
        session: Who,
        /// What it was taken for.
        was: Absence,
    },
    /// Reap ended a session and verified that.
    #[serde(rename = "session.ended")]
    Ended {
        /// Which.
        session: Who,
    },
    /// A session was to be ended and is not, or not wholly.
    #[serde(rename = "end.failed")]
    EndFailed {
        /// Which.
        session: Who,
        /// Why.
        reason: String,
        /// How often in a row.
        failures: u32,
        /// Not tried again before this.
        not_before: Timestamp,
    },
    /// A session was to be ended and was left alone.
    #[serde(rename = "end.skipped")]
    EndSkipped {
        /// Which.
        session: Who,
        /// Why.
        reason: String,
    },
    /// It is not known any more what an instance holds. Nothing changes for its
    /// sessions.
    #[serde(rename = "instance.doubted")]
    Doubted {
        /// The backend.
        backend: PluginName,
        /// The instance.
        instance: Instance,
        /// Why.
        reason: String,
    },
    /// It is known again what an instance holds.
    #[serde(rename = "instance.clear")]
    Clear {
        /// The backend.
        backend: PluginName,
        /// The instance.
        instance: Instance,
    },
    /// A session was voted an orphan, and not so in the pass before.
    #[serde(rename = "mark.set")]
    MarkSet {
        /// Which.
        session: Who,
    },
    /// A marked session may be ended from now on.
    #[serde(rename = "mark.due")]
    MarkDue {
        /// Which.
        session: Who,
    },
    /// A marked session is no orphan any more.
    #[serde(rename = "mark.cleared")]
    MarkCleared {
        /// Which.
        session: Who,
        /// Why.
        reason: String,
    },
    /// More of a backend is due than its limits allow at once. Nothing of it is
    /// ended before the operator approves.
    #[serde(rename = "plan.held")]
    PlanHeld {
        /// The plan to approve.
        plan: PlanId,
        /// The backend.
        backend: PluginName,
        /// How many sessions would be ended.
        due: usize,
        /// Of how many that are listed.
        listed: usize,
        /// How many may be ended at once.
        allowed: usize,
    },
    /// The operator approved a held plan.
    #[serde(rename = "plan.approved")]
    PlanApproved {
        /// Which.
        plan: PlanId,
        /// Its backend.
        backend: PluginName,
    },
    /// A held plan needs no approval any more and cannot get one.
    #[serde(rename = "plan.withdrawn")]
    PlanWithdrawn {
        /// Which.
        plan: PlanId,
        /// Its backend.
        backend: PluginName,
        /// Why.
        reason: String,
    },
    /// A directory was locked.
    #[serde(rename = "lock.taken")]
    LockTaken {
        /// Which.
        directory: Directory,
        /// For whom.
        holder: Holder,
    },
    /// A directory is not locked any more.
    #[serde(rename = "lock.freed")]
    LockFreed {
        /// Which.
        directory: Directory,
        /// For whom it was.
        holder: Holder,
        /// Why.
        reason: String,
    },
    /// A live session works in a directory that is locked for another holder.
    #[serde(rename = "lock.contested")]
    LockContested {
        /// Which.
        directory: Directory,
        /// Who holds it.
        holder: Holder,
        /// Who is in it as well.
        session: Who,
    },
    /// The record of a session that left long ago was dropped.
    #[serde(rename = "record.pruned")]
    Pruned {
        /// Which.
        session: Who,
    },
    /// A plugin asked the host for what it may not. Told at most once for each plugin
    /// and capability in a cycle, however often it asked.
    #[serde(rename = "plugin.refused")]
    Refused {
        /// Which plugin.
        plugin: PluginName,
        /// Which capability: `files`, `ending`.
        capability: String,
        /// What it asked for first.
        asked: String,
        /// How often it was refused.
        times: u64,
    },
    /// The clock was set. What Reap noted was moved along with it.
    #[serde(rename = "clock.jumped")]
    ClockJumped {
        /// By how much.
        by: Span,
        /// Whether it shows a later time now.
        forward: bool,
    },
    /// The machine was started anew since the last pass.
    #[serde(rename = "machine.rebooted")]
    Rebooted,
}

impl Event {
    /// Its name, as other programs read it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Seen { .. } => "session.seen",
            Self::Missing { .. } => "session.missing",
            Self::Stopped { .. } => "session.stopped",
            Self::Returned { .. } => "session.returned",
            Self::Ended { .. } => "session.ended",
            Self::EndFailed { .. } => "end.failed",
            Self::EndSkipped { .. } => "end.skipped",
            Self::Doubted { .. } => "instance.doubted",
            Self::Clear { .. } => "instance.clear",
            Self::MarkSet { .. } => "mark.set",
            Self::MarkDue { .. } => "mark.due",
            Self::MarkCleared { .. } => "mark.cleared",
            Self::PlanHeld { .. } => "plan.held",
            Self::PlanApproved { .. } => "plan.approved",
            Self::PlanWithdrawn { .. } => "plan.withdrawn",
            Self::LockTaken { .. } => "lock.taken",
            Self::LockFreed { .. } => "lock.freed",
            Self::LockContested { .. } => "lock.contested",
            Self::Pruned { .. } => "record.pruned",
            Self::Refused { .. } => "plugin.refused",
            Self::ClockJumped { .. } => "clock.jumped",
            Self::Rebooted => "machine.rebooted",
        }
    }

    /// The session that it is about, where it is about one.
    pub fn session(&self) -> Option<&Who> {
        match self {
            Self::Seen { session, .. }
            | Self::Missing { session, .. }
            | Self::Stopped { session, .. }
            | Self::Returned { session, .. }
            | Self::Ended { session }
            | Self::EndFailed { session, .. }
            | Self::EndSkipped { session, .. }
            | Self::MarkSet { session }
            | Self::MarkDue { session }
            | Self::MarkCleared { session, .. }
            | Self::LockContested { session, .. }
            | Self::Pruned { session } => Some(session),
            Self::Doubted { .. }
            | Self::Clear { .. }
            | Self::PlanHeld { .. }
            | Self::PlanApproved { .. }
            | Self::PlanWithdrawn { .. }
            | Self::LockTaken { .. }
            | Self::LockFreed { .. }
            | Self::Refused { .. }
            | Self::ClockJumped { .. }
            | Self::Rebooted => None,
        }
    }
}

/// What a session was taken for that is listed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Absence {
    /// It was absent, but not often enough.
    Missing,
    /// It was taken for gone.
    Stopped,
    /// Reap had ended it.
    Ended,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::address;
    use crate::session::ProcessId;

    #[test]
    fn other_programs_read_this() {
        let address = address("$1");
        let session = Who { handle: Handle::of(&address, &Incarnation::new("first")), address };
        let proof = Proof::Server { process: ProcessId { pid: 7, started: 9 } };
        let event = Event::Stopped { session, proof };
        let json = serde_json::to_value(&event).expect("JSON");
        let expected = serde_json::json!({
            "event": "session.stopped",
            "session": {
                "handle": "ff", "backend": "tmux", "instance": "/tmp/tmux-1000/default", "key": "$1"
            },
            "proof": {"proof": "server", "process": {"pid": 7, "started": 9}},
        });
        let mut shown = json.clone();
        shown["session"]["handle"] = "ff".into();
        assert_eq!(shown, expected);
        assert_eq!(serde_json::from_value::<Event>(json).expect("the same again"), event);
    }
}
