//! Looking again after the act. "Ended" is believed of nobody: asked to end a
//! session, a multiplexer answered with success in every case that was measured,
//! also where the session's windows lived on. The host of plugins has seen to
//! the processes; this is about the session itself.

use std::collections::HashSet;

use reap_core::ids::{Address, Incarnation, Instance, Key};
use reap_core::listing::{Answers, Listing, Observation};
use reap_core::outcome::Outcome;
use reap_core::permit::Permit;
use reap_core::session::ProcessId;
use reap_runtime::{Backend, Report, process};

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
    targets: Vec<Target>,
    reports: Vec<Report>,
) -> Vec<Outcome> {
    let open = targets.iter().zip(&reports).filter(|(_, report)| is_open(report));
    let keys: Vec<Key> = open.map(|(target, _)| target.address.key.clone()).collect();
    if keys.is_empty() {
        return reports.into_iter().map(|report| report.outcome).collect();
    }
    let look = backend.inspect(instance, &keys).await.map(observation).map_err(|error| error.to_string());
    let doubts: Vec<Option<String>> = targets.iter().map(|target| doubt(target, &look)).collect();
    let deserted =
        reports.iter().zip(&doubts).filter(|(report, doubt)| is_skipped(report) && doubt.is_none());
    let left = lingering(deserted.flat_map(|(report, _)| report.processes.iter().copied())).await;
    reports.into_iter().zip(doubts).map(|(report, doubt)| correct(report, doubt, &left)).collect()
}

/// Whether another look tells more about it.
fn is_open(report: &Report) -> bool {
    is_ended(&report.outcome) || (is_skipped(report) && !report.processes.is_empty())
}

fn is_skipped(report: &Report) -> bool {
    matches!(report.outcome, Outcome::Skipped { .. })
}

/// Those that still live when they have had a moment to end by themselves.
async fn lingering(ids: impl Iterator<Item = ProcessId>) -> HashSet<ProcessId> {
    let ids: Vec<ProcessId> = ids.collect();
    if ids.is_empty() {
        return HashSet::new();
    }
    let look = tokio::task::spawn_blocking({
        let ids = ids.clone();
        move || process::lingering(ids)
    });
    // Where nobody could look, each may live.
    look.await.unwrap_or_else(|_| ids.into_iter().collect())
}

fn is_ended(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Ended { .. })
}

fn observation(listing: Listing) -> Observation {
    Observation { at: now(), listings: vec![listing], faults: Vec::new() }
}

/// The outcome, unless what was seen speaks against it. A session that ended by
/// itself just before the act was left alone, and so were its processes; those that
/// live on are named, since no later run can find them.
fn correct(report: Report, doubt: Option<String>, left: &HashSet<ProcessId>) -> Outcome {
    match (report.outcome, doubt) {
        (Outcome::Ended { .. }, Some(reason)) => Outcome::Failed { reason, survivors: Vec::new() },
        (Outcome::Skipped { reason }, None) => {
            let mut pids: Vec<u32> = report.processes.intersection(left).map(|id| id.pid).collect();
            pids.sort_unstable();
            let pids: Vec<String> = pids.iter().map(|pid| format!("pid {pid}")).collect();
            let tail = if pids.is_empty() { String::new() } else { format!("{LEFT}: {}", pids.join(", ")) };
            Outcome::Skipped { reason: reason + &tail }
        }
        (outcome, _) => outcome,
    }
}

/// What is said of the processes of a session that ended by itself.
const LEFT: &str = "; processes of it live on and were left alone";

/// Why the session cannot be taken for ended, where that is so.
fn doubt(target: &Target, look: &Result<Observation, String>) -> Option<String> {
    let unverified = |why: &str| Some(format!("it could not be verified that it is gone: {why}"));
    match look.as_ref().map(|observation| presence(target, observation)) {
        Ok(Presence::Gone) => None,
        Ok(Presence::There) => {
            Some("it is still there: its backend reported an end that did not happen".to_owned())
        }
        Ok(Presence::Unknown(why)) => unverified(&why),
        Err(error) => unverified(error),
    }
}

/// Whether a session is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presence {
    There,
    Gone,
    /// It is not known, for this reason.
    Unknown(String),
}

/// Whether this very session is there, by what was observed. A listing that shows
/// a key twice may show it once as this session and once as another.
pub(crate) fn presence(target: &Target, observation: &Observation) -> Presence {
    let here = |listing: &&Listing| {
        listing.backend == target.address.backend && listing.instance == target.address.instance
    };
    let rows: Vec<_> = observation
        .listings
        .iter()
        .filter(here)
        .flat_map(Listing::seen)
        .filter(|session| session.key == target.address.key)
        .collect();
    match rows[..] {
        _ if rows.iter().any(|session| session.incarnation == target.incarnation) => Presence::There,
        [_] => Presence::Gone, // the key means another session by now
        _ => {
            Answers::of(observation).doubt_absence(&target.address).map_or(Presence::Gone, Presence::Unknown)
        }
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

    fn process(pid: u32) -> ProcessId {
        ProcessId { pid, started: 1 }
    }

    fn report(outcome: Outcome, pids: &[u32]) -> Report {
        Report { outcome, processes: pids.iter().copied().map(process).collect() }
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
                "shown twice, second as itself",
                seen(Extent::Complete, vec![session("$3", "1.2.4"), session("$3", "1.2.3")]),
                "it is still there",
            ),
            (
                "shown twice, as others",
                seen(Extent::Complete, vec![session("$3", "1.2.4"), session("$3", "1.2.5")]),
                "could not be verified that it is gone",
            ),
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
            let outcome = correct(report(ended(), &[]), doubt(&target(), &look), &HashSet::new());
            assert_eq!(is_ended(&outcome), reason.is_empty(), "{what}: {outcome:?}");
            assert!(failure(outcome.clone()).contains(reason), "{what}: {outcome:?}");
        }
    }

    #[test]
    fn a_failure_stays_a_failure() {
        let failed = Outcome::Failed { reason: "refused".into(), survivors: Vec::new() };
        for doubt in [None, Some("unclear".to_owned())] {
            assert_eq!(correct(report(failed.clone(), &[]), doubt, &HashSet::new()), failed);
        }
    }

    #[test]
    fn what_a_session_that_ended_by_itself_left_is_named() {
        let skipped = || Outcome::Skipped { reason: "it has ended by itself".into() };
        let named = |alive: &[u32], doubt: Option<&str>| {
            let left = alive.iter().copied().map(process).collect();
            match correct(report(skipped(), &[7, 8, 9]), doubt.map(str::to_owned), &left) {
                Outcome::Skipped { reason } => reason,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            named(&[9, 7, 5], None),
            "it has ended by itself; processes of it live on and were left alone: pid 7, pid 9"
        );
        assert_eq!(named(&[5], None), "it has ended by itself", "another's process is not named");
        assert_eq!(named(&[7], Some("it is still there")), "it has ended by itself");
    }
}
