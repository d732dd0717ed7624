//! Which plugins of others the operator has approved.
//!
//! An approval is for a name and the digest of its manifest, so a plugin that
//! asks for more than it did is not approved any more. The code behind the
//! manifest may change: it keeps exactly these grants.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use reap_core::ids::PluginName;
use reap_runtime::{Manifest, World};
use serde::{Deserialize, Serialize};

use crate::files;
use crate::paths::Paths;

/// The approvals of this user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    #[serde(default)]
    plugins: BTreeMap<PluginName, Approval>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Approval {
    /// What the plugin was: one that voted keeps sessions alive, and must not
    /// fall silent without a word.
    world: Role,
    /// The SHA-256 of the manifest, in hex.
    manifest: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Backend,
    Policy,
}

impl From<Role> for World {
    fn from(role: Role) -> Self {
        match role {
            Role::Backend => Self::Backend,
            Role::Policy => Self::Policy,
        }
    }
}

/// Where a plugin stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It came with Reap.
    Bundled,
    /// It is a script. It lies where only the operator writes, can do nothing but vote,
    /// and needs no approval.
    Script,
    /// The operator approved exactly this manifest.
    Approved,
    /// The operator approved another manifest of that name.
    Changed,
    /// The operator never approved it.
    New,
}

/// The record of approvals could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalsError {
    /// It could not be read or written.
    #[error("{}, the record of approved plugins, cannot be {done}: {error}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What was tried.
        done: &'static str,
        /// Why it failed.
        error: io::Error,
    },
    /// It does not hold what Reap wrote.
    #[error(
        "{}, the record of approved plugins, is damaged: {why}. \
         Remove it and approve your plugins again with `reap plugin approve NAME`",
        file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Thousands of approvals need less.
const LARGEST: u64 = 1 << 20;

const HEAD: &str = "# Written by `reap plugin approve`. Each digest is that of a manifest.\n\n";

impl Approvals {
    /// The record in this state folder. None is an empty one.
    pub fn load(state: &Path) -> Result<Self, ApprovalsError> {
        let file = file(state);
        let text = match files::read_text(&file, LARGEST) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(ApprovalsError::Io { file, done: "read", error }),
        };
        toml::from_str(&text).map_err(|error| ApprovalsError::Damaged { file, why: error.to_string() })
    }

    /// Keeps the record in the state folder.
    pub fn save(&self, paths: &Paths) -> Result<(), ApprovalsError> {
        let file = file(&paths.state);
        let text = toml::to_string(self)
            .map_err(|error| ApprovalsError::Damaged { file: file.clone(), why: error.to_string() })?;
        paths
            .create(&paths.state)
            .and_then(|()| files::replace(&file, format!("{HEAD}{text}").as_bytes()))
            .map_err(|error| ApprovalsError::Io { file, done: "written", error })
    }

    /// Approves this manifest, in the place of an earlier one of that name.
    pub fn approve(&mut self, manifest: &Manifest) {
        let world = match manifest.world {
            World::Backend => Role::Backend,
            World::Policy => Role::Policy,
        };
        self.plugins
            .insert(manifest.name.clone(), Approval { world, manifest: manifest.digest().to_owned() });
    }

    /// Takes an approval back. Says whether there was one.
    pub fn revoke(&mut self, name: &PluginName) -> bool {
        self.plugins.remove(name).is_some()
    }

    /// The name of every plugin that was approved, and what it was.
    pub fn all(&self) -> impl Iterator<Item = (&PluginName, World)> {
        self.plugins.iter().map(|(name, approval)| (name, approval.world.into()))
    }

    /// Where a plugin with this manifest stands.
    pub fn standing(&self, manifest: &Manifest) -> Standing {
        match self.plugins.get(&manifest.name) {
            Some(approval) if approval.manifest == manifest.digest() => Standing::Approved,
            Some(_) => Standing::Changed,
            None => Standing::New,
        }
    }

    /// What the plugin of that name was when it was approved.
    pub fn world(&self, name: &PluginName) -> Option<World> {
        self.plugins.get(name).map(|approval| approval.world.into())
    }
}

fn file(state: &Path) -> PathBuf {
    state.join("approved.toml")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn manifest(summary: &str) -> Manifest {
        let text = format!("name = \"x\"\nversion = \"1\"\nworld = \"policy\"\nsummary = \"{summary}\"\n");
        Manifest::parse(&text, "x.toml").expect("a good manifest")
    }

    #[test]
    fn an_approval_is_for_one_manifest() {
        let home = tempfile::tempdir().expect("a folder");
        let paths = Paths::from_lookup(|name| (name == "HOME").then(|| home.path().into())).expect("found");
        let mut approvals = Approvals::load(&paths.state).expect("none yet");
        assert_eq!(approvals.standing(&manifest("a")), Standing::New);
        approvals.approve(&manifest("a"));
        approvals.save(&paths).expect("saved");
        let mut again = Approvals::load(&paths.state).expect("loaded");
        assert_eq!(again, approvals);
        assert_eq!(again.standing(&manifest("a")), Standing::Approved);
        assert_eq!(again.standing(&manifest("b")), Standing::Changed);
        let name = manifest("b").name;
        assert_eq!(again.world(&name), Some(World::Policy));
        assert!(again.revoke(&name) && !again.revoke(&name));
        assert_eq!(again.standing(&manifest("a")), Standing::New);
    }

    #[test]
    fn a_damaged_record_is_not_an_empty_one() {
        let state = tempfile::tempdir().expect("a folder");
        fs::write(state.path().join("approved.toml"), "[plugins.x]\nworld = \"police\"\n").expect("written");
        let error = Approvals::load(state.path()).expect_err("damaged").to_string();
        assert!(error.contains("is damaged") && error.contains("reap plugin approve"), "{error}");
    }
}
