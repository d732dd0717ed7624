//! Whatever is done to the journal is found, and the first bad place is named.

use std::path::Path;

use proptest::prelude::*;
use reap_store::chain::Head;
use reap_store::intents::Settled;
use reap_store::verify::{Problem, Verdict};
use reap_store::{Reader, StoreError};
use rusqlite::Connection;

use crate::support::{append, folder, intend, journal, open, raw, settle, try_open, unguarded};

/// Ten entries: two intents, one settled, and seven others.
fn filled(folder: &Path) {
    let mut store = open(folder);
    append(&mut store, 4);
    let done = intend(&mut store, "$1");
    settle(&mut store, done, Settled::Ended);
    let _open = intend(&mut store, "$2");
    append(&mut store, 3);
}

/// What a reader finds; it is not stopped at the door as a writer is.
fn found(folder: &Path) -> Option<(u64, Problem)> {
    match Reader::open(folder).expect("a reader").verify(None).expect("a verdict") {
        Verdict::Sound(_) => None,
        Verdict::Broken(broken) => Some((broken.seq, broken.problem)),
    }
}

#[test]
fn each_way_to_cheat_is_found() {
    use Problem::{Changed, CutOff, Intent, Leftover, Missing, NoCheckpoint};
    let insert = "INSERT INTO journal SELECT 11, at, boot, kind, handle, payload, written, hash FROM journal WHERE seq = 10";
    let cases: [(&str, Option<(u64, Problem)>); 21] = [
        ("SELECT 1", None),
        ("UPDATE journal SET payload = '{\"n\":9}' WHERE seq = 3", Some((3, Changed))),
        ("UPDATE journal SET at = at + 1 WHERE seq = 1", Some((1, Changed))),
        ("UPDATE journal SET boot = 'boot-2' WHERE seq = 10", Some((10, Changed))),
        ("UPDATE journal SET kind = 'session.gone' WHERE seq = 2", Some((2, Changed))),
        ("UPDATE journal SET handle = '' WHERE seq = 2", Some((2, Changed))),
        ("UPDATE journal SET handle = NULL WHERE seq = 5", Some((5, Changed))),
        ("UPDATE journal SET written = written + 1 WHERE seq = 4", Some((4, Changed))),
        ("UPDATE journal SET hash = zeroblob(32) WHERE seq = 4", Some((4, Changed))),
        ("DELETE FROM journal WHERE seq = 6", Some((6, Missing))),
        ("DELETE FROM journal WHERE seq = 1", Some((1, Missing))),
        ("DELETE FROM journal WHERE seq >= 9", Some((10, CutOff))),
        ("DELETE FROM journal", Some((10, CutOff))),
        (
            "DELETE FROM journal WHERE seq = 6; UPDATE journal SET seq = seq - 1 WHERE seq > 6",
            Some((6, Changed)),
        ),
        (
            "UPDATE journal SET seq = -1 WHERE seq = 2; UPDATE journal SET seq = 2 WHERE seq = 3;
             UPDATE journal SET seq = 3 WHERE seq = -1",
            Some((2, Changed)),
        ),
        (insert, Some((11, Changed))),
        ("INSERT INTO journal VALUES (-5, 0, '', 'x', NULL, '{}', 2, zeroblob(32))", Some((0, Leftover))),
        (
            "UPDATE checkpoint SET seq = 4, written = (SELECT written FROM journal WHERE seq = 4),
                hash = (SELECT hash FROM journal WHERE seq = 4); DELETE FROM journal WHERE seq <= 4",
            Some((4, NoCheckpoint)),
        ),
        ("UPDATE intent SET outcome = 10 WHERE seq = 7", Some((7, Intent))),
        ("UPDATE checkpoint SET hash = zeroblob(32)", Some((1, Changed))),
        ("UPDATE checkpoint SET written = 5", Some((1, Changed))),
    ];
    for (sql, expected) in cases {
        let folder = folder();
        filled(folder.path());
        unguarded(folder.path()).execute_batch(sql).expect(sql);
        assert_eq!(found(folder.path()), expected, "{sql}");
    }
}

#[test]
fn a_chain_made_anew_does_not_meet_the_noted_head() {
    let (folder, other) = (folder(), folder());
    filled(folder.path());
    filled(other.path());
    // The same entries in another store: every hash is another one.
    std::fs::copy(other.path().join("reap.db"), folder.path().join("reap.db")).expect("copied");
    assert_eq!(found(folder.path()), Some((10, Problem::Replaced)));
    assert!(matches!(try_open(folder.path()), Err(StoreError::Cut { .. })));
}

#[test]
fn a_cut_that_also_removes_the_noted_head_meets_the_one_kept_elsewhere() {
    let folder = folder();
    filled(folder.path());
    let elsewhere: Head = open(folder.path()).head().to_string().parse().expect("a head");
    unguarded(folder.path()).execute_batch("DELETE FROM journal WHERE seq >= 9").expect("cut");
    std::fs::remove_file(folder.path().join("journal.head")).expect("removed");
    let reader = Reader::open(folder.path()).expect("a reader");
    let Verdict::Sound(sound) = reader.verify(None).expect("a verdict") else { panic!("holds together") };
    assert!(!sound.anchored, "and it says that nothing was there to check against");
    let Verdict::Broken(broken) = reader.verify(Some(&elsewhere)).expect("a verdict") else { panic!("cut") };
    assert_eq!((broken.seq, broken.problem), (10, Problem::CutOff));
    // Whoever opens it next has the loss in the journal.
    let store = open(folder.path());
    assert_eq!(journal(&store).last().map(|entry| entry.kind.clone()).as_deref(), Some("store.head-missing"));
}

#[test]
fn a_journal_whose_end_is_gone_is_not_written_to() {
    let folder = folder();
    filled(folder.path());
    unguarded(folder.path()).execute_batch("DELETE FROM journal WHERE seq = 10").expect("cut");
    let refused = try_open(folder.path()).expect_err("cut");
    assert!(matches!(refused, StoreError::Cut { .. }), "{refused}");
    assert!(refused.to_string().contains("journal.head"), "{refused}");
}

#[test]
fn the_triggers_refuse_mistakes() {
    let folder = folder();
    filled(folder.path());
    let conn: Connection = raw(folder.path());
    conn.pragma_update(None, "foreign_keys", true).expect("on");
    let cases = [
        ("UPDATE journal SET payload = '' WHERE seq = 3", "append-only"),
        ("DELETE FROM journal WHERE seq = 10", "append-only"),
        (
            "INSERT INTO journal SELECT 12, at, boot, kind, handle, payload, written, hash FROM journal LIMIT 1",
            "append-only",
        ),
        ("INSERT OR REPLACE INTO journal SELECT * FROM journal WHERE seq = 3", "append-only"),
        ("UPDATE checkpoint SET seq = 3", "only moves forward"),
        (
            "UPDATE checkpoint SET seq = 8, written = (SELECT written FROM journal WHERE seq = 8),
                hash = (SELECT hash FROM journal WHERE seq = 8)",
            "past no open intent",
        ),
        ("DELETE FROM checkpoint", "never removed"),
        ("INSERT INTO checkpoint VALUES (2, 0, 0, x'')", "CHECK"),
        ("UPDATE intent SET outcome = 9 WHERE seq = 5", "one outcome"),
        ("UPDATE intent SET outcome = NULL", "one outcome"),
        ("DELETE FROM intent", "kept as long"),
        ("INSERT INTO intent VALUES (99, 'x', NULL)", "FOREIGN KEY"),
    ];
    for (sql, words) in cases {
        let refused = conn.execute_batch(sql).expect_err(sql).to_string();
        assert!(refused.contains(words), "{sql}: {refused}");
    }
    assert_eq!(found(folder.path()), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Any other byte in any column of any entry: that entry is named.
    #[test]
    fn one_changed_byte_names_its_entry(seq in 1_u64..=10, column in 0_usize..4, place in 0_usize..64, bit in 0_u8..7) {
        let folder = folder();
        filled(folder.path());
        let conn = unguarded(folder.path());
        let name = ["boot", "kind", "payload", "hash"][column];
        let read = format!("SELECT CAST({name} AS BLOB) FROM journal WHERE seq = {seq}");
        let mut bytes: Vec<u8> = conn.query_row(&read, [], |row| row.get(0)).expect("bytes");
        let place = place % bytes.len();
        bytes[place] ^= 1 << bit;
        let cast = if name == "hash" { "?1" } else { "CAST(?1 AS TEXT)" };
        let write = format!("UPDATE journal SET {name} = {cast} WHERE seq = {seq}");
        conn.execute(&write, [bytes]).expect("changed");
        prop_assert_eq!(found(folder.path()), Some((seq, Problem::Changed)));
    }
}
