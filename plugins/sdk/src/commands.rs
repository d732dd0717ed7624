//! Command lines that the manifest fixes; see `wit/commands.wit`.

#[doc(inline)]
pub use crate::bindings::backend::reap::plugin::commands::{Argument, Output, Running, start};

use crate::Error;

/// The value of a placeholder.
pub fn argument(name: &str, value: &str) -> Argument {
    Argument { name: name.to_owned(), value: value.to_owned() }
}

/// Starts the named command and waits for its end.
pub fn run(command: &str, arguments: &[Argument]) -> Result<Output, Error> {
    start(command, arguments)?.finish()
}
