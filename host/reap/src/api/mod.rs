//! The daemon's API: HTTP and JSON over its Unix socket, and over TCP for those
//! who show the token.
//!
//! Nothing is decided here. A request is read and checked, the library is asked
//! as the command line would ask it, and the answer is written. What ends
//! something goes on when its client goes away: an end that is under way must not
//! stop between its two signals.

mod about;
mod answer;
mod ask;
mod connections;
mod door;
mod error;
mod events;
mod exposition;
mod inside;
mod journal;
mod locks;
mod metrics;
mod plans;
mod process;
mod routes;
mod sessions;
mod sse;
mod stall;
mod token;
pub(crate) mod wire;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use reap_core::judge::Judged;
use reap_core::resolve::resolve;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, watch};

use crate::caller::Caller;
use crate::daemon::Service;
use crate::pass::Pass;
use crate::view::Status;
use connections::Limits;
use error::ApiError;
pub use token::ListenError;
pub(crate) use token::Tcp;

/// Acts at once. They wait for each other anyway; each further one waits for a
/// place, and none of it was begun.
const ACTS: u32 = 16;

/// Looks at once. Each asks every backend anew.
const LOOKS: usize = 4;

/// Clients that hear events at once. They stay, and the places for connections
/// are for others as well.
const LISTENERS: usize = 64;

/// What all requests share.
pub(crate) struct Api {
    service: Arc<Service>,
    socket: PathBuf,
    port: Option<SocketAddr>,
    acts: Arc<Semaphore>,
    looks: Semaphore,
    listeners: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
}

/// Answers until `stopped`, and then until what is under way is done. `path` is
/// where the socket is.
pub(crate) async fn serve(
    service: Arc<Service>,
    path: PathBuf,
    listener: UnixListener,
    tcp: Option<Tcp>,
    stopped: watch::Receiver<bool>,
) {
    let acts = Arc::new(Semaphore::new(ACTS as usize));
    let api = Api {
        service,
        socket: path,
        port: tcp.as_ref().map(|tcp| tcp.address),
        acts: acts.clone(),
        looks: Semaphore::new(LOOKS),
        listeners: Arc::new(Semaphore::new(LISTENERS)),
        stopped: stopped.clone(),
    };
    let router = routes::router(Arc::new(api));
    let limits = Limits::default();
    let done = connections::Acts { places: acts.clone(), all: ACTS };
    let remote = async {
        if let Some(tcp) = tcp {
            connections::serve(tcp, router.clone(), limits, stopped.clone(), done.clone()).await;
        }
    };
    tokio::join!(connections::serve(listener, router.clone(), limits, stopped.clone(), done.clone()), remote);
    acts.close(); // nothing more is begun
}

impl Api {
    /// Does something that changes something. It goes on when whoever asked for
    /// it goes away, and the daemon does not stop before it is done.
    async fn act<T, F>(&self, work: impl FnOnce(Arc<Service>) -> F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ApiError>> + Send + 'static,
    {
        let place = self.acts.clone().acquire_owned().await.map_err(|_| ApiError::stopping())?;
        if *self.stopped.borrow() {
            return Err(ApiError::stopping()); // it waited for its place until now
        }
        let work = work(self.service.clone());
        let task = tokio::spawn(async move {
            let done = work.await;
            drop(place);
            done
        });
        task.await.unwrap_or_else(|error| Err(ApiError::broken(&error)))
    }

    /// How the daemon is.
    async fn status(&self) -> Result<Status, ApiError> {
        let mut status = self.service.status(&self.socket).await?;
        if let Some(daemon) = &mut status.daemon {
            daemon.listen = self.port.map(|port| port.to_string()); // in the place of a port of 0
        }
        Ok(status)
    }

    /// The pass of the last cycle that came to something, and a new one where
    /// there was none yet.
    async fn last_pass(&self, caller: &Caller) -> Result<Arc<Pass>, ApiError> {
        match self.service.last().pass {
            Some(pass) => Ok(pass),
            None => self.look(caller).await,
        }
    }

    /// A new look, judged for this caller.
    async fn look(&self, caller: &Caller) -> Result<Arc<Pass>, ApiError> {
        let _place = self.looks.acquire().await.map_err(|_| ApiError::stopping())?;
        Ok(Arc::new(self.service.reap.look_for(caller).await))
    }
}

/// The sessions of these names. One that cannot be found stops all: the mistakes
/// are told at once.
fn named<'p>(names: &[String], pass: &'p Pass) -> Result<Vec<&'p Judged>, ApiError> {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for name in names {
        match resolve(name, &pass.judged) {
            Ok(judged) => found.push(judged),
            Err(error) => wrong.push(error),
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(ApiError::unresolved(wrong, !found.is_empty(), pass)) }
}

/// The one session of this name.
fn one<'p>(name: &str, pass: &'p Pass) -> Result<&'p Judged, ApiError> {
    resolve(name, &pass.judged).map_err(|error| ApiError::unresolved(vec![error], false, pass))
}
