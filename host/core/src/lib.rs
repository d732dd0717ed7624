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
//! 2. [`subject`]: each session as the host sees it, [`selector`]s choose some;
//! 3. [`vote`]: what the policies say, combined into one verdict;
//! 4. [`guard`]: what is never ended, whatever was voted;
//! 5. [`judge`]: 2 to 4 put together;
//! 6. [`plan`]: the exact list of what would be ended and why;
//! 7. [`permit`]: each item looked at again, and the leave to end it.

pub mod clean;
pub mod guard;
pub mod ids;
pub mod judge;
pub mod listing;
pub mod outcome;
pub mod permit;
pub mod plan;
pub mod resolve;
#[cfg(test)]
mod samples;
pub mod selector;
pub mod session;
pub mod subject;
pub mod time;
pub mod vote;
