//! The store from outside: what it keeps, what it refuses, what it finds.

mod concurrency;
mod faults;
mod intents;
mod keeping;
mod model;
mod observations;
mod retention;
mod steps;
mod support;
mod tampering;
