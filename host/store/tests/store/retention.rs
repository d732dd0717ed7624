//! What is let go is let go in order, and the chain still proves the rest.

use reap_core::time::Span;
use reap_store::intents::Settled;
use reap_store::journal::NewEntry;
use reap_store::retention::Limits;
use reap_store::verify::Verdict;

use crate::support::{NOW, append, folder, intend, journal, later, open, settle};

fn limits() -> Limits {
    let day = Span::from_secs(86_400);
    Limits { journal_age: day, journal_floor: 5, tombstone_age: day, ..Limits::default() }
}

#[test]
fn an_old_beginning_goes_and_the_chain_holds() {
    let folder = folder();
    let mut store = open(folder.path());
    append(&mut store, 30);
    let head = store.head();
    assert_eq!(store.prune(later(3600), &limits()).expect("pruned").entries, 0);
    assert_eq!(store.head(), head, "nothing to do, nothing written");

    assert_eq!(store.prune(later(90_000), &limits()).expect("pruned").entries, 25, "the floor stays");
    append(&mut store, 10);
    // Behind a young entry, old ones wait: the clock was set back for those.
    assert_eq!(store.prune(later(90_000), &limits()).expect("pruned").entries, 5);
    assert_eq!(store.prune(later(200_000), &limits()).expect("pruned").entries, 7);
    let sound = store.examine().expect("sound");
    assert_eq!((sound.entries, sound.head.seq), (6, 43));
    drop(store);
    let mut store = open(folder.path());
    append(&mut store, 1);
    assert_eq!(store.examine().expect("sound").entries, 7);
    assert!(matches!(store.verify(Some(&head)).expect("a verdict"), Verdict::Broken(_)), "entry 30 is gone");
    assert_eq!(
        journal(&store).iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        (38..=44).collect::<Vec<_>>()
    );
}

#[test]
fn an_open_intent_and_what_follows_stay() {
    let folder = folder();
    let mut store = open(folder.path());
    append(&mut store, 10);
    let open = intend(&mut store, "$1");
    append(&mut store, 30);
    assert_eq!(store.prune(later(90_000), &limits()).expect("pruned").entries, 10);
    assert_eq!(store.open_intents().expect("readable")[0].owed.seq(), open.seq());
    settle(&mut store, open, Settled::Failed);
    assert_eq!(store.prune(later(90_000), &limits()).expect("pruned").entries, 28);
    assert_eq!(store.examine().expect("sound").open_intents, 0);
}

#[test]
fn the_journal_stays_within_its_bytes() {
    let folder = folder();
    let mut store = open(folder.path());
    let limits = Limits { journal_bytes: 4000, ..limits() };
    for round in 0..20 {
        let text = "x".repeat(100);
        let entries = (0..10).map(|_| NewEntry::new("pass", None, &text)).collect::<Result<Vec<_>, _>>();
        store.write(|txn| txn.append(NOW, entries?)).expect("appended");
        store.prune(NOW, &limits).expect("pruned");
        let sizes = store.view().sizes().expect("sizes");
        // What was let go is said in an entry of its own, after the measuring.
        assert!(sizes.entry_bytes <= 4000 + 200, "round {round}: {sizes:?}");
        store.examine().expect("sound");
    }
    assert!(store.view().sizes().expect("sizes").entries > 20);
}

#[test]
fn room_is_given_back_to_the_disk() {
    let folder = folder();
    let mut store = open(folder.path());
    append(&mut store, 5000);
    let before = store.view().sizes().expect("sizes").database;
    store.prune(later(90_000), &limits()).expect("pruned");
    let after = store.view().sizes().expect("sizes").database;
    assert!(after < before / 4, "{before} and {after}");
    let file = std::fs::metadata(folder.path().join("reap.db")).expect("there").len();
    assert!(file <= before, "{file} and {before}");
    store.examine().expect("sound");
}

#[test]
fn a_clock_far_ahead_leaves_the_newest() {
    let folder = folder();
    let mut store = open(folder.path());
    append(&mut store, 50);
    store.prune(later(1_000_000_000), &limits()).expect("pruned");
    assert_eq!(store.view().sizes().expect("sizes").entries, 6);
}

#[test]
fn tombstones_go_by_age() {
    let folder = folder();
    let mut store = open(folder.path());
    let done = intend(&mut store, "$1");
    settle(&mut store, done, Settled::Ended);
    let _open = intend(&mut store, "$2");
    assert_eq!(store.prune(later(86_000), &limits()).expect("pruned").tombstones, 0);
    assert_eq!(store.prune(later(87_000), &limits()).expect("pruned").tombstones, 1);
    assert_eq!(store.view().tombstones(None).expect("rows").len(), 1, "the one of the open intent");
}
