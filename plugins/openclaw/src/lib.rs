//! The OpenClaw backend.
//!
//! An instance is a gateway, a session's key the gateway's own, or `task:ID` for a
//! command in the background whose session is gone. The gateway's list hides the runs
//! of cron jobs, says "running" of what a crash has ended, and forgets commands that
//! outlive their session; see `docs/openclaw.md`.
//!
//! From the outside in: [`gateways`] says where to look, [`mod@line`] logs in and asks,
//! [`patience`] asks again what the gateway was too busy for, [`scan`] puts together
//! what there is. [`row`], [`key`], [`protect`] and [`sessions`] make sessions of it,
//! [`listing`] listings. [`end`] acts, and [`fate`] says what came of it. Only
//! [`gateways`] and [`mod@line`] call the host.

pub mod end;
pub mod facts;
pub mod fate;
pub mod gateways;
pub mod hello;
pub mod key;
pub mod line;
pub mod listing;
pub mod pages;
pub mod patience;
pub mod protect;
pub mod row;
pub mod scan;
pub mod sessions;
pub mod tasks;
#[cfg(test)]
mod testing;

use reap_plugin::{
    Backend, Description, Error, Listing, Outcome, Permit, Session, Setting, SettingKind, Settings,
    Tombstone, Value,
};

/// The name of this backend.
pub const NAME: &str = "openclaw";

/// The backend, with its settings.
pub struct OpenClaw {
    /// Whether sessions are deleted and not just archived.
    delete: bool,
}

impl Backend for OpenClaw {
    fn describe() -> Description {
        Description {
            name: NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Sessions and background commands of OpenClaw gateways.".to_owned(),
            settings: vec![
                Setting {
                    name: "gateways".to_owned(),
                    kind: SettingKind::Texts,
                    fallback: Value::Texts(Vec::new()),
                    help:
                        "Gateways to look at in the place of $OPENCLAW_GATEWAY_URL or ws://127.0.0.1:18789."
                            .to_owned(),
                },
                Setting {
                    name: "end".to_owned(),
                    kind: SettingKind::Text,
                    fallback: Value::Text("archive".to_owned()),
                    help: "How a session is ended: \"archive\", which can be taken back, or \"delete\"."
                        .to_owned(),
                },
            ],
        }
    }

    fn configure(settings: &Settings) -> Result<Self, Error> {
        match settings.text("end")? {
            "archive" => Ok(Self { delete: false }),
            "delete" => Ok(Self { delete: true }),
            other => {
                Err(Error::Invalid(format!("the setting end is {other:?}; write \"archive\" or \"delete\"")))
            }
        }
    }

    fn discover(&self) -> Result<Vec<Listing>, Error> {
        listing::of_all(&gateways::find()?)
    }

    fn inspect(&self, instance: &str, keys: &[String]) -> Result<Listing, Error> {
        listing::of_keys(&gateways::one(instance)?, keys)
    }

    fn end(&self, permits: Vec<Permit>) -> Result<Vec<Outcome>, Error> {
        end::end(self.delete, &permits)
    }

    fn capture(&self, instance: &str, key: &str) -> Result<Tombstone, Error> {
        let listing = listing::of_keys(&gateways::one(instance)?, &[key.to_owned()])?;
        let session = listing.sessions.into_iter().find(|session| session.key == key);
        let session = session.ok_or_else(|| Error::NotFound(format!("{key} is not at {instance}")))?;
        Ok(Tombstone { instance: instance.to_owned(), session, revive: None, data: Vec::new() })
    }

    fn restore(&self, tombstone: Tombstone) -> Result<Session, Error> {
        end::restore(&gateways::one(&tombstone.instance)?, &tombstone.session)
    }
}

reap_plugin::export_backend!(OpenClaw);
