//! What became of a session that was to be ended.

use serde::{Deserialize, Serialize};

use crate::session::ProcessId;

/// A process of an ended session that lived on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivor {
    /// Which one.
    pub process: ProcessId,
    /// Why it lives.
    pub reason: String,
}

/// What became of a session that was to be ended. Never "ended" on hope: only
/// what was looked at again afterwards is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "outcome")]
pub enum Outcome {
    /// It is gone, and so are its processes, but for those that `notes` explain.
    Ended {
        /// What the operator should know besides.
        notes: Vec<String>,
    },
    /// It was left alone.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It was to be ended and is not, or not wholly.
    Failed {
        /// Why.
        reason: String,
        /// What lives on.
        survivors: Vec<Survivor>,
    },
}
