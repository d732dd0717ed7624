//! The shapes of `--json`. They are a promise to other programs: fields may be
//! added, and none is renamed or removed.
//!
//! Times are milliseconds since 1970-01-01 00:00 UTC. What is not known is
//! `null`, and never left out.

mod session;
mod settled;
mod status;

pub use session::{DetailView, SessionView, VoteView, votes};
pub use settled::{ItemView, SettledView, outcome_word};
pub use status::{
    BackendStatus, CycleStatus, DaemonStatus, HeldStatus, JournalStatus, MarkStatus, PluginStatus, Status,
};
