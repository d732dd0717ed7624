//! What can go wrong with plugins, in words for a person.

use std::path::PathBuf;

use reap_core::clean;

/// The host itself could not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The engine refused its configuration.
    #[error("the WebAssembly engine could not be started: {0}")]
    Engine(String),
    /// The thread that enforces time limits could not be started. Without it
    /// no plugin may run.
    #[error("the thread that enforces time limits could not be started: {0}")]
    Ticker(std::io::Error),
}

/// A plugin could not be loaded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// The file is no component.
    #[error("{origin}: this is no WebAssembly component: {why}. {mend}")]
    NotAComponent {
        /// The file.
        origin: String,
        /// What the compiler said.
        why: String,
        /// What to do.
        mend: &'static str,
    },
    /// The compiler itself failed, as when there is too little memory.
    #[error("{origin}: it could not be compiled: {why}")]
    Compiler {
        /// The file.
        origin: String,
        /// How it failed.
        why: String,
    },
    /// It is larger than the host compiles.
    #[error("{origin}: {bytes} bytes are more than a plugin may have ({limit})")]
    TooLarge {
        /// The file.
        origin: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It imports what its world does not have.
    #[error(
        "{origin}: it imports {imports}, which a {world} does not get. Build it against wit/ of reap:plugin@0.1.0, \
         world {world}-plugin"
    )]
    Imports {
        /// The file.
        origin: String,
        /// What it imports.
        imports: String,
        /// The world that its manifest names.
        world: &'static str,
    },
    /// It does not export what its world needs, or with other types.
    #[error(
        "{origin}: it does not fit the contract of a {world}: {why}. It may be built for another version of \
         reap:plugin; this host has 0.1.0"
    )]
    Contract {
        /// The file.
        origin: String,
        /// The world that its manifest names.
        world: &'static str,
        /// What does not fit.
        why: String,
    },
    /// It does not fit into its limits even before it runs.
    #[error("{origin}: {why}")]
    Limits {
        /// The file.
        origin: String,
        /// Which limit.
        why: String,
    },
    /// It failed while it was asked what it is, or refused its settings.
    #[error("{origin}: {call}: {error}")]
    Refused {
        /// The file.
        origin: String,
        /// The call that failed.
        call: &'static str,
        /// How.
        error: CallError,
    },
    /// What it says of itself is not what its manifest says.
    #[error("{origin}: the plugin calls itself {says:?}, its manifest says {manifest:?}; make them agree")]
    Name {
        /// The file.
        origin: String,
        /// What it says.
        says: String,
        /// What the manifest says.
        manifest: String,
    },
    /// A text of the manifest could not be completed.
    #[error("{origin}: {why}")]
    Manifest {
        /// The file.
        origin: String,
        /// What is missing.
        why: String,
    },
    /// What the operator says of its gateways does not fit.
    #[error("{origin}: {why}")]
    Network {
        /// The file.
        origin: String,
        /// What does not fit, and what would.
        why: String,
    },
}

/// A call to a plugin failed. Nothing follows from that about any session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The plugin itself answered with an error.
    #[error("{0}")]
    Answered(PluginError),
    /// It trapped or panicked.
    #[error("the plugin failed in {call}: {why}")]
    Trapped {
        /// The call.
        call: &'static str,
        /// How it ended.
        why: String,
    },
    /// It ran into a limit.
    #[error(
        "the plugin reached its limit {limit} in {call}: {why}. To raise it: [{table}.limits] {limit} = ..."
    )]
    Limited {
        /// The call.
        call: &'static str,
        /// The limit's name.
        limit: &'static str,
        /// What happened.
        why: String,
        /// The table of `reap.toml` that holds its limits.
        table: String,
    },
    /// Its answer makes no sense.
    #[error("the plugin's answer to {call} makes no sense: {why}")]
    Nonsense {
        /// The call.
        call: &'static str,
        /// Why.
        why: String,
    },
    /// Its code could not be loaded.
    #[error("the plugin could not be loaded for {call}: {why}")]
    Unloaded {
        /// The call.
        call: &'static str,
        /// Why.
        why: String,
    },
    /// The host failed on the plugin's behalf.
    #[error("the host failed in {call}: {why}")]
    Host {
        /// The call.
        call: &'static str,
        /// How.
        why: String,
    },
}

/// A typed error that a plugin gave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum PluginError {
    /// The host refused something that it asked for.
    Denied {
        /// The capability.
        capability: String,
        /// What was asked for.
        asked: String,
        /// What to change.
        mend: String,
    },
    /// What was asked about does not exist.
    NotFound(String),
    /// No answer in time.
    TimedOut(String),
    /// It cannot be reached at the moment.
    Unavailable(String),
    /// What was passed in is not valid.
    Invalid(String),
    /// A limit was reached.
    Limited(String),
    /// There is no such ability.
    Unsupported(String),
    /// Anything else.
    Failed(String),
}

/// The longest error text of a plugin that is shown.
const LONGEST: usize = 1_000;

impl PluginError {
    fn text(&self) -> String {
        let text = match self {
            Self::Denied { capability, asked, mend } => {
                format!("not allowed ({capability}): {asked}. To allow it: {mend}")
            }
            Self::NotFound(what) => format!("not found: {what}"),
            Self::TimedOut(what) => format!("timed out: {what}"),
            Self::Unavailable(what) => format!("cannot be reached: {what}"),
            Self::Invalid(what) => format!("not valid: {what}"),
            Self::Limited(what) => format!("over a limit: {what}"),
            Self::Unsupported(what) => format!("not supported: {what}"),
            Self::Failed(what) => what.clone(),
        };
        clean::line_of(&text, LONGEST)
    }
}

/// Where the compiled plugins are kept, and why they could not be.
#[derive(Debug, thiserror::Error)]
#[error(
    "compiled plugins are not kept in {}: {why}; set XDG_CACHE_HOME to a folder that you may write",
    folder.display()
)]
pub(crate) struct CacheError {
    pub(crate) folder: PathBuf,
    pub(crate) why: String,
}
