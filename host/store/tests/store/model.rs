//! Random histories against a plain model of what a store should hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;
use reap_core::time::Span;
use reap_store::intents::{Journalled, Owed, Settled, Settlement};
use reap_store::journal::NewEntry;
use reap_store::retention::Limits;
use reap_store::tombstones::Fate;
use reap_store::{Reader, Store, StoreError};
use serde_json::json;

use crate::support::{NOW, folder, intend, journal, later, open};

#[derive(Debug, Clone)]
enum Step {
    Put(u8, u8),
    Forget(u8),
    Locks(u8, u8),
    Note(u8),
    Append(u8),
    Intend(u8),
    Settle(u8, u8),
    /// Does several of these and then fails: nothing may be left.
    Fail(u8),
    Crash,
    Prune(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u8..8, any::<u8>()).prop_map(|(key, body)| Step::Put(key, body)),
        1 => (0_u8..8).prop_map(Step::Forget),
        2 => (0_u8..4, 0_u8..3).prop_map(|(first, count)| Step::Locks(first, count)),
        1 => any::<u8>().prop_map(Step::Note),
        2 => (1_u8..6).prop_map(Step::Append),
        3 => (0_u8..8).prop_map(Step::Intend),
        3 => (any::<u8>(), 0_u8..3).prop_map(|(which, outcome)| Step::Settle(which, outcome)),
        1 => any::<u8>().prop_map(Step::Fail),
        1 => Just(Step::Crash),
        1 => (0_u8..30).prop_map(Step::Prune),
    ]
}

#[derive(Debug, Default, PartialEq)]
struct Model {
    records: BTreeMap<u8, u8>,
    locks: BTreeSet<u8>,
    note: Option<u8>,
    /// The number of the last entry.
    last: u64,
    /// By the number of the intent: the session, and how it went.
    tombstones: BTreeMap<u64, (u8, Fate)>,
}

struct Both<'f> {
    folder: &'f Path,
    store: Option<Store>,
    model: Model,
    /// Leaves that the process still has; a crash loses them.
    leaves: Vec<Journalled>,
}

impl Both<'_> {
    fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("open")
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Put(key, body) => {
                self.write(|txn| txn.remember("record", [(key.to_string().as_str(), &body)]));
                self.model.records.insert(key, body);
            }
            Step::Forget(key) => {
                self.write(|txn| txn.forget("record", [key.to_string().as_str()]));
                self.model.records.remove(&key);
            }
            Step::Locks(first, count) => {
                self.model.locks = (first..first + count).collect();
                let locks: Vec<_> = self.model.locks.iter().map(u8::to_string).collect();
                self.write(|txn| txn.replace("lock", locks.iter().map(|dir| (dir.as_str(), dir))));
            }
            Step::Note(value) => {
                self.write(|txn| txn.remember("clock", [("", &value)]));
                self.model.note = Some(value);
            }
            Step::Append(count) => {
                self.write(|txn| {
                    txn.append(NOW, (0..count).map(|n| NewEntry::new("x", None, &n).expect("JSON")))
                });
                self.model.last += u64::from(count);
            }
            Step::Intend(key) => {
                let leave = intend(self.store(), &key.to_string());
                self.model.last += 1;
                assert_eq!(leave.seq(), self.model.last);
                self.model.tombstones.insert(leave.seq(), (key, Fate::Open));
                self.leaves.push(leave);
            }
            Step::Settle(which, outcome) => self.settle(which, outcome),
            Step::Fail(body) => self.fail(body),
            Step::Crash => {
                self.store = None;
                self.leaves.clear();
                self.store = Some(open(self.folder));
            }
            Step::Prune(floor) => self.prune(u64::from(floor)),
        }
    }

    fn write<T>(&mut self, work: impl FnOnce(&mut reap_store::Txn<'_>) -> Result<T, StoreError>) -> T {
        self.store().write(work).expect("written")
    }

    /// By the leave that the process has, or as a new start does.
    fn settle(&mut self, which: u8, outcome: u8) {
        let owed: Owed = if self.leaves.is_empty() {
            let mut found = self.store().open_intents().expect("readable");
            if found.is_empty() {
                return;
            }
            found.swap_remove(usize::from(which) % found.len()).owed
        } else {
            let place = usize::from(which) % self.leaves.len();
            self.leaves.swap_remove(place).into()
        };
        let intent = owed.seq();
        let outcome = [Settled::Ended, Settled::Skipped, Settled::Failed][usize::from(outcome)];
        let settlement = Settlement { owed, outcome, detail: json!(null) };
        self.store().settle(NOW, vec![settlement]).expect("settled");
        self.model.last += 1;
        let tombstone = self.model.tombstones.get_mut(&intent).expect("known");
        match outcome {
            Settled::Ended => tombstone.1 = Fate::Ended,
            Settled::Failed => tombstone.1 = Fate::Failed,
            Settled::Skipped => drop(self.model.tombstones.remove(&intent)),
        }
    }

    fn fail(&mut self, body: u8) {
        let failed = self.store().write(|txn| {
            txn.remember("record", [("0", &body)])?;
            txn.remember("clock", [("", &body)])?;
            txn.append(NOW, [NewEntry::new("x", None, &body)?])?;
            NewEntry::new("store.x", None, &body).map(drop)
        });
        assert!(matches!(failed, Err(StoreError::ReservedKind(_))));
    }

    fn prune(&mut self, floor: u64) {
        let limits = Limits { journal_age: Span::ZERO, journal_floor: floor, ..Limits::default() };
        let pruned = self.store().prune(later(1), &limits).expect("pruned");
        self.model.last += u64::from(pruned.entries > 0);
    }

    fn compare(&self) {
        let store = self.store.as_ref().expect("open");
        let reader = Reader::open(self.folder).expect("a reader");
        for view in [store.view(), reader.view()] {
            let records = view.remembered::<u8>("record").expect("rows").into_iter();
            let locks = view.remembered::<String>("lock").expect("rows").into_iter();
            let tombstones = view.tombstones(None).expect("rows").into_iter();
            let found = Model {
                records: records.map(|(id, body)| (id.parse().expect("a number"), body)).collect(),
                locks: locks.map(|(_, dir)| dir.parse().expect("a number")).collect(),
                note: view.recall("clock", "").expect("readable"),
                last: store.head().seq,
                tombstones: tombstones
                    .map(|t| {
                        (t.intent, (t.tombstone.address.key.as_str().parse().expect("a number"), t.fate))
                    })
                    .collect(),
            };
            assert_eq!(found, self.model);
        }
        let open: Vec<u64> =
            store.open_intents().expect("readable").iter().map(|open| open.owed.seq()).collect();
        let expected = self.model.tombstones.iter().filter(|(_, (_, fate))| *fate == Fate::Open);
        assert_eq!(open, expected.map(|(seq, _)| *seq).collect::<Vec<_>>());
        let numbers: Vec<u64> = journal(store).iter().map(|entry| entry.seq).collect();
        assert!(
            numbers.is_sorted_by(|a, b| a + 1 == *b)
                && numbers.last().is_none_or(|last| *last == self.model.last)
        );
        store.examine().expect("sound");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_store_holds_what_its_history_says(steps in proptest::collection::vec(step(), 1..40)) {
        let folder = folder();
        let store = Some(open(folder.path()));
        let mut both = Both { folder: folder.path(), store, model: Model::default(), leaves: Vec::new() };
        for step in &steps {
            both.take(step);
        }
        both.compare();
    }
}
