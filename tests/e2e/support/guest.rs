//! Plugins of somebody else: those of `tests/hostile`. As long as it is not told
//! to attack, the policy votes orphan on everything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::world::World;

/// Its name.
pub const HOSTILE_POLICY: &str = "hostile-policy";

/// The name of the backend of the same package.
pub const HOSTILE_BACKEND: &str = "hostile";

impl World {
    /// Puts the policy into the folder `plugins` and approves it. The folder
    /// must be in the configuration.
    #[track_caller]
    pub fn add_hostile_policy(&self) {
        self.bring_hostile_policy();
        self.approve_hostile_policy();
    }

    /// Puts the backend into the folder `plugins` and approves it.
    #[track_caller]
    pub fn add_hostile_backend(&self) {
        self.write("config/reap/plugins/hostile.toml", include_str!("../../hostile/hostile.toml"));
        self.write("config/reap/plugins/hostile.wasm", hostile_backend());
        self.reap(&["plugin", "approve", HOSTILE_BACKEND, "--yes"]).exits(0);
    }

    /// Approves the policy that was brought.
    #[track_caller]
    pub fn approve_hostile_policy(&self) {
        self.reap(&["plugin", "approve", HOSTILE_POLICY, "--yes"]).exits(0);
    }

    /// Puts the policy into the folder `plugins`, not approved.
    #[track_caller]
    pub fn bring_hostile_policy(&self) {
        self.write("config/reap/plugins/hostile-policy.toml", hostile_manifest());
        self.write("config/reap/plugins/hostile-policy.wasm", hostile_policy());
    }
}

/// Its manifest.
pub fn hostile_manifest() -> &'static str {
    include_str!("../../hostile/hostile-policy.toml")
}

/// Its code, built once for all tests.
#[track_caller]
pub fn hostile_policy() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| build(&["--features", "policy"], "policy"))
}

#[track_caller]
fn hostile_backend() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| build(&[], "backend"))
}

/// The same package with other features gives a file of the same name, so each
/// has a folder of its own.
fn build(features: &[&str], folder: &str) -> Vec<u8> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests").join(folder);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace).args([
        "build",
        "--locked",
        "--profile",
        "guest",
        "--target",
        "wasm32-wasip2",
    ]);
    cargo.args(["-p", "reap-hostile", "--target-dir"]).arg(&target).args(features);
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
        cargo.env_remove(variable);
    }
    let built = cargo.output().expect("cargo can be started");
    assert!(built.status.success(), "the guest did not compile\n{}", String::from_utf8_lossy(&built.stderr));
    let wasm: PathBuf = target.join("wasm32-wasip2/guest/reap_hostile.wasm");
    fs::read(wasm).expect("it was just built")
}
