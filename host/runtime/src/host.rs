//! Loading plugins: compile or take from the cache, link, ask what it is.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use reap_core::session::{Fact, Value};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::backend::Backend;
use crate::bindings::backend::{BackendPlugin, BackendPluginPre};
use crate::bindings::policy::{PolicyPlugin, PolicyPluginPre};
use crate::cache::{Cache, Compiled};
use crate::call::{Call, call, fits};
use crate::capabilities::grants::Grants;
use crate::capabilities::websocket::grant::Incomplete;
use crate::code::{self, Code};
use crate::convert;
use crate::error::{CallError, HostError, LoadError};
use crate::limits::Limits;
use crate::manifest::{Manifest, World, digest};
use crate::network::Network;
use crate::policy::Policy;
use crate::state::{Shared, State};
use crate::{engine, wasi};

/// The largest component that is compiled. A compiler can be made to work for
/// long by a large input.
const LARGEST: usize = 64 << 20;

/// The host of all plugins. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    engine: Engine,
    cache: Cache,
    keys: Option<PathBuf>,
    /// Code is loaded one after the other, in the order in which it is asked for: the
    /// backend that waits longest for others is the first, and gets to wait sooner.
    loading: Arc<Semaphore>,
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
    /// The SHA-256 of the component in lower-case hexadecimal.
    pub digest: Cow<'static, str>,
    /// Where it came from: "bundled", or its path.
    pub origin: String,
}

impl Source {
    /// A plugin whose digest is not known yet.
    pub fn new(manifest: Manifest, wasm: impl Into<Cow<'static, [u8]>>, origin: String) -> Self {
        let wasm = wasm.into();
        let digest = Cow::Owned(digest(&wasm));
        Self { manifest, wasm, digest, origin }
    }
}

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

/// A plugin that has said what it is. Its settings are still to come.
pub struct Prepared {
    host: Host,
    manifest: Manifest,
    digest: Cow<'static, str>,
    description: Description,
    shared: Shared,
    code: AnyCode,
    /// Whether its code is loaded. What it answered is known from an earlier run then.
    loaded: bool,
    cache_problem: Option<String>,
}

enum AnyCode {
    Backend(Code<BackendPluginPre<State>>),
    Policy(Code<PolicyPluginPre<State>>),
}

/// Code, and why it could not be kept compiled, where that is so.
pub(crate) struct Loaded<W> {
    pub(crate) code: W,
    problem: Option<String>,
}

impl Host {
    /// Starts the engine.
    pub fn new(options: HostOptions) -> Result<Self, HostError> {
        let engine = engine::start()?;
        let cache = Cache::new(&engine, options.cache);
        Ok(Self { engine, cache, keys: options.keys, loading: Arc::new(Semaphore::new(1)) })
    }

    /// Compiles a plugin or takes it from the cache, links it to what its world
    /// gets, and asks it what it is.
    pub async fn prepare(&self, source: Source, limits: Limits) -> Result<Prepared, LoadError> {
        let shared = self.shared(&source, limits)?;
        let (code, description, shared, problem) = match shared.world {
            World::Backend => {
                let Loaded { code, problem } = self.link::<BackendPluginPre<State>>(&source, &shared).await?;
                let (description, shared) = describe_backend(&self.engine, code.clone(), shared).await?;
                (AnyCode::Backend(Code::linked(code)), description, shared, problem)
            }
            World::Policy => {
                let Loaded { code, problem } = self.link::<PolicyPluginPre<State>>(&source, &shared).await?;
                let (description, shared) = describe_policy(&self.engine, code.clone(), shared).await?;
                (AnyCode::Policy(Code::linked(code)), description, shared, problem)
            }
        };
        let Source { manifest, digest, origin, .. } = source;
        if description.name != manifest.name.as_str() {
            let manifest = manifest.name.to_string();
            return Err(LoadError::Name { origin, says: description.name, manifest });
        }
        Ok(Prepared {
            host: self.clone(),
            manifest,
            digest,
            description,
            shared,
            code,
            loaded: true,
            cache_problem: problem,
        })
    }

    /// The same without loading anything, for a plugin that an earlier run loaded and
    /// found to be good; nothing for any other. Its code is loaded with the first call
    /// that needs it, and what is wrong with it then is a failure of that call.
    ///
    /// # Errors
    /// When a text of the manifest cannot be completed.
    pub fn recall(&self, source: Source, limits: Limits) -> Result<Option<Prepared>, LoadError> {
        let usual = match source.manifest.world {
            World::Backend => Limits::for_backend(),
            World::Policy => Limits::for_policy(),
        };
        // It may not fit into others.
        let known = if limits == usual { self.cache.recall(&source.digest) } else { None };
        let Some(description) = known.filter(|known| known.name == source.manifest.name.as_str()) else {
            return Ok(None);
        };
        let shared = self.shared(&source, limits)?;
        let (manifest, digest) = (source.manifest.clone(), source.digest.clone());
        let code = match shared.world {
            World::Backend => AnyCode::Backend(Code::later(self.clone(), source)),
            World::Policy => AnyCode::Policy(Code::later(self.clone(), source)),
        };
        Ok(Some(Prepared {
            host: self.clone(),
            manifest,
            digest,
            description,
            shared,
            code,
            loaded: false,
            cache_problem: None,
        }))
    }

    /// What all calls to this plugin share.
    fn shared(&self, source: &Source, limits: Limits) -> Result<Shared, LoadError> {
        let Source { manifest, origin, .. } = source;
        let grants =
            Grants::complete(manifest).map_err(|why| LoadError::Manifest { origin: origin.clone(), why })?;
        let mut shared = Shared::new(manifest.name.clone(), manifest.world, origin.clone(), limits, grants);
        shared.keys.clone_from(&self.keys);
        Ok(shared)
    }

    /// Compiles a plugin or takes it from the cache, and links it.
    pub(crate) async fn link<W: code::World>(
        &self,
        source: &Source,
        shared: &Shared,
    ) -> Result<Loaded<W>, LoadError> {
        let Source { wasm, digest, origin, .. } = source;
        if wasm.len() > LARGEST {
            return Err(LoadError::TooLarge { origin: origin.clone(), bytes: wasm.len(), limit: LARGEST });
        }
        let Compiled { component, problem } = self.compile(wasm.clone(), digest.to_string(), origin).await?;
        check_imports(&component, &self.engine, shared)?;
        fits(&component, shared).map_err(|why| LoadError::Limits { origin: origin.clone(), why })?;
        let mut linker = Linker::<State>::new(&self.engine);
        let linked = wasi::link(&mut linker).and_then(|()| W::link(&mut linker, &component));
        let code = linked.map_err(|error| LoadError::Contract {
            origin: origin.clone(),
            world: shared.world.word(),
            why: reap_core::clean::line_of(&format!("{error:#}"), 300),
        })?;
        Ok(Loaded { code, problem: problem.map(|problem| problem.to_string()) })
    }

    async fn compile(
        &self,
        wasm: Cow<'static, [u8]>,
        digest: String,
        origin: &str,
    ) -> Result<Compiled, LoadError> {
        let (engine, cache) = (self.engine.clone(), self.cache.clone());
        let _turn = self.loading.acquire().await; // never closed
        let bad = |why: String| LoadError::NotAComponent {
            origin: origin.to_owned(),
            why: reap_core::clean::line_of(&why, 300),
            mend: "Build it for the target wasm32-wasip2, and copy the whole file",
        };
        let compiled = tokio::task::spawn_blocking(move || cache.component(&engine, &wasm, &digest));
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
        World::Backend => &[
            "types",
            "log",
            "settings",
            "processes",
            "liveness",
            "leftovers",
            "files",
            "commands",
            "ending",
            "websocket",
        ],
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

async fn describe_backend(
    engine: &Engine,
    code: BackendPluginPre<State>,
    shared: Shared,
) -> Result<(Description, Shared), LoadError> {
    let work = async move |store: &mut wasmtime::Store<State>| {
        let plugin: BackendPlugin = code.instantiate_async(&mut *store).await?;
        plugin.reap_plugin_backend().call_describe(store).await
    };
    let shared = Arc::new(shared);
    let answer = call(engine, &shared, describing(&shared), |_| (), work).await.0;
    described(answer.and_then(convert::description), shared)
}

async fn describe_policy(
    engine: &Engine,
    code: PolicyPluginPre<State>,
    shared: Shared,
) -> Result<(Description, Shared), LoadError> {
    let work = async move |store: &mut wasmtime::Store<State>| {
        let plugin: PolicyPlugin = code.instantiate_async(&mut *store).await?;
        plugin.reap_plugin_policy().call_describe(store).await
    };
    let shared = Arc::new(shared);
    let answer = call(engine, &shared, describing(&shared), |_| (), work).await.0;
    described(answer.and_then(convert::description), shared)
}

/// Its clock stands still, so that the answer can be kept.
fn describing(shared: &Shared) -> Call {
    Call { name: "describe", time: shared.limits.call(), frozen: Some(Default::default()) }
}

fn described(
    answer: Result<Description, CallError>,
    shared: Arc<Shared>,
) -> Result<(Description, Shared), LoadError> {
    let refused = |shared: &Shared, error| LoadError::Refused {
        origin: shared.origin.clone(),
        call: "describe",
        error,
    };
    let description = answer.map_err(|error| refused(&shared, error))?;
    // The call's own share of it ended with the call.
    let unfinished = || CallError::Host { call: "describe", why: "the call did not end".to_owned() };
    let shared = Arc::try_unwrap(shared).map_err(|shared| refused(&shared, unfinished()))?;
    Ok((description, shared))
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

    /// Why it could not be kept compiled, where that is so.
    pub fn cache_problem(&self) -> Option<&str> {
        self.cache_problem.as_deref()
    }

    /// Gives it its settings and lets it check them.
    pub async fn into_backend(self, settings: Vec<Fact>, network: Network) -> Result<Backend, LoadError> {
        let kept = self.kept(&settings);
        let AnyCode::Backend(code) = self.code else {
            return Err(wrong_world(&self.shared, "backend"));
        };
        let shared = Arc::new(settle(self.shared, settings, network)?);
        let backend = Backend::new(self.host.engine.clone(), code, Arc::clone(&shared));
        if kept != Kept::Accepted {
            let refused =
                |error| LoadError::Refused { origin: shared.origin.clone(), call: "configure", error };
            backend.configure().await.map_err(refused)?;
        }
        if kept == Kept::ToBe {
            self.host.cache.remember(&self.digest, &self.description);
        }
        Ok(backend)
    }

    /// Gives it its settings and lets it check them.
    pub async fn into_policy(self, settings: Vec<Fact>) -> Result<Policy, LoadError> {
        let kept = self.kept(&settings);
        let AnyCode::Policy(code) = self.code else {
            return Err(wrong_world(&self.shared, "policy"));
        };
        let shared = Arc::new(settle(self.shared, settings, Network::default())?);
        let policy = Policy::new(self.host.engine.clone(), code, Arc::clone(&shared), self.manifest.facts);
        if kept != Kept::Accepted {
            let refused =
                |error| LoadError::Refused { origin: shared.origin.clone(), call: "configure", error };
            policy.configure().await.map_err(refused)?;
        }
        if kept == Kept::ToBe {
            self.host.cache.remember(&self.digest, &self.description);
        }
        Ok(policy)
    }

    /// What a run keeps of a plugin is what it says with its own fallbacks. Other
    /// settings it is asked about each time.
    fn kept(&self, settings: &[Fact]) -> Kept {
        let own = self.description.settings.iter();
        let own = own.map(|setting| (setting.name.as_str(), &setting.fallback));
        let usual = settings.iter().map(|fact| (fact.name.as_str(), &fact.value)).eq(own);
        match (usual, self.loaded) {
            (false, _) => Kept::No,
            (true, true) => Kept::ToBe,
            (true, false) => Kept::Accepted,
        }
    }
}

/// What earlier runs know of a plugin with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// That it took them.
    Accepted,
    /// Nothing yet; the next may know.
    ToBe,
    /// Nothing.
    No,
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
