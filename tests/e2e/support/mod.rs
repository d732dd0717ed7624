//! What the tests stand on: a world of their own for each, real tmux servers in
//! it, and the built program run against them.
//!
//! Nothing here ever looks at the user's own servers. Each [`World`] has its own
//! home, state and socket folder, and every process in it carries a mark by which
//! it is found and ended when the world goes.

#![allow(dead_code, unused_imports, reason = "the tests and the benchmark each use a part of it")]

mod client;
mod family;
mod guest;
mod json;
mod process;
mod run;
mod skip;
mod snapshot;
mod tmux;
mod wait;
mod world;

pub use client::Client;
pub use family::Family;
pub use guest::{HOSTILE_BACKEND, HOSTILE_POLICY};
pub use json::Json;
pub use process::Process;
pub use run::{Ran, run};
pub use skip::skip;
pub use snapshot::Snapshot;
pub use tmux::{Server, Session};
pub use wait::{holds, until};
pub use world::World;
