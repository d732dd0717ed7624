//! For embedders: Reap with other folders or another configuration than the
//! user's own.

use crate::config::{Config, ConfigError};
use crate::engine::{OpenError, Reap};
use crate::paths::{NoHome, Paths};

/// Puts a [`Reap`] together. What is not given is the user's own.
#[derive(Debug, Clone, Default)]
#[must_use = "nothing is opened before `open`"]
pub struct Builder {
    config: Option<Config>,
    paths: Option<Paths>,
}

/// Why no Reap could be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folders are not known.
    #[error(transparent)]
    Paths(#[from] NoHome),
    /// `reap.toml` is not right.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Reap could not be made ready.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Builder {
    /// With this configuration, in the place of `reap.toml`.
    pub fn config(self, config: Config) -> Self {
        Self { config: Some(config), ..self }
    }

    /// With these folders, in the place of those that the environment names.
    pub fn paths(self, paths: Paths) -> Self {
        Self { paths: Some(paths), ..self }
    }

    /// Opens it. Needs a tokio runtime with time and I/O.
    ///
    /// # Errors
    /// When the folders are not known, the configuration is not right, or the
    /// plugins cannot be put together.
    pub async fn open(self) -> Result<Reap, BuildError> {
        let paths = self.paths.map_or_else(Paths::from_environment, Ok)?;
        let config = self.config.map_or_else(|| Config::find(None, &paths), Ok)?;
        Ok(Reap::open(config, &paths).await?)
    }
}

impl Reap {
    /// Puts a Reap together, for embedders.
    pub fn builder() -> Builder {
        Builder::default()
    }
}
