//! What a plugin may do: its manifest's asks, completed with the host's
//! surroundings and its settings when it is loaded, so that every later check is
//! a plain comparison.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use reap_core::session::{Fact, Value};
use regex::Regex;

use super::websocket::grant::{Incomplete, WebsocketGrant};
use crate::manifest::{
    Asks, CommandAsk, Lift, Manifest, PlaceholderAsk, RemovalAsk, SignalsAsk, whole_regex,
};
use crate::network::Network;
use crate::template::{Template, expand};

/// What a plugin may do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grants {
    /// Environment variables of the host.
    pub(crate) environment: Vec<String>,
    /// Paths that it may read at and below.
    pub(crate) paths: Vec<PathBuf>,
    /// Whether there is nothing to look at without any of these paths.
    needs_paths: bool,
    /// Processes that it may look at.
    pub(crate) processes: Option<ProcessGrant>,
    /// Command lines by name.
    pub(crate) commands: BTreeMap<String, Command>,
    /// Paths that it may read once its settings are known.
    later: Vec<Template>,
    /// How what was left behind is told.
    pub(crate) leftovers: Option<LeftoversGrant>,
    /// Command lines that end a session, and files to remove with one, by name.
    pub(crate) ending: BTreeMap<String, Command>,
    /// Which of those are files, and the pattern of what such a file must hold. It is
    /// made ready when it is needed: that takes longer than the rest of a start.
    pub(crate) removals: BTreeMap<String, String>,
    /// How it may end processes.
    pub(crate) signals: Option<SignalsAsk>,
    /// What it may say to gateways, once its settings are known.
    pub(crate) websocket: Option<Arc<WebsocketGrant>>,
    asks: Asks,
    /// Placeholders that stand in a message as numbers.
    numbers: BTreeSet<String>,
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

/// Which files name the command lines of what may be left behind, and where in them.
#[derive(Debug, Clone)]
pub(crate) struct LeftoversGrant {
    pub(crate) files: Vec<PathBuf>,
    later: Vec<Template>,
    pub(crate) under: String,
}

#[cfg(test)]
impl LeftoversGrant {
    pub(crate) fn of(files: Vec<PathBuf>, under: &str) -> Self {
        Self { files, later: Vec::new(), under: under.to_owned() }
    }
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
    Pattern(Pattern),
    Below { paths: Vec<PathBuf>, setting: Option<String> },
}

/// A pattern, made ready when it is needed first: of a command that ends sessions,
/// most runs never ask.
#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    ready: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// One that cannot be made ready matches nothing.
    fn matches(&self, value: &str) -> bool {
        let ready = self.ready.get_or_init(|| whole_regex(&self.text).ok());
        ready.as_ref().is_some_and(|regex| regex.is_match(value))
    }
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
        let processes = asks.processes.as_ref().map(|ask| {
            let all = ask.executables.iter().any(|glob| glob == "*");
            let some = if all { &[][..] } else { &ask.executables };
            let executables = some.iter().map(|glob| glob_regex(glob)).collect::<Result<Vec<_>, _>>();
            executables.map(|executables| ProcessGrant {
                executables,
                all,
                uid: rustix::process::geteuid().as_raw(),
                environment: ask.environment.clone(),
            })
        });
        let mut holes = BTreeMap::new();
        for (name, ask) in &asks.placeholders {
            holes.insert(name.clone(), hole(ask)?);
        }
        let numbers = asks.placeholders.iter().filter(|(_, ask)| ask.number);
        let (paths, later) = now_and_later(asks.files.iter().flat_map(|ask| &ask.paths))?;
        let leftovers = match &asks.leftovers {
            Some(ask) => {
                let (files, later) = now_and_later(ask.files.iter())?;
                Some(LeftoversGrant { files, later, under: ask.under.clone() })
            }
            None => None,
        };
        let mut ending: BTreeMap<String, Command> =
            asks.ending.commands.iter().map(|(name, ask)| (name.clone(), command(ask))).collect();
        let mut removals = BTreeMap::new();
        for (name, ask) in &asks.ending.removals {
            ending.insert(name.clone(), removal(ask));
            removals.insert(name.clone(), ask.holder.clone());
        }
        Ok(Self {
            environment: asks.settings.environment.clone(),
            paths,
            needs_paths: asks.files.as_ref().is_some_and(|ask| ask.needed),
            later,
            leftovers,
            processes: processes.transpose()?,
            commands: asks.commands.iter().map(|(name, ask)| (name.clone(), command(ask))).collect(),
            ending,
            removals,
            signals: asks.ending.signals.clone(),
            websocket: None,
            asks: asks.clone(),
            numbers: numbers.map(|(name, _)| name.clone()).collect(),
            holes,
        })
    }

    /// Whether all that it needs to look at is not there. What cannot be looked at may be.
    pub(crate) fn needed_paths_are_missing(&self) -> bool {
        let missing = |path: &PathBuf| {
            path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        };
        self.needs_paths && !self.paths.is_empty() && self.paths.iter().all(missing)
    }

    /// Adds the paths and the addresses that the operator's settings name.
    pub(crate) fn settle(&mut self, settings: &[Fact], network: &Network) -> Result<(), Incomplete> {
        self.add_paths(settings).map_err(Incomplete::Manifest)?;
        self.websocket = WebsocketGrant::complete(&self.asks, settings, network)?.map(Arc::new);
        Ok(())
    }

    fn add_paths(&mut self, settings: &[Fact]) -> Result<(), String> {
        self.paths.extend(named_by_settings(std::mem::take(&mut self.later), "files", settings)?);
        if let Some(grant) = &mut self.leftovers {
            grant.files.extend(named_by_settings(std::mem::take(&mut grant.later), "leftovers", settings)?);
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
            let missing = || BadValue { hole: name.to_owned(), wanted: "a value".to_owned() };
            let value = value(name).ok_or_else(missing)?;
            self.check(name, &value, settings)?;
            Ok(value.into_owned())
        };
        command.words.iter().map(|word| word.fill(checked)).collect()
    }

    /// Checks a value against what its placeholder may hold.
    pub(crate) fn check(&self, name: &str, value: &str, settings: &[Fact]) -> Result<(), BadValue> {
        let bad = |wanted: String| BadValue { hole: name.to_owned(), wanted };
        let hole = self.holes.get(name).ok_or_else(|| bad("a declaration in the manifest".to_owned()))?;
        hole.check(value, settings).map_err(bad)
    }

    /// Whether a placeholder stands in a message as a number.
    pub(crate) fn is_number(&self, name: &str) -> bool {
        self.numbers.contains(name)
    }
}

impl Hole {
    fn check(&self, value: &str, settings: &[Fact]) -> Result<(), String> {
        match self {
            Self::Pattern(pattern) if pattern.matches(value) => Ok(()),
            Self::Pattern(pattern) => Err(format!("a value that matches ^(?:{})$", pattern.text)),
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
        Some(pattern) => Ok(Hole::Pattern(Pattern { text: pattern.clone(), ready: OnceLock::new() })),
        None => Ok(Hole::Below {
            paths: ask.paths.iter().map(|text| path(text)).collect::<Result<_, _>>()?,
            setting: ask.setting.clone(),
        }),
    }
}

/// The paths of the manifest that can be completed at once, and those that wait for the
/// settings.
fn now_and_later<'a>(
    texts: impl Iterator<Item = &'a String>,
) -> Result<(Vec<PathBuf>, Vec<Template>), String> {
    let (later, now): (Vec<&String>, Vec<&String>) = texts.partition(|text| has_holes(text));
    let now = now.into_iter().map(|text| path(text)).collect::<Result<_, _>>()?;
    Ok((now, later.into_iter().map(|text| Template::parse(text)).collect()))
}

/// The paths that the operator's settings name.
fn named_by_settings(later: Vec<Template>, ask: &str, settings: &[Fact]) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    for template in later {
        let Some(name) = template.holes().next().map(str::to_owned) else { continue };
        let texts = settings.iter().find(|fact| fact.name == name).map(|fact| &fact.value);
        let Some(Value::Texts(texts)) = texts else {
            return Err(format!("[asks.{ask}] names {{{name}}}, which is no setting of several texts"));
        };
        for text in texts {
            let filled = template.fill(|hole| if hole == name { Ok(text.clone()) } else { Err(hole) });
            let filled =
                filled.map_err(|hole| format!("[asks.{ask}] has {{{name}}} and {{{hole}}} in one path"))?;
            paths.push(path(&filled)?);
        }
    }
    Ok(paths)
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

/// What the host fills `${NAME}` with.
pub(crate) fn surroundings(name: &str) -> Option<String> {
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
        assert!(grants.add_paths(&homes(Value::Text("/a".into()))).is_err(), "it is no list");
        let mut grants = self::grants("[asks.files]\npaths = [\"/run/x\", \"{homes}/s\"]\n");
        grants.add_paths(&homes(Value::Texts(vec!["/nowhere/a".into(), "/nowhere/b".into()]))).expect("good");
        let paths = ["/run/x", "/nowhere/a/s", "/nowhere/b/s"].map(PathBuf::from);
        assert_eq!(grants.paths, paths);
        let mut grants = self::grants("[asks.files]\npaths = [\"{homes}/s\"]\n");
        assert!(grants.add_paths(&[]).is_err(), "there is no such setting");
    }

    #[test]
    fn needed_paths_are_missing_where_none_of_them_is_there() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let at = |needed: bool| {
            let place = dir.path().display();
            grants(&format!("[asks.files]\npaths = [\"{place}/a\", \"{place}/b\"]\nneeded = {needed}\n"))
        };
        assert!(at(true).needed_paths_are_missing() && !at(false).needed_paths_are_missing());
        std::os::unix::fs::symlink("nowhere", dir.path().join("b")).expect("made");
        assert!(!at(true).needed_paths_are_missing(), "a link is something, wherever it leads");
        std::fs::write(dir.path().join("a"), "").expect("made");
        assert!(!at(true).needed_paths_are_missing());
        let below_a_file =
            format!("[asks.files]\npaths = [\"{}/a/x\"]\nneeded = true\n", dir.path().display());
        assert!(!grants(&below_a_file).needed_paths_are_missing(), "what cannot be looked at may be there");
        assert!(!grants("").needed_paths_are_missing());
        let unsettled = "[asks.files]\npaths = [\"{homes}/s\"]\nneeded = true\n";
        assert!(!grants(unsettled).needed_paths_are_missing(), "of no paths none is missing");
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
