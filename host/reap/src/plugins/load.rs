//! Loading plugins, each on its own and all side by side.

use reap_core::ids::PluginName;
use reap_core::session::Fact;
use reap_runtime::{
    CallError, Description, Host, Limits, LoadError, Manifest, Network, Prepared, Source, World,
};

use super::approvals::Standing;
use super::catalogue::{Entry, Found, table};
use super::{Loading, Origin, Plugin, Ready, Running, State};
use crate::config::{BackendConfig, Config, ConfigError, Mode, PolicyConfig, RawSetting, complete, line_of};
use crate::side_by_side::side_by_side;

/// Loads all that may run and are not switched off.
pub(super) async fn all(
    host: &Host,
    entries: Vec<Entry>,
    config: &Config,
    loading: Loading,
) -> Result<Vec<Plugin>, ConfigError> {
    let work = entries.into_iter().map(|entry| {
        let (host, config) = (host.clone(), config.clone());
        let again = entry.clone();
        let load = async move {
            if is_off(&entry, &config) {
                Ok(Plugin { entry, state: State::Off })
            } else {
                one(&host, entry, &config, loading).await
            }
        };
        (again, load)
    });
    let (entries, work): (Vec<_>, Vec<_>) = work.unzip();
    let loaded = side_by_side(work).await;
    entries
        .into_iter()
        .zip(loaded)
        .map(|(entry, done)| {
            done.unwrap_or_else(|panic| Ok(Plugin { entry, state: State::Failed(panic.to_string()) }))
        })
        .collect()
}

/// Loads this one, if it may run. Settings that it does not take are an error
/// of the configuration; anything else that goes wrong is a failed plugin.
pub(crate) async fn one(
    host: &Host,
    mut entry: Entry,
    config: &Config,
    loading: Loading,
) -> Result<Plugin, ConfigError> {
    let state = match &mut entry.found {
        Err(why) => State::Failed(why.clone()),
        Ok(found) => match found.standing {
            Standing::Bundled | Standing::Script | Standing::Approved => {
                run(host, &entry.origin, found, config, loading).await?
            }
            Standing::New | Standing::Changed => State::Unapproved(what_to_type(&entry.name, found.standing)),
        },
    };
    Ok(Plugin { entry, state })
}

/// Goes by the name alone, so that a plugin whose manifest is broken can be
/// switched off too.
fn is_off(entry: &Entry, config: &Config) -> bool {
    let Ok(name) = PluginName::new(entry.name.clone()) else { return false };
    config.backends.get(&name).is_some_and(|table| !table.enabled)
        || config.policies.get(&name).is_some_and(|table| table.mode == Mode::Off)
}

fn what_to_type(name: &str, standing: Standing) -> String {
    let why = match standing {
        Standing::Changed => "its manifest is not the one that was approved",
        Standing::New | Standing::Bundled | Standing::Script | Standing::Approved => "it is not approved",
    };
    format!("{why}; to see what it asks for and approve it: reap plugin approve {name}")
}

/// What the configuration says of one plugin.
struct Said<'c> {
    config: &'c Config,
    /// Its table, as between brackets: `policies.idle-shell`.
    table: String,
    line: Option<usize>,
    limits: Limits,
    network: Network,
    settings: Vec<RawSetting>,
    /// The keys of its table that are not the plugin's own.
    reserved: &'static [&'static str],
}

impl<'c> Said<'c> {
    fn of(manifest: &Manifest, config: &'c Config) -> Self {
        let table = format!("{}.{}", table(manifest.world), manifest.name);
        match manifest.world {
            World::Backend => {
                let BackendConfig { limits, network, settings, line, .. } = config.backend(&manifest.name);
                let reserved = &["enabled", "limits", "secrets", "websocket"];
                Self { config, table, line, limits, network, settings, reserved }
            }
            World::Policy => {
                let PolicyConfig { limits, settings, line, .. } = config.policy(&manifest.name);
                let (network, reserved) = (Network::default(), &["mode", "select", "limits"]);
                Self { config, table, line, limits, network, settings, reserved }
            }
        }
    }

    /// Every setting of the plugin, the operator's and the fallbacks.
    fn complete(&self, description: &Description) -> Result<Vec<Fact>, ConfigError> {
        complete(&description.settings, &self.settings, self.reserved)
            .map_err(|wrong| self.error(wrong.line, &wrong.message))
    }

    /// What to make of a plugin that did not take its settings. A value that the
    /// operator wrote is the operator's mistake; any other failure is the plugin's.
    fn refused(&self, error: &LoadError) -> Result<State, ConfigError> {
        match error {
            LoadError::Refused { error: CallError::Answered(answer), .. } if !self.settings.is_empty() => {
                let answer = answer.to_string();
                Err(self.error(line_of(&self.settings, &answer).or(self.line), &answer))
            }
            LoadError::Network { why, .. } if self.line.is_some() => {
                Err(self.error(line_of(&self.settings, why).or(self.line), why))
            }
            _ => Ok(State::Failed(error.to_string())),
        }
    }

    fn error(&self, line: Option<usize>, message: &str) -> ConfigError {
        self.config.error(line, format!("[{}]: {message}", self.table))
    }
}

async fn run(
    host: &Host,
    origin: &Origin,
    found: &mut Found,
    config: &Config,
    loading: Loading,
) -> Result<State, ConfigError> {
    let source = match found.source(origin) {
        Ok(source) => source,
        Err(why) => return Ok(State::Failed(why)),
    };
    let said = Said::of(&found.manifest, config);
    let prepared = match prepare(host, source, said.limits.clone(), loading).await {
        Ok(prepared) => prepared,
        Err(error) => return Ok(State::Failed(error.to_string())),
    };
    // A script has only now said what it is.
    found.manifest = prepared.manifest().clone();
    let description = prepared.description().clone();
    let settings = said.complete(&description)?;
    let cache_problem = prepared.cache_problem().map(str::to_owned);
    let running = match found.manifest.world {
        World::Backend => {
            prepared.into_backend(settings.clone(), said.network.clone()).await.map(Running::Backend)
        }
        World::Policy => prepared.into_policy(settings.clone()).await.map(Running::Policy),
    };
    match running {
        Ok(running) => {
            let limits = said.limits;
            Ok(State::Ready(Box::new(Ready { description, settings, limits, cache_problem, running })))
        }
        Err(error) => said.refused(&error),
    }
}

/// Loads it, or leaves that to its first call where it was good before.
async fn prepare(
    host: &Host,
    source: Source,
    limits: Limits,
    loading: Loading,
) -> Result<Prepared, LoadError> {
    if loading == Loading::WhenNeeded
        && let Some(prepared) = host.recall(source.clone(), limits.clone())?
    {
        return Ok(prepared);
    }
    host.prepare(source, limits).await
}
