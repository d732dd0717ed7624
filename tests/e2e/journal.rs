//! The journal: what it tells, and that no change of it goes unnoticed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::{Json, World, holds, run};

const ORPHANS: &str = "[policies.idle-shell]\nafter = \"0s\"\n";

/// A world in which `marker` was ended and `busy` lives.
fn with_an_end() -> World {
    let world = World::with(ORPHANS);
    let server = world.server("main");
    server.shell("marker");
    server.sleeper("busy");
    world.reap(&["cleanup", "--yes"]).exits(0).says(&["Ended 1 session."]);
    world
}

#[test]
fn where_nothing_was_done_there_is_none() {
    let world = World::bare();
    world.reap(&["journal"]).exits(0).says(&["There is no journal yet."]);
    assert_eq!(world.reap(&["journal", "--json"]).exits(0).json().list().len(), 0);
    world.reap(&["journal", "verify"]).exits(0).says(&["There is no journal yet."]);
    let head = format!("1:{}", "0".repeat(64));
    world.reap(&["journal", "verify", "--head", &head]).exits(1).says(&["there is no journal"]);
    world.reap(&["journal", "something"]).exits(3);
    assert!(!world.path("state").exists());
}

#[test]
fn an_end_is_told_from_intent_to_outcome() {
    let world = with_an_end();
    let entries = world.reap(&["journal", "--json"]).exits(0).json();
    let intent = entries.find("/kind", "intent.journalled");
    let settled = entries.find("/kind", "intent.settled");
    assert_eq!(intent.at("/payload/title").text(), "marker");
    assert_eq!(settled.at("/payload/intent").number(), intent.at("/seq").number());
    assert_eq!(settled.at("/payload/outcome").text(), "ended");
    assert_eq!(intent.at("/handle"), settled.at("/handle"));
    let text = world.reap(&["journal"]).exits(0).stdout;
    let place = |word: &str| text.find(word).unwrap_or_else(|| panic!("no {word} in {text}"));
    assert!(place("intent.journalled") < place("intent.settled"), "{text}");

    let handle = intent.at("/handle").text().to_owned();
    for name in ["marker", &handle, &handle[..6]] {
        let of = world.reap(&["journal", "--json", name]).exits(0).json().list();
        assert!(of.len() >= 2, "{name}");
        assert!(of.iter().all(|entry| entry.at("/handle").text() == handle), "{name}");
    }
    let newest = world.reap(&["journal", "--json", "--newest", "1"]).exits(0).json().list();
    assert_eq!(newest.len(), 1);
    assert_eq!(newest[0], *entries.list().last().expect("there are some"));
}

#[test]
fn a_sound_journal_is_proven_so() {
    let world = with_an_end();
    let sound = world.reap(&["journal", "verify"]).exits(0).says(&["The journal is as it was written"]);
    let head = sound.stdout.lines().find_map(|line| line.strip_prefix("Its head: ")).expect("its head");
    assert_eq!(head, world.reap(&["status", "--json"]).exits(0).json().at("/journal/head").text());
    world.server("main").shell("second");
    world.reap(&["cleanup", "--yes"]).exits(0);
    world.reap(&["journal", "verify", "--head", head]).exits(0);
    let digit = if head.ends_with('0') { "1" } else { "0" };
    let other = format!("{}{digit}", &head[..head.len() - 1]);
    world
        .reap(&["journal", "verify", "--head", &other])
        .exits(1)
        .says(&["is not the one whose hash was noted"]);
    let later = format!("999999{}", &head[head.find(':').expect("a head")..]);
    world.reap(&["journal", "verify", "--head", &later]).exits(1).says(&["its end is cut off"]);
    world.reap(&["journal", "verify", "--head", "nonsense"]).exits(2).says(&["is no head of a journal"]);

    fs::remove_file(world.path("state/reap/journal.head")).expect("it is noted");
    world.reap(&["journal", "verify"]).exits(0).says(&["warning: no head is noted beside the journal"]);
}

#[test]
fn a_changed_byte_is_found() {
    let world = with_an_end();
    let file = world.path("state/reap/reap.db");
    let mut bytes = fs::read(&file).expect("the database");
    // The same title stands in the tombstone too, and there something else follows.
    let text = b"\"title\":\"marker\",\"why\"";
    let places: Vec<usize> =
        (0..bytes.len() - text.len()).filter(|at| bytes[*at..].starts_with(text)).collect();
    assert_eq!(places.len(), 1, "the intent stands once in the database");
    bytes[places[0] + 9] = b'n';
    fs::write(&file, bytes).expect("our own file");
    let found = world.reap(&["journal", "verify"]).exits(1);
    found.says(&["is not as it was written", "was changed, or does not follow", "hint: keep a copy"]);
    assert_eq!(
        world
            .reap(&["journal", "--json"])
            .exits(0)
            .json()
            .find("/kind", "intent.journalled")
            .at("/payload/title")
            .text(),
        "narker"
    );
}

#[test]
fn it_is_followed() {
    let world = World::with(ORPHANS);
    let server = world.server("main");
    server.shell("marker");
    server.sleeper("busy");
    let mut command = world.reap_command(&["journal", "--follow", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it can be started");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    world.reap(&["cleanup", "--yes"]).exits(0);
    let kinds: Vec<String> = std::iter::from_fn(|| lines.next())
        .map(|line| Json::new(serde_json::from_str(&line.expect("text")).expect("JSON")))
        .map(|entry| entry.at("/kind").text().to_owned())
        .take_while(|kind| kind != "intent.settled")
        .collect();
    assert!(kinds.contains(&"intent.journalled".to_owned()), "{kinds:?}");
    drop(lines); // nobody reads any more
    world.server("main").shell("second");
    world.reap(&["cleanup", "--yes"]).exits(0);
    holds("its end", || child.try_wait().expect("it is our child").is_some());
}

/// It is read beside a writer that is at work, and needs no plugin.
#[test]
fn it_needs_no_plugins() {
    let world = with_an_end();
    world.configure("[plugins]\nfolders = [\"missing\"]\n");
    world.reap(&["ls"]).exits(1);
    world.reap(&["journal"]).exits(0).says(&["intent.settled"]);
    run(world.reap_command(&["journal", "verify"]).env("PATH", "")).exits(0);
}
