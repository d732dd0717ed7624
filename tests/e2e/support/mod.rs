//! What the tests stand on: a world of their own for each, real tmux servers in
//! it, and the built program run against them.
//!
//! Nothing here ever looks at the user's own servers. Each [`World`] has its own
//! home, state and socket folder, and every process in it carries a mark by which
//! it is found and ended when the world goes.

#![allow(dead_code, unused_imports, reason = "the tests and the benchmark each use a part of it")]

mod client;
mod daemon;
mod family;
mod front;
mod gate;
mod gateway;
mod guest;
mod http;
mod json;
mod manager;
mod meddler;
mod odd;
mod process;
mod run;
mod schema;
mod skip;
mod snapshot;
mod state;
mod tmux;
mod wait;
mod world;

pub use client::Client;
pub use daemon::{Daemon, quick};
pub use family::Family;
pub use front::Forgetful;
pub use gate::{Gate, Step};
pub use gateway::Gateway;
pub use guest::{HOSTILE_BACKEND, HOSTILE_POLICY};
pub use http::{EventReader, Http, Reply, Told, Wire};
pub use json::Json;
pub use manager::Manager;
pub use meddler::Meddler;
pub use process::Process;
pub use run::{Ran, run};
pub use schema::Document;
pub use skip::skip;
pub use snapshot::Snapshot;
pub use state::{Intent, WriteLock};
pub use tmux::{Server, Session};
pub use wait::{holds, until};
pub use world::World;
