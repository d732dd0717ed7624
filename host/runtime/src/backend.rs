//! A loaded backend.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use reap_core::guard::Here;
use reap_core::ids::{Instance, Key, PluginName};
use reap_core::listing::Listing;
use reap_core::outcome::{Outcome, Survivor};
use reap_core::permit::Permit;
use reap_core::session::{ProcessId, Session};
use wasmtime::component::Resource;
use wasmtime::{Engine, Store};

use crate::bindings::backend::{BackendPlugin, BackendPluginPre};
use crate::bindings::{backend_exports, types};
use crate::call::{Call, Reply, call};
use crate::capabilities::ending::{EndingCall, PermitHandle, Slot};
use crate::capabilities::log::LogLine;
use crate::convert;
use crate::error::CallError;
use crate::lazy::Lazy;
use crate::process::alive;
use crate::state::{Refusal, Shared, State};

/// A backend that can be asked. Cheap to clone.
#[derive(Clone)]
pub struct Backend {
    engine: Engine,
    code: Lazy<BackendPluginPre<State>>,
    shared: Arc<Shared>,
}

/// What must come to no harm while something else is ended.
#[derive(Debug, Clone)]
pub struct Care {
    /// Reap itself and its ancestors.
    pub here: Here,
    /// All servers, and the processes of sessions that are never ended.
    pub protected: HashSet<ProcessId>,
    /// By backend, the processes of all sessions that are not being ended.
    pub bystanders: HashMap<PluginName, HashSet<ProcessId>>,
}

impl Care {
    /// What this backend must leave alone.
    ///
    /// Two backends may list one process: kiro-cli runs in a tmux session, and either
    /// can be ended without the other being named. So what another backend lists is
    /// no hindrance where the host itself proves whose a process is; where it goes by
    /// the backend's word, it is.
    pub(crate) fn untouchable(&self, backend: &PluginName, proves: bool) -> HashSet<ProcessId> {
        let others = self.bystanders.iter().filter(|(other, _)| !proves || *other == backend);
        let others = others.flat_map(|(_, processes)| processes);
        self.protected.iter().chain(&self.here.ancestors).chain(others).copied().collect()
    }
}

/// What became of one permit.
#[derive(Debug, Clone)]
pub struct Report {
    /// How it went.
    pub outcome: Outcome,
    /// The processes that the host found to be the session's own, just before the
    /// end was tried and while it was.
    pub processes: HashSet<ProcessId>,
}

impl Backend {
    pub(crate) fn new(engine: Engine, code: Lazy<BackendPluginPre<State>>, shared: Arc<Shared>) -> Self {
        Self { engine, code, shared }
    }

    /// Its name.
    pub fn name(&self) -> &PluginName {
        &self.shared.name
    }

    /// Its counters by name.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        self.shared.counters.read()
    }

    /// The messages that it wrote since the last time.
    pub fn log(&self) -> Vec<LogLine> {
        self.shared.take_log()
    }

    /// Whether it will have no session to tell of: none of the files is there that it
    /// needs for that. A guess, which only saves the loading of what would vote on them.
    pub fn has_nothing(&self) -> bool {
        self.shared.grants.needed_paths_are_missing()
    }

    /// Loads its code, if it is not loaded. What is wrong with it the next call will tell.
    pub async fn warm_up(&self) {
        let _ = self.code.ready(&self.shared, "discover").await; // see above
    }

    /// What it was refused since the last time, once for each capability.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.shared.take_refusals()
    }

    pub(crate) async fn configure(&self) -> Result<(), CallError> {
        self.ask("configure", async |_, _| Ok(Ok(()))).await
    }

    /// Lists every instance, with all its sessions.
    pub async fn discover(&self) -> Result<Vec<Listing>, CallError> {
        let listings = self
            .ask("discover", async |plugin, store| plugin.reap_plugin_backend().call_discover(store).await)
            .await?;
        self.listings("discover", listings)
    }

    /// Looks at one instance again, for these keys.
    pub async fn inspect(&self, instance: &Instance, keys: &[Key]) -> Result<Listing, CallError> {
        let name = instance.as_str().to_owned();
        let keys: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
        let work = async move |plugin: &BackendPlugin, store: &mut Store<State>| {
            plugin.reap_plugin_backend().call_inspect(store, &name, &keys).await
        };
        let listing = self.ask("inspect", work).await?;
        let listing =
            self.listings("inspect", vec![listing])?.pop().filter(|listing| listing.instance == *instance);
        listing.ok_or_else(|| {
            self.shared.counters.nonsense.one();
            CallError::Nonsense { call: "inspect", why: format!("it is not about {instance}") }
        })
    }

    /// Sets or clears the backend's own opt-out tag.
    pub async fn tag(&self, instance: &Instance, session: &Session, protect: bool) -> Result<(), CallError> {
        let name = instance.as_str().to_owned();
        let session = convert::session_out(session);
        let work = async move |plugin: &BackendPlugin, store: &mut Store<State>| {
            plugin.reap_plugin_backend().call_tag(store, &name, &session, protect).await
        };
        self.ask("tag", work).await
    }

    /// Ends the sessions that the permits name, all of one instance. One report
    /// for each permit, in their order. What the plugin says is believed only
    /// where the host finds the processes gone as well; that the sessions are
    /// gone too is for the caller to look at.
    pub async fn end(&self, server: Option<ProcessId>, permits: Vec<Permit>, care: &Care) -> Vec<Report> {
        let count = permits.len();
        let code = match self.code.ready(&self.shared, "end").await {
            Ok(code) => code,
            Err(error) => return failed_all(count, &error.to_string()),
        };
        self.shared.counters.permits.add(count as u64);
        let prepared = {
            let (shared, care) = (Arc::clone(&self.shared), care.clone());
            tokio::task::spawn_blocking(move || EndingCall::prepare(&shared, server, permits, &care)).await
        };
        let ending = match prepared {
            Ok(Ok(ending)) => ending,
            Ok(Err(why)) => return failed_all(count, &why),
            Err(error) => {
                return failed_all(count, &format!("the processes could not be looked at: {error}"));
            }
        };
        let handles: Vec<PermitHandle> = ending.handles().collect();
        let settings = convert::facts_out(&self.shared.settings);
        let about = Call { name: "end", time: self.shared.limits.end(), frozen: None };
        let work = async move |store: &mut Store<State>| {
            let plugin: BackendPlugin = code.instantiate_async(&mut *store).await?;
            let backend = plugin.reap_plugin_backend();
            if let Err(error) = backend.call_configure(&mut *store, &settings).await? {
                return Ok(Err(error));
            }
            let mut permits = Vec::new();
            for handle in handles {
                permits.push(store.data_mut().resources.push(handle)?);
            }
            let permits: Vec<Resource<PermitHandle>> = permits;
            backend.call_end(store, &permits).await
        };
        let setup = move |state: &mut State| state.ending = Some(ending);
        let (answer, state) = call(&self.engine, &self.shared, about, setup, work).await;
        let slots = state.and_then(|state| state.ending).map(EndingCall::into_slots).unwrap_or_default();
        self.reports(count, answer, slots)
    }

    fn reports(
        &self,
        count: usize,
        answer: Result<Vec<backend_exports::Outcome>, CallError>,
        slots: Vec<Slot>,
    ) -> Vec<Report> {
        let said = match answer {
            Ok(said) if said.len() == count => said,
            Ok(said) => {
                self.shared.counters.nonsense.one();
                let why =
                    format!("the plugin's answer to end makes no sense: {} outcomes of {count}", said.len());
                return failed_all(count, &why);
            }
            // The plugin may have ended some of them before it failed.
            Err(error) => {
                return failed_all(count, &format!("{error}; it may have been ended, look again"));
            }
        };
        let report = |(said, slot): (backend_exports::Outcome, Slot)| {
            let mut outcome = convert::outcome(said);
            check(&mut outcome, &slot);
            Report { outcome, processes: slot.known }
        };
        said.into_iter().zip(slots).map(report).collect()
    }

    fn listings(
        &self,
        name: &'static str,
        listings: Vec<backend_exports::Listing>,
    ) -> Result<Vec<Listing>, CallError> {
        let count: usize = listings.iter().map(|listing| listing.sessions.len()).sum();
        self.shared.counters.sessions.add(count as u64);
        if count > self.shared.limits.sessions || listings.len() > self.shared.limits.sessions {
            self.shared.counters.limits.one();
            return Err(CallError::Limited {
                call: name,
                limit: "sessions",
                why: format!("it listed {count} sessions in {} instances", listings.len()),
                table: self.shared.config_table(),
            });
        }
        Ok(listings.into_iter().map(|listing| convert::listing(&self.shared.name, listing)).collect())
    }

    /// Makes a call that ends nothing, in a fresh and configured instance.
    async fn ask<T, W>(&self, name: &'static str, work: W) -> Result<T, CallError>
    where
        T: Send + 'static,
        W: AsyncFnOnce(&BackendPlugin, &mut Store<State>) -> Reply<T> + Send + 'static,
    {
        let code = self.code.ready(&self.shared, name).await?;
        let settings = convert::facts_out(&self.shared.settings);
        let about = Call { name, time: self.shared.limits.call(), frozen: None };
        let work = async move |store: &mut Store<State>| {
            let plugin: BackendPlugin = code.instantiate_async(&mut *store).await?;
            if let Err(error) = plugin.reap_plugin_backend().call_configure(&mut *store, &settings).await? {
                return Ok(Err::<T, types::Error>(error));
            }
            work(&plugin, store).await
        };
        call(&self.engine, &self.shared, about, |_| (), work).await.0
    }
}

/// Holds what the plugin says against what the host sees: "ended" with a process
/// of the session alive is no end.
fn check(outcome: &mut Outcome, slot: &Slot) {
    let Outcome::Ended { notes } = outcome else { return };
    let (spared, left): (Vec<ProcessId>, Vec<ProcessId>) =
        slot.known.iter().copied().filter(|id| alive(*id)).partition(|id| slot.spared.contains(id));
    let survivor = |process, reason: &str| Survivor { process, reason: reason.to_owned() };
    let foreign = slot.beyond.foreign.iter().filter(|id| alive(**id));
    let mut survivors: Vec<Survivor> = left.into_iter().map(|id| survivor(id, "it was not ended")).collect();
    survivors.extend(foreign.map(|id| survivor(*id, "it runs as another user")));
    survivors.extend(unproven(slot).map(|id| survivor(id, "nothing proves that it may be ended")));
    if !survivors.is_empty() {
        let reason = "the session was ended, but processes of it live on".to_owned();
        *outcome = Outcome::Failed { reason, survivors };
        return;
    }
    if !spared.is_empty() {
        let pids: Vec<String> = spared.iter().map(|id| format!("pid {}", id.pid)).collect();
        notes.push(format!("left alone, because other sessions use them: {}", pids.join(", ")));
    }
    let serving = slot.beyond.serving.iter().filter(|(id, _)| alive(*id));
    let names: Vec<String> =
        serving.map(|(id, name)| format!("{} (pid {})", reap_core::clean::line(name), id.pid)).collect();
    if !names.is_empty() {
        notes.push(format!("left alone, because they may serve others: {}", names.join(", ")));
    }
}

/// What the session lists and the host did not find to be its own, nor anybody
/// else's.
pub(crate) fn unproven(slot: &Slot) -> impl Iterator<Item = ProcessId> {
    let listed = slot.permit.session().processes.iter().copied();
    listed.filter(|id| {
        let explained = slot.known.contains(id)
            || slot.untouchable.contains(id)
            || slot.beyond.foreign.contains(id)
            || slot.beyond.sheltered.contains(id);
        !explained && alive(*id)
    })
}

fn failed_all(count: usize, why: &str) -> Vec<Report> {
    let outcome = Outcome::Failed { reason: why.to_owned(), survivors: Vec::new() };
    vec![Report { outcome, processes: HashSet::new() }; count]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_backends_list_is_a_hindrance_where_nothing_is_proven() {
        let id = |pid| ProcessId { pid, started: 1 };
        let name = |name: &str| PluginName::new(name).expect("a name");
        let care = Care {
            here: Here { ancestors: vec![id(1)] },
            protected: HashSet::from([id(2)]),
            bystanders: HashMap::from([
                (name("tmux"), HashSet::from([id(3)])),
                (name("kiro-cli"), HashSet::from([id(4)])),
            ]),
        };
        let untouchable = |proves| {
            let mut pids: Vec<u32> =
                care.untouchable(&name("kiro-cli"), proves).into_iter().map(|id| id.pid).collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(untouchable(true), [1, 2, 4]);
        assert_eq!(untouchable(false), [1, 2, 3, 4]);
    }
}
