//! What authors of Reap's plugins build on.
//!
//! A plugin is a WebAssembly component: a *backend* knows one kind of session, a
//! *policy* votes on sessions. Implement [`Backend`] or [`Policy`] for a type and
//! name it once:
//!
//! ```
//! use reap_plugin::{Description, Error, Policy, Settings, Subject, Timestamp, Vote};
//!
//! /// Votes for sessions whose parent is gone.
//! struct Forsaken;
//!
//! impl Policy for Forsaken {
//!     fn describe() -> Description {
//!         Description {
//!             name: "forsaken".to_owned(),
//!             version: "1.0.0".to_owned(),
//!             summary: "Votes for sessions whose parent is gone.".to_owned(),
//!             settings: Vec::new(),
//!         }
//!     }
//!
//!     fn configure(_settings: &Settings) -> Result<Self, Error> {
//!         Ok(Self)
//!     }
//!
//!     fn vote(&self, _now: Timestamp, subject: &Subject) -> Vote {
//!         match subject.parent {
//!             reap_plugin::ParentState::Gone => Vote::Orphan("its parent is gone".to_owned()),
//!             _ => Vote::Abstain,
//!         }
//!     }
//! }
//!
//! reap_plugin::export_policy!(Forsaken);
//! ```
//!
//! Build it with `cargo build --target wasm32-wasip2`, `crate-type = ["cdylib"]`.
//!
//! What the words mean stands in `wit/`. This crate adds no words of its own; it
//! keeps the configured plugin between the calls of one instance and makes the
//! types handy. Natively (for tests of a plugin's logic) everything compiles, but
//! the host's functions are not there: a call of one panics.

// The generated code names this crate by its outside name, here as in plugins.
extern crate self as reap_plugin;

mod backend;
#[doc(hidden)]
pub mod bindings;
pub mod commands;
mod error;
mod facts;
mod held;
mod policy;
pub mod sample;
pub mod settings;
mod span;
pub mod websocket;

pub use backend::Backend;
pub use facts::fact;
pub use policy::Policy;
pub use settings::Settings;
pub use span::in_words as span_in_words;

#[doc(hidden)]
pub use backend::BackendExport;
#[doc(hidden)]
pub use held::Held;
#[doc(hidden)]
pub use policy::PolicyExport;

#[doc(inline)]
pub use bindings::backend::exports::reap::plugin::backend::{Extent, Listing, Outcome, Tombstone, Verdict};
#[doc(inline)]
pub use bindings::backend::reap::plugin::{ending, files, leftovers, liveness, processes};
#[doc(inline)]
pub use bindings::policy::exports::reap::plugin::policy::{Mark, ParentState, Subject, Vote};
#[doc(inline)]
pub use bindings::policy::reap::plugin::log;
#[doc(inline)]
pub use bindings::policy::reap::plugin::types::{
    Activity, Address, Denial, Description, Duration, Error, Fact, Kind, Process, Session, Setting,
    SettingKind, Timestamp, Value,
};
#[doc(inline)]
pub use ending::{Permit, Survivor};
