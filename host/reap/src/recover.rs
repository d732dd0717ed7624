//! Intents that a crash left without an outcome. What may have happened is
//! settled by looking, at the start and, while it cannot be told, in each later
//! pass: never by guessing, and never by ending anything a second time.

use std::sync::Arc;

use reap_core::backoff;
use reap_core::listing::Observation;
use reap_core::outcome::{Outcome, Survivor};
use reap_core::session::ProcessId;
use reap_core::time::Timestamp;
use reap_runtime::process::alive;
use reap_store::intents::OpenIntent;
use reap_store::tombstones::Kept;

use crate::apply::settlement;
use crate::clock::now;
use crate::engine::Reap;
use crate::memory::{Keeper, MemoryError};
use crate::verify::{Presence, Target, presence};

impl Reap {
    /// Settles what can be settled by this observation. Only for whoever has the
    /// turn: the intents of ends that are under way look just the same.
    pub(crate) async fn settle_left_open(&self, observation: &Arc<Observation>) -> Result<(), MemoryError> {
        let (seen, rules) = (observation.clone(), self.rules.sweep.backoff);
        let patience = self.rules.records.retention;
        let boot = self.memory.boot().as_str().to_owned();
        let settled = self.memory.keep(move |keeper| -> Result<(), MemoryError> {
            let open = keeper.left_open()?;
            if open.is_empty() {
                return Ok(());
            }
            let at = now();
            for intent in open {
                let left = Left::of(keeper, &intent, &boot)?;
                let Some(outcome) = outcome(&intent, &left, &seen, at.minus(patience)) else { continue };
                let handle = intent.handle.clone();
                // One that the disk refuses waits with the keeper, and is told then.
                let _ = keeper.settle(at, vec![settlement(intent.owed, &outcome)]);
                keeper.step(|state| backoff::settle(state, &handle, &outcome, at, &rules));
            }
            Ok(keeper.flush(at, None)?)
        });
        settled.await?
    }
}

/// What is known of a session whose end was interrupted, besides this look.
struct Left {
    /// The processes that it had, as far as their pids mean anything. Nothing where
    /// its tombstone does not tell.
    processes: Option<Vec<ProcessId>>,
    memory: Remembered,
}

/// What the records say of it. One look is not enough to take a session on record
/// for gone: a gateway that has just started may not have read its sessions yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remembered {
    /// It has left: by proof, or by having been absent often enough.
    Gone,
    /// It is still on record.
    Present,
    /// There is no record of it.
    Nothing,
}

impl Left {
    fn of(keeper: &Keeper, intent: &OpenIntent, boot: &str) -> Result<Self, MemoryError> {
        let tombstones = keeper.store().view().tombstones(Some(&intent.handle))?;
        let kept = tombstones.iter().find(|kept| kept.intent == intent.owed.seq());
        let listed = kept.and_then(listed);
        let rebooted = intent.boot != boot;
        let memory = match keeper.state().record(&intent.handle) {
            Some(record) if record.present() => Remembered::Present,
            Some(_) => Remembered::Gone,
            // One without processes may be on another machine, and outlives this one's boot.
            None if rebooted && listed.as_ref().is_some_and(|had| !had.is_empty()) => Remembered::Gone,
            None => Remembered::Nothing,
        };
        // After a reboot a pid means another process, and so may its start.
        Ok(Self { processes: if rebooted { Some(Vec::new()) } else { listed }, memory })
    }
}

/// What an interrupted end has come to; nothing while that cannot be told. What
/// nobody could tell since `limit` will not be told any more.
fn outcome(intent: &OpenIntent, left: &Left, seen: &Observation, limit: Timestamp) -> Option<Outcome> {
    let target = Target { address: intent.address.clone(), incarnation: intent.incarnation.clone() };
    let failed = |reason: &str| Some(Outcome::Failed { reason: reason.to_owned(), survivors: Vec::new() });
    match (presence(&target, seen), left.memory) {
        (Presence::There, _) => failed("Reap was stopped while it ended it, and it is still there"),
        (_, Remembered::Gone) | (Presence::Gone, Remembered::Nothing) => match &left.processes {
            Some(processes) => Some(gone(processes)),
            None => {
                failed("Reap was stopped while it ended it; it is gone, and which processes it had is lost")
            }
        },
        _ if intent.at < limit => {
            failed("Reap was stopped while it ended it, and what became of it was never known")
        }
        _ => None,
    }
}

/// It is gone, but for those of its processes that live.
fn gone(processes: &[ProcessId]) -> Outcome {
    let survivor = |process: &ProcessId| Survivor {
        process: *process,
        reason: "Reap was stopped before it was ended".to_owned(),
    };
    let survivors: Vec<Survivor> = processes.iter().filter(|one| alive(**one)).map(survivor).collect();
    if survivors.is_empty() {
        let note =
            "Reap was stopped while it ended it; it and its listed processes were found gone afterwards"
                .to_owned();
        return Outcome::Ended { notes: vec![note] };
    }
    let reason = "Reap was stopped while it ended it: it is gone, and its processes are not".to_owned();
    Outcome::Failed { reason, survivors }
}

fn listed(kept: &Kept) -> Option<Vec<ProcessId>> {
    serde_json::from_value(kept.tombstone.body["session"]["processes"].clone()).ok()
}

#[cfg(test)]
mod tests {
    use reap_core::ids::{Address, Generation, Incarnation, Instance, Key, PluginName};
    use reap_core::listing::{Extent, Listing};
    use reap_core::session::Session;

    use super::*;
    use crate::sample;

    const AT: Timestamp = Timestamp::from_millis(1_000_000);

    fn seen(extent: Extent, with: bool) -> Observation {
        let mut session = Session::clone(&sample::pass().judged[0].subject.session);
        session.key = Key::new("$3");
        session.incarnation = Incarnation::new("1.2.3");
        let listing = Listing {
            backend: PluginName::new("tmux").expect("a name"),
            instance: Instance::new("/s"),
            label: "s".into(),
            generation: Some(Generation::new("1.2")),
            server: None,
            extent,
            sessions: if with { vec![session] } else { Vec::new() },
        };
        Observation { at: AT, listings: vec![listing], faults: Vec::new() }
    }

    #[test]
    fn an_interrupted_end_is_settled_by_what_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = reap_store::Settings { boot: "b".into(), wait: std::time::Duration::ZERO, now: AT };
        let mut store = reap_store::Store::open(folder.path(), &settings).expect("a store");
        let tombstone = reap_store::tombstones::Tombstone {
            address: Address {
                backend: PluginName::new("tmux").expect("a name"),
                instance: Instance::new("/s"),
                key: Key::new("$3"),
            },
            incarnation: Incarnation::new("1.2.3"),
            title: "a".into(),
            body: serde_json::json!({}),
        };
        let told = reap_store::intents::Intent { tombstone: &tombstone, why: serde_json::json!({}) };
        drop(store.intend(AT, &[told]).expect("journalled"));
        let intent = store.open_intents().expect("readable").remove(0);
        let me = reap_runtime::process::here().expect("Linux").ancestors[0];
        let nothing = || seen(Extent::Failed("late".into()), false);
        use Remembered::{Gone, Nothing, Present};
        let cases = [
            ("gone", seen(Extent::Complete, false), Nothing, vec![], false, "ended"),
            ("there", seen(Extent::Complete, true), Nothing, vec![], false, "still there"),
            ("there again", seen(Extent::Complete, true), Gone, vec![], false, "still there"),
            (
                "its process lives",
                seen(Extent::Complete, false),
                Gone,
                vec![me],
                false,
                "its processes are not",
            ),
            ("absent once", seen(Extent::Complete, false), Present, vec![], false, ""),
            ("unknown", nothing(), Nothing, vec![], false, ""),
            ("unknown, on record", nothing(), Present, vec![], false, ""),
            ("unknown, by record gone", nothing(), Gone, vec![], false, "ended"),
            ("unknown for ever", nothing(), Nothing, vec![], true, "never known"),
        ];
        for (what, seen, memory, processes, late, words) in cases {
            let limit = if late { AT.plus(reap_core::time::Span::from_secs(1)) } else { AT };
            let told = match outcome(&intent, &Left { processes: Some(processes), memory }, &seen, limit) {
                None => String::new(),
                Some(Outcome::Ended { .. }) => "ended".to_owned(),
                Some(Outcome::Failed { reason, .. } | Outcome::Skipped { reason }) => reason,
            };
            assert!(told.contains(words) && told.is_empty() == words.is_empty(), "{what}: {told:?}");
        }
    }
}
