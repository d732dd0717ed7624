//! The plugins that come with Reap, built by `build.rs` and granted by that
//! build: who trusts this program trusts them.

use std::fmt;

/// One bundled plugin.
pub(crate) struct Bundled {
    /// Its manifest, as it lies beside its source.
    pub manifest: &'static str,
    /// The component.
    pub wasm: &'static [u8],
    /// Its SHA-256, in hexadecimal.
    pub digest: &'static str,
}

/// All of them.
pub(crate) static BUNDLED: &[Bundled] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

impl fmt::Debug for Bundled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundled").field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// The component that runs policies written as scripts.
pub(crate) static SCRIPT_ENGINE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/engine.wasm"));

/// Its SHA-256, in hexadecimal.
pub(crate) static SCRIPT_ENGINE_DIGEST: &str = include_str!(concat!(env!("OUT_DIR"), "/engine.sha256"));

/// A script that comes with Reap, to be read and to be copied. What runs without being
/// asked for are the components: `reap ls` starts too often to load the engine of
/// scripts each time.
pub(crate) struct Example {
    /// The policy's name; the component of that name votes the same.
    pub name: &'static str,
    /// The script.
    pub script: &'static str,
    /// Its golden cases.
    pub cases: &'static str,
}

macro_rules! example {
    ($name:literal) => {
        Example {
            name: $name,
            script: include_str!(concat!("../../../policies/", $name, ".star")),
            cases: include_str!(concat!("../../../policies/", $name, ".cases.toml")),
        }
    };
}

/// All of them.
pub(crate) static EXAMPLES: [Example; 4] =
    [example!("dead-panes"), example!("idle-shell"), example!("kiro-orphans"), example!("kiro-stale-locks")];
