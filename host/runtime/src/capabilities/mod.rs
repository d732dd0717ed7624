//! What plugins may ask the host to do, one capability a file.
//!
//! Every interface is linked for every backend; what a plugin was not granted
//! answers with a typed error that names the line to add. The check stands in
//! one place each: at the top of the host function, against [`grants`].

pub(crate) mod commands;
pub(crate) mod ending;
pub(crate) mod evidence;
pub(crate) mod files;
pub(crate) mod grants;
pub(crate) mod leftovers;
pub(crate) mod liveness;
pub(crate) mod log;
pub(crate) mod processes;
pub(crate) mod removal;
pub(crate) mod script;
pub(crate) mod settings;
pub(crate) mod terminate;
pub(crate) mod websocket;

use crate::bindings::types;
use crate::state::State;

/// Functions that only name types have nothing to do.
impl types::Host for State {}

/// Counts a refusal, keeps it for the journal, and words it.
pub(crate) fn deny(state: &State, capability: &'static str, asked: String, mend: String) -> types::Error {
    state.shared.counters.denials.one();
    state.shared.refused(capability, &asked);
    types::Error::Denied(types::Denial { capability: capability.to_owned(), asked, mend })
}

/// Where a line has to be added that would allow something.
pub(crate) fn in_manifest(state: &State, line: &str) -> String {
    format!("{line} in {}.toml, then `reap plugin approve {0}`", state.shared.name)
}
