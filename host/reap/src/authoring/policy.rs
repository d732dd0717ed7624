//! The policy that an author means, and loading it by itself.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use reap_core::ids::PluginName;
use reap_runtime::{Host, HostError, Manifest};

use super::cases::{Cases, plain};
use crate::bundled::EXAMPLES;
use crate::config::{Config, ConfigError, PolicyConfig, RawSetting};
use crate::files;
use crate::paths::Paths;
use crate::plugins::catalogue::{self, Entry};
use crate::plugins::{Loading, Origin, Plugin, PluginsError, Running, State, load, scripts};
use crate::voter::Voter;

/// Why a policy could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum NotTried {
    /// There is none of that name.
    #[error(
        "there is no policy {name}: neither the file {name}.star in this folder, nor a script among {}, nor a \
         configured one", examples.join(", ")
    )]
    NotFound {
        /// What was asked for.
        name: String,
        /// The scripts that come with Reap.
        examples: Vec<&'static str>,
    },
    /// It could not be loaded.
    #[error("{0}")]
    Broken(String),
    /// Its cases could not be read.
    #[error("{0}")]
    Cases(String),
    /// A setting is not one of its own.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The plugins could not be put together.
    #[error(transparent)]
    Plugins(#[from] PluginsError),
    /// The host of plugins could not start.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// A policy that was found.
pub struct Found {
    entry: Entry,
    /// Its cases, or where they should be.
    cases: Place,
}

enum Place {
    File(PathBuf),
    Text(&'static str),
}

/// Cases are read by people too.
const LARGEST: u64 = 1 << 20;

/// Finds the policy that a word means: a file, the script of that name in this folder,
/// one that comes with Reap, one of the configuration.
pub fn find(word: &str, config: &Config, paths: &Paths) -> Result<Found, NotTried> {
    let file = PathBuf::from(word);
    let file = if file.extension().is_some_and(|ending| ending == "star") {
        file
    } else {
        PathBuf::from(format!("{word}.star"))
    };
    if file.is_file() {
        return Ok(Found { entry: scripts::from_script(&file), cases: beside(&file) });
    }
    if let Some(example) = EXAMPLES.iter().find(|example| example.name == word) {
        let entry = scripts::example(example.name, example.script);
        return Ok(Found { entry, cases: Place::Text(example.cases) });
    }
    let found = catalogue::gather(config, paths)?.into_iter().find(|entry| entry.name == word);
    let entry =
        found.ok_or_else(|| NotTried::NotFound { name: word.to_owned(), examples: super::examples() })?;
    let cases = match &entry.origin {
        Origin::File(file) => beside(file),
        _ => Place::File(PathBuf::from(format!("{word}.cases.toml"))),
    };
    Ok(Found { entry, cases })
}

fn beside(file: &Path) -> Place {
    Place::File(file.with_extension("cases.toml"))
}

impl Found {
    /// One that was found already.
    #[cfg(test)]
    pub(super) fn of(entry: Entry) -> Self {
        Self { entry, cases: Place::Text("") }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// Its golden cases, and what messages call their file.
    pub fn cases(&self) -> Result<(Cases, String), NotTried> {
        let (text, shown) = match &self.cases {
            Place::Text(text) => ((*text).to_owned(), format!("the cases of {}", self.entry.name)),
            Place::File(file) => {
                let shown = reap_core::clean::line(&file.to_string_lossy());
                let text = files::read_text(file, LARGEST).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => NotTried::Cases(format!(
                        "there are no cases: {shown} is not there. Write one [[case]] for each kind of session that \
                         it votes on, and one for each that it must leave alone"
                    )),
                    _ => NotTried::Cases(format!("{shown}: cannot be read: {error}")),
                })?;
                (text, shown)
            }
        };
        let cases = Cases::parse(&text).map_err(|why| NotTried::Cases(format!("{shown}: {why}")))?;
        Ok((cases, shown))
    }

    /// Loads it with these settings, apart from any configuration.
    pub async fn load(&self, host: &Host, settings: &toml::Table) -> Result<Loaded, NotTried> {
        let config = self.alone(settings)?;
        let Plugin { entry, state } = load::one(host, self.entry.clone(), &config, Loading::Now).await?;
        let ready = match state {
            State::Ready(ready) => ready,
            State::Failed(why) | State::Unapproved(why) => return Err(NotTried::Broken(why)),
            State::Off => return Err(NotTried::Broken(format!("{} is switched off", entry.name))),
        };
        let Running::Policy(policy) = &ready.running else {
            return Err(NotTried::Broken(format!("{} is no policy", entry.name)));
        };
        let found = entry.found.map_err(NotTried::Broken)?;
        let voter = Voter {
            name: policy.name().clone(),
            shadow: false,
            select: found.manifest.select.clone(),
            voice: Ok(policy.clone()),
        };
        Ok(Loaded { manifest: found.manifest, settings: ready.settings, voter })
    }

    /// A configuration that says nothing but these settings.
    fn alone(&self, settings: &toml::Table) -> Result<Config, NotTried> {
        let Ok(name) = PluginName::new(self.entry.name.clone()) else { return Ok(Config::default()) };
        let raw = settings.iter().map(|(name, value)| {
            let value = plain(value).ok_or_else(|| {
                NotTried::Cases(format!("the setting {name}: expected what `reap.toml` would hold there"))
            })?;
            Ok(RawSetting { name: name.clone(), value, line: None, lines: Vec::new() })
        });
        let settings = raw.collect::<Result<Vec<_>, NotTried>>()?;
        let table = PolicyConfig { settings, ..PolicyConfig::default() };
        let file = match &self.cases {
            Place::File(file) => Some(file.clone()),
            Place::Text(_) => None,
        };
        Ok(Config { file, policies: BTreeMap::from([(name, table)]), ..Config::default() })
    }
}

/// A policy that can be asked.
pub struct Loaded {
    /// What it is.
    pub manifest: Manifest,
    /// Its settings, all of them.
    pub settings: Vec<reap_core::session::Fact>,
    /// The policy, asked about what it wants to be asked about.
    pub voter: Voter,
}
