//! What a plugin's store holds during one call, and the meters that watch it.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reap_core::ids::PluginName;
use reap_core::session::Fact;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::capabilities::ending::EndingCall;
use crate::capabilities::files::Anchor;
use crate::capabilities::grants::Grants;
use crate::capabilities::log::{LogBook, LogLine};
use crate::capabilities::websocket::Used;
use crate::capabilities::websocket::grant::Incomplete;
use crate::capabilities::websocket::pool::Pool;
use crate::counters::Counters;
use crate::limits::Limits;
use crate::manifest::World;
use crate::network::Network;
use crate::process::ProcessTable;
use crate::streams::Streams;
use crate::wasi::Surroundings;

/// A policy written as a script.
#[derive(Debug)]
pub(crate) struct Script {
    /// What messages call the file.
    pub(crate) file: String,
    /// Its whole text.
    pub(crate) text: String,
}

/// What all calls to one plugin share. A clone counts and logs in the same place.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) name: PluginName,
    pub(crate) world: World,
    pub(crate) origin: String,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    pub(crate) settings: Vec<Fact>,
    /// What the engine runs, where the plugin is a script.
    pub(crate) script: Option<Arc<Script>>,
    pub(crate) counters: Arc<Counters>,
    /// Where the key is that signs its logins.
    pub(crate) keys: Option<PathBuf>,
    /// Its lines to gateways, once its settings are known.
    pub(crate) pool: Option<Arc<Pool>>,
    logged: Arc<Mutex<VecDeque<LogLine>>>,
    /// What was refused since this was last fetched, by capability. A plugin that asks a
    /// million times fills one place.
    refusals: Arc<Mutex<BTreeMap<&'static str, Refusal>>>,
}

/// What a plugin was refused, of one capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which capability.
    pub capability: &'static str,
    /// What it asked for first, in plain words and in one line.
    pub asked: String,
    /// How often it was refused.
    pub times: u64,
}

/// How much is kept of what was asked for.
const LONGEST_ASKED: usize = 300;

/// How many log lines of a plugin wait to be fetched. The oldest go first.
const LOG_LINES: usize = 500;

impl Shared {
    pub(crate) fn new(
        name: PluginName,
        world: World,
        origin: String,
        limits: Limits,
        grants: Grants,
    ) -> Self {
        Self {
            name,
            world,
            origin,
            limits,
            grants,
            settings: Vec::new(),
            script: None,
            counters: Arc::default(),
            keys: None,
            pool: None,
            logged: Arc::default(),
            refusals: Arc::default(),
        }
    }

    pub(crate) fn with_settings(&self, settings: Vec<Fact>, network: Network) -> Result<Self, Incomplete> {
        let mut grants = self.grants.clone();
        grants.settle(&settings, &network)?;
        let pool = Pool::new(&self.limits, network, Arc::clone(&self.counters));
        Ok(Self { grants, settings, pool: Some(Arc::new(pool)), ..self.clone() })
    }

    /// The table of `reap.toml` that is about this plugin.
    pub(crate) fn config_table(&self) -> String {
        let kind = match self.world {
            World::Backend => "backends",
            World::Policy => "policies",
        };
        format!("{kind}.{}", self.name)
    }

    pub(crate) fn keep_log(&self, lines: Vec<LogLine>) {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            if logged.len() == LOG_LINES {
                logged.pop_front();
                self.counters.log_dropped.one();
            }
            self.counters.log_lines.one();
            logged.push_back(line);
        }
    }

    pub(crate) fn refused(&self, capability: &'static str, asked: &str) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let first = || {
            let asked = reap_core::clean::line_of(asked, LONGEST_ASKED);
            Refusal { capability, asked, times: 0 }
        };
        refusals.entry(capability).or_insert_with(first).times += 1;
    }

    pub(crate) fn take_refusals(&self) -> Vec<Refusal> {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *refusals).into_values().collect()
    }

    pub(crate) fn take_log(&self) -> Vec<LogLine> {
        self.logged.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

/// What a store holds during one call.
pub(crate) struct State {
    pub(crate) shared: Arc<Shared>,
    pub(crate) resources: ResourceTable,
    pub(crate) meter: Meter,
    pub(crate) watch: Watch,
    pub(crate) log: LogBook,
    pub(crate) processes: Option<Arc<ProcessTable>>,
    pub(crate) ending: Option<EndingCall>,
    pub(crate) file_bytes: u64,
    pub(crate) anchor: Anchor,
    pub(crate) streams: Streams,
    /// Commands under way.
    pub(crate) running: usize,
    /// What its lines to gateways have used.
    pub(crate) spent: Used,
    pub(crate) surroundings: Surroundings,
    wasi: WasiCtx,
}

impl State {
    pub(crate) fn new(
        shared: Arc<Shared>,
        surroundings: Surroundings,
        wasi: WasiCtx,
        time: Duration,
    ) -> Self {
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(shared.limits.handles);
        Self {
            resources,
            meter: Meter::new(&shared.limits),
            watch: Watch::start(shared.limits.run(), time),
            log: LogBook::new(&shared),
            processes: None,
            ending: None,
            file_bytes: 0,
            anchor: None,
            streams: Streams::default(),
            running: 0,
            spent: Used::default(),
            surroundings,
            wasi,
            shared,
        }
    }
}

impl State {
    /// Makes the state of an earlier call good for another one: what that call used up,
    /// logged and ran into is gone, and what its memory takes still counts.
    pub(crate) fn renew(&mut self, shared: Arc<Shared>, time: Duration) {
        self.watch = Watch::start(shared.limits.run(), time);
        self.log = LogBook::new(&shared);
        self.meter.refused = None;
        self.shared = shared;
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

/// Adds up what a component takes of memory, tables and instances, over all its
/// core modules: wasmtime's own limits are for each memory alone, and a guest
/// can have many.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) memory: usize,
    table: usize,
    most_memory: usize,
    most_table: usize,
    each: usize,
    pub(crate) peak: usize,
    /// The limit that refused something, if one did. A refused allocation shows
    /// later as an unrelated trap; this tells why.
    pub(crate) refused: Option<&'static str>,
}

impl Meter {
    fn new(limits: &Limits) -> Self {
        Self {
            memory: 0,
            table: 0,
            most_memory: limits.memory_bytes,
            most_table: limits.table_elements,
            each: limits.instances,
            peak: 0,
            refused: None,
        }
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _most: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let sum = self.memory.saturating_add(desired.saturating_sub(current));
        if sum > self.most_memory {
            self.refused = Some("memory_bytes");
            return Ok(false);
        }
        self.memory = sum;
        self.peak = self.peak.max(sum);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _most: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let sum = self.table.saturating_add(desired.saturating_sub(current));
        if sum > self.most_table {
            self.refused = Some("table_elements");
            return Ok(false);
        }
        self.table = sum;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.each
    }

    fn tables(&self) -> usize {
        self.each
    }

    fn memories(&self) -> usize {
        self.each
    }
}

/// Measures a call's time, and apart from it the time that the plugin's own code
/// ran: a plugin must not fall over its limit because a program that it asked
/// was slow.
#[derive(Debug)]
pub(crate) struct Watch {
    started: Instant,
    in_host: Duration,
    run: Duration,
    call: Duration,
}

/// Which limit of time a call ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeLimit {
    Run,
    Call,
}

impl Watch {
    fn start(run: Duration, call: Duration) -> Self {
        Self { started: Instant::now(), in_host: Duration::ZERO, run, call }
    }

    /// Adds time that was spent in the host since `since`.
    pub(crate) fn was_in_host(&mut self, since: Instant) {
        self.in_host += since.elapsed();
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// What is left of the call's time.
    pub(crate) fn left(&self) -> Duration {
        self.call.saturating_sub(self.elapsed())
    }

    /// What is left for the plugin's own code, or the limit that is used up.
    pub(crate) fn left_to_run(&self) -> Result<Duration, TimeLimit> {
        let ran = self.elapsed().saturating_sub(self.in_host);
        match (self.run.checked_sub(ran), self.call.checked_sub(self.elapsed())) {
            (None, _) => Err(TimeLimit::Run),
            (_, None) => Err(TimeLimit::Call),
            (Some(run), Some(call)) => Ok(run.min(call)),
        }
    }
}
