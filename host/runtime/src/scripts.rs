//! Policies that are scripts: one engine for all of them, an instance for each.
//!
//! An instance is kept from call to call, unlike that of a component: to parse a
//! script takes longer than to ask it about a thousand sessions. The engine freezes
//! what the script made, so nothing of one call is left for the next to see. After
//! anything but a good answer the next call gets a new instance, and so does a call
//! that comes while another one is under way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::component::{HasSelf, InstancePre, Linker};
use wasmtime::{Engine, Store};

use crate::bindings::engine::exports::reap::plugin::outline::Wishes;
use crate::bindings::engine::{EngineSide, EngineSideIndices};
use crate::bindings::policy::{PolicyPlugin, PolicyPluginIndices};
use crate::bindings::{policy_exports, script, types};
use crate::call::{Call, Reply, enter};
use crate::error::CallError;
use crate::state::{Shared, State};

/// An instance whose memory has grown beyond this is not kept. A daemon lives long,
/// and memory that a guest once had never comes back.
const MOST_KEPT: usize = 32 << 20;

/// A script on its engine. Cheap to clone; clones share the instance.
#[derive(Clone)]
pub(crate) struct Scripted {
    engine: Engine,
    pre: InstancePre<State>,
    policy: PolicyPluginIndices,
    side: EngineSideIndices,
    kept: Arc<Mutex<Option<Live>>>,
}

/// An instance that can be asked.
struct Live {
    store: Store<State>,
    exports: Exports,
}

struct Exports {
    policy: PolicyPlugin,
    side: EngineSide,
}

/// What an engine may import beside what every policy may.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    script::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl Scripted {
    pub(crate) fn new(engine: Engine, pre: InstancePre<State>) -> wasmtime::Result<Self> {
        Ok(Self {
            policy: PolicyPluginIndices::new(&pre)?,
            side: EngineSideIndices::new(&pre)?,
            kept: Arc::default(),
            engine,
            pre,
        })
    }

    /// What the script says of itself.
    pub(crate) async fn describe(
        &self,
        shared: &Arc<Shared>,
    ) -> Result<(types::Description, Wishes), CallError> {
        let work = async |exports: &Exports, store: &mut Store<State>| {
            let description = match exports.policy.reap_plugin_policy().call_describe(&mut *store).await? {
                Ok(description) => description,
                Err(error) => return Ok(Err(error)),
            };
            let wishes = exports.side.reap_plugin_outline().call_told(store).await?;
            Ok(wishes.map(|wishes| (description, wishes)))
        };
        self.ask(shared, "describe", work).await
    }

    /// Gives it its settings to check.
    pub(crate) async fn configure(
        &self,
        shared: &Arc<Shared>,
        settings: Vec<types::Fact>,
    ) -> Result<(), CallError> {
        let work = async move |exports: &Exports, store: &mut Store<State>| {
            exports.policy.reap_plugin_policy().call_configure(store, &settings).await
        };
        self.ask(shared, "configure", work).await
    }

    /// Its votes. The settings come first, as in every policy's call.
    pub(crate) async fn evaluate(
        &self,
        shared: &Arc<Shared>,
        settings: Vec<types::Fact>,
        now: u64,
        subjects: Vec<policy_exports::Subject>,
    ) -> Result<Vec<policy_exports::Vote>, CallError> {
        let work = async move |exports: &Exports, store: &mut Store<State>| {
            let policy = exports.policy.reap_plugin_policy();
            if let Err(error) = policy.call_configure(&mut *store, &settings).await? {
                return Ok(Err(error));
            }
            policy.call_evaluate(store, now, &subjects).await
        };
        self.ask(shared, "evaluate", work).await
    }

    /// Makes a call with the kept instance, or with a new one. The clock that it could
    /// look at stands still at the beginning of time: a script is not told the `now`,
    /// so that its votes follow from the sessions alone.
    async fn ask<T, W>(&self, shared: &Arc<Shared>, name: &'static str, work: W) -> Result<T, CallError>
    where
        T: Send + 'static,
        W: AsyncFnOnce(&Exports, &mut Store<State>) -> Reply<T> + Send + 'static,
    {
        let about = Call { name, time: shared.limits.call(), frozen: Some(Duration::ZERO) };
        let (store, exports) = self.kept().take().map(|live| (live.store, live.exports)).unzip();
        let this = self.clone();
        let work = async move |store: &mut Store<State>| {
            let exports = match exports {
                Some(exports) => exports,
                None => this.instance(store).await?,
            };
            let answer = work(&exports, store).await?;
            Ok(answer.map(|answer| (answer, exports)))
        };
        let (answer, store) = enter(&self.engine, shared, about, store, |_| (), work).await;
        let (answer, exports) = answer?;
        if let Some(store) = store.filter(|store| store.data().meter.memory <= MOST_KEPT) {
            *self.kept() = Some(Live { store, exports });
        }
        Ok(answer)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Live>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn instance(&self, store: &mut Store<State>) -> wasmtime::Result<Exports> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        Ok(Exports {
            policy: self.policy.load(&mut *store, &instance)?,
            side: self.side.load(store, &instance)?,
        })
    }
}
