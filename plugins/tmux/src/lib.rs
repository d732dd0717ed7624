//! The tmux backend.
//!
//! An instance is a server's socket, a session's key its id `$3`. What is asked
//! of tmux stands in `tmux.toml` and is fixed there; this crate fills in a socket
//! and reads the answer.
//!
//! From the outside in: [`sockets`] finds servers, [`scan`] asks them, [`answer`]
//! says what an answer means, [`rows`] takes it apart, [`family`] and [`strays`]
//! find the processes, [`session`] and [`listing`] put all of it together. [`end`] and
//! [`tag`] act; [`fate`] decides what became of it. Only [`sockets`], [`scan`],
//! [`own`], [`end`] and [`tag`] call the host.

pub mod answer;
pub mod end;
pub mod family;
pub mod fate;
pub mod listing;
pub mod own;
pub mod owner;
pub mod place;
pub mod rows;
pub mod scan;
pub mod session;
pub mod shell;
pub mod sockets;
pub mod strays;
pub mod tag;
#[cfg(test)]
mod testing;

use reap_plugin::{
    Backend, Description, Error, Listing, Outcome, Permit, Session, Setting, SettingKind, Settings, Value,
};

/// The backend: where to look besides the socket folder.
pub struct Tmux {
    sockets: Vec<String>,
}

impl Backend for Tmux {
    fn describe() -> Description {
        Description {
            name: "tmux".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Sessions of this user's tmux servers.".to_owned(),
            settings: vec![Setting {
                name: "sockets".to_owned(),
                kind: SettingKind::Texts,
                fallback: Value::Texts(Vec::new()),
                help: "Paths of tmux sockets to look at besides those in $TMUX_TMPDIR/tmux-UID or /tmp/tmux-UID."
                    .to_owned(),
            }],
        }
    }

    fn configure(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { sockets: sockets::configured(settings)? })
    }

    fn discover(&self) -> Result<Vec<Listing>, Error> {
        let found = sockets::find(&self.sockets);
        let mut listings = listing::without_twins(scan::servers(&found.paths, &self.sockets));
        own::protect(&mut listings);
        Ok(listings.into_iter().chain(found.unknown).collect())
    }

    fn inspect(&self, instance: &str, _keys: &[String]) -> Result<Listing, Error> {
        // One command lists all of a server's sessions; asking for some of them
        // would cost a command each.
        let mut listings = [scan::server(instance)];
        own::protect(&mut listings);
        let [listing] = listings;
        Ok(listing)
    }

    fn end(&self, permits: Vec<Permit>) -> Result<Vec<Outcome>, Error> {
        Ok(end::end(&permits))
    }

    fn tag(&self, instance: &str, session: &Session, protect: bool) -> Result<(), Error> {
        tag::tag(instance, session, protect)
    }
}

reap_plugin::export_backend!(Tmux);
