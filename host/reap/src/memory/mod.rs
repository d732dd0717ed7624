//! What Reap remembers: the core's state, and the store that keeps it.
//!
//! One process writes at a time, and stays the writer for as long as it lives: a
//! daemon, or a command that ends something where no daemon runs. Whoever only
//! looks reads beside it, and makes nothing. So a state folder comes into being
//! with the first act, and never with a look.

pub mod beside;
mod keeper;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reap_core::ids::BootId;
use reap_core::state::{Contradiction, State};
use reap_store::{Reader, Settings, StoreError};
use tokio::sync::broadcast;

pub(crate) use self::keeper::Keeper;
use crate::clock::{boot, now};
use crate::events::Noted;
use crate::paths::Paths;

/// How long a command waits for another writer. A daemon never lets go, and
/// whoever ends something is done within its backends' limits of time.
pub(crate) const WAIT: Duration = Duration::from_secs(10);

/// Why nothing can be remembered.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it holds makes no sense.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// The state folder must not be made.
    #[error("the state folder {} cannot be made: {error}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A part of Reap broke. What was written before is read again at the next attempt.
    #[error("a fault inside Reap: {0}")]
    Broken(String),
}

/// The memory of one state folder. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Memory {
    paths: Arc<Paths>,
    boot: BootId,
    events: broadcast::Sender<Noted>,
    /// There while this process is the writer.
    keeper: Arc<Mutex<Option<Keeper>>>,
}

impl Memory {
    /// Touches nothing yet.
    pub fn new(paths: &Paths, events: broadcast::Sender<Noted>) -> io::Result<Self> {
        Ok(Self { paths: Arc::new(paths.clone()), boot: boot()?, events, keeper: Arc::default() })
    }

    /// The state folder.
    pub fn folder(&self) -> &Path {
        &self.paths.state
    }

    /// Which start of the machine this is.
    pub fn boot(&self) -> &BootId {
        &self.boot
    }

    /// Becomes the one writer, or says who is. Waits at most this long.
    pub async fn hold(&self, wait: Duration) -> Result<(), MemoryError> {
        let this = self.clone();
        blocking(move || this.held(wait).map(drop)).await
    }

    /// Is no longer the writer, unless something waits to be written.
    pub async fn let_go(&self) -> Result<(), MemoryError> {
        let this = self.clone();
        blocking(move || {
            drop(this.lock().take_if(|keeper| keeper.is_idle())); // which closes the store
            Ok(())
        })
        .await
    }

    /// Whether this process is the writer.
    pub fn is_held(&self) -> bool {
        self.lock().is_some()
    }

    /// Does something with the state and the store as their one writer. Should it
    /// panic, all is read anew from the disk the next time: half a step in
    /// memory must not be taken for what is known.
    pub async fn keep<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Keeper) -> T + Send + 'static,
    ) -> Result<T, MemoryError> {
        let this = self.clone();
        let done = blocking(move || {
            let mut held = this.held(WAIT)?;
            let mut keeper =
                held.take().ok_or_else(|| MemoryError::Broken("the store is gone".to_owned()))?;
            let done = work(&mut keeper); // a panic drops the keeper
            *held = Some(keeper);
            Ok(done)
        });
        done.await
    }

    /// Looks at the state: the writer's own, or what the disk holds. A store that
    /// is not there yet remembers nothing.
    pub async fn recall<T: Send + 'static>(
        &self,
        look: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T, MemoryError> {
        let this = self.clone();
        blocking(move || match &*this.lock() {
            Some(keeper) => Ok(look(keeper.state())),
            None => Ok(look(&keeper::state_of(&this.paths.state)?)),
        })
        .await
    }

    /// Reads the store beside its writer. Nothing where there is no store yet.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, MemoryError> {
        let folder = self.paths.state.clone();
        blocking(move || match Reader::open(&folder) {
            Ok(mut reader) => Ok(Some(look(&mut reader)?)),
            Err(StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        })
        .await
    }

    fn held(&self, wait: Duration) -> Result<MutexGuard<'_, Option<Keeper>>, MemoryError> {
        let mut keeper = self.lock();
        if keeper.is_none() {
            let folder = &self.paths.state;
            self.paths
                .may_create(folder)
                .map_err(|error| MemoryError::Folder { folder: folder.clone(), error })?;
            let settings = Settings { boot: self.boot.as_str().to_owned(), wait, now: now() };
            *keeper = Some(Keeper::open(folder, &settings, self.events.clone())?);
        }
        Ok(keeper)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Keeper>> {
        // Whoever panicked with it has left nothing in it.
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs what waits for the disk where nobody waits for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MemoryError> + Send + 'static,
) -> Result<T, MemoryError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(MemoryError::Broken(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(folder: &Path) -> Paths {
        let below = |name: &str| folder.join(name);
        let [config, state, cache, runtime] = ["config", "state", "cache", "run"].map(below);
        Paths { config, state, cache, runtime, home: None }
    }

    #[tokio::test]
    async fn whoever_lets_go_lets_others_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let (events, _) = broadcast::channel(1);
        let [one, other] =
            [(); 2].map(|()| Memory::new(&paths(folder.path()), events.clone()).expect("Linux"));
        one.hold(Duration::ZERO).await.expect("nobody else writes");
        let refused = other.hold(Duration::ZERO).await.expect_err("there is one writer");
        assert!(matches!(refused, MemoryError::Store(StoreError::Locked { .. })), "{refused}");
        one.keep(|keeper| keeper.note("test.waits", None, serde_json::json!({}))).await.expect("noted");
        one.let_go().await.expect("asked");
        assert!(one.is_held(), "something waits to be written");
        one.keep(|keeper| keeper.flush(now(), None)).await.expect("kept").expect("written");
        one.let_go().await.expect("asked");
        assert!(!one.is_held());
        other.hold(Duration::ZERO).await.expect("it is free");
    }
}
