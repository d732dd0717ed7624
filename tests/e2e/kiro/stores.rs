//! What a home may hold: listed as far as possible, partial where not, never a crash.

use std::fs;
use std::io::{BufWriter, Write};

use super::stage::{AT_ONCE, Stage, id};
use crate::support::World;

const LOCK: &str = r#"{"pid":4000000,"started_at":"2020-01-02T03:04:05Z"}"#;

#[test]
fn large_files_cost_nothing() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    fs::write(stage.file(&id(1), "lock"), LOCK).expect("a lock");
    let mut lines = BufWriter::new(fs::File::create(stage.file(&id(1), "jsonl")).expect("a transcript"));
    for _ in 0..1_000_000 {
        lines.write_all(b"{\"version\":\"v1\",\"kind\":\"Clear\",\"data\":{}}\n").expect("a line");
    }
    drop(lines);
    let family = stage.start(&["gateway", "kiro-cli", "acp"], &format!("session={} megabytes=5", id(2)), 3);
    let rows = stage.list();
    assert_eq!(rows.each("/key"), [id(1), id(2)]);
    assert_eq!(rows.find("/key", &id(2)).at("/title").text(), format!("work on {}", id(2)));
    assert!(family.of("backend").lives());
}

#[test]
fn torn_files_are_told() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    fs::write(stage.file(&id(1), "lock"), LOCK).expect("a lock");
    fs::write(stage.file(&id(1), "json"), r#"{"session_id":"x","cwd":"/w","title":"ab"#).expect("a sidecar");
    fs::write(stage.file(&id(2), "lock"), LOCK).expect("a lock");
    fs::write(stage.file(&id(2), "json"), "\u{0}\u{1}").expect("a sidecar");
    fs::create_dir(stage.file(&id(3), "json")).expect("a folder");
    fs::write(stage.file(&id(3), "lock"), LOCK).expect("a lock");
    let rows = stage.list();
    assert_eq!(rows.each("/key"), [id(1), id(2), id(3)]);
    assert_eq!(rows.find("/key", &id(1)).at("/cwd").text(), "/w");
    let facts = stage.reap(&["show", "--json", &id(1)]).exits(0).json().at("/extra");
    assert_eq!(facts.find("/name", "sidecar").at("/value").text(), "half-written");
}

#[test]
fn a_torn_lock_is_a_doubt() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    fs::write(stage.file(&id(1), "lock"), r#"{"pid":40"#).expect("a lock");
    fs::create_dir(stage.file(&id(2), "lock")).expect("a folder");
    let ran = stage.reap(&["ls", "--json"]).exits(5).says(&["is no lock file", "(and 1 more)"]);
    assert_eq!(ran.json().each("/key"), [id(1)]);
    stage.reap(&["cleanup", "--yes"]).exits(0);
    assert!(stage.file(&id(1), "lock").exists());
}

#[test]
fn a_home_that_cannot_be_looked_into_is_unknown() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    fs::remove_dir_all(stage.kiro("sessions")).expect("our own folder");
    fs::write(stage.kiro("sessions"), "").expect("a file in its place");
    stage.reap(&["ls"]).exits(5).says(&["is no folder"]);
    fs::remove_file(stage.kiro("sessions")).expect("our own file");
    std::os::unix::fs::symlink("/etc", stage.kiro("sessions")).expect("a link");
    stage.reap(&["ls"]).exits(5).says(&["symbolic link"]);
}

#[test]
fn no_home_is_no_fault() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    fs::remove_dir_all(stage.kiro("")).expect("our own folder");
    stage.reap(&["ls"]).exits(0).says(&["No sessions."]);
    stage.reap(&["ls", "--all"]).exits(0).says(&["kiro-cli", "there is no such folder"]);
}

#[test]
fn other_homes_are_looked_into_where_that_is_configured() {
    let world = World::bare();
    let other = world.path("other");
    world.configure(&format!("{AT_ONCE}[backends.kiro-cli]\nhomes = [{:?}]\n", other.to_string_lossy()));
    let Some(stage) = Stage::open(&world) else { return };
    fs::create_dir_all(other.join("sessions/cli")).expect("a home");
    let lock = other.join(format!("sessions/cli/{}.lock", id(1)));
    fs::write(&lock, LOCK).expect("a lock");
    assert_eq!(stage.list().at("/0/instance").text(), other.to_string_lossy());
    stage.reap(&["cleanup", "--yes"]).exits(0);
    assert!(!lock.exists());
}
