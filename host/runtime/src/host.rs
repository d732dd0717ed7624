//! Loading plugins: compile or take from the cache, link, ask what it is.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use reap_core::selector::Selector;
use reap_core::session::{Fact, Value};
use tokio::sync::OnceCell;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use crate::backend::Backend;
use crate::bindings::backend::{BackendPlugin, BackendPluginPre};
use crate::bindings::engine::exports::reap::plugin::outline::Wishes;
use crate::bindings::policy::{PolicyPlugin, PolicyPluginPre};
use crate::bindings::{log as log_bindings, types};
use crate::call::{Call, call, fits};
use crate::capabilities::grants::Grants;
use crate::convert;
use crate::error::{HostError, LoadError};
use crate::limits::Limits;
use crate::manifest::{Manifest, World};
use crate::policy::{self, Policy};
use crate::scripts::{self, Scripted};
use crate::state::{Script, Shared, State};
use crate::{cache, engine, wasi};

/// The largest component that is compiled. A compiler can be made to work for
/// long by a large input.
const LARGEST: usize = 64 << 20;

/// The host of all plugins. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    engine: Engine,
    cache: Option<PathBuf>,
    /// The engine of scripts, compiled for the first of them.
    scripts: Arc<OnceCell<Compiled>>,
}

/// A component, where it came from, and why it could not be kept.
type Compiled = (Component, cache::From, Option<Arc<str>>);

/// How the host is to be set up.
#[derive(Debug, Clone, Default)]
pub struct HostOptions {
    /// The folder for compiled plugins; nothing to compile anew each time.
    pub cache: Option<PathBuf>,
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
    Component(Cow<'static, [u8]>),
    /// The text of a script, and the component that runs it: the same one for all
    /// scripts of a host.
    Script {
        /// The component.
        engine: &'static [u8],
        /// The text.
        text: String,
    },
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
    shared: Arc<Shared>,
    linked: Linked,
    compiled: bool,
    cache_problem: Option<String>,
}

enum Linked {
    Backend(BackendPluginPre<State>),
    Policy(PolicyPluginPre<State>),
    Script(Scripted),
}

impl Host {
    /// Starts the engine.
    pub fn new(options: HostOptions) -> Result<Self, HostError> {
        Ok(Self { engine: engine::start()?, cache: options.cache, scripts: Arc::default() })
    }

    /// Compiles a plugin or takes it from the cache, links it to what its world
    /// gets, and asks it what it is.
    pub async fn prepare(&self, source: Source, limits: Limits) -> Result<Prepared, LoadError> {
        let Source { manifest, code, origin } = source;
        // While a thread loads the code, this one makes the patterns ready.
        let (loaded, grants) = tokio::join!(self.load(&code, &origin), async { Grants::complete(&manifest) });
        let (component, from, problem) = loaded?;
        let grants = grants.map_err(|why| LoadError::Manifest { origin: origin.clone(), why })?;
        let mut shared = Shared::new(manifest.name.clone(), manifest.world, origin, limits, grants);
        if let Code::Script { text, .. } = code {
            shared.script = Some(Arc::new(Script { file: shared.origin.clone(), text }));
        }
        check_imports(&component, &self.engine, &shared)?;
        fits(&component, &shared).map_err(|why| LoadError::Limits { origin: shared.origin.clone(), why })?;
        let linked = link(&component, &self.engine, &shared)?;
        let shared = Arc::new(shared);
        let (description, wishes) = describe(&self.engine, &linked, &shared).await?;
        let manifest = match wishes {
            Some(wishes) => outlined(manifest, &description, wishes, &shared.origin)?,
            None => manifest,
        };
        if description.name != manifest.name.as_str() {
            return Err(LoadError::Name {
                origin: shared.origin.clone(),
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

    async fn load(&self, code: &Code, origin: &str) -> Result<Compiled, LoadError> {
        match code {
            Code::Component(wasm) if wasm.len() > LARGEST => {
                Err(LoadError::TooLarge { origin: origin.to_owned(), bytes: wasm.len(), limit: LARGEST })
            }
            Code::Component(wasm) => self.compile(wasm.clone(), origin).await,
            Code::Script { engine, .. } => {
                let compile = || self.compile(Cow::Borrowed(engine), "the engine of scripts");
                self.scripts.get_or_try_init(compile).await.cloned()
            }
        }
    }

    async fn compile(&self, wasm: Cow<'static, [u8]>, origin: &str) -> Result<Compiled, LoadError> {
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
            Ok(Ok((component, from, problem))) => {
                Ok((component, from, problem.map(|problem| Arc::from(problem.to_string()))))
            }
            Ok(Err(error)) => Err(bad(error.root_cause().to_string())),
            Err(panic) => Err(LoadError::Compiler { origin: origin.to_owned(), why: panic.to_string() }),
        }
    }
}

/// Refuses a component that imports what its world does not have, and says what:
/// a linker would only name the first function that it misses.
fn check_imports(component: &Component, engine: &Engine, shared: &Shared) -> Result<(), LoadError> {
    let ours: &[&str] = match shared.world {
        World::Backend => {
            &["types", "log", "settings", "processes", "liveness", "files", "commands", "ending"]
        }
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
                if shared.script.is_some() {
                    scripts::link(linker)?;
                    let pre = linker.instantiate_pre(component)?;
                    return Scripted::new(engine.clone(), pre).map(Linked::Script);
                }
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
    shared: &Arc<Shared>,
) -> Result<(Description, Option<Wishes>), LoadError> {
    let about = Call { name: "describe", time: shared.limits.call(), frozen: Some(Default::default()) };
    let answer = match linked {
        Linked::Backend(pre) => {
            let pre = pre.clone();
            let work = async move |store: &mut wasmtime::Store<State>| {
                let plugin: BackendPlugin = pre.instantiate_async(&mut *store).await?;
                plugin.reap_plugin_backend().call_describe(store).await
            };
            call(engine, shared, about, |_| (), work).await.0.map(|description| (description, None))
        }
        Linked::Policy(pre) => {
            let pre = pre.clone();
            let work = async move |store: &mut wasmtime::Store<State>| {
                let plugin: PolicyPlugin = pre.instantiate_async(&mut *store).await?;
                plugin.reap_plugin_policy().call_describe(store).await
            };
            call(engine, shared, about, |_| (), work).await.0.map(|description| (description, None))
        }
        Linked::Script(script) => {
            script.describe(shared).await.map(|(description, wishes)| (description, Some(wishes)))
        }
    };
    let refused = |error| LoadError::Refused { origin: shared.origin.clone(), call: "describe", error };
    let (description, wishes) = answer.map_err(refused)?;
    let description = convert::description(description).map_err(refused)?;
    Ok((description, wishes))
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
    pub async fn into_backend(self, settings: Vec<Fact>) -> Result<Backend, LoadError> {
        let Linked::Backend(pre) = self.linked else {
            return Err(wrong_world(&self.shared, "backend"));
        };
        let shared = Arc::new(settle(&self.shared, settings)?);
        let backend = Backend::new(self.engine, pre, Arc::clone(&shared));
        match backend.configure().await {
            Ok(()) => Ok(backend),
            Err(error) => Err(LoadError::Refused { origin: shared.origin.clone(), call: "configure", error }),
        }
    }

    /// Gives it its settings and lets it check them.
    pub async fn into_policy(self, settings: Vec<Fact>) -> Result<Policy, LoadError> {
        let code = match self.linked {
            Linked::Policy(pre) => policy::Code::Component(self.engine, pre),
            Linked::Script(script) => policy::Code::Script(script),
            Linked::Backend(_) => return Err(wrong_world(&self.shared, "policy")),
        };
        let shared = Arc::new(settle(&self.shared, settings)?);
        let policy = Policy::new(code, Arc::clone(&shared), self.manifest.facts);
        match policy.configure().await {
            Ok(()) => Ok(policy),
            Err(error) => Err(LoadError::Refused { origin: shared.origin.clone(), call: "configure", error }),
        }
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
fn settle(shared: &Shared, settings: Vec<Fact>) -> Result<Shared, LoadError> {
    let wrong = |why| LoadError::Manifest { origin: shared.origin.clone(), why };
    shared.with_settings(settings).map_err(wrong)
}

fn wrong_world(shared: &Shared, wanted: &'static str) -> LoadError {
    LoadError::Contract {
        origin: shared.origin.clone(),
        world: wanted,
        why: format!("its manifest says that it is a {}", shared.world.word()),
    }
}
