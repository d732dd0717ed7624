//! Plugins that attack the host. Which attack is the setting `attack`; without
//! one they behave, so that a test can show that it is the attack that fails.
//!
//! One component for many attacks keeps the tests' build short. The feature
//! `policy` makes it a policy, else it is a backend.

mod attack;
#[cfg(not(feature = "policy"))]
mod backend;
#[cfg(not(feature = "policy"))]
mod crowd;
#[cfg(not(feature = "policy"))]
mod ending;
#[cfg(not(feature = "policy"))]
mod gateway;
#[cfg(feature = "policy")]
mod policy;
