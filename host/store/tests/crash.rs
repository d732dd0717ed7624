//! A real process that writes is killed at random moments; what it was told to
//! be kept must be there.
//!
//! The test starts itself again as the writer. The writer says on its output
//! what the store acknowledged, line by line, until it is killed. A second round
//! takes its room away instead. `REAP_CRASH_SEED` repeats a run.

#![allow(clippy::print_stdout, reason = "the writer speaks through its output, and a test says how it went")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reap_core::ids::{Address, Incarnation, Instance, Key, PluginName};
use reap_core::listing::Observation;
use reap_core::time::Timestamp;
use reap_store::intents::{Intent, Owed, SETTLED, Settled, Settlement};
use reap_store::journal::{NewEntry, Query};
use reap_store::tombstones::Tombstone;
use reap_store::{Settings, Store, StoreError};
use serde_json::json;

const ROUNDS: u64 = 25;
const NOW: Timestamp = Timestamp::from_millis(1_785_576_600_000);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, folder, seed] = &arguments[..]
        && word == "writer"
    {
        return writer(Path::new(folder), Dice(seed.parse().expect("a number")));
    }
    // What the test runner asks of every test program.
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let seed = match std::env::var("REAP_CRASH_SEED") {
        Ok(text) => text.parse().expect("REAP_CRASH_SEED is a number"),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64,
    };
    println!("crash: REAP_CRASH_SEED={seed}");
    killed_at_any_moment(seed);
    killed_at_its_first_start(seed);
    out_of_room(seed);
    ExitCode::SUCCESS
}

/// Numbers that a seed repeats (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = (self.0 ^ 0x9e37_79b9_7f4a_7c15).max(1);
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn open(folder: &Path) -> Result<Store, StoreError> {
    Store::open(folder, &Settings { boot: "boot-1".to_owned(), wait: Duration::ZERO, now: NOW })
}

fn tombstone(key: u64) -> Tombstone {
    let backend = PluginName::new("tmux").expect("a name");
    Tombstone {
        address: Address { backend, instance: Instance::new("default"), key: Key::new(format!("${key}")) },
        incarnation: Incarnation::new("1"),
        title: "a".to_owned(),
        body: json!("x".repeat(300)),
    }
}

/// Writes until it is killed or refused.
fn writer(folder: &Path, mut dice: Dice) -> ExitCode {
    let mut store = open(folder).expect("a store");
    let refused = loop {
        if let Err(refused) = one_cycle(&mut store, &mut dice) {
            break refused;
        }
    };
    say(&format!("refused {refused}"));
    ExitCode::FAILURE
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).expect("somebody listens");
}

fn one_cycle(store: &mut Store, dice: &mut Dice) -> Result<(), StoreError> {
    let count = store.view().recall::<u64>("clock", "count")?.unwrap_or(0) + 1;
    let tombstone = tombstone(count);
    let seen = Arc::new(Observation { at: NOW, listings: Vec::new(), faults: Vec::new() });
    store.write(|txn| {
        txn.remember("clock", [("count", &count)])?;
        txn.remember("record", [(tombstone.handle().as_str(), &count)])?;
        txn.observe(&seen)?;
        txn.append(NOW, [NewEntry::new("session.seen", None, &count)?])
    })?;
    say(&format!("count {count}"));
    let intents: Vec<_> =
        (0..=dice.below(3)).map(|n| Intent { tombstone: &tombstone, why: json!(n) }).collect();
    for done in store.intend(NOW, &intents)? {
        say(&format!("intent {}", done.seq()));
        // Some are left open, as by a daemon that is killed in the act.
        if dice.below(3) > 0 {
            let owed = Owed::from(done);
            let seq = owed.seq();
            let settlement = Settlement { owed, outcome: Settled::Ended, detail: json!({}) };
            store.settle(NOW, vec![settlement]).map_err(|unsettled| *unsettled.source)?;
            say(&format!("settled {seq}"));
        }
    }
    Ok(())
}

/// What the writer said was kept.
#[derive(Default)]
struct Acknowledged {
    count: u64,
    intents: BTreeSet<u64>,
    settled: BTreeSet<u64>,
    refused: Option<String>,
}

impl Acknowledged {
    fn hear(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').expect("two words");
        let number = || rest.parse().expect("a number");
        match word {
            "count" => self.count = number(),
            "intent" => drop(self.intents.insert(number())),
            "settled" => drop(self.settled.insert(number())),
            "refused" => self.refused = Some(rest.to_owned()),
            other => panic!("the writer said {other}"),
        }
    }

    /// All of it is in the store, and the store holds together.
    fn check(&self, folder: &Path) -> Store {
        let store = open(folder).expect("opens after any end of the writer");
        let sound = store.examine().expect("holds together");
        let view = store.view();
        let count = view.recall::<u64>("clock", "count").expect("readable").unwrap_or(0);
        assert!(count >= self.count, "{} was acknowledged, {count} is kept", self.count);
        let records = view.remembered::<u64>("record").expect("readable");
        assert_eq!(records.len() as u64, count, "a write is kept as a whole");
        let entries = view.journal(&Query::default()).expect("readable");
        assert_eq!(entries.len() as u64, sound.entries);
        let settled: BTreeSet<u64> = entries
            .iter()
            .filter(|entry| entry.kind == SETTLED)
            .map(|entry| entry.payload["intent"].as_u64().expect("a number"))
            .collect();
        let open: BTreeSet<u64> =
            store.open_intents().expect("readable").iter().map(|open| open.owed.seq()).collect();
        let tombstones: BTreeMap<u64, _> = view
            .tombstones(None)
            .expect("readable")
            .into_iter()
            .map(|kept| (kept.intent, kept.fate))
            .collect();
        for intent in &self.intents {
            assert!(settled.contains(intent) != open.contains(intent), "intent {intent}");
            assert!(tombstones.contains_key(intent), "tombstone {intent}");
        }
        assert!(self.settled.is_subset(&settled));
        store
    }
}

fn command(folder: &Path, seed: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("writer").arg(folder).arg(seed.to_string()).stdout(Stdio::piped());
    command
}

fn killed_at_any_moment(seed: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut dice = Dice(seed);
    let mut all = Acknowledged::default();
    for round in 0..ROUNDS {
        let mut child = command(folder.path(), seed.wrapping_add(round)).spawn().expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        for _ in 0..dice.below(40) {
            all.hear(&lines.next().expect("it goes on").expect("text"));
        }
        // Somewhere inside the next write.
        spin(Duration::from_micros(dice.below(3000)));
        child.kill().expect("killed");
        child.wait().expect("ended");
        // What it had said before it was killed was acknowledged as well.
        lines.for_each(|line| all.hear(&line.expect("text")));
        assert_eq!(all.refused, None);
        let mut store = all.check(folder.path());
        if dice.below(2) == 0 {
            settle_all(&mut store);
        }
    }
    println!("crash: {} intents survived {ROUNDS} kills", all.intents.len());
}

/// While the database is made, too.
fn killed_at_its_first_start(seed: u64) {
    let mut dice = Dice(seed);
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = command(folder.path(), seed.wrapping_add(round)).spawn().expect("started");
        spin(Duration::from_micros(dice.below(12_000)));
        child.kill().expect("killed");
        child.wait().expect("ended");
        let mut all = Acknowledged::default();
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        lines.for_each(|line| all.hear(&line.expect("text")));
        all.check(folder.path());
    }
}

/// To a random moment; nothing is waited for.
fn spin(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// What a start does after it has looked.
fn settle_all(store: &mut Store) {
    let settle = |owed| Settlement { owed, outcome: Settled::Failed, detail: json!("looked") };
    let open = store.open_intents().expect("readable");
    let settlements = open.into_iter().map(|open| settle(open.owed)).collect();
    store.settle(NOW, settlements).expect("settled");
    assert_eq!(store.examine().expect("sound").open_intents, 0);
}

/// No file of the writer may grow over a limit, as on a disk that is full.
fn out_of_room(seed: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let program = command(folder.path(), seed);
    let output = Command::new("sh")
        // Without the trap the system would end it by a signal instead.
        .args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$@\"", "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .output()
        .expect("started");
    let mut all = Acknowledged::default();
    String::from_utf8(output.stdout).expect("text").lines().for_each(|line| all.hear(line));
    let refused = all.refused.clone().expect("refused in the end");
    assert!(refused.contains("no room") || refused.contains("the disk failed"), "{refused}");
    assert!(!all.intents.is_empty(), "{refused}");
    settle_all(&mut all.check(folder.path()));
    println!("crash: {} intents survived a full disk", all.intents.len());
}
