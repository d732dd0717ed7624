//! The reaper that runs for months: cycles on a timer, and an API beside them.
//!
//! It holds the state folder for as long as it lives, so there is one of it. It
//! watches no signals and prints nothing: whoever runs it says when to stop. A
//! cycle that has begun is finished then, and what clients asked for as well.

mod manager;
mod socket;

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reap_core::plan::Plan;
use reap_core::session::ProcessId;
use reap_core::time::Timestamp;
use reap_runtime::LogLine;
use tokio::net::UnixListener;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::api::{self, ListenError};
use crate::clock::now;
use crate::config::Config;
use crate::cycle::{Cost, Cycle};
use crate::engine::{OpenError, Reap};
use crate::memory::MemoryError;
use crate::pass::Pass;
use crate::paths::Paths;
use crate::view::{CycleStatus, DaemonStatus, Status};
use manager::Manager;
use socket::Socket;

/// A cycle that takes longer than this is stuck, and the service manager is told
/// no more that all is well. No backend is given as much time.
const STUCK: Duration = Duration::from_secs(600);

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Reap could not be made ready.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The state folder cannot be used, or another process writes to it.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// It cannot listen on its socket.
    #[error("cannot listen on {}: {error}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It cannot listen for other machines.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// A daemon that is ready to run.
pub struct Daemon {
    service: Arc<Service>,
    door: Option<Door>,
}

/// Where clients come in.
struct Door {
    socket: Socket,
    listener: UnixListener,
    tcp: Option<api::Tcp>,
}

/// What the daemon's parts share: the cycles write it, the API reads it.
pub(crate) struct Service {
    pub reap: Reap,
    pub process: ProcessId,
    pub since: Timestamp,
    last: watch::Sender<Last>,
    /// Somebody wants a cycle before its time.
    hurry: Notify,
}

/// The last cycle, as far as others want to see it.
#[derive(Clone, Default)]
pub(crate) struct Last {
    /// How many cycles are over.
    pub number: u64,
    /// How many have begun.
    begun: u64,
    /// How many somebody waits for.
    wanted: u64,
    /// How many came to nothing.
    pub errors: u64,
    /// What all of them took together.
    pub spent: Cost,
    pub at: Option<Timestamp>,
    pub cost: Cost,
    pub error: Option<String>,
    pub skipped: u64,
    /// Of the last one that came to something.
    pub pass: Option<Arc<Pass>>,
    pub plan: Option<Arc<Plan>>,
}

impl Daemon {
    /// Loads the plugins, takes the state folder and reads it through, and listens.
    /// No session is looked at yet.
    ///
    /// # Errors
    /// When another daemon runs on the same state folder, or something that it
    /// needs cannot be had.
    pub async fn start(config: Config, paths: &Paths) -> Result<Self, StartError> {
        let mut daemon = Self::within(Reap::open(config, paths).await?).await?;
        // After the folder is held: who runs already is what a second daemon should hear.
        let listen = &daemon.service.reap.config().daemon.listen;
        let tcp = listen.as_ref().map(api::Tcp::bind).transpose()?;
        let (socket, listener) = Socket::bind(paths)?;
        daemon.door = Some(Door { socket, listener, tcp });
        Ok(daemon)
    }

    /// The same inside another program, and without an API: it only goes through
    /// its cycles.
    ///
    /// # Errors
    /// When the state folder cannot be had, or what it holds is damaged.
    pub async fn within(reap: Reap) -> Result<Self, StartError> {
        reap.hold(Duration::ZERO).await?; // who is there already stays there
        // To open it is not to read it: months may go by before the changed byte is met.
        let examined = reap.memory.keep(|keeper| keeper.store().examine().map(drop));
        examined.await?.map_err(MemoryError::from)?;
        let service = Service {
            process: reap.here.ancestors[0],
            since: now(),
            last: watch::Sender::default(),
            hurry: Notify::new(),
            reap,
        };
        Ok(Self { service: Arc::new(service), door: None })
    }

    /// Its Reap, to look into or to subscribe to.
    pub fn reap(&self) -> &Reap {
        &self.service.reap
    }

    /// Where it listens, if it does.
    pub fn socket(&self) -> Option<&Path> {
        self.door.as_ref().map(|door| door.socket.path())
    }

    /// Runs until `stop` is over. Each cycle is shown to `report`.
    pub async fn run(self, stop: impl Future<Output = ()>, mut report: impl FnMut(&Report)) {
        let (stopping, stopped) = watch::channel(false);
        let Self { service, door } = self;
        let (socket, api) = match door {
            Some(Door { socket, listener, tcp }) => {
                let path = socket.path().to_owned();
                let api = api::serve(service.clone(), path, listener, tcp, stopped);
                (Some(socket), Some(tokio::spawn(api)))
            }
            None => (None, None),
        };
        let manager = Manager::of_environment();
        manager.ready();
        let every = Duration::from_millis(service.reap.config().daemon.every.millis());
        let mut ticks = interval_at(Instant::now(), every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip); // a late cycle is not made up for
        let mut pulse = manager.pulse();
        tokio::pin!(stop);
        'run: loop {
            tokio::select! {
                () = &mut stop => break,
                _ = ticks.tick() => {}
                () = service.hurry.notified() => {
                    if !service.is_hurried() { continue }
                    ticks.reset(); // it stands in for the one whose time comes next
                }
                () = pulse.beat() => { manager.alive(); continue }
            }
            let began = Instant::now();
            let cycle = service.cycle();
            tokio::pin!(cycle);
            let mut over = false;
            let done = loop {
                tokio::select! {
                    done = &mut cycle => break done,
                    () = &mut stop, if !over => { over = true; manager.stopping() }
                    () = pulse.beat(), if began.elapsed() < STUCK => manager.alive(),
                }
            };
            service.note(&done, began.elapsed().as_millis() / every.as_millis().max(1));
            report(&Report { number: service.last().number, done, log: service.reap.log() });
            if over {
                break 'run;
            }
        }
        manager.stopping();
        let _ = stopping.send(true); // the API may have stopped already
        if let Some(api) = api {
            let _ = api.await; // that it panicked is no reason not to end well
        }
        drop(service.reap.turns.take().await); // what a client began is finished
        drop(socket);
    }
}

/// One cycle, for whoever runs the daemon.
#[derive(Debug)]
pub struct Report {
    /// The how many-th it was.
    pub number: u64,
    /// What it found and did, or why it came to nothing.
    pub done: Result<Cycle, String>,
    /// What the plugins wrote to their logs meanwhile.
    pub log: Vec<LogLine>,
}

impl Service {
    async fn cycle(&self) -> Result<Cycle, String> {
        self.last.send_modify(|last| last.begun += 1);
        self.reap.cycle(self.reap.config().daemon.mode).await.map_err(|error| error.to_string())
    }

    fn note(&self, done: &Result<Cycle, String>, skipped: u128) {
        self.last.send_modify(|last| {
            last.number += 1;
            last.skipped += u64::try_from(skipped).unwrap_or(u64::MAX);
            match done {
                Ok(cycle) => {
                    last.at = Some(cycle.pass.at);
                    last.cost = cycle.cost;
                    last.spent += cycle.cost;
                    last.error.clone_from(&cycle.unpruned);
                    last.pass = Some(Arc::new(cycle.pass.clone()));
                    last.plan = Some(Arc::new(cycle.plan.clone()));
                }
                Err(error) => {
                    last.at = Some(now());
                    last.errors += 1;
                    last.error = Some(error.clone());
                }
            }
        });
    }

    /// A cycle that begins from now on, whichever is on its way.
    pub async fn cycle_now(&self) -> Last {
        let mut next = 0;
        self.last.send_modify(|last| {
            next = last.begun + 1;
            last.wanted = next;
        });
        let mut over = self.last.subscribe();
        self.hurry.notify_one();
        let last = over.wait_for(|last| last.number >= next).await;
        last.map_or_else(|_| self.last(), |last| last.clone()) // it ends with this value
    }

    /// Whether somebody waits for a cycle that has not begun by itself since.
    fn is_hurried(&self) -> bool {
        let last = self.last.borrow();
        last.wanted > last.begun
    }

    /// The last cycle.
    pub fn last(&self) -> Last {
        self.last.borrow().clone()
    }

    /// How it is.
    pub async fn status(&self, socket: &Path) -> Result<Status, MemoryError> {
        let last = self.last();
        let mut status = self.reap.status(last.pass.as_deref()).await?;
        let config = &self.reap.config().daemon;
        status.daemon = Some(DaemonStatus {
            process: self.process,
            since: self.since,
            mode: config.mode.word().to_owned(),
            every: config.every,
            socket: socket.to_owned(),
            listen: config.listen.as_ref().map(|listen| listen.address.to_string()),
        });
        status.cycle = last.at.map(|at| CycleStatus {
            number: Some(last.number),
            at,
            cost: Some(last.cost),
            error: last.error,
            skipped: last.skipped,
        });
        Ok(status)
    }
}
