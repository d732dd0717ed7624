//! The third engine, which keeps no locks: a row for each session where it is clear whose
//! it is, and one for the runtime where it is not.

use std::fs;

use super::stage::{AT_ONCE, Family, Stage, id};
use crate::support::{World, holds};

const THIRD: &[&str] = &["gateway", "kiro-cli", "chat", "--v3"];

/// A server in a folder of its own, with these sessions.
fn start(stage: &Stage<'_>, folder: &str, sessions: &[usize]) -> Family {
    let modes: Vec<String> = sessions.iter().map(|n| format!("session={}", id(*n))).collect();
    let folder = stage.world.path(folder);
    fs::create_dir_all(&folder).expect("a folder");
    stage.start_at(&folder, THIRD, &modes.join(" "), 5)
}

fn key(n: usize) -> String {
    format!("sess_{}", id(n))
}

#[test]
fn a_row_for_each_session() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let (orphan, sibling) = (start(&stage, "a", &[1]), start(&stage, "b", &[2]));
    let rows = stage.list();
    assert_eq!(rows.each("/key"), [key(1), key(2)], "{rows}");
    let row = rows.find("/key", &key(1));
    assert_eq!(row.at("/title").text(), format!("work on {}", id(1)));
    assert_eq!(row.at("/cwd").text(), world.path("a").to_string_lossy());
    stage.orphan(&orphan);
    let all = stage.alive(&sibling);
    stage.reap(&["cleanup", "--yes"]).exits(0);
    stage.nothing_left(&orphan);
    assert_eq!(stage.alive(&sibling), all);
    assert_eq!(stage.list().each("/key"), [key(2)]);
    stage.reap(&["kill", "--yes", &key(2)]).exits(0);
    assert_eq!(stage.alive(&sibling), [sibling.of("gateway")], "its server's tree");
    let file = format!("sessions/0123456789abcdef/{}/session.json", key(2));
    assert!(stage.kiro(&file).exists(), "what was said stays");
}

/// The server ends with any of its sessions, so all of them must be named.
#[test]
fn two_sessions_of_one_server_end_together() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let family = start(&stage, "a", &[1, 2]);
    let all = stage.alive(&family);
    let facts = stage.reap(&["show", "--json", &key(1)]).exits(0).json().at("/extra");
    assert_eq!(facts.find("/name", "shared-with").at("/value/0").text(), key(2));
    stage.reap(&["kill", "--yes", &key(1)]).exits(5).says(&["its process also holds", &key(2)]);
    assert_eq!(stage.alive(&family), all);
    stage.reap(&["kill", "--yes", &key(1), &key(2)]).exits(0);
    assert_eq!(stage.alive(&family), [family.of("gateway")]);
}

/// Two servers work in one folder: nobody can tell whose a session is.
#[test]
fn an_unclear_session_is_a_guess() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let (first, second) = (start(&stage, "a", &[1]), start(&stage, "a", &[2]));
    let rows = stage.list();
    assert!(rows.each("/key").iter().all(|key| key.starts_with("runtime:")), "{rows}");
    let runtime = format!("runtime:{}:", second.pid("wrapper"));
    let of_second = rows.each("/key").into_iter().find(|key| key.starts_with(&runtime));
    let of_second = of_second.unwrap_or_else(|| panic!("no {runtime} in {rows}"));
    let all = stage.alive(&first);
    stage.reap(&["kill", "--yes", &of_second]).exits(0);
    assert_eq!(stage.alive(&second), [second.of("gateway")]);
    assert_eq!(stage.alive(&first), all);
}

/// An earlier server of the folder wrote it, and is gone.
#[test]
fn a_session_of_an_earlier_server_is_nobodys() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let first = start(&stage, "a", &[1]);
    stage.reap(&["kill", "--yes", &key(1)]).exits(0);
    holds("its end", || !first.of("server").lives());
    let hours_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(36_000);
    for name in ["session.json", "messages.jsonl"] {
        let file = stage.kiro(&format!("sessions/0123456789abcdef/{}/{name}", key(1)));
        let file = fs::File::options().write(true).open(file).expect("a file");
        file.set_modified(hours_ago).expect("our own file");
    }
    start(&stage, "a", &[2]);
    assert_eq!(stage.list().each("/key"), [key(2)]);
}
