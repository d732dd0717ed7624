//! The kiro-cli backend.
//!
//! An instance is a kiro home, a session's key the id that kiro-cli gave it,
//! `runtime:PID:START` for a runtime that no session is known of, or `mcp:PID:START` for
//! an MCP server that was left behind. Everything that
//! is known of kiro-cli here comes from public reports; see `docs/kiro-cli.md`.
//!
//! From the outside in: [`homes`] says where to look, [`store`] and [`third`] read
//! what kiro-cli wrote, [`table`] reads the processes and [`argv`] which of them are
//! its, [`owner`] whose they are, [`lock`] what a lock is worth. [`trees`] gives each
//! session its processes, [`rows`], [`runtimes`] and [`facts`] put all of it together.
//! [`end`] acts. Only
//! [`homes`], [`store`], [`third`], [`table`] and [`end`] call the host.

pub mod argv;
pub mod end;
pub mod facts;
pub mod head;
pub mod homes;
pub mod listing;
pub mod lock;
pub mod moment;
pub mod owner;
pub mod rows;
pub mod runtimes;
pub mod store;
pub mod table;
#[cfg(test)]
mod testing;
pub mod third;
pub mod trees;

use reap_plugin::{
    Backend, Description, Error, Listing, Outcome, Permit, Setting, SettingKind, Settings, Tombstone, Value,
};

/// The name of this backend.
pub const NAME: &str = "kiro-cli";

/// The backend: where to look besides the usual home.
pub struct Kiro {
    homes: Vec<String>,
}

impl Backend for Kiro {
    fn describe() -> Description {
        Description {
            name: NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Sessions and runtimes of this user's kiro-cli.".to_owned(),
            settings: vec![Setting {
                name: "homes".to_owned(),
                kind: SettingKind::Texts,
                fallback: Value::Texts(Vec::new()),
                help: "Kiro homes to look into besides $KIRO_HOME or ~/.kiro.".to_owned(),
            }],
        }
    }

    fn configure(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { homes: homes::configured(settings)? })
    }

    fn discover(&self) -> Result<Vec<Listing>, Error> {
        Ok(listing::of_all(&homes::find(&self.homes)?))
    }

    fn inspect(&self, instance: &str, _keys: &[String]) -> Result<Listing, Error> {
        listing::of_one(&homes::find(&self.homes)?, instance)
    }

    fn end(&self, permits: Vec<Permit>) -> Result<Vec<Outcome>, Error> {
        end::end(&homes::find(&self.homes)?, &permits)
    }

    fn capture(&self, instance: &str, key: &str) -> Result<Tombstone, Error> {
        let listing = listing::of_one(&homes::find(&self.homes)?, instance)?;
        let session = listing.sessions.into_iter().find(|session| session.key == key);
        let session = session.ok_or_else(|| Error::NotFound(format!("{key} is not in {instance}")))?;
        let revive = session.text(facts::RESUME).map(str::to_owned);
        Ok(Tombstone { instance: instance.to_owned(), session, revive, data: Vec::new() })
    }
}

reap_plugin::export_backend!(Kiro);
