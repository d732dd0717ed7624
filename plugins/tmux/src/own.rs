//! The session that Reap was started in.
//!
//! The host protects the session whose processes Reap descends from. A Reap that
//! was started there and has left the tree since (a daemon, a `setsid`) is no
//! descendant any more, but still carries the variables that tmux gave it.

use reap_plugin::settings::environment;
use reap_plugin::{Listing, Session, Value};

use crate::place::Place;

/// The fact that names a session's panes.
pub const PANES: &str = "pane-ids";

/// Protects the session that Reap was started in, and every session of a server
/// whose processes cannot be seen: Reap may run in any of them.
pub fn protect(listings: &mut [Listing]) {
    protect_unseen(listings);
    let told = |name| environment(name).ok().flatten();
    if let (Some(tmux), Some(pane)) = (told("TMUX"), told("TMUX_PANE"))
        && let Some(place) = Place::of(&tmux, &pane)
    {
        protect_place(place, listings);
    }
}

/// Without the server's process the host cannot tell whether Reap descends from
/// one of its panes: so it is in a container, or after the clock was set.
fn protect_unseen(listings: &mut [Listing]) {
    let unseen = |listing: &&mut Listing| listing.generation.is_some() && listing.server.is_none();
    for session in listings.iter_mut().filter(unseen).flat_map(|listing| &mut listing.sessions) {
        session.protected.get_or_insert_with(|| {
            "its processes cannot be seen from here, so nobody can tell whether Reap runs in it".to_owned()
        });
    }
}

fn protect_place(place: Place, listings: &mut [Listing]) {
    let (start, pane) = (format!("{}.", place.server), format!("%{}", place.pane));
    let same = |listing: &&mut Listing| {
        listing.generation.as_deref().is_some_and(|generation| generation.starts_with(&start))
    };
    let shows = |session: &&mut Session| match session.fact(PANES) {
        Some(Value::Texts(panes)) => panes.contains(&pane),
        _ => false,
    };
    let sessions = listings.iter_mut().filter(same).flat_map(|listing| &mut listing.sessions);
    for session in sessions.filter(shows) {
        session.protected.get_or_insert_with(|| "Reap was started in it".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use reap_plugin::{fact, sample};

    use super::*;
    use crate::testing::complete;

    fn shown(generation: &str, tmux: &str, pane: &str) -> Vec<bool> {
        let with = |key: &str, panes: &[&str]| {
            let panes: Vec<String> = panes.iter().map(|&pane| pane.to_owned()).collect();
            Session { extra: vec![fact(PANES, panes)], ..sample::session(key) }
        };
        let sessions = vec![with("$0", &["%0"]), with("$1", &["%1", "%2"]), with("$2", &["%2"])];
        let mut listings = [Listing { generation: Some(generation.to_owned()), ..complete(sessions) }];
        if let Some(place) = Place::of(tmux, pane) {
            protect_place(place, &mut listings);
        }
        listings[0].sessions.iter().map(|session| session.protected.is_some()).collect()
    }

    #[test]
    fn the_session_of_the_pane_and_all_that_show_it() {
        assert_eq!(shown("42.7", "/tmp/a,b,42,0", "%2"), [false, true, true]);
        assert_eq!(shown("42.7", "/tmp/a,42,0", "%0"), [true, false, false]);
    }

    #[test]
    fn what_cannot_be_seen_may_hold_reap_itself() {
        let seen =
            Listing { server: Some(crate::testing::process(42)), ..complete(vec![sample::session("$0")]) };
        let unseen = Listing {
            server: None,
            generation: Some("42.7".to_owned()),
            ..complete(vec![sample::session("$1")])
        };
        let mut listings = [seen, unseen];
        protect_unseen(&mut listings);
        let protected: Vec<bool> =
            listings.iter().map(|listing| listing.sessions[0].protected.is_some()).collect();
        assert_eq!(protected, [false, true]);
    }

    #[test]
    fn another_servers_pane_is_another_pane() {
        assert_eq!(shown("421.7", "/tmp/a,42,0", "%0"), [false; 3]);
        assert_eq!(shown("42.7", "nonsense", "%0"), [false; 3]);
    }
}
