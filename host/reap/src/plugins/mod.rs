//! The set of plugins: which there are, which may run, and those that do.
//!
//! Two things must never happen. A plugin of somebody else must not run before
//! the operator has seen what it asks for. And a policy that was relied on must
//! not fall silent: sessions that it kept alive would be ended because its file
//! was cut. So one that cannot be loaded counts as a fault, and a fault votes
//! keep.

pub mod approvals;
pub mod catalogue;
pub(crate) mod load;
mod origin;
pub(crate) mod scripts;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use reap_core::ids::PluginName;
use reap_core::listing::Unknown;
use reap_core::selector::Selector;
use reap_core::session::Fact;
use reap_core::vote::Fault;
use reap_runtime::{
    Backend, Description, Host, HostError, HostOptions, Limits, LogLine, Manifest, Policy, World,
};

use crate::config::{Config, ConfigError, Mode};
use crate::paths::Paths;
use crate::voter::Voter;
use approvals::ApprovalsError;
use catalogue::Entry;

pub use origin::Origin;

/// The set could not be put together at all.
#[derive(Debug, thiserror::Error)]
pub enum PluginsError {
    /// The configuration says something about plugins that is not so.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A configured folder cannot be read.
    #[error(
        "the plugin folder {} cannot be read: {error}. Make it readable, or take it out of [plugins] folders",
        folder.display()
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The record of approvals cannot be used.
    #[error(transparent)]
    Approvals(#[from] ApprovalsError),
    /// The host of plugins could not start.
    #[error(transparent)]
    Host(#[from] HostError),
    /// No plugin has this name.
    #[error("there is no plugin {name}; there are: {}", known.join(", "))]
    NotFound {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
}

/// One plugin, and what became of it.
pub struct Plugin {
    /// What was found.
    pub entry: Entry,
    /// What became of it.
    pub state: State,
}

/// What became of a plugin.
pub enum State {
    /// It runs.
    Ready(Box<Ready>),
    /// It could not be loaded, and why.
    Failed(String),
    /// It may not run before the operator says so; why, and what to type.
    Unapproved(String),
    /// The configuration switches it off.
    Off,
}

/// A plugin that runs.
pub struct Ready {
    /// What it says of itself.
    pub description: Description,
    /// Its settings, all of them.
    pub settings: Vec<Fact>,
    /// What it may use up.
    pub limits: Limits,
    /// Why it could not be kept compiled, where that is so.
    pub cache_problem: Option<String>,
    /// The plugin itself.
    pub running: Running,
}

/// A plugin that can be called.
#[derive(Clone)]
pub enum Running {
    /// One that knows a kind of session.
    Backend(Backend),
    /// One that votes.
    Policy(Policy),
}

impl Running {
    /// How near to its limits it came.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        match self {
            Self::Backend(backend) => backend.counters(),
            Self::Policy(policy) => policy.counters(),
        }
    }

    /// What it wrote since this was last asked.
    pub fn log(&self) -> Vec<LogLine> {
        match self {
            Self::Backend(backend) => backend.log(),
            Self::Policy(policy) => policy.log(),
        }
    }
}

impl Plugin {
    /// What it is, where its manifest could be read.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.entry.found.as_ref().ok().map(|found| &found.manifest)
    }

    /// Why it does not run although it should, in words for a person.
    pub fn trouble(&self) -> Option<String> {
        match &self.state {
            State::Failed(why) => Some(format!("the plugin {} could not be loaded: {why}", self.entry.name)),
            State::Unapproved(why) => Some(format!("the plugin {} is not loaded: {why}", self.entry.name)),
            State::Ready(_) | State::Off => None,
        }
    }

    /// Why it is missed: it does not run, and it has run with the operator's
    /// leave before.
    fn missed(&self) -> Option<String> {
        let why = match &self.state {
            State::Failed(why) | State::Unapproved(why) => why,
            State::Ready(_) | State::Off => return None,
        };
        self.entry.relied_on.is_some().then(|| format!("it is not loaded: {why}"))
    }

    fn name(&self) -> Option<PluginName> {
        PluginName::new(self.entry.name.clone()).ok()
    }
}

/// When the code of a plugin is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loading {
    /// At once, so that all that is wrong shows before anything is done.
    Now,
    /// With its first call, where it is one that an earlier run found to be good. For
    /// a program that looks once: most plugins have nothing to say then.
    WhenNeeded,
}

/// All plugins.
pub struct Plugins {
    all: Vec<Plugin>,
    /// Why none could be kept compiled, where that is known beforehand.
    cache_problem: Option<String>,
}

impl Plugins {
    /// Finds all plugins and loads those that may run, side by side.
    pub async fn load(config: &Config, paths: &Paths, loading: Loading) -> Result<Self, PluginsError> {
        let entries = catalogue::gather(config, paths)?;
        let (host, cache_problem) = host(paths)?;
        Ok(Self { all: load::all(&host, entries, config, loading).await?, cache_problem })
    }

    /// Finds the plugin of this name and loads it, even when the configuration
    /// switches it off.
    pub async fn load_one(name: &str, config: &Config, paths: &Paths) -> Result<Plugin, PluginsError> {
        let entry = find(name, config, paths)?;
        let (host, _) = host(paths)?;
        load::one(&host, entry, config, Loading::Now).await.map_err(PluginsError::Config)
    }

    /// All of them, the bundled ones first.
    pub fn iter(&self) -> impl Iterator<Item = &Plugin> {
        self.all.iter()
    }

    /// The environment variables that decide where the plugins that run look for
    /// sessions, as this process has them. In another environment they see others.
    pub fn surroundings(&self) -> BTreeMap<String, Option<String>> {
        let ready = self.all.iter().filter(|plugin| matches!(plugin.state, State::Ready(_)));
        let names = ready.filter_map(Plugin::manifest).flat_map(|manifest| manifest.asks.variables());
        names.map(|name| (name.to_owned(), std::env::var(name).ok())).collect()
    }

    /// What is not as it should be, in words for a person. Backends that are
    /// missed are left out: every look reports them as unknown.
    pub fn notes(&self) -> Vec<String> {
        let missed: Vec<Unknown> = self.missing_backends();
        let reported = |plugin: &&Plugin| !missed.iter().any(|gap| gap.backend.as_str() == plugin.entry.name);
        let kept = self.all.iter().filter_map(|plugin| match &plugin.state {
            State::Ready(ready) => ready.cache_problem.clone(),
            State::Failed(_) | State::Unapproved(_) | State::Off => None,
        });
        let mut kept: Vec<String> = self.cache_problem.iter().cloned().chain(kept).collect();
        kept.dedup(); // all are kept in the same folder
        self.all.iter().filter(reported).filter_map(Plugin::trouble).chain(kept).collect()
    }

    /// The backends that run.
    pub fn backends(&self) -> Vec<Backend> {
        let running = self.running().filter_map(|running| match running {
            Running::Backend(backend) => Some(backend.clone()),
            Running::Policy(_) => None,
        });
        running.collect()
    }

    /// Those that run.
    pub fn running(&self) -> impl Iterator<Item = &Running> {
        self.all.iter().filter_map(|plugin| match &plugin.state {
            State::Ready(ready) => Some(&ready.running),
            State::Failed(_) | State::Unapproved(_) | State::Off => None,
        })
    }

    /// The backends that should run and do not: what they know is unknown.
    pub fn missing_backends(&self) -> Vec<Unknown> {
        self.missed(World::Backend)
            .map(|(name, why)| Unknown { backend: name, instance: None, reason: why })
            .collect()
    }

    /// Those that vote: the policies that run, and for each that should and
    /// does not, its fault.
    pub fn voters(&self, config: &Config) -> Vec<Voter> {
        let running = self.running().filter_map(|running| match running {
            Running::Policy(policy) => Some((policy.name().clone(), Ok(policy.clone()))),
            Running::Backend(_) => None,
        });
        let missed = self.missed(World::Policy).map(|(name, why)| (name, Err(Fault(why))));
        running
            .chain(missed)
            .map(|(name, voice)| {
                let said = config.policy(&name);
                let select = said.select.or_else(|| self.wish(&name));
                Voter { shadow: said.mode == Mode::Shadow, select, name, voice }
            })
            .collect()
    }

    /// The sessions that a policy wants to be asked about, by its manifest. One
    /// that does not run has no say in that: its fault is for all sessions.
    fn wish(&self, policy: &PluginName) -> Option<Selector> {
        let ready = |plugin: &&Plugin| matches!(plugin.state, State::Ready(_));
        let plugin = self.all.iter().filter(ready).find(|plugin| plugin.entry.name == policy.as_str())?;
        plugin.entry.found.as_ref().ok()?.manifest.select.clone()
    }

    fn missed(&self, world: World) -> impl Iterator<Item = (PluginName, String)> {
        self.all
            .iter()
            .filter(move |plugin| plugin.entry.relied_on == Some(world))
            .filter_map(|plugin| Some((plugin.name()?, plugin.missed()?)))
    }
}

/// The plugin of this name, not loaded.
pub fn find(name: &str, config: &Config, paths: &Paths) -> Result<Entry, PluginsError> {
    let entries = catalogue::gather(config, paths)?;
    let known = entries.iter().map(|entry| entry.name.clone()).collect();
    entries
        .into_iter()
        .find(|entry| entry.name == name)
        .ok_or_else(|| PluginsError::NotFound { name: name.to_owned(), known })
}

/// The host, and why it keeps no compiled plugins, where that is so.
fn host(paths: &Paths) -> Result<(Host, Option<String>), HostError> {
    let problem = paths.may_create(&paths.cache).err().map(|why| {
        format!("compiled plugins are not kept in {}: {why}, or set XDG_CACHE_HOME", paths.cache.display())
    });
    let cache = problem.is_none().then(|| paths.cache.clone());
    let keys = paths.may_create(&paths.state).is_ok().then(|| paths.state.join("keys"));
    Ok((Host::new(HostOptions { cache, keys })?, problem))
}
