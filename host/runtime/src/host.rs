//! Loading plugins: compile or take from the cache, link, ask what it is.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use reap_core::session::{Fact, Value};
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use crate::backend::Backend;
use crate::bindings::backend::{BackendPlugin, BackendPluginPre};
use crate::bindings::policy::{PolicyPlugin, PolicyPluginPre};
use crate::bindings::{log as log_bindings, types};
use crate::call::{Call, call, fits};
use crate::capabilities::grants::Grants;
use crate::capabilities::websocket::grant::Incomplete;
use crate::convert;
use crate::error::{CallError, HostError, LoadError};
use crate::limits::Limits;
use crate::manifest::{Manifest, World};
use crate::network::Network;
use crate::policy::Policy;
use crate::state::{Shared, State};
use crate::{cache, engine, wasi};

/// The largest component that is compiled. A compiler can be made to work for
/// long by a large input.
const LARGEST: usize = 64 << 20;

/// The host of all plugins. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    engine: Engine,
    cache: Option<PathBuf>,
    keys: Option<PathBuf>,
}

/// How the host is to be set up.
#[derive(Debug, Clone, Default)]
pub struct HostOptions {
    /// The folder for compiled plugins; nothing to compile anew each time.
    pub cache: Option<PathBuf>,
    /// The folder for the keys that sign logins; nothing where none can be kept. It comes
    /// into being with the first of them.
    pub keys: Option<PathBuf>,
}

/// A plugin that is to be loaded.
#[derive(Debug, Clone)]
pub struct Source {
    /// What it is and asks for.
    pub manifest: Manifest,
    /// The component.
    pub wasm: Cow<'static, [u8]>,
    /// Where it came from: "bundled", or its path.
    pub origin: String,
}

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is for.
    pub summary: String,
    /// The settings that it understands.
    pub settings: Vec<Setting>,
}

/// One setting that a plugin understands.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its name in `reap.toml`.
    pub name: String,
    /// What kind of value it takes.
    pub kind: SettingKind,
    /// What it is when the operator says nothing.
    pub fallback: Value,
    /// What it does, in one sentence.
    pub help: String,
}

/// What kind of value a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    /// A string.
    Text,
    /// A whole number.
    Number,
    /// true or false.
    Flag,
    /// A length of time such as "30m".
    Span,
    /// A list of strings.
    Texts,
}

/// A plugin that was compiled and linked and has said what it is. Its settings
/// are still to come.
pub struct Prepared {
    engine: Engine,
    manifest: Manifest,
    description: Description,
    shared: Shared,
    linked: Linked,
    compiled: bool,
    cache_problem: Option<String>,
}

enum Linked {
    Backend(BackendPluginPre<State>),
    Policy(PolicyPluginPre<State>),
}

impl Host {
    /// Starts the engine.
    pub fn new(options: HostOptions) -> Result<Self, HostError> {
        Ok(Self { engine: engine::start()?, cache: options.cache, keys: options.keys })
    }

    /// Compiles a plugin or takes it from the cache, links it to what its world
    /// gets, and asks it what it is.
    pub async fn prepare(&self, source: Source, limits: Limits) -> Result<Prepared, LoadError> {
        let Source { manifest, wasm, origin } = source;
        if wasm.len() > LARGEST {
            return Err(LoadError::TooLarge { origin, bytes: wasm.len(), limit: LARGEST });
        }
        // While a thread loads the code, this one makes the patterns ready.
        let (loaded, grants) =
            tokio::join!(self.compile(wasm, &origin), async { Grants::complete(&manifest) });
        let (component, from, problem) = loaded?;
        let grants = grants.map_err(|why| LoadError::Manifest { origin: origin.clone(), why })?;
        let mut shared = Shared::new(manifest.name.clone(), manifest.world, origin, limits, grants);
        shared.keys.clone_from(&self.keys);
        check_imports(&component, &self.engine, &shared)?;
        fits(&component, &shared).map_err(|why| LoadError::Limits { origin: shared.origin.clone(), why })?;
        let linked = link(&component, &self.engine, &shared)?;
        let (description, shared) = describe(&self.engine, &linked, shared).await?;
        if description.name != manifest.name.as_str() {
            return Err(LoadError::Name {
                origin: shared.origin,
                says: description.name,
                manifest: manifest.name.to_string(),
            });
        }
        Ok(Prepared {
            engine: self.engine.clone(),
            manifest,
            description,
            shared,
            linked,
            compiled: from == cache::From::Compiler,
            cache_problem: problem.map(|problem| problem.to_string()),
        })
    }

    async fn compile(
        &self,
        wasm: Cow<'static, [u8]>,
        origin: &str,
    ) -> Result<(Component, cache::From, Option<crate::error::CacheError>), LoadError> {
        let engine = self.engine.clone();
        let folder = self.cache.clone();
        let bad = |why: String| LoadError::NotAComponent {
            origin: origin.to_owned(),
            why: reap_core::clean::line_of(&why, 300),
            mend: "Build it for the target wasm32-wasip2, and copy the whole file",
        };
        let compiled =
            tokio::task::spawn_blocking(move || cache::component(&engine, &wasm, folder.as_deref()));
        match compiled.await {
            Ok(answer) => answer.map_err(|error| bad(error.root_cause().to_string())),
            Err(panic) => Err(LoadError::Compiler { origin: origin.to_owned(), why: panic.to_string() }),
        }
    }
}

/// Refuses a component that imports what its world does not have, and says what:
/// a linker would only name the first function that it misses.
fn check_imports(component: &Component, engine: &Engine, shared: &Shared) -> Result<(), LoadError> {
    let ours: &[&str] = match shared.world {
        World::Backend => {
            &["types", "log", "settings", "processes", "liveness", "files", "commands", "ending", "websocket"]
        }
        World::Policy => &["types", "log"],
    };
    let offered = |name: &str| {
        let own = name.strip_prefix("reap:plugin/").and_then(|rest| rest.split('@').next());
        own.is_some_and(|own| ours.contains(&own)) || wasi::LINKED.iter().any(|wasi| name.starts_with(wasi))
    };
    let ty = component.component_type();
    let foreign: Vec<String> =
        ty.imports(engine).map(|(name, _)| name.to_owned()).filter(|name| !offered(name)).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    Err(LoadError::Imports {
        origin: shared.origin.clone(),
        imports: foreign.join(", "),
        world: shared.world.word(),
    })
}

fn link(component: &Component, engine: &Engine, shared: &Shared) -> Result<Linked, LoadError> {
    let contract = |error: wasmtime::Error| LoadError::Contract {
        origin: shared.origin.clone(),
        world: shared.world.word(),
        why: reap_core::clean::line_of(&format!("{error:#}"), 300),
    };
    let mut linker = Linker::<State>::new(engine);
    let build = |linker: &mut Linker<State>| {
        wasi::link(linker)?;
        match shared.world {
            World::Backend => {
                BackendPlugin::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
                let pre = linker.instantiate_pre(component)?;
                BackendPluginPre::new(pre).map(Linked::Backend)
            }
            World::Policy => {
                log_bindings::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
                types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
                let pre = linker.instantiate_pre(component)?;
                PolicyPluginPre::new(pre).map(Linked::Policy)
            }
        }
    };
    build(&mut linker).map_err(contract)
}

async fn describe(
    engine: &Engine,
    linked: &Linked,
    shared: Shared,
) -> Result<(Description, Shared), LoadError> {
    let shared = Arc::new(shared);
    let about = Call { name: "describe", time: shared.limits.call(), frozen: Some(Default::default()) };
    let answer = match linked {
        Linked::Backend(pre) => {
            let pre = pre.clone();
            let work = async move |store: &mut wasmtime::Store<State>| {
                let plugin: BackendPlugin = pre.instantiate_async(&mut *store).await?;
                plugin.reap_plugin_backend().call_describe(store).await
            };
            call(engine, &shared, about, |_| (), work).await.0
        }
        Linked::Policy(pre) => {
            let pre = pre.clone();
            let work = async move |store: &mut wasmtime::Store<State>| {
                let plugin: PolicyPlugin = pre.instantiate_async(&mut *store).await?;
                plugin.reap_plugin_policy().call_describe(store).await
            };
            call(engine, &shared, about, |_| (), work).await.0
        }
    };
    let refused = |error| LoadError::Refused { origin: shared.origin.clone(), call: "describe", error };
    let description = answer.and_then(convert::description).map_err(refused)?;
    // The call's own share of it ended with the call.
    Arc::try_unwrap(shared).map(|shared| (description, shared)).map_err(|shared| LoadError::Refused {
        origin: shared.origin.clone(),
        call: "describe",
        error: CallError::Host { call: "describe", why: "the call did not end".to_owned() },
    })
}

impl Prepared {
    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What it says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Whether it had to be compiled, which takes a moment.
    pub fn was_compiled(&self) -> bool {
        self.compiled
    }

    /// Why it could not be kept compiled, where that is so.
    pub fn cache_problem(&self) -> Option<&str> {
        self.cache_problem.as_deref()
    }

    /// Gives it its settings and lets it check them.
    pub async fn into_backend(self, settings: Vec<Fact>, network: Network) -> Result<Backend, LoadError> {
        let Linked::Backend(pre) = self.linked else {
            return Err(wrong_world(&self.shared, "backend"));
        };
        let shared = Arc::new(settle(self.shared, settings, network)?);
        let backend = Backend::new(self.engine, pre, Arc::clone(&shared));
        match backend.configure().await {
            Ok(()) => Ok(backend),
            Err(error) => Err(LoadError::Refused { origin: shared.origin.clone(), call: "configure", error }),
        }
    }

    /// Gives it its settings and lets it check them.
    pub async fn into_policy(self, settings: Vec<Fact>) -> Result<Policy, LoadError> {
        let Linked::Policy(pre) = self.linked else {
            return Err(wrong_world(&self.shared, "policy"));
        };
        let shared = Arc::new(settle(self.shared, settings, Network::default())?);
        let policy = Policy::new(self.engine, pre, Arc::clone(&shared), self.manifest.facts);
        match policy.configure().await {
            Ok(()) => Ok(policy),
            Err(error) => Err(LoadError::Refused { origin: shared.origin.clone(), call: "configure", error }),
        }
    }
}

/// Gives a plugin its settings, and the grants that rest on them.
fn settle(shared: Shared, settings: Vec<Fact>, network: Network) -> Result<Shared, LoadError> {
    let origin = shared.origin.clone();
    shared.with_settings(settings, network).map_err(|incomplete| match incomplete {
        Incomplete::Manifest(why) => LoadError::Manifest { origin, why },
        Incomplete::Operator(why) => LoadError::Network { origin, why },
    })
}

fn wrong_world(shared: &Shared, wanted: &'static str) -> LoadError {
    LoadError::Contract {
        origin: shared.origin.clone(),
        world: wanted,
        why: format!("its manifest says that it is a {}", shared.world.word()),
    }
}
