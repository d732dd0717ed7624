//! What one pass after the other does to what is remembered, rule by rule.

mod desk;
mod locks;
mod records;
mod sweeps;
