//! Which plugins there are, before any of them is loaded.
//!
//! What is wrong with one of them is data and stops nothing: the others go on,
//! and the error is shown where the plugin would be.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use reap_core::clean;
use reap_core::ids::PluginName;
use reap_runtime::{Manifest, World};

use super::PluginsError;
use super::approvals::{Approvals, Standing};
use crate::bundled::BUNDLED;
use crate::config::Config;
use crate::paths::Paths;

/// A plugin that was found.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name, or the file's name where that is no good one.
    pub name: String,
    /// Where it came from: "bundled", or a path.
    pub origin: String,
    /// What it is, or why that is not known.
    pub found: Result<Found, String>,
    /// What it was when the operator approved it, if ever.
    pub(crate) relied_on: Option<World>,
}

/// A plugin whose manifest was read.
#[derive(Debug, Clone)]
pub struct Found {
    /// What it is and asks for.
    pub manifest: Manifest,
    /// Whether it may run.
    pub standing: Standing,
    pub(super) code: Code,
}

#[derive(Debug, Clone)]
pub(super) enum Code {
    Bundled(&'static [u8]),
    File(PathBuf),
}

impl Code {
    pub(super) fn read(&self) -> Result<Cow<'static, [u8]>, String> {
        match self {
            Self::Bundled(wasm) => Ok(Cow::Borrowed(wasm)),
            Self::File(path) => read_regular(path).map(Cow::Owned),
        }
    }
}

/// Every plugin that was found, the bundled ones first.
pub fn gather(config: &Config, paths: &Paths) -> Result<Vec<Entry>, PluginsError> {
    let mut entries: Vec<Entry> =
        BUNDLED.iter().map(|bundled| from_bundle(bundled.manifest, bundled.wasm)).collect();
    let files = config.folders.iter().map(|folder| plugin_files(folder)).collect::<Result<Vec<_>, _>>()?;
    if files.iter().any(|files| !files.is_empty()) {
        let approvals = Approvals::load(&paths.state)?;
        entries.extend(files.into_iter().flatten().map(|stem| from_files(&stem, &approvals)));
    }
    refuse_doubles(&mut entries);
    check_tables(config, &entries)?;
    Ok(entries)
}

fn from_bundle(manifest: &'static str, wasm: &'static [u8]) -> Entry {
    let origin = "bundled".to_owned();
    match Manifest::parse(manifest, &origin) {
        Ok(manifest) => Entry {
            name: manifest.name.to_string(),
            relied_on: Some(manifest.world),
            found: Ok(Found { manifest, standing: Standing::Bundled, code: Code::Bundled(wasm) }),
            origin,
        },
        Err(error) => Entry { name: origin.clone(), origin, found: Err(error.to_string()), relied_on: None },
    }
}

/// The files of a folder that look like plugins, without their endings, by name.
fn plugin_files(folder: &Path) -> Result<BTreeSet<PathBuf>, PluginsError> {
    let wrong = |error| PluginsError::Folder { folder: folder.to_owned(), error };
    let mut stems = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_some_and(|ending| ending == "wasm" || ending == "toml") {
            stems.insert(path.with_extension(""));
        }
    }
    Ok(stems)
}

fn from_files(stem: &Path, approvals: &Approvals) -> Entry {
    let name = stem.file_name().unwrap_or_default().to_string_lossy();
    let wasm = stem.with_extension("wasm");
    let relied_on = PluginName::new(&*name).ok().and_then(|name| approvals.world(&name));
    let found = read_manifest(stem, &name).map(|manifest| Found {
        standing: approvals.standing(&manifest),
        manifest,
        code: Code::File(wasm.clone()),
    });
    Entry { name: clean::line(&name), origin: clean::line(&wasm.to_string_lossy()), found, relied_on }
}

fn read_manifest(stem: &Path, name: &str) -> Result<Manifest, String> {
    let path = stem.with_extension("toml");
    if !path.exists() {
        return Err(format!("its manifest {name}.toml is missing; it belongs beside {name}.wasm"));
    }
    let origin = clean::line(&path.to_string_lossy());
    let text =
        String::from_utf8(read_regular(&path)?).map_err(|_| format!("{origin}: this is no UTF-8 text"))?;
    let manifest = Manifest::parse(&text, &origin).map_err(|error| error.to_string())?;
    if manifest.name.as_str() != name {
        return Err(format!(
            "{origin}: it says name = \"{}\"; the file must be named {0}.toml then",
            manifest.name
        ));
    }
    Ok(manifest)
}

/// Reading a pipe or a device would wait for ever.
fn read_regular(path: &Path) -> Result<Vec<u8>, String> {
    let shown = || clean::line(&path.to_string_lossy());
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(format!("{}: this is no regular file", shown())),
        Ok(_) => fs::read(path).map_err(|error| format!("{}: cannot be read: {error}", shown())),
        Err(error) => Err(format!("{}: cannot be read: {error}", shown())),
    }
}

/// A second plugin of a name would decide in the first one's place.
fn refuse_doubles(entries: &mut [Entry]) {
    let mut taken: HashMap<String, String> = HashMap::new();
    for entry in entries {
        if let Some(first) = taken.get(&entry.name) {
            entry.found =
                Err(format!("the name {} is taken by {first}; give one of them another name", entry.name));
            entry.relied_on = None;
        } else {
            taken.insert(entry.name.clone(), entry.origin.clone());
        }
    }
}

/// Each table for a plugin needs that plugin: a misspelt name would leave the
/// one that was meant without its settings.
fn check_tables(config: &Config, entries: &[Entry]) -> Result<(), PluginsError> {
    let tables = config.backends.iter().map(|(name, table)| (World::Backend, name, table.line));
    let tables = tables.chain(config.policies.iter().map(|(name, table)| (World::Policy, name, table.line)));
    for (world, name, line) in tables {
        let world_of = |entry: &Entry| entry.found.as_ref().ok().map(|found| found.manifest.world);
        let named = entries.iter().find(|entry| entry.name == name.as_str());
        if named.is_some_and(|entry| world_of(entry).is_none_or(|known| known == world)) {
            continue;
        }
        let message = match named {
            Some(_) => format!("{name} is no {}; write [{}.{name}]", world.word(), table(other(world))),
            None => {
                let known: Vec<&str> = entries
                    .iter()
                    .filter(|entry| world_of(entry) == Some(world))
                    .map(|entry| entry.name.as_str())
                    .collect();
                format!("there is no {} {name}; there are: {}", world.word(), known.join(", "))
            }
        };
        return Err(config.error(line, message).into());
    }
    Ok(())
}

fn other(world: World) -> World {
    match world {
        World::Backend => World::Policy,
        World::Policy => World::Backend,
    }
}

/// The word for tables of such plugins in `reap.toml`.
pub(super) fn table(world: World) -> &'static str {
    match world {
        World::Backend => "backends",
        World::Policy => "policies",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "name = \"mine\"\nversion = \"1\"\nworld = \"policy\"\nsummary = \"s\"\n";

    struct Place {
        folder: tempfile::TempDir,
        paths: Paths,
    }

    impl Place {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            for (name, text) in files {
                fs::write(folder.path().join(name), text).expect("written");
            }
            let state = folder.path().join("state");
            let paths = Paths { config: state.clone(), cache: state.clone(), runtime: state.clone(), state };
            Self { folder, paths }
        }

        fn gather(&self, config: &str) -> Result<Vec<Entry>, PluginsError> {
            let text = format!("[plugins]\nfolders = [\".\"]\n{config}");
            let config =
                Config::parse(&text, &self.folder.path().join("reap.toml")).expect("a good configuration");
            gather(&config, &self.paths)
        }
    }

    fn error_of(entries: &[Entry], name: &str) -> String {
        let entry = entries.iter().rfind(|entry| entry.name == name).expect("found");
        entry.found.as_ref().err().cloned().unwrap_or_default()
    }

    #[test]
    fn the_bundled_plugins_are_whole() {
        let entries = Place::new(&[]).gather("").expect("gathered");
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["tmux", "dead-panes", "idle-shell"]);
        assert!(entries.iter().all(|entry| entry.found.is_ok()), "{entries:?}");
    }

    #[test]
    fn a_bad_plugin_stops_no_other() {
        let place = Place::new(&[
            ("mine.toml", POLICY),
            ("bare.wasm", ""),
            ("wrong.toml", POLICY),
            ("asks.toml", "name = \"asks\"\n[asks.telepathy]\n"),
            ("tmux.toml", &POLICY.replace("mine", "tmux")),
            ("README.md", "not a plugin"),
        ]);
        let entries = place.gather("").expect("gathered");
        assert_eq!(entries.len(), 3 + 5);
        assert_eq!(error_of(&entries, "mine"), "");
        assert!(error_of(&entries, "bare").contains("its manifest bare.toml is missing"));
        assert!(error_of(&entries, "wrong").contains("the file must be named mine.toml"));
        assert!(error_of(&entries, "asks").contains("telepathy"));
        assert!(error_of(&entries, "tmux").contains("the name tmux is taken by bundled"));
        assert!(entries[0].found.is_ok(), "the first of a name stays");
    }

    #[test]
    fn a_plugin_of_others_begins_unapproved() {
        let place = Place::new(&[("mine.toml", POLICY)]);
        let entries = place.gather("").expect("gathered");
        let mine = entries[3].found.as_ref().expect("good");
        assert_eq!(mine.standing, Standing::New);
        assert!(!place.paths.state.exists(), "looking writes nothing");
    }

    #[test]
    fn a_table_needs_its_plugin() {
        let place = Place::new(&[]);
        let cases = [
            ("[backends.tmx]\n", "line 3: there is no backend tmx; there are: tmux"),
            ("[policies.idle]\n", "there is no policy idle; there are: dead-panes, idle-shell"),
            ("[backends.idle-shell]\n", "idle-shell is no backend; write [policies.idle-shell]"),
        ];
        for (config, message) in cases {
            let error = place.gather(config).expect_err(config).to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
