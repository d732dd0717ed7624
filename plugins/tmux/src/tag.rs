//! Sets and clears the opt-out tag `@reap-protect`, and looks whether it took.

use reap_plugin::commands::{argument, run};
use reap_plugin::{Error, Extent, Listing, Session};

use crate::fate::Act;
use crate::scan;

/// Sets or clears the tag of that session.
pub fn tag(instance: &str, session: &Session, protect: bool) -> Result<(), Error> {
    let command = if protect { "protect" } else { "unprotect" };
    let arguments = [
        argument("socket", instance),
        argument("key", &session.key),
        argument("incarnation", &session.incarnation),
    ];
    match Act::of(run(command, &arguments)) {
        Act::Accepted => verify(session, protect, &scan::server(instance)),
        Act::Refused => Err(Error::NotFound(format!("the session {} is not there any more", session.key))),
        Act::Failed(error) => Err(error),
    }
}

/// A tag can come from the session, from one of its windows, or from the whole
/// server; only the first is ours to clear.
fn verify(session: &Session, protect: bool, after: &Listing) -> Result<(), Error> {
    if let Extent::Failed(error) = &after.extent {
        return Err(error
            .clone()
            .reworded(|why| format!("the tag may be changed, but that could not be checked: {why}")));
    }
    let same = |other: &&Session| other.key == session.key && other.incarnation == session.incarnation;
    match after.sessions.iter().find(same).map(|session| session.protected.is_some()) {
        Some(tagged) if tagged == protect => Ok(()),
        Some(true) => Err(Error::Failed(format!(
            "the session {} is still tagged: @reap-protect is set for a window of it (clear it with `tmux set-option \
             -wu @reap-protect` there) or for the whole server (`tmux set-option -gu @reap-protect`)",
            session.key
        ))),
        Some(false) => {
            Err(Error::Failed(format!("tmux took the tag, but the session {} does not have it", session.key)))
        }
        None => Err(Error::NotFound(format!("the session {} has ended meanwhile", session.key))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{complete, listed};

    #[test]
    fn a_tag_counts_when_it_is_seen() {
        let plain = listed("$1", &[]);
        let tagged = Session { protected: Some("tagged".to_owned()), ..listed("$1", &[]) };
        assert_eq!(verify(&plain, true, &complete(vec![tagged.clone()])), Ok(()));
        assert_eq!(verify(&plain, false, &complete(vec![plain.clone()])), Ok(()));
        let still = verify(&plain, false, &complete(vec![tagged])).expect_err("inherited").reason();
        assert!(still.contains("whole server"), "{still}");
        assert!(verify(&plain, true, &complete(vec![plain.clone()])).is_err());
        let gone = verify(&plain, true, &complete(Vec::new()));
        assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
    }
}
