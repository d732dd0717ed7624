//! The memory of Reap: what must outlive a pass, a crash and a reboot.
//!
//! One folder holds it: a SQLite database, the lock of its one writer, and the
//! head of the journal, kept apart so that a cut-off end is found. This crate
//! knows how to keep things and prove that they were kept; what they mean is
//! decided in `reap-core`, and what is done with them in `reap`.
//!
//! - [`open`]: the folder, the checks at the door, [`Store`] (writes) and
//!   [`Reader`] (reads beside it);
//! - [`store`]: [`Store::write`], one transaction of everything a pass changes;
//! - [`journal`], [`chain`], [`verify`]: the append-only record and its proof;
//! - [`intents`]: nothing is ended without a journalled intent and a tombstone;
//! - [`memory`]: what is remembered between passes; [`steps`]: the core's state in
//!   it; [`tombstones`]: what is left of ended sessions;
//! - [`observations`]: what was seen, so that a back-test can see it again;
//! - [`retention`]: what is let go, all the while the daemon runs.
//!
//! It reads no clock: the time comes in with each call, as in the core. It never
//! makes a new database where an old one is damaged or missing.

mod anchor;
pub mod chain;
mod delta;
pub mod error;
pub mod examine;
mod files;
pub mod intents;
pub mod journal;
pub mod memory;
pub mod observations;
pub mod open;
pub mod retention;
mod schema;
mod sealed;
pub mod steps;
pub mod store;
pub mod tombstones;
pub mod verify;
pub mod writer;

pub use self::error::StoreError;
pub use self::open::Settings;
pub use self::store::{Reader, Store, Txn, View};
