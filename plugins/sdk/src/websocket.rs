//! Talking to gateways over websockets; see `wit/websocket.wit`.

#[doc(inline)]
pub use crate::bindings::backend::reap::plugin::commands::Argument;
#[doc(inline)]
pub use crate::bindings::backend::reap::plugin::websocket::{
    Closing, Connection, Event, Grant, Reply, Request, granted, open, wait,
};
#[doc(inline)]
pub use crate::commands::argument;

/// A question by its method and its parameters, one JSON object.
pub fn request(method: &str, params: impl Into<String>) -> Request {
    Request { method: method.to_owned(), params: params.into() }
}
