//! Which plugins there are, before any of them is loaded.
//!
//! What is wrong with one of them is data and stops nothing: the others go on,
//! and the error is shown where the plugin would be.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reap_core::clean;
use reap_core::ids::PluginName;
use reap_runtime::{Code as Runs, Component, Manifest, Source, World};

use super::approvals::{Approvals, Standing};
use super::origin::{Origin, shown};
use super::{PluginsError, scripts};
use crate::bundled::{BUNDLED, Bundled, SCRIPT_ENGINE, SCRIPT_ENGINE_DIGEST};
use crate::config::Config;
use crate::files;
use crate::paths::Paths;

/// A plugin that was found.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name, or the file's name where that is no good one. A script always has
    /// one that can vote; where its own cannot be used, one that is made up.
    pub name: String,
    /// Where it came from.
    pub origin: Origin,
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
    Bundled(&'static Bundled),
    File(PathBuf),
    Script(String),
}

impl Found {
    /// All that the host needs of it.
    pub(super) fn source(&self, origin: &Origin) -> Result<Source, String> {
        let bundled = |wasm: &'static [u8], digest: &'static str| Component {
            wasm: Cow::Borrowed(wasm),
            digest: Cow::Borrowed(digest),
        };
        let code = match &self.code {
            Code::Bundled(Bundled { wasm, digest, .. }) => Runs::Component(bundled(wasm, digest)),
            Code::File(path) => {
                let wasm = files::read(path, LARGEST_CODE).map_err(|error| unread(path, &error))?;
                Runs::Component(Component::new(wasm))
            }
            Code::Script(text) => {
                Runs::Script { engine: bundled(SCRIPT_ENGINE, SCRIPT_ENGINE_DIGEST), text: text.clone() }
            }
        };
        Ok(Source { manifest: self.manifest.clone(), code, origin: origin.in_words() })
    }
}

/// The host compiles no larger one.
const LARGEST_CODE: u64 = 64 << 20;

/// A person has to read it.
const LARGEST_MANIFEST: u64 = 1 << 20;

/// Every plugin that was found, the bundled ones first, and those that were
/// approved and are not there any more.
pub fn gather(config: &Config, paths: &Paths) -> Result<Vec<Entry>, PluginsError> {
    let mut entries: Vec<Entry> = BUNDLED.iter().map(from_bundle).collect();
    let approvals = Approvals::load(&paths.state)?;
    for folder in &config.folders {
        entries.extend(plugin_files(folder)?.iter().map(|stem| from_files(stem, &approvals)));
    }
    // Before the scripts: one that has the name of an approved plugin is not that plugin.
    add_gone(&mut entries, &approvals);
    entries.extend(scripts::gather(config, paths)?);
    refuse_doubles(&mut entries);
    check_tables(config, &entries)?;
    check_limits(config, &entries)?;
    Ok(entries)
}

fn from_bundle(bundled: &'static Bundled) -> Entry {
    let origin = Origin::Bundled;
    match Manifest::parse_bundled(bundled.manifest, &origin.in_words()) {
        Ok(manifest) => Entry {
            name: manifest.name.to_string(),
            relied_on: Some(manifest.world),
            found: Ok(Found { manifest, standing: Standing::Bundled, code: Code::Bundled(bundled) }),
            origin,
        },
        Err(error) => {
            Entry { name: origin.to_string(), origin, found: Err(error.to_string()), relied_on: None }
        }
    }
}

/// The files of a folder that look like plugins, without their endings, by name.
fn plugin_files(folder: &Path) -> Result<BTreeSet<PathBuf>, PluginsError> {
    let wrong = |error| PluginsError::Folder { folder: folder.to_owned(), error };
    let mut stems = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let stem = path.with_extension("");
        // `rule.cases.toml` holds the golden cases of a policy and is no manifest.
        let cases = stem.extension().is_some_and(|ending| ending == CASES);
        if !cases && path.extension().is_some_and(|ending| ending == "wasm" || ending == "toml") {
            stems.insert(stem);
        }
    }
    Ok(stems)
}

/// What stands before `.toml` in the name of a file with golden cases.
const CASES: &str = "cases";

fn from_files(stem: &Path, approvals: &Approvals) -> Entry {
    let name = stem.file_name().unwrap_or_default().to_string_lossy();
    let wasm = with_ending(stem, "wasm");
    let relied_on = PluginName::new(&*name).ok().and_then(|name| approvals.world(&name));
    let found = read_manifest(stem, &name).map(|manifest| Found {
        standing: approvals.standing(&manifest),
        manifest,
        code: Code::File(wasm.clone()),
    });
    Entry { name: clean::line(&name), origin: Origin::File(wasm), found, relied_on }
}

/// The name may have dots in it, and all of them stay.
fn with_ending(stem: &Path, ending: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

fn read_manifest(stem: &Path, name: &str) -> Result<Manifest, String> {
    let path = with_ending(stem, "toml");
    let text = files::read_text(&path, LARGEST_MANIFEST).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("its manifest {name}.toml is missing; it belongs beside {name}.wasm")
        }
        _ => unread(&path, &error),
    })?;
    let origin = shown(&path);
    let manifest = Manifest::parse(&text, &origin).map_err(|error| error.to_string())?;
    if manifest.name.as_str() != name {
        return Err(format!(
            "{origin}: it says name = \"{}\"; the file must be named {0}.toml then",
            manifest.name
        ));
    }
    Ok(manifest)
}

pub(super) fn unread(path: &Path, error: &io::Error) -> String {
    format!("{}: cannot be read: {error}", shown(path))
}

/// A second plugin of a name would decide in the first one's place. A script among them
/// is relied on all the same, so it stays as a policy that cannot be used. It does so
/// under a name that nothing else has, or the table and the votes of the first one would
/// pass for its own.
fn refuse_doubles(entries: &mut [Entry]) {
    let mut names: HashSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
    let mut taken: HashMap<String, String> = HashMap::new();
    for entry in entries {
        let Some(first) = taken.get(&entry.name) else {
            taken.insert(entry.name.clone(), entry.origin.in_words());
            continue;
        };
        let why = format!("the name {} is taken by {first}", entry.name);
        if scripts::is_script(&entry.origin) {
            let name = scripts::free_name(&entry.name, &names);
            let (file, out) = (entry.origin.in_words(), scripts::way_out(&name));
            entry.found = Err(format!("{file}: {why}. Rename the file; {out}"));
            names.insert(name.clone());
            entry.name = name;
        } else {
            entry.found = Err(format!("{why}; give one of them another name"));
            entry.relied_on = None;
        }
    }
}

/// An approved plugin whose files went, with a folder that is not mounted or a
/// deployment that is half done, is still relied on: what it would have kept must
/// not end because nobody asks any more.
fn add_gone(entries: &mut Vec<Entry>, approvals: &Approvals) {
    for (name, world) in approvals.all() {
        if entries.iter().any(|entry| entry.name == name.as_str()) {
            continue;
        }
        let off = match world {
            World::Backend => "enabled = false",
            World::Policy => "mode = \"off\"",
        };
        let why = format!(
            "it was approved, and its files are in no plugin folder. Put them back; or to do without it, set {off} \
             in [{}.{name}], or take the approval back: reap plugin approve {name} --revoke",
            table(world)
        );
        let (name, origin) = (name.to_string(), Origin::Nowhere);
        entries.push(Entry { name, origin, found: Err(why), relied_on: Some(world) });
    }
}

/// Each table for a plugin needs that plugin: a misspelt name would leave the
/// one that was meant without its settings.
fn check_tables(config: &Config, entries: &[Entry]) -> Result<(), PluginsError> {
    let tables = config.backends.iter().map(|(name, table)| (World::Backend, name, table.line));
    let tables = tables.chain(config.policies.iter().map(|(name, table)| (World::Policy, name, table.line)));
    for (world, name, line) in tables {
        let named = entries.iter().find(|entry| entry.name == name.as_str());
        if named.is_some_and(|entry| world_of(entry).is_none_or(|known| known == world)) {
            continue;
        }
        let message = match named {
            Some(_) => format!("{name} is no {}; write [{}.{name}]", world.word(), table(other(world))),
            None => format!("there is no {} {name}; there are: {}", world.word(), known(entries, world)),
        };
        return Err(config.error(line, message).into());
    }
    Ok(())
}

/// So does each table of blast limits: the backend that was meant would be left
/// with those of all.
fn check_limits(config: &Config, entries: &[Entry]) -> Result<(), PluginsError> {
    for (name, line) in &config.limit_lines {
        let named = entries.iter().find(|entry| entry.name == name.as_str());
        if named.is_none_or(|entry| world_of(entry).is_some_and(|world| world != World::Backend)) {
            let known = known(entries, World::Backend);
            let message = format!("[limits.{name}]: there is no backend {name}; there are: {known}");
            return Err(config.error(*line, message).into());
        }
    }
    Ok(())
}

fn known(entries: &[Entry], world: World) -> String {
    let known = entries.iter().filter(|entry| world_of(entry) == Some(world));
    known.map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// What it is, where that could be read.
fn world_of(entry: &Entry) -> Option<World> {
    entry.found.as_ref().ok().map(|found| found.manifest.world)
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
            let home = folder.path().join("home");
            fs::create_dir(&home).expect("made");
            let paths = Paths::from_lookup(|name| (name == "HOME").then(|| home.clone().into()));
            let paths = paths.expect("found");
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
        assert_eq!(
            names,
            [
                "tmux",
                "kiro-cli",
                "openclaw",
                "dead-panes",
                "idle-shell",
                "kiro-leaked-mcp",
                "kiro-orphans",
                "kiro-stale-locks",
                "openclaw-orphans"
            ]
        );
        assert!(entries.iter().all(|entry| entry.found.is_ok()), "{entries:?}");
        // At a start they are not looked through.
        for bundled in BUNDLED {
            Manifest::parse(bundled.manifest, "a bundled one").expect("a good manifest");
        }
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
        assert_eq!(entries.len(), BUNDLED.len() + 5);
        assert_eq!(error_of(&entries, "mine"), "");
        assert!(error_of(&entries, "bare").contains("its manifest bare.toml is missing"));
        assert!(error_of(&entries, "wrong").contains("the file must be named mine.toml"));
        assert!(error_of(&entries, "asks").contains("telepathy"));
        assert!(error_of(&entries, "tmux").contains("the name tmux is taken by the bundled one"));
        assert!(entries[0].found.is_ok(), "the first of a name stays");
    }

    #[test]
    fn a_plugin_of_others_begins_unapproved() {
        let place = Place::new(&[("mine.toml", POLICY)]);
        let entries = place.gather("").expect("gathered");
        let mine = entries[BUNDLED.len()].found.as_ref().expect("good");
        assert_eq!(mine.standing, Standing::New);
        assert!(!place.paths.state.exists(), "looking writes nothing");
    }

    #[test]
    fn a_name_with_dots_finds_its_own_files() {
        let place = Place::new(&[("my.rules.toml", POLICY), ("my.rules.wasm", ""), ("my.toml", POLICY)]);
        let entries = place.gather("").expect("gathered");
        assert_eq!(entries.len(), BUNDLED.len() + 2);
        let error = error_of(&entries, "my.rules");
        assert!(error.contains("/my.rules.toml: ") && error.contains("must be named mine.toml"), "{error}");
        let origin = &entries.iter().find(|entry| entry.name == "my.rules").expect("found").origin;
        assert_eq!(*origin, Origin::File(place.folder.path().join("./my.rules.wasm")));
    }

    /// Not even root can read what is no file.
    #[test]
    fn a_manifest_that_cannot_be_read_is_not_called_missing() {
        let place = Place::new(&[("mine.wasm", "")]);
        fs::create_dir(place.folder.path().join("mine.toml")).expect("made");
        let error = error_of(&place.gather("").expect("gathered"), "mine");
        assert!(
            error.ends_with("mine.toml: cannot be read: it is a folder; it must be a regular file"),
            "{error}"
        );
        fs::remove_dir(place.folder.path().join("mine.toml")).expect("ours");
        std::os::unix::fs::symlink("mine.toml", place.folder.path().join("mine.toml")).expect("made");
        let error = error_of(&place.gather("").expect("gathered"), "mine");
        assert!(error.contains("mine.toml: cannot be read: "), "{error}");
    }

    #[test]
    fn an_approved_plugin_that_went_is_still_relied_on() {
        let place = Place::new(&[("mine.toml", POLICY)]);
        let backend = POLICY.replace("mine", "theirs").replace("policy", "backend");
        let mut approvals = Approvals::default();
        for text in [POLICY, &backend] {
            approvals.approve(&Manifest::parse(text, "x").expect("a good manifest"));
        }
        approvals.save(&place.paths).expect("saved");
        fs::remove_file(place.folder.path().join("mine.toml")).expect("ours");

        let tables = "[policies.mine]\nselect = \"title:a\"\n[backends.theirs]\n";
        for entries in [place.gather(tables), gather(&Config::default(), &place.paths)] {
            let entries = entries.expect("the tables are for plugins that are known");
            let gone = entries[BUNDLED.len()..].iter().map(|entry| (entry.name.as_str(), entry.relied_on));
            let gone: Vec<_> = gone.collect();
            assert_eq!(gone, [("mine", Some(World::Policy)), ("theirs", Some(World::Backend))]);
            let error = error_of(&entries, "mine");
            assert!(error.contains("set mode = \"off\" in [policies.mine]"), "{error}");
            assert!(error.contains("reap plugin approve mine --revoke"), "{error}");
            assert!(error_of(&entries, "theirs").contains("set enabled = false in [backends.theirs]"));
        }

        approvals.all().map(|(name, _)| name.clone()).collect::<Vec<_>>().iter().for_each(|name| {
            approvals.revoke(name);
        });
        approvals.save(&place.paths).expect("saved");
        assert_eq!(place.gather("").expect("gathered").len(), BUNDLED.len());
    }

    /// Its author relies on it, and the bundled policy of that name may keep less.
    #[test]
    fn a_script_whose_name_is_taken_cannot_be_used_and_is_missed() {
        let script = "def decide(s):\n    return keep(\"x\")\n";
        let place = Place::new(&[
            ("idle-shell.star", script),
            ("Idle_Shell.star", script),
            ("tmux.star", script),
            ("mine.toml", POLICY),
            ("mine.star", script),
            ("Rule.star", script),
            ("rule.star", script),
            ("rule-script.star", script),
        ]);
        let entries = place.gather("[policies.idle-shell-script]\nmode = \"off\"\n").expect("gathered");
        let names: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names.len(), entries.len(), "each has a name of its own");
        let stand_ins = [
            ("idle-shell-script", "/idle-shell.star: the name idle-shell is taken by the bundled one"),
            ("idle-shell-script-2", "/Idle_Shell.star: the name idle-shell is taken by the bundled one"),
            ("tmux-script", "/tmux.star: the name tmux is taken by the bundled one"),
            ("mine-script", "/mine.wasm"),
            ("rule-script-2", "/Rule.star: the name rule is taken by "),
        ];
        for (name, words) in stand_ins {
            let error = error_of(&entries, name);
            assert!(error.contains(words), "{name}: {error}");
            assert!(error.contains(&format!("set mode = \"off\" in [policies.{name}]")), "{error}");
            let entry = entries.iter().find(|entry| entry.name == name).expect("found");
            assert_eq!(entry.relied_on, Some(World::Policy), "it must not fall silent");
            assert!(PluginName::new(name).is_ok(), "{name}");
        }
        for name in ["idle-shell", "tmux", "mine", "rule", "rule-script"] {
            assert_eq!(error_of(&entries, name), "");
        }
    }

    #[test]
    fn a_script_does_not_stand_in_for_an_approved_plugin_that_went() {
        let place = Place::new(&[("mine.star", "def decide(s):\n    pass\n")]);
        let mut approvals = Approvals::default();
        approvals.approve(&Manifest::parse(POLICY, "x").expect("a good manifest"));
        approvals.save(&place.paths).expect("saved");
        let entries = place.gather("").expect("gathered");
        let both = entries[BUNDLED.len()..].iter().map(|entry| (entry.name.as_str(), entry.relied_on));
        let relied_on = Some(World::Policy);
        assert_eq!(both.collect::<Vec<_>>(), [("mine", relied_on), ("mine-script", relied_on)]);
        assert_eq!(entries[BUNDLED.len()].origin, Origin::Nowhere);
        assert!(error_of(&entries, "mine-script").contains("the name mine is taken by one that is in no"));

        approvals.revoke(&PluginName::new("mine").expect("a good name"));
        approvals.save(&place.paths).expect("saved");
        let entries = place.gather("").expect("gathered");
        assert_eq!((entries.len(), error_of(&entries, "mine")), (BUNDLED.len() + 1, String::new()));
    }

    #[test]
    fn a_table_needs_its_plugin() {
        let place = Place::new(&[]);
        let cases = [
            ("[backends.tmx]\n", "line 3: there is no backend tmx; there are: tmux"),
            ("[policies.idle]\n", "there is no policy idle; there are: dead-panes, idle-shell"),
            ("[backends.idle-shell]\n", "idle-shell is no backend; write [policies.idle-shell]"),
            ("[limits.tmx]\n", "line 3: [limits.tmx]: there is no backend tmx; there are: tmux"),
            ("[limits.idle-shell]\n", "there is no backend idle-shell; there are: tmux"),
        ];
        for (config, message) in cases {
            let error = place.gather(config).expect_err(config).to_string();
            assert!(error.contains(message), "{error}");
        }
        place.gather("[backends.tmux]\n[policies.idle-shell]\n[limits.tmux]\n").expect("all are there");
    }
}
