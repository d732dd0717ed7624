//! Reap: finds AI-agent sessions that nobody needs any more, says why, and ends
//! them safely.
//!
//! This crate ties the pure core to the plugin host. The `reap` program is built
//! on it, and so is anything that wants Reap inside: nothing here prints, reads
//! the command line, installs a handler or ends the process.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use reap::core::{plan::Lifts, selector::Selector};
//! use reap::{Caller, Reap};
//!
//! let reap = Reap::builder().open().await?; // the user's own configuration and folders
//! let pass = reap.look().await;
//! let plan = reap.plan_cleanup(&pass, &Selector::parse("backend:tmux")?, Lifts::default());
//! // Show the plan to somebody, and only then:
//! for settled in reap.apply(&plan, &Caller::ourselves()).await?.settled {
//!     assert_eq!(plan.items.iter().filter(|item| **item == settled.item).count(), 1);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The way through: [`Config`] and [`Paths`] → [`Reap::open`] (the
//! [`plugins`] are found, checked and loaded) → [`Reap::look`] gives a [`Pass`]
//! → [`Reap::plan_cleanup`] or [`Reap::plan_kill`] → [`Reap::apply`]. What is to
//! run for long calls [`Reap::cycle`] again and again, or leaves that to a
//! [`Daemon`], and hears of everything by [`Reap::events`].

#[cfg(test)]
extern crate self as reap;
#[cfg(test)]
#[path = "../testdata/sample.rs"]
mod sample;

mod api;
mod apply;
pub mod authoring;
mod builder;
mod bundled;
mod caller;
pub mod client;
mod clock;
pub mod config;
mod cycle;
pub mod daemon;
mod engine;
mod events;
pub mod files;
mod memory;
mod operator;
mod pass;
mod paths;
pub mod plugins;
mod recover;
mod refusals;
mod side_by_side;
mod status;
mod turn;
mod verify;
pub mod view;
mod voter;

pub use api::ListenError;
pub use apply::{Applied, ApplyError, EndCounts, Settled};
pub use builder::{BuildError, Builder};
pub use caller::Caller;
pub use clock::now;
pub use config::{Config, ConfigError};
pub use cycle::{Cost, Cycle};
pub use daemon::Daemon;
pub use engine::{OpenError, Reap, TagError};
pub use events::{Events, Heard, Noted};
pub use memory::{MemoryError, beside};
pub use operator::{ApprovalError, LockFor, LockingError};
pub use pass::{Absent, Pass, PolicyFault};
pub use paths::{NoHome, Paths};
pub use reap_core as core;
pub use reap_runtime as runtime;
pub use reap_store as store;
pub use voter::Voter;
