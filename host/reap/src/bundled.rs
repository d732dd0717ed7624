//! The plugins that come with Reap, built by `build.rs` and granted by that
//! build: who trusts this program trusts them.

/// One bundled plugin.
pub(crate) struct Bundled {
    /// Its manifest, as it lies beside its source.
    pub manifest: &'static str,
    /// The component.
    pub wasm: &'static [u8],
}

/// All of them.
pub(crate) static BUNDLED: &[Bundled] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// The component that runs policies written as scripts.
pub(crate) static SCRIPT_ENGINE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/engine.wasm"));
