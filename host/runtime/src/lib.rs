//! The WebAssembly host of Reap.
//!
//! Plugins are components that know a kind of session (backends) or vote on
//! sessions (policies). This crate loads them, calls them, and is the only
//! place where anything is done on their behalf. It trusts no plugin:
//!
//! * a plugin runs in a fresh store for every call, under the [`limits`];
//!   whatever goes wrong in there comes back as a [`CallError`], and the next
//!   plugin runs;
//! * each of the [`capabilities`](manifest::Asks) is checked in one place
//!   against what the manifest asks for and the operator granted;
//! * nothing is ended but through a permit that the pure core issued.
//!
//! The life of a plugin: [`Manifest::parse`] → [`Host::prepare`] (compile or
//! take from the cache, link, describe; [`Host::recall`] does that with the first
//! call only) → [`Prepared::into_backend`] or
//! [`Prepared::into_policy`] (settings checked) → calls.

mod backend;
mod bindings;
mod cache;
mod call;
mod capabilities;
mod convert;
mod counters;
mod engine;
mod error;
mod host;
mod lazy;
pub mod limits;
pub mod manifest;
mod message;
pub mod network;
mod policy;
pub mod process;
mod scripts;
mod sockets;
mod state;
mod streams;
mod template;
mod wasi;

pub use backend::{Backend, Care, Report};
pub use capabilities::log::{Level, LogLine};
pub use error::{CallError, HostError, LoadError};
pub use host::{Code, Component, Description, Host, HostOptions, Prepared, Setting, SettingKind, Source};
pub use limits::Limits;
pub use manifest::{Manifest, ManifestError, World};
pub use network::Network;
pub use policy::Policy;
pub use state::Refusal;
