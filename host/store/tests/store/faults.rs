//! Disks, folders and files that are not as they should be: each gets its own
//! error, and nothing is made anew in their place.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use reap_store::intents::Settled;
use reap_store::{Reader, StoreError};
use serde_json::json;

use crate::support::{append, folder, intend, open, raw, settle, try_open};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[test]
fn only_the_user_may_look() {
    let folder = folder();
    let state = folder.path().join("deep").join("reap");
    let mut store = open(&state);
    append(&mut store, 1);
    assert_eq!(mode(&state), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(&state).expect("a folder") {
        let entry = entry.expect("an entry");
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name());
    }
    names.sort();
    assert_eq!(names, ["journal.head", "reap.db", "reap.db-shm", "reap.db-wal", "reap.lock"]);
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let folder = folder();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("opened");
    let refused = try_open(folder.path()).expect_err("open to others").to_string();
    assert!(refused.contains("chmod go-w"), "{refused}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn a_folder_that_cannot_be_written_to_says_so() {
    // Not even root makes files there.
    let refused = try_open(Path::new("/sys/kernel")).expect_err("read-only");
    assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused}");
    assert!(refused.to_string().contains("cannot be written to"), "{refused}");
}

#[test]
fn a_file_in_the_place_of_the_folder_says_so() {
    let folder = folder();
    let file = folder.path().join("state");
    fs::write(&file, "x").expect("written");
    assert!(matches!(try_open(&file), Err(StoreError::Io { .. })));
}

#[test]
fn there_is_one_writer_and_readers_do_not_mind() {
    let folder = folder();
    let mut store = open(folder.path());
    append(&mut store, 3);
    let refused = try_open(folder.path()).expect_err("a second writer").to_string();
    assert!(refused.contains(&format!("pid {} ", std::process::id())), "{refused}");
    let reader = Reader::open(folder.path()).expect("a reader");
    assert_eq!(reader.examine().expect("sound").entries, 3);
    drop(store);
    open(folder.path());
}

#[test]
fn a_reader_makes_nothing() {
    let folder = folder();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Missing { .. })));
    fs::write(folder.path().join("reap.db"), "").expect("written");
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Missing { .. })));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

#[test]
fn a_newer_a_foreign_and_a_lost_database_are_left_alone() {
    type Damage = fn(&Path);
    type Told = fn(&StoreError) -> bool;
    let cases: [(&str, Damage, Told); 5] = [
        (
            "newer",
            |folder| raw(folder).pragma_update(None, "user_version", 99).expect("set"),
            |told| matches!(told, StoreError::Newer { found: 99, .. }),
        ),
        (
            "foreign",
            |folder| raw(folder).pragma_update(None, "application_id", 7).expect("set"),
            |told| matches!(told, StoreError::NotOurs { found: 7, .. }),
        ),
        (
            "lost",
            |folder| fs::remove_file(folder.join("reap.db")).expect("removed"),
            |told| matches!(told, StoreError::Lost { .. }),
        ),
        (
            "emptied",
            |folder| fs::write(folder.join("reap.db"), "").expect("emptied"),
            |told| matches!(told, StoreError::Lost { .. }),
        ),
        (
            "no database",
            |folder| fs::write(folder.join("reap.db"), "x".repeat(9000)).expect("written"),
            |told| matches!(told, StoreError::Damaged { .. }),
        ),
    ];
    for (name, damage, told) in cases {
        let folder = folder();
        append(&mut open(folder.path()), 1);
        damage(folder.path());
        let before = fs::read(folder.path().join("reap.db")).ok();
        let refused = try_open(folder.path()).expect_err(name);
        assert!(told(&refused), "{name}: {refused}");
        assert_eq!(fs::read(folder.path().join("reap.db")).ok(), before, "{name}");
    }
}

/// The file lives on without its name as long as it is open, and all that is written
/// to it is gone after that.
#[test]
fn a_database_that_was_taken_away_is_not_written_to() {
    for replaced in [false, true] {
        let folder = folder();
        let mut store = open(folder.path());
        append(&mut store, 1);
        let (database, copy) = (folder.path().join("reap.db"), folder.path().join("copy.db"));
        fs::copy(&database, &copy).expect("copied");
        fs::remove_file(&database).expect("removed");
        if replaced {
            fs::rename(&copy, &database).expect("renamed");
        }
        let refused = store.write(|_| Ok(())).expect_err("it is another file");
        assert!(matches!(refused, StoreError::TakenAway { .. }), "{refused}");
    }
}

#[test]
fn a_damaged_head_is_told() {
    let folder = folder();
    append(&mut open(folder.path()), 1);
    fs::write(folder.path().join("journal.head"), "reap journal head 1\nx\n").expect("written");
    let refused = try_open(folder.path()).expect_err("no head").to_string();
    assert!(refused.contains("journal.head") && refused.contains("delete it"), "{refused}");
}

#[test]
fn a_lost_write_ahead_log_is_a_cut() {
    let folder = folder();
    let copy = crate::support::folder();
    let mut store = open(folder.path());
    append(&mut store, 1);
    raw(folder.path()).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("moved into the database");
    append(&mut store, 5);
    for name in ["reap.db", "journal.head"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).expect("copied");
    }
    let refused = try_open(copy.path()).expect_err("five entries are gone");
    assert!(matches!(refused, StoreError::Cut { noted, .. } if noted.seq == 6), "{refused}");
}

#[test]
fn a_torn_write_ahead_log_is_a_cut_or_whole() {
    let folder = folder();
    let mut store = open(folder.path());
    let log = folder.path().join("reap.db-wal");
    raw(folder.path()).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("moved into the database");
    (0..8).for_each(|_| append(&mut store, 2));
    let bytes = fs::read(&log).expect("a log");
    let mut lengths: Vec<usize> = (0..bytes.len()).step_by(1301).collect();
    lengths.push(bytes.len());
    for length in lengths {
        let copy = crate::support::folder();
        for name in ["reap.db", "journal.head"] {
            fs::copy(folder.path().join(name), copy.path().join(name)).expect("copied");
        }
        fs::write(copy.path().join("reap.db-wal"), &bytes[..length]).expect("written");
        match try_open(copy.path()) {
            Ok(store) => assert_eq!((length, store.head().seq), (bytes.len(), 16)),
            Err(refused) => assert!(matches!(refused, StoreError::Cut { .. }), "{length}: {refused}"),
        }
        // Who accepts the loss has whole writes, and a chain that holds.
        fs::remove_file(copy.path().join("journal.head")).expect("removed");
        let store = open(copy.path());
        let entries = store.examine().expect("sound").entries;
        assert!(entries == 0 || entries % 2 == 1, "{length}: two of each write, and the note of the loss");
    }
}

/// A file with something of everything in it, and no write-ahead log.
fn full_of_everything(folder: &Path) {
    let mut store = open(folder);
    append(&mut store, 40);
    let done = intend(&mut store, "$1");
    settle(&mut store, done, Settled::Ended);
    let _open = intend(&mut store, "$2");
    let text = "what a session is like ".repeat(8);
    let records: Vec<_> = (0..60).map(|n| (format!("{n:x}"), json!({ "n": n, "text": text }))).collect();
    store
        .write(|txn| {
            txn.remember("record", records.iter().map(|(id, record)| (id.as_str(), record)))?;
            txn.remember("clock", [("", &text)])
        })
        .expect("kept");
}

#[test]
fn a_flipped_byte_is_found_or_changes_nothing() {
    let folder = folder();
    full_of_everything(folder.path());
    let database = folder.path().join("reap.db");
    let whole = fs::read(&database).expect("bytes");
    let told = |folder: &Path| -> Result<_, StoreError> {
        let store = try_open(folder)?;
        let sound = store.examine()?;
        let view = store.view();
        let entries = view.journal(&Default::default())?;
        Ok((
            sound.entries,
            entries,
            view.remembered::<serde_json::Value>("record")?,
            view.recall::<String>("clock", "")?,
            view.tombstones(None)?,
        ))
    };
    let usual = told(folder.path()).expect("sound");
    let (mut found, mut harmless) = (0, 0);
    // A step that is no divisor of a page, so that all parts of pages are met.
    for place in (0..whole.len()).step_by(397) {
        let file = fs::OpenOptions::new().write(true).open(&database).expect("a file");
        file.write_all_at(&[whole[place] ^ 0x15], place as u64).expect("flipped");
        match told(folder.path()) {
            Err(_) => found += 1,
            Ok(now) => {
                assert_eq!(now, usual, "a flip at {place} changes what is read and is not found");
                harmless += 1;
            }
        }
        for extra in ["reap.db-wal", "reap.db-shm"] {
            let _ = fs::remove_file(folder.path().join(extra));
        }
        fs::write(&database, &whole).expect("mended");
    }
    // The rest hits room that no row uses.
    assert!(found > 40, "{found} found, {harmless} harmless");
}
