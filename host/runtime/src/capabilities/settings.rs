//! What a plugin may know of the host's surroundings.

use crate::bindings::{settings, types};
use crate::capabilities::{deny, in_manifest};
use crate::state::State;

impl settings::Host for State {
    fn environment(&mut self, name: String) -> wasmtime::Result<Result<Option<String>, types::Error>> {
        if !self.shared.grants.environment.contains(&name) {
            let line = format!("`environment = [{name:?}]` under [asks.settings]");
            let asked = format!("the environment variable {name}");
            return Ok(Err(deny(self, "settings", asked, in_manifest(self, &line))));
        }
        Ok(match std::env::var(&name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(types::Error::Invalid(format!("the environment variable {name} is not UTF-8")))
            }
        })
    }

    fn user_id(&mut self) -> wasmtime::Result<u32> {
        Ok(rustix::process::getuid().as_raw())
    }
}
