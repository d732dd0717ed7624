//! `reap.toml`: what the operator wants.
//!
//! A typing error here can end sessions that were meant to be protected, so
//! nothing is skipped over: an unknown key or a bad value is an error that says
//! where it is and what would be right. With no file at all everything has a
//! default, and the defaults are the careful choice.

mod daemon;
mod document;
mod error;
mod network;
mod read;
mod rules;
mod settings;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reap_core::cycle::Rules;
use reap_core::guard::GuardRules;
use reap_core::ids::PluginName;
use reap_core::locks::LockRules;
use reap_core::reconcile::RecordRules;
use reap_core::selector::Selector;
use reap_core::session::Value;
use reap_core::sweep::SweepRules;
use reap_core::time::Span;
use reap_runtime::{Limits, Network};
use reap_store::retention;

pub use daemon::{DaemonConfig, DaemonMode, Listen};
pub use error::ConfigError;
pub(crate) use settings::{complete, line_of};

use crate::files;
use crate::paths::Paths;

/// The variable that names the file.
pub const VARIABLE: &str = "REAP_CONFIG";

/// Thousands of rules need less.
const LARGEST: u64 = 1 << 20;

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that this was read from; nothing when these are the defaults.
    pub file: Option<PathBuf>,
    /// The SHA-256 of its text. Nothing when these are the defaults.
    pub digest: Option<String>,
    /// What is never ended.
    pub guard: GuardRules,
    /// What the operator can set of the records.
    pub records: RecordRules,
    /// How long a plan may be applied after it was made.
    pub lifetime: Span,
    /// When an orphan is due, how much may be ended at once, when a failed end is
    /// tried again. Its `lifetime` is the one above.
    pub sweep: SweepRules,
    /// Where in the file the tables with limits of single backends begin.
    pub limit_lines: BTreeMap<PluginName, Option<usize>>,
    /// Who locks the directory that they work in.
    pub locks: LockRules,
    /// How much of the journal, the observations and the tombstones is kept.
    pub keep: retention::Limits,
    /// How the daemon runs.
    pub daemon: DaemonConfig,
    /// Folders with plugins of others.
    pub folders: Vec<PathBuf>,
    /// What is said of single backends.
    pub backends: BTreeMap<PluginName, BackendConfig>,
    /// What is said of single policies.
    pub policies: BTreeMap<PluginName, PolicyConfig>,
}

impl Default for Config {
    fn default() -> Self {
        let sweep = SweepRules::default();
        Self {
            file: None,
            digest: None,
            guard: GuardRules::default(),
            records: RecordRules::default(),
            lifetime: sweep.lifetime,
            sweep,
            limit_lines: BTreeMap::new(),
            locks: LockRules::default(),
            keep: retention::Limits::default(),
            daemon: DaemonConfig::default(),
            folders: Vec::new(),
            backends: BTreeMap::new(),
            policies: BTreeMap::new(),
        }
    }
}

/// What is said of one backend.
#[derive(Debug, Clone)]
pub struct BackendConfig {
    /// Whether it is used at all.
    pub enabled: bool,
    /// What it may use up.
    pub limits: Limits,
    /// How it may talk to gateways.
    pub network: Network,
    /// Its own settings, not checked yet: that takes the plugin's description.
    pub settings: Vec<RawSetting>,
    /// Where in the file its table begins.
    pub line: Option<usize>,
}

impl Default for BackendConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            limits: Limits::for_backend(),
            network: Network::default(),
            settings: Vec::new(),
            line: None,
        }
    }
}

/// What is said of one policy.
#[derive(Debug, Clone)]
pub struct PolicyConfig {
    /// Whether its votes count.
    pub mode: Mode,
    /// The only sessions that it is asked about; nothing for all.
    pub select: Option<Selector>,
    /// What it may use up.
    pub limits: Limits,
    /// Its own settings, not checked yet: that takes the plugin's description.
    pub settings: Vec<RawSetting>,
    /// Where in the file its table begins.
    pub line: Option<usize>,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Active,
            select: None,
            limits: Limits::for_policy(),
            settings: Vec::new(),
            line: None,
        }
    }
}

/// What a policy's votes are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They count.
    Active,
    /// They are recorded and shown, and never count.
    Shadow,
    /// It is not asked.
    Off,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Active, Self::Shadow, Self::Off];

    /// The word for it in `reap.toml`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Shadow => "shadow",
            Self::Off => "off",
        }
    }
}

/// A setting as the operator wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct RawSetting {
    /// Its name.
    pub name: String,
    /// Its value. A length of time is still text here.
    pub value: Value,
    /// Where in the file it stands.
    pub line: Option<usize>,
    /// Where each text of a list stands.
    pub lines: Vec<usize>,
}

impl Config {
    /// Finds and reads the operator's file: `named` when given, else what
    /// `REAP_CONFIG` names, else `reap.toml` in the configuration folder. Only
    /// the last may be missing.
    pub fn find(named: Option<&Path>, paths: &Paths) -> Result<Self, ConfigError> {
        if let Some(file) = named {
            return Self::load(file);
        }
        if let Some(file) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from) {
            let told = |error: ConfigError| ConfigError {
                message: format!("{} ({VARIABLE} names this file)", error.message),
                ..error
            };
            return Self::load(&file).map_err(|error| if is_missing(&file) { told(error) } else { error });
        }
        let file = paths.config.join("reap.toml");
        if is_missing(&file) { Ok(Self::default()) } else { Self::load(&file) }
    }

    /// Reads this file.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = files::read_text(file, LARGEST)
            .map_err(|error| ConfigError::new(file, None, format!("cannot be read: {error}")))?;
        Self::parse(&text, file)
    }

    /// Reads this text. `file` is for messages, and what relative paths start
    /// from.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        read::config(text, file)
    }

    /// Everything that can be set of a cycle.
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            records: self.records,
            locks: self.locks.clone(),
            guard: self.guard.clone(),
            sweep: self.sweep.clone(),
        }
    }

    /// What is said of this backend, or the default.
    pub fn backend(&self, name: &PluginName) -> BackendConfig {
        self.backends.get(name).cloned().unwrap_or_default()
    }

    /// What is said of this policy, or the default.
    pub fn policy(&self, name: &PluginName) -> PolicyConfig {
        self.policies.get(name).cloned().unwrap_or_default()
    }

    /// An error at a line of the file.
    pub(crate) fn error(&self, line: Option<usize>, message: impl Into<String>) -> ConfigError {
        ConfigError::new(self.file.as_deref().unwrap_or(Path::new("reap.toml")), line, message)
    }
}

/// A link that leads nowhere is not missing: what it led to may have held the
/// rules that protect sessions.
fn is_missing(file: &Path) -> bool {
    fs::symlink_metadata(file).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}
