//! A loaded policy.

use std::sync::Arc;
use std::time::Duration;

use reap_core::ids::PluginName;
use reap_core::subject::Subject;
use reap_core::time::Timestamp;
use reap_core::vote::Vote;
use wasmtime::{Engine, Store};

use crate::bindings::policy::{PolicyPlugin, PolicyPluginPre};
use crate::bindings::{policy_exports, types};
use crate::call::{Call, call};
use crate::capabilities::log::LogLine;
use crate::convert;
use crate::error::CallError;
use crate::lazy::Lazy;
use crate::scripts::Scripted;
use crate::state::{Shared, State};

/// A policy that can be asked for votes. Cheap to clone.
#[derive(Clone)]
pub struct Policy {
    code: Code,
    shared: Arc<Shared>,
    /// The only extra facts that it is told, where it names some.
    facts: Option<Arc<[String]>>,
}

/// What votes.
#[derive(Clone)]
pub(crate) enum Code {
    /// A component, in a fresh instance for each call.
    Component(Engine, Lazy<PolicyPluginPre<State>>),
    /// A script on its engine.
    Script(Scripted),
}

impl Policy {
    pub(crate) fn new(code: Code, shared: Arc<Shared>, facts: Option<Vec<String>>) -> Self {
        Self { code, shared, facts: facts.map(Arc::from) }
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

    /// Loads its code, if it is not loaded, so that the first vote need not wait for
    /// that. What is wrong with it the vote will tell.
    pub async fn warm_up(&self) {
        if let Code::Component(_, code) = &self.code {
            let _ = code.ready(&self.shared, "evaluate").await; // see above
        }
    }

    pub(crate) async fn configure(&self) -> Result<(), CallError> {
        let settings = convert::facts_out(&self.shared.settings);
        match &self.code {
            Code::Component(engine, code) => {
                let code = code.ready(&self.shared, "configure").await?;
                configure(engine, code, &self.shared, settings).await
            }
            Code::Script(script) => script.configure(&self.shared, settings).await,
        }
    }

    /// One vote for each subject, in their order.
    pub async fn evaluate(&self, now: Timestamp, subjects: &[Subject]) -> Result<Vec<Vote>, CallError> {
        if subjects.is_empty() {
            return Ok(Vec::new());
        }
        let settings = convert::facts_out(&self.shared.settings);
        let count = subjects.len();
        let subjects: Vec<_> =
            subjects.iter().map(|subject| convert::subject_out(subject, self.facts.as_deref())).collect();
        let votes = match &self.code {
            Code::Component(engine, code) => {
                let code = code.ready(&self.shared, "evaluate").await?;
                evaluate(engine, code, &self.shared, settings, now, subjects).await
            }
            Code::Script(script) => script.evaluate(&self.shared, settings, now.millis(), subjects).await,
        }?;
        if votes.len() != count {
            self.shared.counters.nonsense.one();
            let why = format!("{} votes on {count} sessions", votes.len());
            return Err(CallError::Nonsense { call: "evaluate", why });
        }
        Ok(votes.into_iter().map(convert::vote).collect())
    }
}

async fn configure(
    engine: &Engine,
    pre: PolicyPluginPre<State>,
    shared: &Arc<Shared>,
    settings: Vec<types::Fact>,
) -> Result<(), CallError> {
    let about = Call { name: "configure", time: shared.limits.call(), frozen: Some(Duration::ZERO) };
    let work = async move |store: &mut Store<State>| {
        let plugin: PolicyPlugin = pre.instantiate_async(&mut *store).await?;
        plugin.reap_plugin_policy().call_configure(store, &settings).await
    };
    call(engine, shared, about, |_| (), work).await.0
}

async fn evaluate(
    engine: &Engine,
    pre: PolicyPluginPre<State>,
    shared: &Arc<Shared>,
    settings: Vec<types::Fact>,
    now: Timestamp,
    subjects: Vec<policy_exports::Subject>,
) -> Result<Vec<policy_exports::Vote>, CallError> {
    let frozen = Some(Duration::from_millis(now.millis()));
    let about = Call { name: "evaluate", time: shared.limits.call(), frozen };
    let work = async move |store: &mut Store<State>| {
        let plugin: PolicyPlugin = pre.instantiate_async(&mut *store).await?;
        let policy = plugin.reap_plugin_policy();
        if let Err(error) = policy.call_configure(&mut *store, &settings).await? {
            return Ok(Err(error));
        }
        policy.call_evaluate(store, now.millis(), &subjects).await
    };
    call(engine, shared, about, |_| (), work).await.0
}
