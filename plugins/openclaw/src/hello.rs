//! What a gateway says of itself when it lets us in.

use reap_plugin::{Error, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The methods that the plugin does without where there are none.
const BRANCHES: [&str; 5] =
    ["sessions.describe", "sessions.patchMany", "tasks.list", "sessions.delete", "sessions.patch"];

/// What is kept of it with the line, and so is a note for the next call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Which start of the gateway this is, where it says so.
    pub boot: Option<String>,
    /// When that was.
    pub started: Option<Timestamp>,
    /// Those of [`BRANCHES`] that it has.
    methods: Vec<String>,
    /// Which scopes were granted.
    pub scopes: Vec<String>,
}

impl Hello {
    /// Reads the answer to a login.
    pub fn read(payload: &str, now: Timestamp) -> Result<Self, Error> {
        let hello: Value = serde_json::from_str(payload)
            .map_err(|error| Error::Failed(format!("its greeting is no JSON: {error}")))?;
        let texts = |pointer: &str| -> Vec<String> {
            let list = hello.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(|one| one.as_str().map(str::to_owned)).collect()
        };
        let text = |pointer: &str| hello.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let uptime = hello.pointer("/snapshot/uptimeMs").and_then(Value::as_u64);
        let mut methods = texts("/features/methods");
        methods.retain(|method| BRANCHES.contains(&method.as_str()));
        Ok(Self {
            boot: text("/server/bootId").filter(|boot| !boot.is_empty()),
            started: uptime.map(|uptime| now.saturating_sub(uptime)),
            methods,
            scopes: texts("/auth/scopes"),
        })
    }

    /// Whether it has this method. Not all that it has are told of, so only those that
    /// are known to be told are asked for.
    pub fn has(&self, method: &str) -> bool {
        self.methods.iter().any(|one| one == method)
    }

    /// As a note.
    pub fn to_note(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|error| Error::Failed(error.to_string()))
    }

    /// From a note.
    pub fn from_note(note: &str) -> Result<Self, Error> {
        serde_json::from_str(note)
            .map_err(|error| Error::Failed(format!("the line's note is not ours: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_is_the_generation() {
        let payload = r#"{"type":"hello-ok","server":{"bootId":"b1"},"snapshot":{"uptimeMs":500},
            "features":{"methods":["sessions.list","sessions.patchMany","x"]},"auth":{"scopes":["operator.read"]}}"#;
        let hello = Hello::read(payload, 2_000).expect("it is right");
        assert_eq!((hello.boot.as_deref(), hello.started), (Some("b1"), Some(1_500)));
        assert!(hello.has("sessions.patchMany") && !hello.has("tasks.list"));
        assert_eq!(Hello::from_note(&hello.to_note().expect("a note")), Ok(hello));
        let old = Hello::read("{}", 2_000).expect("an old one says little");
        assert_eq!((old.boot, old.started, old.scopes.len()), (None, None, 0));
        assert!(Hello::read("[", 0).is_err() && Hello::from_note("x").is_err());
    }
}
