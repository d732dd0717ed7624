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
