//! Lines and their pool against gateways that behave, and that do not.

mod gateway;
mod lines;
mod pools;
mod tls;
