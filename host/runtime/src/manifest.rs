//! `NAME.toml`: what a plugin is, and what it asks for.
//!
//! Everything that a plugin can ever do on this machine stands in this file, so
//! that a person can read it before saying yes. What is not understood in it is
//! an error and never ignored: a misspelt restriction would otherwise be none.

mod check;
mod messages;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reap_core::ids::PluginName;
use reap_core::selector::Selector;
use reap_core::time::Span;
use regex::Regex;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::template::Template;
use check::{
    check_command, check_declared, check_ending_holes, check_leftovers, check_placeholder, check_signals,
};
pub(crate) use messages::ITEM;
pub use messages::{EndingMessageAsk, MessageAsk, WebsocketAsk};

/// Which contract a plugin fulfils.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// It knows a kind of session.
    Backend,
    /// It votes on sessions.
    Policy,
}

impl World {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Policy => "policy",
        }
    }
}

/// What a plugin is and asks for.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Its name.
    pub name: PluginName,
    /// Its version.
    pub version: String,
    /// What it is for, in one sentence.
    pub summary: String,
    /// Which contract it fulfils.
    pub world: World,
    /// A policy's: the only sessions that it wants to be asked about. The
    /// operator's `select` takes its place. What is not asked costs nothing.
    pub select: Option<Selector>,
    /// A policy's: the only extra facts of a session that it is told; nothing for
    /// all. A session has a dozen, and passing them is most of a vote's cost.
    pub facts: Option<Vec<String>>,
    /// What it asks for.
    pub asks: Asks,
    digest: String,
}

/// What a plugin asks for. A capability that it does not name, it does not get.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asks {
    /// Knowing the host's surroundings.
    pub settings: SettingsAsk,
    /// Reading files.
    pub files: Option<FilesAsk>,
    /// Looking at processes.
    pub processes: Option<ProcessesAsk>,
    /// Finding what a program left behind when it ended.
    pub leftovers: Option<LeftoversAsk>,
    /// Running these command lines, by name.
    pub commands: BTreeMap<String, CommandAsk>,
    /// Talking to gateways.
    pub websocket: Option<WebsocketAsk>,
    /// What a placeholder of a command line or a message may hold.
    pub placeholders: BTreeMap<String, PlaceholderAsk>,
    /// Ending sessions.
    pub ending: EndingAsk,
}

/// Which of the host's environment variables a plugin wants to read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsAsk {
    /// Their names.
    pub environment: Vec<String>,
}

/// Which files a plugin wants to read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesAsk {
    /// These paths and what is below them. `{name}` in one stands for each of the
    /// texts of that setting.
    pub paths: Vec<String>,
    /// Whether the plugin has no session to tell of where none of them is there. A
    /// program that looks once does not load then what would vote on its sessions.
    #[serde(default)]
    pub needed: bool,
}

/// Which processes a plugin wants to look at.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessesAsk {
    /// Globs over the file name of the executable or of the first argument.
    pub executables: Vec<String>,
    /// Which of their environment variables it wants to read.
    #[serde(default)]
    pub environment: Vec<String>,
}

/// How the processes are told that a program left behind. The host reads these files
/// itself, and the plugin does not get to see them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftoversAsk {
    /// JSON files that name command lines. The last part of a path may have `*` in it.
    /// `{name}` in one stands for each of the texts of that setting.
    pub files: Vec<String>,
    /// The member of the file that is a table of them: by name, each with `command` and
    /// `args`.
    pub under: String,
}

/// A command line that a plugin wants to run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandAsk {
    /// The program and its arguments.
    pub run: Vec<String>,
    /// How long it may take.
    #[serde(default = "default_timeout", deserialize_with = "span")]
    pub timeout: Span,
    /// Only for ending commands: what the permit must lift for it.
    #[serde(default)]
    pub lifts: Option<Lift>,
}

/// What a permit may lift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lift {
    /// The protection of attached sessions.
    Attached,
}

/// What a placeholder may hold: one of `pattern` and `paths` is needed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlaceholderAsk {
    /// A regular expression that the whole value must match.
    pub pattern: Option<String>,
    /// The value must be below one of these paths.
    pub paths: Vec<String>,
    /// Or be one of the values of this setting (several texts).
    pub setting: Option<String>,
    /// Where it is the whole of a value in a message, it stands there as a number.
    pub number: bool,
}

/// How a plugin wants to end sessions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndingAsk {
    /// The command lines that end a session, by name.
    pub commands: BTreeMap<String, CommandAsk>,
    /// The messages that end a session, by name.
    pub messages: BTreeMap<String, EndingMessageAsk>,
    /// Files to remove with a session, by name. They are run like those.
    pub removals: BTreeMap<String, RemovalAsk>,
    /// Signals to the session's processes.
    pub signals: Option<SignalsAsk>,
}

/// A file that a session leaves behind, such as the lock of one that was killed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovalAsk {
    /// Its path, with placeholders that the permit fills. It must be one that the
    /// plugin may read.
    pub file: String,
    /// A regular expression that the whole of it must match. Its first group is a
    /// pid, and the file stays while a process has that.
    pub holder: String,
}

/// Signals to a session's processes, and how the host can tell that they are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalsAsk {
    /// How the processes that a backend lists prove themselves. What descends
    /// from them, or is of their kernel session, follows.
    pub root: RootProof,
    /// Where the proof is `program`: regular expressions for the first arguments of
    /// such a process, one after the other. One of these lines must match.
    #[serde(default)]
    pub programs: Vec<Vec<String>>,
    /// A glob over the kernel's short name of the instance's server. Needed where
    /// the proof rests on the server.
    #[serde(default)]
    pub server: Option<String>,
    /// Environment variables that prove a process: a regular expression for
    /// each, all of which must match. `{server}` is the pid of the instance's
    /// server, `{fact.NAME}` a fact of the session.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Globs over the kernel's short names of processes that are never taken
    /// for a session's, nor what descends from them: servers that were started
    /// from inside a session and serve others.
    #[serde(default)]
    pub spare: Vec<String>,
}

/// How a listed process proves that it belongs to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootProof {
    /// Its parent is the instance's server.
    ChildOfServer,
    /// Its arguments are those of one of the manifest's `programs`.
    Program,
    /// The backend's word is enough, among the processes that it may look at.
    Listed,
}

impl Asks {
    /// The environment variables that decide where the plugin looks: those named in
    /// its paths and addresses. Two hosts with other values of these see other sessions.
    pub fn variables(&self) -> BTreeSet<&str> {
        let files = self.files.iter().flat_map(|files| &files.paths);
        let placeholders = self.placeholders.values().flat_map(|ask| &ask.paths);
        let leftovers = self.leftovers.iter().flat_map(|ask| &ask.files);
        let addresses = self.websocket.iter().flat_map(|ask| &ask.addresses);
        let texts = files.chain(placeholders).chain(leftovers).chain(addresses);
        let names = texts.flat_map(|path| path.split("${").skip(1)).map(|rest| {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            &rest[..end.unwrap_or(rest.len())]
        });
        names.filter(|name| *name != "UID").collect() // which the host fills in itself
    }
}

/// What is wrong with a manifest.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{origin}: {problem}")]
pub struct ManifestError {
    /// The file.
    pub origin: String,
    /// What is wrong, where, and what is valid.
    pub problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: PluginName,
    version: String,
    world: World,
    summary: String,
    select: Option<String>,
    facts: Option<Vec<String>>,
    #[serde(default)]
    asks: Asks,
}

fn default_timeout() -> Span {
    Span::from_secs(5)
}

fn span<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

/// Placeholders that the host fills itself in an ending command.
pub(crate) const FROM_PERMIT: [&str; 3] = ["instance", "key", "incarnation"];

/// And `{fact.NAME}`: a fact of the session as it was seen just before, several
/// texts with blanks between them.
pub(crate) const FACT: &str = "fact.";

impl Manifest {
    /// Reads a manifest. `origin` names it in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ManifestError> {
        let manifest = Self::parse_bundled(text, origin)?;
        manifest.check().map_err(|problem| ManifestError { origin: origin.to_owned(), problem })?;
        Ok(manifest)
    }

    /// Reads a manifest that is known to be good, as those are that the program brings
    /// along. To try all its patterns takes as long as the rest of a start.
    pub fn parse_bundled(text: &str, origin: &str) -> Result<Self, ManifestError> {
        let wrong = |problem: String| ManifestError { origin: origin.to_owned(), problem };
        let file: File =
            toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        let select = file.select.as_deref().map(Selector::parse_plain).transpose();
        Ok(Self {
            select: select.map_err(|error| wrong(format!("`select` is not right:\n{error}")))?,
            facts: file.facts,
            name: file.name,
            version: file.version,
            summary: file.summary,
            world: file.world,
            asks: file.asks,
            digest: digest(text.as_bytes()),
        })
    }

    /// What stands in the place of a manifest for a policy that is a script, before the
    /// script has said what it is. Its version is the beginning of its digest: which
    /// text it is that runs.
    pub fn of_script(name: PluginName, text: &str) -> Self {
        let digest = digest(text.as_bytes());
        Self {
            name,
            version: digest[..8].to_owned(),
            summary: "a script".to_owned(),
            world: World::Policy,
            select: None,
            facts: None,
            asks: Asks::default(),
            digest,
        }
    }

    /// The SHA-256 of the manifest's text, in hex. An approval is for this.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn check(&self) -> Result<(), String> {
        if self.world == World::Policy && !self.asks.is_empty() {
            return Err("a policy gets no capabilities: it only votes. Remove [asks]".to_owned());
        }
        if self.world == World::Backend && (self.select.is_some() || self.facts.is_some()) {
            return Err(
                "`select` and `facts` are for policies: they say what those are asked about".to_owned()
            );
        }
        for (name, command) in &self.asks.commands {
            let holes = check_command(&format!("[asks.commands.{name}]"), command)?;
            if command.lifts.is_some() {
                return Err(format!("[asks.commands.{name}]: `lifts` is for [asks.ending.commands] only"));
            }
            self.check_holes(&format!("[asks.commands.{name}]"), &holes)?;
        }
        for (name, command) in &self.asks.ending.commands {
            let place = format!("[asks.ending.commands.{name}]");
            let holes = check_command(&place, command)?;
            check_ending_holes(&place, &holes)?;
            self.check_holes(&place, &holes)?;
        }
        for (name, removal) in &self.asks.ending.removals {
            self.check_removal(name, removal)?;
        }
        messages::check(&self.asks)?;
        for (name, placeholder) in &self.asks.placeholders {
            check_placeholder(name, placeholder)?;
        }
        if let Some(signals) = &self.asks.ending.signals {
            check_signals(signals)?;
        }
        if let Some(leftovers) = &self.asks.leftovers {
            check_leftovers(leftovers, self.asks.processes.is_some())?;
        }
        Ok(())
    }

    fn check_removal(&self, name: &str, removal: &RemovalAsk) -> Result<(), String> {
        let place = format!("[asks.ending.removals.{name}]");
        let holes: Vec<String> = Template::parse(&removal.file).holes().map(str::to_owned).collect();
        if self.asks.ending.commands.contains_key(name) {
            return Err(format!("{place}: an ending command has that name; take another"));
        }
        if self.asks.files.is_none() {
            return Err(format!("{place}: add [asks.files]: only what may be read may be removed"));
        }
        check_ending_holes(&place, &holes)?;
        self.check_holes(&place, &holes)?;
        let holder = whole_regex(&removal.holder)
            .map_err(|error| format!("{place}: `holder` is not valid: {error}"))?;
        // The whole match is a group too.
        if holder.captures_len() != 2 {
            return Err(format!("{place}: `holder` must have one group, around the pid"));
        }
        Ok(())
    }

    fn check_holes(&self, place: &str, holes: &[String]) -> Result<(), String> {
        check_declared(&self.asks, place, holes)
    }

    /// The asks in plain words, a sentence each.
    pub fn in_words(&self) -> Vec<String> {
        self.asks.in_words()
    }
}

/// A regular expression that must match the whole text, line ends included.
pub(crate) fn whole_regex(pattern: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build()
}

/// SHA-256 in hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl CommandAsk {
    pub(crate) fn time(&self) -> Duration {
        Duration::from_millis(self.timeout.millis())
    }
}

#[cfg(test)]
mod tests;
