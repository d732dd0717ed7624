//! No act without an intent, no outcome without an act's intent, no end without
//! a tombstone.

use reap_store::intents::{JOURNALLED, SETTLED, Settled, Settlement};
use reap_store::tombstones::Fate;
use serde_json::json;

use crate::support::{NOW, folder, intend, journal, later, open, settle, tombstone};

#[test]
fn what_a_crash_left_is_settled_at_the_next_start() {
    let folder = folder();
    let mut store = open(folder.path());
    let first = intend(&mut store, "$1");
    let second = intend(&mut store, "$2");
    assert_eq!(second.handle(), &tombstone("$2").handle());
    settle(&mut store, first, Settled::Ended);
    drop((store, second));

    let mut store = open(folder.path());
    let mut left = store.open_intents().expect("readable");
    assert_eq!(left.len(), 1);
    let left = left.remove(0);
    assert_eq!((left.address, left.title), (tombstone("$2").address, "title of $2".to_owned()));
    assert_eq!((left.why, left.boot), (json!({ "plan": "abc" }), "boot-1".to_owned()));
    let settlement = Settlement { owed: left.owed, outcome: Settled::Ended, detail: json!("it is gone") };
    store.settle(later(9), vec![settlement]).expect("settled");
    assert_eq!(store.open_intents().expect("readable"), []);
    let kinds: Vec<_> = journal(&store).into_iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [JOURNALLED, JOURNALLED, SETTLED, SETTLED]);
    assert_eq!(store.examine().expect("sound").open_intents, 0);
}

#[test]
fn an_intent_gets_one_outcome() {
    let folder = folder();
    let mut store = open(folder.path());
    let mine = intend(&mut store, "$1");
    let found = store.open_intents().expect("readable").remove(0).owed;
    settle(&mut store, mine, Settled::Ended);
    let entries = journal(&store).len();
    let again = Settlement { owed: found, outcome: Settled::Failed, detail: json!({}) };
    let refused = store.settle(NOW, vec![again]).expect_err("a second outcome");
    assert!(refused.to_string().contains("intent 1 is not open"), "{refused}");
    assert_eq!(refused.settlements.len(), 1, "they come back");
    assert_eq!(journal(&store).len(), entries);
    assert_eq!(store.view().tombstones(None).expect("rows")[0].fate, Fate::Ended);
}

#[test]
fn a_token_of_another_store_settles_nothing() {
    let folders = [folder(), folder()];
    let [mut one, mut two] = [open(folders[0].path()), open(folders[1].path())];
    let foreign = intend(&mut one, "$1");
    let _own = intend(&mut two, "$2");
    let settlement = Settlement { owed: foreign.into(), outcome: Settled::Ended, detail: json!({}) };
    assert!(two.settle(NOW, vec![settlement]).is_err());
    assert_eq!(two.open_intents().expect("readable").len(), 1);
}

#[test]
fn a_tombstone_stands_before_the_end_and_goes_when_nothing_was_ended() {
    let cases = [
        (Settled::Ended, Some(Fate::Ended)),
        (Settled::Failed, Some(Fate::Failed)),
        (Settled::Skipped, None),
    ];
    for (outcome, fate) in cases {
        let folder = folder();
        let mut store = open(folder.path());
        let done = intend(&mut store, "$1");
        let handle = done.handle().clone();
        let kept = |store: &reap_store::Store| store.view().tombstones(Some(&handle)).expect("rows");
        assert_eq!(kept(&store)[0].fate, Fate::Open);
        assert_eq!(kept(&store)[0].tombstone, tombstone("$1"));
        let intent = done.seq();
        settle(&mut store, done, outcome);
        assert_eq!(kept(&store).first().map(|kept| kept.fate), fate, "{outcome:?}");
        let noted = store.write(|txn| txn.note_restored(intent, later(5))).expect("a write");
        assert_eq!(noted, fate.is_some());
        assert_eq!(kept(&store).first().and_then(|kept| kept.restored), fate.map(|_| later(5)));
    }
}
