//! Looking again after the act. "Ended" is believed of nobody: asked to end a
//! session, a multiplexer answered with success in every case that was measured,
//! also where the session's windows lived on. The host of plugins has seen to
//! the processes; this is about the session itself.

use reap_core::ids::{Address, Incarnation, Instance, Key};
use reap_core::listing::{Answers, Listing, Observation};
use reap_core::outcome::Outcome;
use reap_core::permit::Permit;
use reap_runtime::Backend;

use crate::clock::now;

/// A session that was to be ended.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub address: Address,
    pub incarnation: Incarnation,
}

impl Target {
    pub fn of(permit: &Permit) -> Self {
        Self { address: permit.address().clone(), incarnation: permit.session().incarnation.clone() }
    }
}

/// The outcomes, corrected by what is there afterwards.
pub(crate) async fn verify(
    backend: &Backend,
    instance: &Instance,
    targets: &[Target],
    outcomes: Vec<Outcome>,
) -> Vec<Outcome> {
    let claimed = targets.iter().zip(&outcomes).filter(|(_, outcome)| is_ended(outcome));
    let keys: Vec<Key> = claimed.map(|(target, _)| target.address.key.clone()).collect();
    if keys.is_empty() {
        return outcomes;
    }
    let look = backend.inspect(instance, &keys).await.map(observation).map_err(|error| error.to_string());
    targets.iter().zip(outcomes).map(|(target, outcome)| correct(target, outcome, &look)).collect()
}

fn is_ended(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Ended { .. })
}

fn observation(listing: Listing) -> Observation {
    Observation { at: now(), listings: vec![listing], faults: Vec::new() }
}

/// The outcome, unless what was seen speaks against it.
fn correct(target: &Target, outcome: Outcome, look: &Result<Observation, String>) -> Outcome {
    if !is_ended(&outcome) {
        return outcome;
    }
    match doubt(target, look) {
        Some(reason) => Outcome::Failed { reason, survivors: Vec::new() },
        None => outcome,
    }
}

/// Why the session cannot be taken for ended, where that is so.
fn doubt(target: &Target, look: &Result<Observation, String>) -> Option<String> {
    let unverified = |why: &str| Some(format!("it could not be verified that it is gone: {why}"));
    let observation = match look {
        Ok(observation) => observation,
        Err(error) => return unverified(error),
    };
    let mut rows = observation.listings.iter().flat_map(Listing::seen);
    match rows.find(|session| session.key == target.address.key) {
        Some(session) if session.incarnation == target.incarnation => {
            Some("it is still there: its backend reported an end that did not happen".to_owned())
        }
        Some(_) => None, // the key means another session by now, so this one is gone
        None => unverified(&Answers::of(observation).doubt_absence(&target.address)?),
    }
}

#[cfg(test)]
mod tests {
    use reap_core::ids::{Generation, PluginName};
    use reap_core::listing::Extent;
    use reap_core::session::{Activity, Kind, Session};

    use super::*;

    fn target() -> Target {
        Target {
            address: Address {
                backend: PluginName::new("tmux").expect("a name"),
                instance: Instance::new("/s"),
                key: Key::new("$3"),
            },
            incarnation: Incarnation::new("1.2.3"),
        }
    }

    fn session(key: &str, incarnation: &str) -> Session {
        Session {
            key: Key::new(key),
            incarnation: Incarnation::new(incarnation),
            title: String::new(),
            kind: Kind::Other,
            activity: Activity::Idle,
            created: None,
            last_active: None,
            attached: false,
            parent: None,
            cwd: None,
            processes: Vec::new(),
            tokens: None,
            protected: None,
            extra: Vec::new(),
        }
    }

    fn seen(extent: Extent, sessions: Vec<Session>) -> Result<Observation, String> {
        Ok(observation(Listing {
            backend: target().address.backend,
            instance: Instance::new("/s"),
            label: "s".into(),
            generation: Some(Generation::new("1.2")),
            server: None,
            extent,
            sessions,
        }))
    }

    fn ended() -> Outcome {
        Outcome::Ended { notes: Vec::new() }
    }

    fn failure(outcome: Outcome) -> String {
        match outcome {
            Outcome::Failed { reason, .. } => reason,
            Outcome::Ended { .. } | Outcome::Skipped { .. } => String::new(),
        }
    }

    #[test]
    fn only_what_is_seen_to_be_gone_is_ended() {
        let other = || session("$1", "1.2.9");
        let cases = [
            ("gone from a complete listing", seen(Extent::Complete, vec![other()]), ""),
            ("its server is gone", seen(Extent::Absent("no server".into()), vec![]), ""),
            ("its key is another session", seen(Extent::Complete, vec![session("$3", "1.2.4")]), ""),
            ("still there", seen(Extent::Complete, vec![session("$3", "1.2.3")]), "it is still there"),
            (
                "still there, partial",
                seen(Extent::Partial("cut".into()), vec![session("$3", "1.2.3")]),
                "it is still there",
            ),
            (
                "not shown, partial",
                seen(Extent::Partial("cut".into()), vec![]),
                "could not be verified that it is gone: cut",
            ),
            ("could not look", seen(Extent::Failed("timed out".into()), vec![]), "gone: timed out"),
            ("no answer", Err("it trapped".into()), "gone: it trapped"),
        ];
        for (what, look, reason) in cases {
            let outcome = correct(&target(), ended(), &look);
            assert_eq!(is_ended(&outcome), reason.is_empty(), "{what}: {outcome:?}");
            assert!(failure(outcome.clone()).contains(reason), "{what}: {outcome:?}");
        }
    }

    #[test]
    fn a_failure_stays_a_failure() {
        let failed = Outcome::Failed { reason: "refused".into(), survivors: Vec::new() };
        let gone = seen(Extent::Complete, vec![]);
        assert_eq!(correct(&target(), failed.clone(), &gone), failed);
    }
}
