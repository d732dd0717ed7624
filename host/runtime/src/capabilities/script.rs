//! The script that an engine of scripts runs.

use crate::bindings::script;
use crate::state::State;

impl script::Host for State {
    fn given(&mut self) -> wasmtime::Result<script::Source> {
        // It is linked for scripts alone.
        let script = self.shared.script.as_ref().ok_or_else(|| wasmtime::Error::msg("there is no script"))?;
        Ok(script::Source {
            name: self.shared.name.to_string(),
            file: script.file.clone(),
            text: script.text.clone(),
        })
    }
}
