//! A plugin's compiled and linked code, which may be loaded only when a call needs it.
//!
//! Most plugins have nothing to do in most runs: there is no kiro home, no session
//! that a policy wants to be asked about. Loading one costs more than a millisecond of
//! a command that takes ten.

use std::sync::Arc;

use tokio::sync::OnceCell;
use wasmtime::component::{Component, HasSelf, Linker};

use crate::bindings::backend::{BackendPlugin, BackendPluginPre};
use crate::bindings::policy::PolicyPluginPre;
use crate::bindings::{log as log_bindings, types};
use crate::error::CallError;
use crate::host::{self, Host};
use crate::state::{Shared, State};

/// What a component of one world is when it is linked.
pub(crate) trait World: Clone + Sized {
    /// Links a component to what its world gets, WASI being linked already.
    fn link(linker: &mut Linker<State>, component: &Component) -> wasmtime::Result<Self>;
}

impl World for BackendPluginPre<State> {
    fn link(linker: &mut Linker<State>, component: &Component) -> wasmtime::Result<Self> {
        BackendPlugin::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        Self::new(linker.instantiate_pre(component)?)
    }
}

impl World for PolicyPluginPre<State> {
    fn link(linker: &mut Linker<State>, component: &Component) -> wasmtime::Result<Self> {
        link_policy(linker)?;
        Self::new(linker.instantiate_pre(component)?)
    }
}

/// What every policy gets, a script's engine included.
pub(crate) fn link_policy(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    log_bindings::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

/// The code of one plugin. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Lazy<W>(Arc<Inner<W>>);

enum Inner<W> {
    Linked(W),
    Later { code: OnceCell<W>, host: Host, source: host::Component },
}

impl<W: World> Lazy<W> {
    /// Code that is there.
    pub(crate) fn linked(code: W) -> Self {
        Self(Arc::new(Inner::Linked(code)))
    }

    /// Code that is loaded with the first call.
    pub(crate) fn later(host: Host, source: host::Component) -> Self {
        Self(Arc::new(Inner::Later { code: OnceCell::new(), host, source }))
    }

    /// The code, loaded now if it was not. A failure is one of this call, and the next
    /// one tries again.
    pub(crate) async fn ready(&self, shared: &Shared, call: &'static str) -> Result<W, CallError> {
        let (code, host, source) = match &*self.0 {
            Inner::Linked(code) => return Ok(code.clone()),
            Inner::Later { code, host, source } => (code, host, source),
        };
        let load = async || host.link(source, shared).await.map(|loaded| loaded.code);
        let code = code.get_or_try_init(load).await;
        code.cloned().map_err(|error| CallError::Unloaded { call, why: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Code, Component, Description, HostOptions, Source};
    use crate::{Limits, Manifest};

    /// What lies in the cache may be wrong. It is believed until the code is needed, and
    /// then the call fails; a failed vote is one to keep.
    #[tokio::test]
    async fn code_that_cannot_be_loaded_is_a_failure_of_the_call() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let cache = dir.path().join("cache");
        let host = Host::new(HostOptions { cache: Some(cache), keys: None }).expect("a host");
        let manifest = "name = \"mine\"\nversion = \"1\"\nworld = \"policy\"\nsummary = \"s\"\n";
        let source = Source {
            manifest: Manifest::parse(manifest, "mine.toml").expect("a good manifest"),
            code: Code::Component(Component::new(&b"no component"[..])),
            origin: "mine.wasm".to_owned(),
        };
        let limits = Limits::for_policy();
        assert!(host.recall(source.clone(), limits.clone()).expect("complete").is_none(), "nothing is known");
        let Code::Component(component) = &source.code else { panic!("it is one") };
        let description = Description {
            name: "mine".to_owned(),
            version: "1".to_owned(),
            summary: "s".to_owned(),
            settings: Vec::new(),
        };
        host.remembers(&component.digest, &description);
        let known = host.recall(source.clone(), limits.clone()).expect("complete").expect("known");
        let policy = known.into_policy(Vec::new()).await.expect("nothing is loaded yet");
        for _ in 0..2 {
            let error = policy.configure().await.expect_err("it is no component");
            assert!(matches!(error, CallError::Unloaded { call: "configure", .. }), "{error}");
            assert!(error.to_string().contains("mine.wasm"), "{error}");
        }
        let other = Limits { memory_bytes: 1, ..limits };
        assert!(host.recall(source, other).expect("complete").is_none(), "it may not fit into other limits");
    }
}
