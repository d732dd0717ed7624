//! What a plugin may do: its manifest's asks, completed with the host's
//! surroundings and its settings when it is loaded, so that every later check is
//! a plain comparison.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use reap_core::session::{Fact, Value};
use regex::Regex;

use crate::manifest::{CommandAsk, Lift, Manifest, PlaceholderAsk, RemovalAsk, SignalsAsk, whole_regex};
use crate::template::{Template, expand};

/// What a plugin may do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grants {
    /// Environment variables of the host.
    pub(crate) environment: Vec<String>,
    /// Paths that it may read at and below.
    pub(crate) paths: Vec<PathBuf>,
    /// Processes that it may look at.
    pub(crate) processes: Option<ProcessGrant>,
    /// Command lines by name.
    pub(crate) commands: BTreeMap<String, Command>,
    /// Paths that it may read once its settings are known.
    later: Vec<Template>,
    /// Command lines that end a session, and files to remove with one, by name.
    pub(crate) ending: BTreeMap<String, Command>,
    /// Which of those are files, and the pattern of what such a file must hold. It is
    /// made ready when it is needed: that takes longer than the rest of a start.
    pub(crate) removals: BTreeMap<String, String>,
    /// How it may end processes.
    pub(crate) signals: Option<SignalsAsk>,
    holes: BTreeMap<String, Hole>,
}

/// Which processes a plugin may look at.
#[derive(Debug, Clone)]
pub(crate) struct ProcessGrant {
    pub(crate) executables: Vec<Regex>,
    /// Whether that is all of them, so that no name has to be looked up.
    pub(crate) all: bool,
    /// The user whose processes they are: the host's own.
    pub(crate) uid: u32,
    pub(crate) environment: Vec<String>,
}

/// A command line, taken apart once.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) words: Vec<Template>,
    pub(crate) timeout: std::time::Duration,
    pub(crate) lifts: Option<Lift>,
}

/// What a placeholder may hold.
#[derive(Debug, Clone)]
enum Hole {
    Pattern(Regex),
    Below { paths: Vec<PathBuf>, setting: Option<String> },
}

/// A value that a placeholder may not hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadValue {
    pub(crate) hole: String,
    pub(crate) wanted: String,
}

impl Grants {
    /// Completes a manifest's asks. The error says which text lacks what.
    pub(crate) fn complete(manifest: &Manifest) -> Result<Self, String> {
        let asks = &manifest.asks;
        let paths = |texts: &[String]| texts.iter().map(|text| path(text)).collect::<Result<Vec<_>, _>>();
        let processes = asks.processes.as_ref().map(|ask| {
            let executables =
                ask.executables.iter().map(|glob| glob_regex(glob)).collect::<Result<Vec<_>, _>>();
            executables.map(|executables| ProcessGrant {
                executables,
                all: ask.executables.iter().any(|glob| glob == "*"),
                uid: rustix::process::geteuid().as_raw(),
                environment: ask.environment.clone(),
            })
        });
        let mut holes = BTreeMap::new();
        for (name, ask) in &asks.placeholders {
            holes.insert(name.clone(), hole(ask)?);
        }
        let (now, later): (Vec<String>, Vec<String>) =
            asks.files.iter().flat_map(|ask| &ask.paths).cloned().partition(|text| !has_holes(text));
        let mut ending: BTreeMap<String, Command> =
            asks.ending.commands.iter().map(|(name, ask)| (name.clone(), command(ask))).collect();
        let mut removals = BTreeMap::new();
        for (name, ask) in &asks.ending.removals {
            ending.insert(name.clone(), removal(ask));
            removals.insert(name.clone(), ask.holder.clone());
        }
        Ok(Self {
            environment: asks.settings.environment.clone(),
            paths: paths(&now)?,
            later: later.iter().map(|text| Template::parse(text)).collect(),
            processes: processes.transpose()?,
            commands: asks.commands.iter().map(|(name, ask)| (name.clone(), command(ask))).collect(),
            ending,
            removals,
            signals: asks.ending.signals.clone(),
            holes,
        })
    }

    /// Adds the paths that the operator's settings name.
    pub(crate) fn settle(&mut self, settings: &[Fact]) -> Result<(), String> {
        for template in std::mem::take(&mut self.later) {
            let Some(name) = template.holes().next().map(str::to_owned) else { continue };
            let texts = settings.iter().find(|fact| fact.name == name).map(|fact| &fact.value);
            let Some(Value::Texts(texts)) = texts else {
                return Err(format!("[asks.files] names {{{name}}}, which is no setting of several texts"));
            };
            for text in texts {
                let filled = template.fill(|hole| if hole == name { Ok(text.clone()) } else { Err(hole) });
                let filled = filled
                    .map_err(|hole| format!("[asks.files] has {{{name}}} and {{{hole}}} in one path"))?;
                self.paths.push(path(&filled)?);
            }
        }
        Ok(())
    }

    /// Fills a command line. Every value is checked against what its placeholder
    /// may hold, whoever gave it.
    pub(crate) fn fill<'a>(
        &self,
        command: &Command,
        settings: &[Fact],
        value: impl Fn(&str) -> Option<Cow<'a, str>>,
    ) -> Result<Vec<String>, BadValue> {
        let checked = |name: &str| {
            let bad = |wanted: String| BadValue { hole: name.to_owned(), wanted };
            let value = value(name).ok_or_else(|| bad("a value".to_owned()))?;
            let hole = self.holes.get(name).ok_or_else(|| bad("a declaration in the manifest".to_owned()))?;
            hole.check(&value, settings).map_err(bad)?;
            Ok(value.into_owned())
        };
        command.words.iter().map(|word| word.fill(checked)).collect()
    }
}

impl Hole {
    fn check(&self, value: &str, settings: &[Fact]) -> Result<(), String> {
        match self {
            Self::Pattern(pattern) if pattern.is_match(value) => Ok(()),
            Self::Pattern(pattern) => Err(format!("a value that matches {pattern}")),
            Self::Below { paths, setting } => {
                let chosen = setting.as_deref().is_some_and(|name| setting_holds(settings, name, value));
                if chosen
                    || (plain(Path::new(value))
                        && paths.iter().any(|path| Path::new(value).starts_with(path)))
                {
                    return Ok(());
                }
                let places: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
                let or = setting
                    .as_ref()
                    .map_or(String::new(), |name| format!(", or listed in the setting {name}"));
                Err(format!("a path below {}{or}", places.join(", ")))
            }
        }
    }
}

fn setting_holds(settings: &[Fact], name: &str, wanted: &str) -> bool {
    settings.iter().any(|fact| {
        fact.name == name
            && matches!(&fact.value, Value::Texts(texts) if texts.iter().any(|text| text == wanted))
    })
}

/// Whether a path is absolute and has no `.` or `..` to leave it by, and no NUL.
pub(crate) fn plain(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    path.is_absolute()
        && !text.contains(&0)
        && !text.split(|&byte| byte == b'/').any(|part| part == b"." || part == b"..")
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

fn command(ask: &CommandAsk) -> Command {
    Command {
        words: ask.run.iter().map(|word| Template::parse(word)).collect(),
        timeout: ask.time(),
        lifts: ask.lifts,
    }
}

/// A file to remove, as a command line of one word.
fn removal(ask: &RemovalAsk) -> Command {
    Command { words: vec![Template::parse(&ask.file)], timeout: std::time::Duration::ZERO, lifts: None }
}

fn has_holes(text: &str) -> bool {
    Template::parse(text).holes().next().is_some()
}

fn hole(ask: &PlaceholderAsk) -> Result<Hole, String> {
    match &ask.pattern {
        Some(pattern) => Ok(Hole::Pattern(whole_regex(pattern).map_err(|error| error.to_string())?)),
        None => Ok(Hole::Below {
            paths: ask.paths.iter().map(|text| path(text)).collect::<Result<_, _>>()?,
            setting: ask.setting.clone(),
        }),
    }
}

/// A path of the manifest, completed. The environment may name any place, so
/// what it gives is checked like everything else.
///
/// Links on the way are resolved, as programs do: tmux tells its panes the real
/// path of its socket, and a path that is spelt otherwise would be another
/// instance. The last part stays as it is; a link there is not followed.
fn path(text: &str) -> Result<PathBuf, String> {
    let full = expand(text, surroundings)?;
    let wrong = |why: &str| format!("{text:?} becomes {full:?}, {why}; look at the variables in it");
    let path = std::path::absolute(&full).map_err(|error| wrong(&format!("which is no path: {error}")))?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(wrong("which is no path below the root"));
    };
    let path = resolved(folder).join(name);
    if plain(&path) { Ok(path) } else { Err(wrong("which is no plain path")) }
}

/// The path with the links in it resolved, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), ..) => real,
        (Err(_), Some(folder), Some(name)) => resolved(folder).join(name),
        (Err(_), ..) => path.to_path_buf(),
    }
}

fn surroundings(name: &str) -> Option<String> {
    match name {
        "UID" => Some(rustix::process::getuid().as_raw().to_string()),
        other => std::env::var(other).ok(),
    }
}

pub(crate) fn glob_regex(glob: &str) -> Result<Regex, String> {
    whole_regex(&regex::escape(glob).replace(r"\*", ".*").replace(r"\?", "."))
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(asks: &str) -> Grants {
        let text = format!("name = \"x\"\nversion = \"1\"\nworld = \"backend\"\nsummary = \"s\"\n{asks}");
        Grants::complete(&Manifest::parse(&text, "x.toml").expect("a good manifest")).expect("complete")
    }

    #[test]
    fn values_are_checked_whoever_gave_them() {
        let grants = grants(
            "[asks.commands.c]\nrun = [\"t\", \"-S\", \"{socket}\", \"{id}:\"]\n\
             [asks.placeholders.socket]\npaths = [\"/run/x\"]\nsetting = \"sockets\"\n\
             [asks.placeholders.id]\npattern = '\\$[0-9]+'\n",
        );
        let settings = [Fact { name: "sockets".into(), value: Value::Texts(vec!["/elsewhere/s".into()]) }];
        let fill = |socket: &'static str, id: &'static str| {
            grants.fill(&grants.commands["c"], &settings, |name| {
                Some(Cow::Borrowed(if name == "id" { id } else { socket }))
            })
        };
        assert_eq!(fill("/run/x/a", "$3").expect("good"), ["t", "-S", "/run/x/a", "$3:"]);
        assert_eq!(fill("/elsewhere/s", "$3").expect("good")[2], "/elsewhere/s");
        let bad = [
            ("/run/xy/a", "$3"),
            ("/run/x/../y", "$3"),
            ("/run/x/./y", "$3"),
            ("/elsewhere/s2", "$3"),
            ("run/x/a", "$3"),
            ("/run/x/a\0b", "$3"),
            ("/run/x/a", "$3 ; kill-server"),
            ("/run/x/a", "$3\n"),
            ("/run/x/a", "3"),
        ];
        for (socket, id) in bad {
            assert!(fill(socket, id).is_err(), "{socket:?} {id:?}");
        }
    }

    #[test]
    fn paths_of_a_setting_are_granted_once_it_is_known() {
        let mut grants = grants("[asks.files]\npaths = [\"/run/x\", \"{homes}/s\"]\n");
        assert_eq!(grants.paths, [PathBuf::from("/run/x")]);
        let homes = |value| [Fact { name: "homes".into(), value }];
        assert!(grants.settle(&homes(Value::Text("/a".into()))).is_err(), "it is no list");
        let mut grants = self::grants("[asks.files]\npaths = [\"/run/x\", \"{homes}/s\"]\n");
        grants.settle(&homes(Value::Texts(vec!["/nowhere/a".into(), "/nowhere/b".into()]))).expect("good");
        let paths = ["/run/x", "/nowhere/a/s", "/nowhere/b/s"].map(PathBuf::from);
        assert_eq!(grants.paths, paths);
        let mut grants = self::grants("[asks.files]\npaths = [\"{homes}/s\"]\n");
        assert!(grants.settle(&[]).is_err(), "there is no such setting");
    }

    #[test]
    fn links_on_the_way_are_resolved_and_the_last_part_is_not() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let real = dir.path().canonicalize().expect("it is there").join("real");
        std::fs::create_dir(&real).expect("made");
        std::os::unix::fs::symlink(&real, dir.path().join("link")).expect("linked");
        std::os::unix::fs::symlink("/etc", real.join("last")).expect("linked");
        let at = |name: &str| path(&dir.path().join(name).display().to_string());
        assert_eq!(at("link/not/there"), Ok(real.join("not/there")));
        assert_eq!(at("./link//x"), Ok(real.join("x")));
        assert_eq!(at("link/last"), Ok(real.join("last")));
        assert!(path("/").is_err() && at("../..").is_err());
    }

    #[test]
    fn a_missing_value_is_refused() {
        let grants =
            grants("[asks.commands.c]\nrun = [\"t\", \"{id}\"]\n[asks.placeholders.id]\npattern = '.*'\n");
        assert!(grants.fill(&grants.commands["c"], &[], |_| None).is_err());
    }
}
