//! The backend's side of the contract as a trait.

use std::marker::PhantomData;

use crate::bindings::backend::exports::reap::plugin::backend::{Guest, Listing, Outcome, Tombstone};
use crate::held::{Held, held, keep};
use crate::{Description, Error, Fact, Permit, Session, Settings};

/// A plugin that knows one kind of session.
///
/// Every call of the host runs in a fresh instance, after `configure`: nothing
/// can be remembered from one call to the next.
pub trait Backend: Sized + 'static {
    /// What the plugin is and which settings it takes. Works with no host
    /// function but the log.
    fn describe() -> Description;

    /// Makes the plugin from its settings, the fallbacks filled in. A wrong one is
    /// [`Error::Invalid`] with a sentence for the operator.
    fn configure(settings: &Settings) -> Result<Self, Error>;

    /// Lists every instance that there is, with all its sessions. What cannot be
    /// looked at is a listing too, of the extent `failed`: only an error that
    /// touches every instance is an error of the call.
    fn discover(&self) -> Result<Vec<Listing>, Error>;

    /// Looks at one instance again, at least for these keys.
    fn inspect(&self, instance: &str, keys: &[String]) -> Result<Listing, Error>;

    /// Ends the sessions that the permits name, all of one instance. One outcome
    /// for each permit, in their order.
    fn end(&self, permits: Vec<Permit>) -> Result<Vec<Outcome>, Error>;

    /// Sets or clears the backend's own opt-out tag, where it has one.
    fn tag(&self, _instance: &str, _session: &Session, _protect: bool) -> Result<(), Error> {
        Err(unsupported("keeps no opt-out tag of its own"))
    }

    /// Gathers what `restore` will need, where sessions can come back.
    fn capture(&self, _instance: &str, _key: &str) -> Result<Tombstone, Error> {
        Err(unsupported("cannot record a session for a later restore"))
    }

    /// Brings an ended session back.
    fn restore(&self, _tombstone: Tombstone) -> Result<Session, Error> {
        Err(unsupported("cannot bring a session back"))
    }
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported(format!("this backend {what}"))
}

/// The exported functions of a backend, each passed on to its trait.
#[doc(hidden)]
pub struct BackendExport<T>(PhantomData<T>);

impl<T: Backend + Held> Guest for BackendExport<T> {
    fn describe() -> Result<Description, Error> {
        Ok(T::describe())
    }

    fn configure(settings: Vec<Fact>) -> Result<(), Error> {
        keep(T::configure(&Settings::new(settings))?);
        Ok(())
    }

    fn discover() -> Result<Vec<Listing>, Error> {
        held::<T>()?.discover()
    }

    fn inspect(instance: String, keys: Vec<String>) -> Result<Listing, Error> {
        held::<T>()?.inspect(&instance, &keys)
    }

    fn end(permits: Vec<Permit>) -> Result<Vec<Outcome>, Error> {
        held::<T>()?.end(permits)
    }

    fn tag(instance: String, session: Session, protect: bool) -> Result<(), Error> {
        held::<T>()?.tag(&instance, &session, protect)
    }

    fn capture(instance: String, key: String) -> Result<Tombstone, Error> {
        held::<T>()?.capture(&instance, &key)
    }

    fn restore(tombstone: Tombstone) -> Result<Session, Error> {
        held::<T>()?.restore(tombstone)
    }
}
