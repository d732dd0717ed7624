//! From what a person typed to a session in the journal, which may be gone.

use reap::beside::Known;
use reap::core::ids::{Address, Handle};
use reap::core::resolve::{Candidate, ResolveError};

use super::error::{CliError, Exit};

/// The session of this name, among those that are known. What is known no more
/// may still be in the journal, and is found by the digits of its handle.
pub fn handle_of(
    name: &str,
    known: &[Known],
    journalled: impl FnOnce() -> Result<Vec<String>, CliError>,
) -> Result<Handle, CliError> {
    let mut found: Vec<Candidate> =
        known.iter().filter(|known| is_called(name, known)).map(candidate).collect();
    match found.len() {
        0 => among(name, journalled()?),
        1 => Ok(found.remove(0).handle),
        _ => Err(ResolveError::Ambiguous { text: name.to_owned(), candidates: found }.into()),
    }
}

/// Names match exactly, as those of sessions that live.
fn is_called(name: &str, known: &Known) -> bool {
    let Known { handle, address, title } = known;
    handle.answers_to(name) || address.key.as_str() == name || title == name || is_written(address, name)
}

fn is_written(address: &Address, name: &str) -> bool {
    address.to_string() == name
}

fn candidate(known: &Known) -> Candidate {
    let Known { handle, address, title } = known.clone();
    Candidate { handle, address, title }
}

fn among(name: &str, mut handles: Vec<String>) -> Result<Handle, CliError> {
    handles.sort();
    handles.dedup();
    handles.retain(|handle| name.len() >= Handle::SHORTEST && handle.starts_with(name));
    match &handles[..] {
        [] => Err(ResolveError::NotFound { text: name.to_owned() }.into()),
        [handle] => serde_json::from_value(handle.as_str().into())
            .map_err(|error| CliError::new(Exit::Error, format!("a handle in the journal is none: {error}"))),
        several => Err(CliError::new(
            Exit::Usage,
            format!("several sessions in the journal have handles that begin so: {}", several.join(", ")),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample::pass;

    fn known() -> Vec<Known> {
        let known = |judged: &reap::core::judge::Judged| Known {
            handle: judged.subject.handle.clone(),
            address: judged.subject.address.clone(),
            title: judged.subject.session.title.clone(),
        };
        pass().judged.iter().map(known).collect()
    }

    fn find(name: &str, known: &[Known], journalled: &[&str]) -> Result<String, Exit> {
        let journalled = || Ok(journalled.iter().map(ToString::to_string).collect());
        handle_of(name, known, journalled).map(|handle| handle.to_string()).map_err(|error| error.exit)
    }

    #[test]
    fn a_session_is_known_by_any_of_its_names() {
        let known = known();
        let first = known[0].handle.to_string();
        for name in [&first, &first[..4], "$1", "build 日本", &known[0].address.to_string()] {
            assert_eq!(find(name, &known, &[]), Ok(first.clone()), "{name}");
        }
        for name in [&first[..3], "build", "", "$"] {
            assert_eq!(find(name, &known, &[&first]), Err(Exit::NotFound), "{name}");
        }
    }

    #[test]
    fn one_that_is_forgotten_is_known_by_its_handle() {
        let journalled = ["aaaa000000000001", "aaaa000000000001", "aaaabbbb00000002"];
        assert_eq!(find("aaaab", &[], &journalled), Ok("aaaabbbb00000002".to_owned()));
        assert_eq!(find("aaaa0", &[], &journalled), Ok("aaaa000000000001".to_owned()));
        assert_eq!(find("aaaa", &[], &journalled), Err(Exit::Usage));
        assert_eq!(find("aaa", &[], &journalled), Err(Exit::NotFound));
    }

    #[test]
    fn sessions_that_had_the_same_name_are_listed() {
        let mut known = known();
        known[1].title = known[0].title.clone();
        assert_eq!(find("build 日本", &known, &[]), Err(Exit::Usage));
    }
}
