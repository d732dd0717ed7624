//! What the store adds to a cycle: `cargo bench -p reap-store --bench store`.
//!
//! Each line stands beside the least that a disk can do for the same bytes: they
//! are appended to a plain file in the same folder, with one fsync for each wait
//! that the store has. The ratio is what to compare between machines.

#![allow(clippy::print_stdout, reason = "a benchmark is run to be read")]

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reap_core::ids::{Address, Generation, Handle, Incarnation, Instance, Key, PluginName};
use reap_core::listing::{Extent, Listing, Observation};
use reap_core::session::{Activity, Kind, ProcessId, Session};
use reap_core::time::{Span, Timestamp};
use reap_store::intents::{Intent, Settled, Settlement};
use reap_store::journal::NewEntry;
use reap_store::tombstones::Tombstone;
use reap_store::verify::Verdict;
use reap_store::{Settings, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

const NOW: Timestamp = Timestamp::from_millis(1_785_576_600_000);
const SESSIONS: usize = 10_000;
const ROUNDS: u64 = 30;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { boot: "b".repeat(36), wait: Duration::ZERO, now: NOW };
    let mut store = Store::open(folder.path(), &settings).expect("a store");
    let mut plain = Plain::new(folder.path());
    println!("{:<52} {:>10} {:>10} {:>7}", "", "store", "plain", "ratio");

    let (first, bytes) = keyframe(&mut store);
    line("first sight of 10,000 sessions", first, plain.append(bytes));
    steady(&mut store, &mut plain);
    let (all_gone, bytes) = vanish(&mut store);
    line("10,000 vanish: records, entries, observation", all_gone, plain.append(bytes));
    hundred_ends(&mut store, &mut plain);
    load(&store);
    verify(&mut store, folder.path());
}

fn line(name: &str, took: Duration, reference: Duration) {
    let ratio = took.as_secs_f64() / reference.as_secs_f64();
    println!("{name:<52} {:>7.2} ms {:>7.2} ms {ratio:>6.1}x", millis(took), millis(reference));
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = black_box(work());
    (start.elapsed(), done)
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

/// The reference: a file that is only ever appended to.
struct Plain(File);

impl Plain {
    fn new(folder: &Path) -> Self {
        let path = folder.join("plain");
        Self(OpenOptions::new().create(true).append(true).open(path).expect("a file"))
    }

    fn append(&mut self, bytes: usize) -> Duration {
        let data = vec![b'x'; bytes];
        timed(|| self.0.write_all(&data).and_then(|()| self.0.sync_data()).expect("written")).0
    }
}

fn address(number: usize) -> Address {
    let backend = PluginName::new("tmux").expect("a name");
    Address {
        backend,
        instance: Instance::new("/tmp/tmux-1000/default"),
        key: Key::new(format!("${number}")),
    }
}

fn session(number: usize, round: u64) -> Session {
    // One in a hundred does something between two passes.
    let busy = (number as u64).is_multiple_of(100);
    Session {
        key: address(number).key,
        incarnation: Incarnation::new("1785490200"),
        title: format!("build-{number}"),
        kind: Kind::Worker,
        activity: Activity::Idle,
        created: Some(NOW),
        last_active: Some(NOW.plus(Span::from_secs(if busy { round } else { 0 }))),
        attached: false,
        parent: None,
        cwd: Some("/home/me/app".to_owned()),
        processes: vec![ProcessId { pid: 1000 + number as u32, started: 7 }],
        tokens: None,
        protected: None,
        extra: Vec::new(),
    }
}

fn observation(sessions: usize, round: u64) -> Arc<Observation> {
    let Address { backend, instance, .. } = address(0);
    let listing = Listing {
        backend,
        instance,
        label: "default".to_owned(),
        generation: Some(Generation::new("4711-99")),
        server: None,
        extent: Extent::Complete,
        sessions: (0..sessions).map(|number| session(number, round)).collect(),
    };
    let at = NOW.plus(Span::from_secs(30 * round));
    Arc::new(Observation { at, listings: vec![listing], faults: Vec::new() })
}

/// A record like the core's.
#[derive(Serialize, Deserialize)]
struct Record {
    address: Address,
    session: Session,
    first_seen: Timestamp,
    last_seen: u64,
    standing: String,
}

fn record(number: usize, round: u64) -> Record {
    Record {
        address: address(number),
        session: session(number, round),
        first_seen: NOW,
        last_seen: round,
        standing: "live".to_owned(),
    }
}

fn size(record: &Record) -> usize {
    serde_json::to_string(record).expect("JSON").len()
}

fn entry(handle: &Handle, round: u64) -> NewEntry<'_> {
    NewEntry::new("session.stopped", Some(handle), &json!({ "proof": "absent twice", "round": round }))
        .expect("JSON")
}

/// Bytes that the store holds for the journal and the observations.
fn held(store: &Store) -> usize {
    let sizes = store.view().sizes().expect("sizes");
    (sizes.entry_bytes + sizes.pass_bytes) as usize
}

fn handle(number: usize) -> Handle {
    Handle::of(&address(number), &Incarnation::new("1"))
}

fn handles() -> Vec<Handle> {
    (0..SESSIONS).map(handle).collect()
}

/// One write of a pass, and how many bytes it is about.
fn pass(
    store: &mut Store,
    seen: &Arc<Observation>,
    changed: &[(String, Record)],
    about: &[Handle],
) -> (Duration, usize) {
    let before = held(store);
    let round = seen.at.since(NOW).millis() / 30_000;
    let (took, ()) = timed(|| {
        store
            .write(|txn| {
                txn.remember("record", changed.iter().map(|(id, record)| (id.as_str(), record)))?;
                txn.remember("clock", [("", &round)])?;
                txn.append(seen.at, about.iter().map(|handle| entry(handle, round)))?;
                txn.observe(seen)
            })
            .expect("kept");
    });
    let records: usize = changed.iter().map(|(_, record)| size(record)).sum();
    (took, held(store) - before + records)
}

fn records(numbers: impl Iterator<Item = usize>, round: u64) -> Vec<(String, Record)> {
    numbers.map(|number| (handle(number).to_string(), record(number, round))).collect()
}

fn keyframe(store: &mut Store) -> (Duration, usize) {
    pass(store, &observation(SESSIONS, 0), &records(0..SESSIONS, 0), &handles())
}

fn steady(store: &mut Store, plain: &mut Plain) {
    let about = handles();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let changed = records((0..SESSIONS).step_by(100), round);
        let (took, bytes) = pass(store, &observation(SESSIONS, round), &changed, &about[..20]);
        ours.push(took);
        theirs.push(plain.append(bytes));
    }
    line("a cycle of 10,000 steady sessions, 100 busy", median(ours), median(theirs));
}

fn vanish(store: &mut Store) -> (Duration, usize) {
    pass(store, &observation(0, ROUNDS + 1), &records(0..SESSIONS, ROUNDS + 1), &handles())
}

fn hundred_ends(store: &mut Store, plain: &mut Plain) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let tombstones: Vec<_> = (0..100)
            .map(|number| Tombstone {
                address: address(number),
                incarnation: Incarnation::new("1"),
                title: "a".to_owned(),
                body: json!(record(number, 0)),
            })
            .collect();
        let bytes: usize = tombstones.iter().map(|stone| stone.body.to_string().len() + 200).sum();
        let intents: Vec<_> =
            tombstones.iter().map(|tombstone| Intent { tombstone, why: json!("idle") }).collect();
        let (took, ()) = timed(|| {
            let done = store.intend(NOW, &intents).expect("journalled");
            let settled = |owed| Settlement { owed, outcome: Settled::Ended, detail: json!({}) };
            store.settle(NOW, done.into_iter().map(|done| settled(done.into())).collect()).expect("settled");
        });
        ours.push(took);
        theirs.push(plain.append(bytes) + plain.append(100 * 60));
    }
    line("100 ends: intents and tombstones, then outcomes", median(ours), median(theirs));
}

fn load(store: &Store) {
    let (took, rows) = timed(|| store.view().remembered::<Record>("record").expect("rows"));
    assert_eq!(rows.len(), SESSIONS);
    println!("{:<52} {:>7.2} ms", "load 10,000 records", millis(took));
    let mut passes = 0;
    let all = Timestamp::from_millis(u64::MAX);
    let (took, ()) = timed(|| {
        let count = |_: &Observation| {
            passes += 1;
            ControlFlow::Continue(())
        };
        store.view().replay(NOW, all, count).expect("replayed");
    });
    println!("{:<52} {:>7.2} ms", format!("replay {passes} passes of 10,000"), millis(took));
}

/// Against reading a file of the same bytes and hashing it.
fn verify(store: &mut Store, folder: &Path) {
    let about = handles();
    while store.view().sizes().expect("sizes").entries < 100_000 {
        store.write(|txn| txn.append(NOW, about.iter().map(|handle| entry(handle, 0)))).expect("kept");
    }
    let sizes = store.view().sizes().expect("sizes");
    let (took, verdict) = timed(|| store.verify(None).expect("a verdict"));
    assert!(matches!(verdict, Verdict::Sound(_)), "{verdict:?}");
    let path = folder.join("hashed");
    std::fs::write(&path, vec![b'x'; sizes.entry_bytes as usize + 150 * 100_000]).expect("written");
    let (reference, _) = timed(|| {
        let mut bytes = Vec::new();
        File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)).expect("read");
        Sha256::digest(&bytes)
    });
    line(&format!("verify a journal of {} entries", sizes.entries), took, reference);
}
