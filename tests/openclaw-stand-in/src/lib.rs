//! Stands in for an OpenClaw gateway, which takes Node, a gigabyte of memory and a
//! quarter of a minute to start.
//!
//! [`StandIn`] speaks the gateway's protocol on a port of the loopback and keeps the
//! sessions, tasks and jobs that it would keep. The cases of `tests/openclaw` run
//! against it and against a real one alike, so that it cannot drift; how it
//! misbehaves beyond what a real one does on demand stands in [`Trap`].
//!
//! [`Client`] speaks to either of them, for the tests that have to make sessions
//! before Reap can look at them.

mod auth;
mod client;
mod failure;
mod json;
mod methods;
mod server;
mod state;
mod trap;

pub use client::{Client, Login, Refused};
pub use server::StandIn;
pub use trap::Trap;
