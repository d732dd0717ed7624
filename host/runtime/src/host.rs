//! Loading plugins: compile or take from the cache, link, ask what it is.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use reap_core::selector::Selector;
use reap_core::session::{Fact, Value};
use serde::{Deserialize, Serialize};
use tokio::sync::{OnceCell, Semaphore};
use wasmtime::Engine;
use wasmtime::component::{self, Linker};

use crate::backend::Backend;
use crate::bindings::backend::{BackendPlugin, BackendPluginPre};
use crate::bindings::engine::exports::reap::plugin::outline::Wishes;
use crate::bindings::policy::{PolicyPlugin, PolicyPluginPre};
use crate::cache::{Cache, Compiled};
use crate::call::{Call, call, fits};
use crate::capabilities::grants::Grants;
use crate::capabilities::websocket::grant::Incomplete;
use crate::convert;
use crate::error::{CallError, HostError, LoadError};
use crate::lazy::{self, Lazy};
use crate::limits::Limits;
use crate::manifest::{Manifest, World, digest};
use crate::network::Network;
use crate::policy::{self, Policy};
use crate::scripts::{self, Scripted};
use crate::state::{Script, Shared, State};
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
    /// The engine of scripts, compiled for the first of them.
    scripts: Arc<OnceCell<Compiled>>,
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
    /// What runs.
    pub code: Code,
    /// Where it came from: "bundled", or its path.
    pub origin: String,
}

/// The code of a plugin.
#[derive(Debug, Clone)]
pub enum Code {
    /// A component.
    Component(Component),
    /// The text of a script, and the component that runs it: the same one for all
    /// scripts of a host.
    Script {
        /// The component.
        engine: Component,
        /// The text.
        text: String,
    },
}

/// A component as a file holds it.
#[derive(Debug, Clone)]
pub struct Component {
    /// Its bytes.
    pub wasm: Cow<'static, [u8]>,
    /// Their SHA-256 in lower-case hexadecimal.
    pub digest: Cow<'static, str>,
}

impl Component {
    /// One whose digest is not known yet.
    pub fn new(wasm: impl Into<Cow<'static, [u8]>>) -> Self {
        let wasm = wasm.into();
        let digest = Cow::Owned(digest(&wasm));
        Self { wasm, digest }
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
    description: Description,
    shared: Arc<Shared>,
    linked: Linked,
    cache_problem: Option<String>,
}

enum Linked {
    Backend(Kept, Lazy<BackendPluginPre<State>>),
    Policy(Kept, Lazy<PolicyPluginPre<State>>),
    Script(Scripted),
}

/// What the cache knows of a component.
enum Kept {
    /// What it says of itself, and that it takes its own fallbacks for settings.
    Known,
    /// Nothing yet; the next run may know it by this digest.
    New(Cow<'static, str>),
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
        let loading = Arc::new(Semaphore::new(1));
        Ok(Self { engine, cache, keys: options.keys, loading, scripts: Arc::default() })
    }

    /// Compiles a plugin or takes it from the cache, links it to what its world
    /// gets, and asks it what it is.
    pub async fn prepare(&self, source: Source, limits: Limits) -> Result<Prepared, LoadError> {
        let Source { manifest, code, origin } = source;
        let shared = self.shared(&manifest, &origin, limits)?;
        let prepared = match code {
            Code::Script { engine, text } => self.prepare_script(manifest, engine, text, shared).await?,
            Code::Component(component) => self.prepare_component(manifest, component, shared).await?,
        };
        if prepared.description.name != prepared.manifest.name.as_str() {
            let (says, manifest) = (prepared.description.name, prepared.manifest.name.to_string());
            return Err(LoadError::Name { origin, says, manifest });
        }
        Ok(prepared)
    }

    async fn prepare_component(
        &self,
        manifest: Manifest,
        component: Component,
        shared: Shared,
    ) -> Result<Prepared, LoadError> {
        let shared = Arc::new(shared);
        let kept = Kept::New(component.digest.clone());
        let (linked, description, problem) = match shared.world {
            World::Backend => {
                let Loaded { code, problem } = self.link(&component, &shared).await?;
                let description = describe_backend(&self.engine, &code, &shared).await?;
                (Linked::Backend(kept, Lazy::linked(code)), description, problem)
            }
            World::Policy => {
                let Loaded { code, problem } = self.link(&component, &shared).await?;
                let description = describe_policy(&self.engine, &code, &shared).await?;
                (Linked::Policy(kept, Lazy::linked(code)), description, problem)
            }
        };
        let host = self.clone();
        Ok(Prepared { host, manifest, description, shared, linked, cache_problem: problem })
    }

    async fn prepare_script(
        &self,
        manifest: Manifest,
        engine: Component,
        text: String,
        mut shared: Shared,
    ) -> Result<Prepared, LoadError> {
        shared.script = Some(Arc::new(Script { file: shared.origin.clone(), text }));
        let shared = Arc::new(shared);
        let load = || self.compile(&engine, "the engine of scripts");
        let Compiled { component, problem } = self.scripts.get_or_try_init(load).await?;
        let script = self.linked(component, &shared, |linker| {
            lazy::link_policy(linker)?;
            scripts::link(linker)?;
            Scripted::new(self.engine.clone(), linker.instantiate_pre(component)?)
        })?;
        let (description, wishes) =
            script.describe(&shared).await.map_err(|error| refused(&shared, "describe", error))?;
        let description =
            convert::description(description).map_err(|error| refused(&shared, "describe", error))?;
        let manifest = outlined(manifest, &description, wishes, &shared.origin)?;
        Ok(Prepared {
            host: self.clone(),
            manifest,
            description,
            shared,
            linked: Linked::Script(script),
            cache_problem: problem.as_ref().map(ToString::to_string),
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
        // A script is read each time. A component may not fit into other limits.
        let Code::Component(component) = &source.code else { return Ok(None) };
        let known = if limits == usual { self.cache.recall(&component.digest) } else { None };
        let Some(description) = known.filter(|known| known.name == source.manifest.name.as_str()) else {
            return Ok(None);
        };
        let shared = Arc::new(self.shared(&source.manifest, &source.origin, limits)?);
        let linked = match shared.world {
            World::Backend => Linked::Backend(Kept::Known, Lazy::later(self.clone(), component.clone())),
            World::Policy => Linked::Policy(Kept::Known, Lazy::later(self.clone(), component.clone())),
        };
        let (host, manifest) = (self.clone(), source.manifest);
        Ok(Some(Prepared { host, manifest, description, shared, linked, cache_problem: None }))
    }

    /// What all calls to this plugin share.
    fn shared(&self, manifest: &Manifest, origin: &str, limits: Limits) -> Result<Shared, LoadError> {
        let grants = Grants::complete(manifest)
            .map_err(|why| LoadError::Manifest { origin: origin.to_owned(), why })?;
        let mut shared =
            Shared::new(manifest.name.clone(), manifest.world, origin.to_owned(), limits, grants);
        shared.keys.clone_from(&self.keys);
        Ok(shared)
    }

    /// Compiles a component or takes it from the cache, and links it.
    pub(crate) async fn link<W: lazy::World>(
        &self,
        component: &Component,
        shared: &Shared,
    ) -> Result<Loaded<W>, LoadError> {
        let Compiled { component, problem } = self.compile(component, &shared.origin).await?;
        let code = self.linked(&component, shared, |linker| W::link(linker, &component))?;
        Ok(Loaded { code, problem: problem.map(|problem| problem.to_string()) })
    }

    /// Links what was compiled, with what `link` says beside WASI.
    fn linked<W>(
        &self,
        component: &component::Component,
        shared: &Shared,
        link: impl FnOnce(&mut Linker<State>) -> wasmtime::Result<W>,
    ) -> Result<W, LoadError> {
        check_imports(component, &self.engine, shared)?;
        fits(component, shared).map_err(|why| LoadError::Limits { origin: shared.origin.clone(), why })?;
        let mut linker = Linker::<State>::new(&self.engine);
        let linked = wasi::link(&mut linker).and_then(|()| link(&mut linker));
        linked.map_err(|error| LoadError::Contract {
            origin: shared.origin.clone(),
            world: shared.world.word(),
            why: reap_core::clean::line_of(&format!("{error:#}"), 300),
        })
    }

    async fn compile(&self, component: &Component, origin: &str) -> Result<Compiled, LoadError> {
        let Component { wasm, digest } = component.clone();
        if wasm.len() > LARGEST {
            return Err(LoadError::TooLarge { origin: origin.to_owned(), bytes: wasm.len(), limit: LARGEST });
        }
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
fn check_imports(
    component: &component::Component,
    engine: &Engine,
    shared: &Shared,
) -> Result<(), LoadError> {
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
        World::Policy if shared.script.is_some() => &["types", "log", "script"],
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
    code: &BackendPluginPre<State>,
    shared: &Arc<Shared>,
) -> Result<Description, LoadError> {
    let code = code.clone();
    let work = async move |store: &mut wasmtime::Store<State>| {
        let plugin: BackendPlugin = code.instantiate_async(&mut *store).await?;
        plugin.reap_plugin_backend().call_describe(store).await
    };
    let answer = call(engine, shared, describing(shared), |_| (), work).await.0;
    answer.and_then(convert::description).map_err(|error| refused(shared, "describe", error))
}

async fn describe_policy(
    engine: &Engine,
    code: &PolicyPluginPre<State>,
    shared: &Arc<Shared>,
) -> Result<Description, LoadError> {
    let code = code.clone();
    let work = async move |store: &mut wasmtime::Store<State>| {
        let plugin: PolicyPlugin = code.instantiate_async(&mut *store).await?;
        plugin.reap_plugin_policy().call_describe(store).await
    };
    let answer = call(engine, shared, describing(shared), |_| (), work).await.0;
    answer.and_then(convert::description).map_err(|error| refused(shared, "describe", error))
}

/// Its clock stands still, so that the answer can be kept.
fn describing(shared: &Shared) -> Call {
    Call { name: "describe", time: shared.limits.call(), frozen: Some(Default::default()) }
}

fn refused(shared: &Shared, call: &'static str, error: CallError) -> LoadError {
    LoadError::Refused { origin: shared.origin.clone(), call, error }
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
        let usual = self.are_usual(&settings);
        let Linked::Backend(kept, code) = self.linked else {
            return Err(wrong_world(&self.shared, "backend"));
        };
        let shared = Arc::new(settle(&self.shared, settings, network)?);
        let backend = Backend::new(self.host.engine.clone(), code, Arc::clone(&shared));
        if !(usual && matches!(kept, Kept::Known)) {
            backend.configure().await.map_err(|error| refused(&shared, "configure", error))?;
        }
        if usual {
            self.host.remember(&kept, &self.description);
        }
        Ok(backend)
    }

    /// Gives it its settings and lets it check them.
    pub async fn into_policy(self, settings: Vec<Fact>) -> Result<Policy, LoadError> {
        let usual = self.are_usual(&settings);
        let (kept, code) = match self.linked {
            Linked::Policy(kept, code) => {
                (Some(kept), policy::Code::Component(self.host.engine.clone(), code))
            }
            Linked::Script(script) => (None, policy::Code::Script(script)),
            Linked::Backend(..) => return Err(wrong_world(&self.shared, "policy")),
        };
        let shared = Arc::new(settle(&self.shared, settings, Network::default())?);
        let policy = Policy::new(code, Arc::clone(&shared), self.manifest.facts);
        if !(usual && matches!(kept, Some(Kept::Known))) {
            policy.configure().await.map_err(|error| refused(&shared, "configure", error))?;
        }
        if let Some(kept) = kept.filter(|_| usual) {
            self.host.remember(&kept, &self.description);
        }
        Ok(policy)
    }

    /// Whether these are its own fallbacks. What a run keeps of a plugin is what it said
    /// with those; about others it is asked each time.
    fn are_usual(&self, settings: &[Fact]) -> bool {
        let own = self.description.settings.iter();
        let own = own.map(|setting| (setting.name.as_str(), &setting.fallback));
        settings.iter().map(|fact| (fact.name.as_str(), &fact.value)).eq(own)
    }
}

impl Host {
    /// Keeps what a component says of itself for the next run.
    fn remember(&self, kept: &Kept, description: &Description) {
        if let Kept::New(digest) = kept {
            self.cache.remember(digest, description);
        }
    }

    #[cfg(test)]
    pub(crate) fn remembers(&self, digest: &str, description: &Description) {
        self.cache.remember(digest, description);
    }
}

/// The manifest of a script, with what the script says of itself.
fn outlined(
    mut manifest: Manifest,
    description: &Description,
    wishes: Wishes,
    origin: &str,
) -> Result<Manifest, LoadError> {
    let select = wishes.select.as_deref().map(Selector::parse_plain).transpose();
    let select = select.map_err(|error| LoadError::Manifest {
        origin: origin.to_owned(),
        why: format!("its `select` is not right: {error}"),
    })?;
    manifest.summary.clone_from(&description.summary);
    manifest.select = select;
    manifest.facts = wishes.facts;
    Ok(manifest)
}

/// Gives a plugin its settings, and the grants that rest on them.
fn settle(shared: &Shared, settings: Vec<Fact>, network: Network) -> Result<Shared, LoadError> {
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
