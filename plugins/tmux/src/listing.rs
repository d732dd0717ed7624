//! Makes a listing out of one server's answer.

use reap_plugin::{Error, Extent, Listing};

use crate::answer::Answer;
use crate::family::Table;
use crate::rows::Rows;
use crate::session::Scene;

/// The listing of the server at this socket.
pub fn listing(socket: &str, answer: &Answer, table: Option<&Table>) -> Listing {
    match answer {
        Answer::Server(rows) => of_rows(socket, rows, table),
        Answer::Absent(absence) => bare(socket, Extent::Absent(absence.reason().to_owned())),
        Answer::Failed(error) => failed(socket, error.clone()),
    }
}

/// The listing of a place that could not be looked at.
pub fn failed(place: &str, error: Error) -> Listing {
    bare(place, Extent::Failed(error))
}

fn bare(place: &str, extent: Extent) -> Listing {
    let label = place.rsplit('/').next().unwrap_or(place);
    Listing {
        instance: place.to_owned(),
        label: label.to_owned(),
        generation: None,
        server: None,
        extent,
        sessions: Vec::new(),
    }
}

fn of_rows(socket: &str, rows: &Rows, table: Option<&Table>) -> Listing {
    let scene = Scene::new(rows, table);
    Listing {
        generation: Some(format!("{}.{}", rows.server.pid, rows.server.started)),
        server: scene.server(),
        sessions: rows.sessions.iter().map(|row| scene.session(row)).collect(),
        ..bare(socket, extent(&rows.flaws))
    }
}

fn extent(flaws: &[String]) -> Extent {
    match flaws {
        [] => Extent::Complete,
        [one] => Extent::Partial(format!("of what tmux printed, {one}")),
        [first, rest @ ..] => {
            Extent::Partial(format!("of what tmux printed, {first} (and {} more)", rest.len()))
        }
    }
}

/// Leaves out listings of a server that is listed already: two paths can lead to
/// one socket, and its sessions must not count twice.
pub fn without_twins(listings: Vec<Listing>) -> Vec<Listing> {
    let mut kept: Vec<Listing> = Vec::with_capacity(listings.len());
    for listing in listings {
        let twin = |other: &Listing| other.server.is_some() && other.server == listing.server;
        if !kept.iter().any(twin) {
            kept.push(listing);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Absence;
    use crate::rows::parse;
    use crate::testing::{complete, info, process};

    const ROWS: &str = "H 1000 10 400 3.3a\nS $3 500 600  0 0 0  @1%1:20:0:700; 3 job \n";

    fn answer(rows: &str) -> Answer {
        Answer::Server(parse(rows.as_bytes()).expect("the server's row is there"))
    }

    #[test]
    fn a_server_that_was_read_wholly_is_complete() {
        let table = Table::new(vec![info(10, 1, 10).aged(600), info(20, 10, 20).0]);
        let listing = listing("/tmp/tmux-0/a b", &answer(ROWS), Some(&table));
        assert_eq!((listing.instance.as_str(), listing.label.as_str()), ("/tmp/tmux-0/a b", "a b"));
        assert_eq!(listing.generation.as_deref(), Some("10.400"));
        assert_eq!(listing.server, Some(process(10)));
        assert_eq!((listing.extent, listing.sessions.len()), (Extent::Complete, 1));
    }

    #[test]
    fn a_flaw_makes_it_partial() {
        let odd = listing("/s", &answer(&format!("{ROWS}junk\n")), None);
        assert_eq!(
            odd.extent,
            Extent::Partial("of what tmux printed, the row \"junk\" is not understood".to_owned())
        );
        assert_eq!(odd.sessions.len(), 1, "what was understood is shown");
        let odder = listing("/s", &answer(&format!("{ROWS}junk\nmore\n")), None);
        let Extent::Partial(why) = odder.extent else { panic!("{odder:?}") };
        assert!(why.ends_with("(and 1 more)"), "{why}");
    }

    #[test]
    fn absent_and_failed_hold_nothing() {
        let absent = listing("/s", &Answer::Absent(Absence::NothingThere), None);
        assert_eq!(
            (absent.extent, absent.generation, absent.sessions.len()),
            (Extent::Absent("there is no such socket".to_owned()), None, 0)
        );
        let error = Error::TimedOut("late".to_owned());
        let failed = listing("/s", &Answer::Failed(error.clone()), None);
        assert_eq!((failed.extent, failed.generation), (Extent::Failed(error), None));
    }

    #[test]
    fn one_server_behind_two_sockets_is_listed_once() {
        let at = |instance: &str, server| Listing {
            instance: instance.to_owned(),
            server,
            ..complete(Vec::new())
        };
        let listings = vec![
            at("/a", Some(process(10))),
            at("/b", Some(process(11))),
            at("/link-to-a", Some(process(10))),
            at("/c", None),
            at("/d", None),
        ];
        let kept: Vec<_> = without_twins(listings).into_iter().map(|listing| listing.instance).collect();
        assert_eq!(kept, ["/a", "/b", "/c", "/d"]);
    }
}
