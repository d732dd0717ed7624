//! What authors of policies need: finding a policy, loading it apart from the
//! configuration and from all real sessions, and trying it.
//!
//! Nothing here looks at a session, reads the state or writes anything but compiled
//! plugins, so a rule can be tried on any machine.

pub mod cases;
mod policy;
#[cfg(test)]
mod same;
pub mod trial;

pub use policy::{Found, NotTried, find};

use crate::bundled::EXAMPLES;

/// A script that comes with Reap, and its golden cases.
pub fn example(name: &str) -> Option<(&'static str, &'static str)> {
    EXAMPLES.iter().find(|example| example.name == name).map(|example| (example.script, example.cases))
}

/// The names of the scripts that come with Reap.
pub fn examples() -> Vec<&'static str> {
    EXAMPLES.iter().map(|example| example.name).collect()
}
