//! Policies that are scripts: where they lie, and what is known of one before it runs.
//!
//! A script needs no approval. It lies beside `reap.toml`, or in a folder that this file
//! names, and there is no capability that could be granted.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reap_core::ids::PluginName;
use reap_runtime::{Manifest, World};

use super::PluginsError;
use super::approvals::Standing;
use super::catalogue::{Code, Entry, Found, unread};
use super::origin::{Origin, shown};
use crate::config::Config;
use crate::files;
use crate::paths::Paths;

/// The ending of scripts.
const SCRIPT: &str = "star";

/// A person has to read it.
const LARGEST_SCRIPT: u64 = 1 << 20;

/// No plugin's name is longer.
const LONGEST_NAME: usize = 40;

/// The folder of the operator's own scripts: beside `reap.toml`.
fn policy_folder(config: &Config, paths: &Paths) -> PathBuf {
    let beside = config.file.as_deref().and_then(Path::parent);
    beside.unwrap_or(&paths.config).join("policies")
}

/// A folder that cannot be looked at, or a link that leads nowhere, is there: it may
/// hold the rules that keep sessions.
fn is_there(folder: &Path) -> bool {
    !fs::symlink_metadata(folder).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// All scripts: of the folder beside `reap.toml`, and of each folder of plugins.
pub(super) fn gather(config: &Config, paths: &Paths) -> Result<Vec<Entry>, PluginsError> {
    let policies = policy_folder(config, paths);
    let own = (is_there(&policies) && !config.folders.contains(&policies)).then_some(&policies);
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in config.folders.iter().chain(own) {
        files.extend(scripts(folder)?);
    }
    // These come last: a name that is made up must be taken from no script that has it.
    files.sort_by_key(|file| PluginName::new(stem(file)).is_err());
    Ok(files.iter().map(|file| from_script(file)).collect())
}

/// Whether it came from a script of the operator, also where that cannot be read.
pub(super) fn is_script(origin: &Origin) -> bool {
    matches!(origin, Origin::File(file) if file.extension().is_some_and(|ending| ending == SCRIPT))
}

/// A name that is free, for a script whose own is taken.
pub(super) fn free_name(name: &str, taken: &HashSet<String>) -> String {
    let with = |ending: &str| {
        let name: String = name.chars().take(LONGEST_NAME - ending.len()).collect();
        format!("{name}{ending}")
    };
    let (mut free, mut number) = (with("-script"), 2);
    while taken.contains(&free) {
        free = with(&format!("-script-{number}"));
        number += 1;
    }
    free
}

/// What else can be done about a script that has a fault under this name for its own.
pub(super) fn way_out(name: &str) -> String {
    format!("or to do without it, take it out of the folder, or set mode = \"off\" in [policies.{name}]")
}

/// The scripts of a folder, by name. What begins with a dot is some editor's.
fn scripts(folder: &Path) -> Result<BTreeSet<PathBuf>, PluginsError> {
    let wrong = |error| PluginsError::Folder { folder: folder.to_owned(), error };
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|ending| ending == SCRIPT) {
            files.insert(path);
        }
    }
    Ok(files)
}

/// What stands before the ending.
fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A plugin name that comes near to this text: without one it would have no vote. What
/// is a plugin name stays as it is.
fn near(text: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = text.chars().map(fit).collect();
    let whole =
        if name.starts_with(|c: char| c.is_ascii_lowercase()) { name } else { format!("script-{name}") };
    whole.chars().take(LONGEST_NAME).collect()
}

/// A script in this file. It is relied on from the start: it was put here by the
/// operator, so one that cannot be loaded must not fall silent.
pub(crate) fn from_script(file: &Path) -> Entry {
    let own = stem(file);
    let name = near(&own);
    let read = PluginName::new(own)
        .map_err(|error| {
            let (file, out) = (shown(file), way_out(&name));
            format!("{file}: {error}. Rename the file, to {name}.{SCRIPT} for example; {out}")
        })
        .and_then(|name| {
            let text = files::read_text(file, LARGEST_SCRIPT).map_err(|error| unread(file, &error))?;
            let manifest = Manifest::of_script(name, &text);
            Ok(Found { manifest, standing: Standing::Script, code: Code::Script(text) })
        });
    let origin = Origin::File(file.to_owned());
    Entry { name, origin, found: read, relied_on: Some(World::Policy) }
}

/// A script that comes with Reap.
pub(crate) fn example(name: &'static str, text: &str) -> Entry {
    let found = PluginName::new(name).map_err(|error| error.to_string()).map(|name| Found {
        manifest: Manifest::of_script(name, text),
        standing: Standing::Script,
        code: Code::Script(text.to_owned()),
    });
    Entry { name: name.to_owned(), origin: Origin::Bundled, found, relied_on: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_found_beside_the_configuration_and_in_plugin_folders() {
        let home = tempfile::tempdir().expect("a folder");
        let policies = home.path().join("policies");
        fs::create_dir(&policies).expect("made");
        for name in ["mine.star", "mine.cases.toml", "No Name.star", ".#x.star"] {
            fs::write(home.path().join(name), "").expect("written");
        }
        let paths = Paths::from_lookup(|name| (name == "HOME").then(|| home.path().into())).expect("found");
        let config = Config::parse("[plugins]\nfolders = [\".\"]\n", &home.path().join("reap.toml"));
        let config = config.expect("a good configuration");
        fs::write(policies.join("rule.star"), "").expect("written");
        let entries = gather(&config, &paths).expect("gathered");
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["mine", "rule", "no-name"]);
        for entry in &entries {
            assert_eq!(entry.relied_on, Some(World::Policy), "it must not fall silent");
        }
        for entry in &entries[..2] {
            assert_eq!(entry.found.as_ref().expect("good").standing, Standing::Script);
        }
        let error = entries[2].found.as_ref().expect_err("no name");
        for words in ["/No Name.star: ", "lower-case letters", "to no-name.star", "[policies.no-name]"] {
            assert!(error.contains(words), "{error}");
        }
        fs::remove_dir_all(&policies).expect("ours");
        assert_eq!(gather(&config, &paths).expect("gathered").len(), 2);
        std::os::unix::fs::symlink("nowhere", &policies).expect("made");
        let error = gather(&config, &paths).expect_err("it may have held rules").to_string();
        assert!(error.contains("policies"), "{error}");
    }

    #[test]
    fn every_script_gets_a_name_that_can_vote() {
        let long = "a".repeat(LONGEST_NAME);
        let (long, longer) = (long.as_str(), format!("{long}b"));
        let cases = [
            ("mine", "mine"),
            ("a-1", "a-1"),
            (long, long),
            (longer.as_str(), long),
            ("keep_ci", "keep-ci"),
            ("Keep", "keep"),
            ("my.rules", "my-rules"),
            ("2nd", "script-2nd"),
            ("_x", "script--x"),
            ("\u{e9}t\u{e9}", "script--t-"),
            ("", "script-"),
        ];
        for (text, name) in cases {
            assert_eq!(near(text), name);
            assert!(PluginName::new(name).is_ok(), "{name}");
        }
        let mut taken = HashSet::new();
        for free in ["mine-script", "mine-script-2", "mine-script-3"] {
            assert_eq!(free_name("mine", &taken), free);
            taken.insert(free.to_owned());
        }
        assert_eq!(free_name(long, &taken), format!("{}-script", "a".repeat(33)));
    }
}
