//! What is put in comes out again, after a new start as well.

use reap_store::StoreError;
use reap_store::journal::{NewEntry, Query};
use serde_json::{Value, json};

use crate::support::{NOW, folder, journal, open, tombstone};

#[test]
fn everything_is_there_after_a_new_start() {
    let folder = folder();
    let mut store = open(folder.path());
    store
        .write(|txn| {
            let records = [("a1", json!({ "misses": 1 })), ("b2", json!(2)), ("c3", json!(3))];
            txn.remember("record", records.iter().map(|(id, body)| (*id, body)))?;
            txn.remember("record", [("c3", &json!("newer"))])?;
            txn.forget("record", ["b2", "none"])?;
            txn.remember("lock", [("/w/a", &1), ("/w/b", &2)])?;
            txn.replace("lock", [("/w/b", &3), ("/w/c", &4)])?;
            txn.remember("clock", [("", &json!({ "at": NOW }))])?;
            txn.append(NOW, [NewEntry::new("session.seen", Some(&tombstone("$1").handle()), &json!(1))?])
        })
        .expect("kept");
    drop(store);

    let store = open(folder.path());
    let view = store.view();
    let records = view.remembered::<Value>("record").expect("rows");
    assert_eq!(records, [("a1".to_owned(), json!({ "misses": 1 })), ("c3".to_owned(), json!("newer"))]);
    let locks = view.remembered::<u8>("lock").expect("rows");
    assert_eq!(locks, [("/w/b".to_owned(), 3), ("/w/c".to_owned(), 4)]);
    assert_eq!(view.recall::<Value>("clock", "").expect("a row"), Some(json!({ "at": NOW })));
    assert_eq!(view.recall::<Value>("clock", "a1").expect("no row"), None);
    assert!(view.remembered::<Value>("other").expect("rows").is_empty());
    let entries = journal(&store);
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].kind.as_str(), entries[0].boot.as_str()), ("session.seen", "boot-1"));
    assert_eq!(entries[0].handle.as_deref(), Some(tombstone("$1").handle().as_str()));
}

#[test]
fn what_was_kept_in_another_shape_is_told_and_not_skipped() {
    let folder = folder();
    let mut store = open(folder.path());
    store.write(|txn| txn.remember("record", [("a1", &"text")])).expect("kept");
    let told = store.view().remembered::<u8>("record").expect_err("no number").to_string();
    assert!(told.contains("record a1"), "{told}");
}

#[test]
fn a_write_that_fails_leaves_nothing() {
    let folder = folder();
    let mut store = open(folder.path());
    let failed = store.write(|txn| {
        txn.remember("clock", [("", &1)])?;
        txn.append(NOW, [NewEntry::new("pass", None, &1)?])?;
        NewEntry::new("store.x", None, &1).map(drop)
    });
    assert!(matches!(failed, Err(StoreError::ReservedKind(_))));
    assert_eq!(store.view().recall::<u8>("clock", "").expect("no row"), None);
    assert_eq!((journal(&store).len(), store.head().seq), (0, 0));
    store.write(|txn| txn.append(NOW, [NewEntry::new("pass", None, &2)?])).expect("goes on");
    assert_eq!(store.examine().expect("sound").entries, 1);
}

#[test]
fn the_journal_is_asked_by_session_number_and_count() {
    let folder = folder();
    let mut store = open(folder.path());
    let handles = [tombstone("$1").handle(), tombstone("$2").handle()];
    store
        .write(|txn| {
            let entry = |n: usize| NewEntry::new("session.seen", Some(&handles[n % 2]), &n);
            txn.append(NOW, (0..6).map(entry).collect::<Result<Vec<_>, _>>()?)
        })
        .expect("appended");
    let ask = |handle, after, newest| -> Vec<u64> {
        let entries =
            store.view().journal(&Query { handle, after, newest, ..Query::default() }).expect("entries");
        entries.iter().map(|entry| entry.seq).collect()
    };
    assert_eq!(ask(None, 0, None), [1, 2, 3, 4, 5, 6]);
    assert_eq!(ask(None, 4, None), [5, 6]);
    assert_eq!(ask(None, 0, Some(2)), [5, 6]);
    assert_eq!(ask(Some(&handles[0]), 0, None), [1, 3, 5]);
    assert_eq!(ask(Some(&handles[1]), 2, Some(1)), [6]);
}

#[test]
fn the_names_of_the_store_are_its_own() {
    for kind in ["", "intent.settled", "intent.x", "store.checkpoint"] {
        assert!(matches!(NewEntry::new(kind, None, &1), Err(StoreError::ReservedKind(_))), "{kind}");
    }
}

#[test]
fn an_entry_about_many_is_found_by_each_of_them() {
    let folder = folder();
    let mut store = open(folder.path());
    let [one, two, none] = ["$1", "$2", "$3"].map(|key| tombstone(key).handle());
    let many = json!({ "sessions": [[&one, "$1"], [&two, "$2"]] });
    store
        .write(|txn| {
            let entries = [
                NewEntry::new("session.seen", Some(&one), &1)?,
                NewEntry::new("session.stopped.many", None, &many)?,
                NewEntry::new("session.seen", Some(&two), &1)?,
                // Names one of them by the way, and is about none.
                NewEntry::new("plan.held", None, &many)?,
            ];
            txn.append(NOW, entries)
        })
        .expect("kept");
    let found = |query: Query<'_>| -> Vec<u64> {
        store.view().journal(&query).expect("readable").iter().map(|entry| entry.seq).collect()
    };
    let about = |handle| Query { handle: Some(handle), ..Query::default() };
    assert_eq!(found(about(&one)), [1, 2]);
    assert_eq!(found(about(&two)), [2, 3]);
    assert!(found(about(&none)).is_empty());
    assert_eq!(found(Query { newest: Some(1), ..about(&two) }), [3]);
    assert_eq!(found(Query { after: 2, ..about(&two) }), [3]);
    assert_eq!(found(Query::default()), [1, 2, 3, 4]);
}
