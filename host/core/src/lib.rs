//! The pure middle of Reap.
//!
//! Everything here is plain data and functions of it: no I/O, no clock, no
//! async, no wasm. What the outside says comes in as listings and votes, with
//! the time of day as an argument; what is to be done goes out as a [`plan`].
//! So a dry run, a back-test over recorded listings and a simulation of faults
//! run exactly the code that decides about real sessions.
//!
//! The way through, in the order of the modules:
//!
//! 1. [`listing`]: what the backends answered, and how much it is worth;
//! 2. [`reconcile`]: that held against the [`state`], with [`proof`]s: who came,
//!    who is missing, who is gone;
//! 3. [`subject`]: each session as the host sees it, with its [`load`]; [`selector`]s
//!    choose some;
//! 4. [`vote`]: what the policies say, combined into one verdict;
//! 5. [`guard`]: what is never ended, whatever was voted;
//! 6. [`judge`]: 3 to 5 put together;
//! 7. [`plan`]: the exact list of what would be ended and why; [`sweep`] makes
//!    the daemon's, with [`marks`] and [`limits`];
//! 8. [`permit`]: each item looked at again, and the leave to end it;
//! 9. [`backoff`]: what became of it; [`notes`] is what the journal keeps of the
//!    events on the way.
//!
//! [`cycle`] puts 2 to 7 together. `docs/state.md` tells how what is remembered moves. A pass that remembers
//! nothing leaves out 2 and 9.

pub mod backoff;
pub mod clean;
pub mod cycle;
pub mod event;
pub mod guard;
mod hash;
pub mod ids;
pub mod judge;
pub mod limits;
pub mod listing;
pub mod load;
pub mod locks;
pub mod marks;
pub mod notes;
pub mod offers;
pub mod outcome;
pub mod permit;
pub mod plan;
pub mod proof;
pub mod reconcile;
pub mod record;
mod records;
pub mod resolve;
#[cfg(test)]
mod samples;
pub mod selector;
pub mod session;
pub mod state;
pub mod subject;
pub mod sweep;
pub mod time;
pub mod vote;
