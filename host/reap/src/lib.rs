//! Reap: finds AI-agent sessions that nobody needs any more, says why, and ends
//! them safely.
//!
//! This crate ties the pure core to the plugin host. The `reap` program is built
//! on it, and so is anything that wants Reap inside: nothing here prints, reads
//! the command line, installs a handler or ends the process.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use reap::{Config, Paths, Reap};
//! use reap::core::{plan::Lifts, selector::Selector};
//!
//! let paths = Paths::from_environment()?;
//! let reap = Reap::open(Config::find(None, &paths)?, &paths).await?;
//! let pass = reap.look().await;
//! let plan = reap.plan_cleanup(&pass, &Selector::parse("backend:tmux")?, Lifts::default());
//! // Show the plan to somebody, and only then:
//! for settled in reap.apply(&plan).await? {
//!     assert_eq!(plan.items.iter().filter(|item| **item == settled.item).count(), 1);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The way through: [`Config`] and [`Paths`] → [`Reap::open`] (the
//! [`plugins`] are found, checked and loaded) → [`Reap::look`] gives a [`Pass`]
//! → [`Reap::plan_cleanup`] or [`Reap::plan_kill`] → [`Reap::apply`].

#[cfg(test)]
extern crate self as reap;
#[cfg(test)]
#[path = "../testdata/sample.rs"]
mod sample;

mod apply;
mod bundled;
mod clock;
pub mod config;
mod engine;
pub mod files;
mod pass;
mod paths;
pub mod plugins;
mod side_by_side;
mod verify;
pub mod view;
mod voter;

pub use apply::Settled;
pub use clock::now;
pub use config::{Config, ConfigError};
pub use engine::{OpenError, Reap, TagError};
pub use pass::{Pass, PolicyFault};
pub use paths::{NoHome, Paths};
pub use reap_core as core;
pub use reap_runtime as runtime;
pub use voter::Voter;
