//! The lines of one plugin: those that are kept from call to call, how many there may
//! be, and which addresses are left alone for a moment because they did not answer.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::rustls::ClientConfig;

use super::address::Address;
use super::connect::{connect, trust};
use super::line::{Allowance, Failure, Line};
use super::secrets::{Mask, renew};
use crate::counters::Counters;
use crate::limits::{IDLE_LINE, Limits};
use crate::network::Network;

/// The first pause after an address did not answer, and the longest. A gateway that
/// was started anew is to be seen within five seconds.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// The lines of one plugin.
#[derive(Debug)]
pub(crate) struct Pool {
    limits: Limits,
    network: Network,
    counters: Arc<Counters>,
    places: Arc<Semaphore>,
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Of all secrets that were ever sent: another line may bring them back.
    masks: Vec<Mask>,
    kept: HashMap<String, Vec<Kept>>,
    pauses: HashMap<String, Pause>,
}

#[derive(Debug)]
struct Kept {
    held: Held,
    note: String,
    since: Instant,
}

#[derive(Debug)]
struct Pause {
    until: Instant,
    length: Duration,
    failure: Failure,
}

/// A line, and its place among those that there may be.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) line: Line,
    _place: OwnedSemaphorePermit,
}

impl Pool {
    pub(crate) fn new(limits: &Limits, network: Network, counters: Arc<Counters>) -> Self {
        Self {
            limits: limits.clone(),
            network,
            counters,
            places: Arc::new(Semaphore::new(limits.connections)),
            tls: OnceLock::new(),
            inner: Mutex::default(),
        }
    }

    /// A line to this address, and the note of one that was kept.
    pub(crate) async fn take(
        &self,
        address: &Address,
        received: Arc<AtomicU64>,
        left: Duration,
    ) -> Result<(Held, Option<String>), Failure> {
        if let Some(kept) = self.take_kept(&address.text) {
            kept.held.line.count_for(received);
            return Ok((kept.held, Some(kept.note)));
        }
        if let Some(failure) = self.paused(&address.text) {
            return Err(failure);
        }
        let place = self.place()?;
        let opened = self.open(address, received, left).await;
        match opened {
            Ok(line) => {
                line.conceal(self.inner().masks.clone());
                Ok((Held { line, _place: place }, None))
            }
            Err(failure) => {
                self.pause(&address.text, failure.clone());
                Err(failure)
            }
        }
    }

    async fn open(
        &self,
        address: &Address,
        received: Arc<AtomicU64>,
        left: Duration,
    ) -> Result<Line, Failure> {
        let tls = match address.tls {
            true => Some(self.trust().await?),
            false => None,
        };
        let within = Duration::from_millis(self.limits.connect_ms).min(left);
        let socket = connect(address, tls, self.limits.message_bytes, within).await?;
        self.counters.connections.one();
        let allowance = Allowance {
            events: self.limits.events,
            message_bytes: self.limits.message_bytes,
            received_bytes: self.limits.received_bytes,
        };
        Ok(Line::start(&address.text, socket, allowance, Arc::clone(&self.counters), received))
    }

    /// The authorities are read once, and only when TLS is spoken.
    async fn trust(&self) -> Result<Arc<ClientConfig>, Failure> {
        let known = self.tls.get().cloned();
        let trusted = match known {
            Some(trusted) => trusted,
            None => {
                let file = self.network.ca_file.clone();
                let read = tokio::task::spawn_blocking(move || trust(file.as_deref())).await;
                let read = read.unwrap_or_else(|error| Err(error.to_string()));
                self.tls.get_or_init(|| read).clone()
            }
        };
        trusted.map_err(Failure::Forbidden)
    }

    /// From now on these are taken out of what comes in on new lines.
    pub(crate) fn conceal(&self, masks: &[Mask]) {
        renew(&mut self.inner().masks, masks.to_vec());
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let try_place = || Arc::clone(&self.places).try_acquire_owned().ok();
        let full =
            || Failure::Limited(format!("{} connections at once (connections)", self.limits.connections));
        try_place().or_else(|| self.give_up_oldest().then(try_place).flatten()).ok_or_else(full)
    }

    /// Closes the line that nobody uses for longest, for one that is needed now.
    fn give_up_oldest(&self) -> bool {
        let mut inner = self.inner();
        let oldest = inner.kept.values_mut().filter(|kept| !kept.is_empty()).min_by_key(|kept| kept[0].since);
        oldest.map(|kept| kept.remove(0)).is_some()
    }

    fn take_kept(&self, address: &str) -> Option<Kept> {
        let mut inner = self.inner();
        let kept = inner.kept.get_mut(address)?;
        // What ended meanwhile is dropped on the way.
        std::iter::from_fn(|| kept.pop()).find(|kept| kept.held.line.ended().is_none())
    }

    /// Keeps a line for the next call, for a while.
    pub(crate) fn keep(self: &Arc<Self>, address: &str, held: Held, note: String) {
        held.line.count_for(Arc::default());
        let kept = Kept { held, note, since: Instant::now() };
        let mut inner = self.inner();
        inner.pauses.remove(address);
        inner.kept.entry(address.to_owned()).or_default().push(kept);
        drop(inner);
        // Outside of a runtime nothing could close it later, and so it is closed now.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(close_idle(Arc::downgrade(self)))),
            Err(_) => self.close_older_than(Duration::ZERO),
        }
    }

    fn close_older_than(&self, age: Duration) {
        let mut inner = self.inner();
        inner.kept.values_mut().for_each(|kept| kept.retain(|kept| kept.since.elapsed() < age));
        inner.kept.retain(|_, kept| !kept.is_empty());
    }

    /// Leaves an address alone for a moment, longer each time.
    pub(crate) fn pause(&self, address: &str, failure: Failure) {
        let mut inner = self.inner();
        let before = inner.pauses.get(address).map(|pause| pause.length);
        let length = before.map_or(PAUSES.0, |before| (before * 2).min(PAUSES.1));
        inner.pauses.insert(address.to_owned(), Pause { until: Instant::now() + length, length, failure });
    }

    fn paused(&self, address: &str) -> Option<Failure> {
        let inner = self.inner();
        let pause = inner.pauses.get(address).filter(|pause| Instant::now() < pause.until)?;
        self.counters.paused.one();
        Some(pause.failure.clone())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes what nobody used for long. Each line that is kept has one of these.
async fn close_idle(pool: Weak<Pool>) {
    tokio::time::sleep(IDLE_LINE).await;
    if let Some(pool) = pool.upgrade() {
        pool.close_older_than(IDLE_LINE);
    }
}
