//! A folder with a store, and plain things to put into it.

use std::path::Path;
use std::time::Duration;

use reap_core::ids::{Address, Incarnation, Instance, Key, PluginName};
use reap_core::time::{Span, Timestamp};
use reap_store::intents::{Intent, Journalled, Settled, Settlement};
use reap_store::journal::{Entry, NewEntry, Query};
use reap_store::tombstones::Tombstone;
use reap_store::{Settings, Store, StoreError};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

pub const NOW: Timestamp = Timestamp::from_millis(1_785_576_600_000);

pub fn later(seconds: u64) -> Timestamp {
    NOW.plus(Span::from_secs(seconds))
}

pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

pub fn try_open(folder: &Path) -> Result<Store, StoreError> {
    Store::open(folder, &Settings { boot: "boot-1".to_owned(), wait: Duration::ZERO, now: NOW })
}

pub fn open(folder: &Path) -> Store {
    try_open(folder).expect("a store")
}

/// The database without any of the store's manners.
pub fn raw(folder: &Path) -> Connection {
    Connection::open(folder.join("reap.db")).expect("a database")
}

/// The same with every trigger gone, as somebody would do who wants to cheat.
pub fn unguarded(folder: &Path) -> Connection {
    let conn = raw(folder);
    let names: Vec<String> = conn
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .and_then(|mut all| all.query_map([], |row| row.get(0))?.collect())
        .expect("triggers");
    assert!(names.len() >= 7, "{names:?}");
    for name in names {
        conn.execute_batch(&format!("DROP TRIGGER {name}")).expect("dropped");
    }
    conn.pragma_update(None, "foreign_keys", false).expect("off");
    conn
}

pub fn address(key: &str) -> Address {
    Address {
        backend: PluginName::new("tmux").expect("a name"),
        instance: Instance::new("/tmp/tmux-1000/default"),
        key: Key::new(key),
    }
}

pub fn tombstone(key: &str) -> Tombstone {
    Tombstone {
        address: address(key),
        incarnation: Incarnation::new("first"),
        title: format!("title of {key}"),
        body: json!({ "cwd": "/home/me" }),
    }
}

pub fn intend(store: &mut Store, key: &str) -> Journalled {
    let tombstone = tombstone(key);
    let intent = Intent { tombstone: &tombstone, why: json!({ "plan": "abc" }) };
    store.intend(NOW, &[intent]).expect("journalled").remove(0)
}

pub fn settle(store: &mut Store, done: Journalled, outcome: Settled) {
    let settlement = Settlement { owed: done.into(), outcome, detail: json!({}) };
    store.settle(NOW, vec![settlement]).expect("settled");
}

/// Appends so many entries, numbered in their payload.
pub fn append(store: &mut Store, count: u64) {
    let entries: Vec<_> =
        (0..count).map(|n| NewEntry::new("session.seen", None, &json!({ "n": n })).expect("JSON")).collect();
    store.write(|txn| txn.append(NOW, entries)).expect("appended");
}

pub fn journal(store: &Store) -> Vec<Entry> {
    store.view().journal(&Query::default()).expect("readable")
}
