//! Each shape of processes: orphaned by the end of its host, found, ended with
//! nothing left, while the same beside it goes on, at work or waiting.

use super::stage::{AT_ONCE, Family, Stage, id};
use crate::support::{World, holds};

/// What is started below a gateway, how many processes say that they are ready, the
/// word for the shape, and whether a session names it.
type Shape = (&'static [&'static str], usize, &'static str, bool);

/// A gateway and two MCP servers with a child each are in all of them.
const ACP: Shape = (&["kiro-cli", "acp"], 7, "acp", true);
const TERMINAL: Shape = (&["kiro-cli", "chat"], 9, "tui", true);
const THIRD: Shape = (&["kiro-cli", "chat", "--v3"], 9, "v3", false);
const HEADLESS: Shape = (&["kiro-cli", "chat", "--no-interactive", "hello"], 7, "headless", false);

const MODES: &str = "mcp=2 tool setsid-child ignore-hup";

/// A shell with its command, and a child in a kernel session of its own.
const SILENT: usize = 3;

fn start(stage: &Stage<'_>, shape: Shape, n: usize) -> Family {
    let words: Vec<&str> = ["gateway"].iter().chain(shape.0).copied().collect();
    let family = stage.start(&words, &format!("session={} {MODES}", id(n)), shape.1);
    holds("the children that say nothing", || stage.alive(&family).len() == shape.1 + SILENT);
    family
}

#[track_caller]
fn orphans_are_ended_and_siblings_are_not(shape: Shape) {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let (orphan, sibling) = (start(&stage, shape, 1), start(&stage, shape, 2));
    let words: Vec<&str> = ["gateway"].iter().chain(shape.0).copied().collect();
    let idle = stage.start(&words, &format!("session={} mcp=2", id(3)), shape.1);
    let (all, all_idle) = (stage.alive(&sibling).len(), stage.alive(&idle));
    assert!(stage.list().list().iter().all(|one| one.at("/verdict/vote").text() != "orphan"));

    stage.orphan(&orphan);
    let found = stage.list();
    let orphans: Vec<_> =
        found.list().into_iter().filter(|one| one.at("/verdict/vote").text() == "orphan").collect();
    let [one] = &orphans[..] else { panic!("{found}") };
    let reason = one.at("/verdict/reasons").find("/policy", "kiro-orphans").at("/reason").text().to_owned();
    assert!(reason.starts_with("its parent has ended: "), "{reason}");
    assert_eq!(one.at("/processes").list().len(), stage.alive(&orphan).len(), "the whole tree\n{one}");
    assert_eq!(one.at("/key").text() == id(1), shape.3, "{one}");
    let facts = stage.reap(&["show", "--json", one.at("/handle").text()]).exits(0).json().at("/extra");
    assert_eq!(facts.find("/name", "shape").at("/value").text(), shape.2);

    stage.reap(&["cleanup", "--yes"]).exits(0);
    stage.nothing_left(&orphan);
    assert_eq!(stage.alive(&sibling).len(), all, "the sibling at work is untouched");
    assert_eq!(stage.alive(&idle), all_idle, "and so is the one that waits");
    assert!(stage.file(&id(2), "lock").exists() == shape.3 && !stage.file(&id(1), "lock").exists());
    assert!(stage.list().list().iter().all(|one| one.at("/verdict/vote").text() != "orphan"));
}

#[test]
fn acp() {
    orphans_are_ended_and_siblings_are_not(ACP);
}

#[test]
fn terminal() {
    orphans_are_ended_and_siblings_are_not(TERMINAL);
}

#[test]
fn third_engine() {
    orphans_are_ended_and_siblings_are_not(THIRD);
}

#[test]
fn without_a_terminal() {
    orphans_are_ended_and_siblings_are_not(HEADLESS);
}

#[test]
fn a_launcher_is_part_of_its_session() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let first = id(1);
    let words = ["gateway", "launcher", "--session-id", &first];
    let family = stage.start(&words, &format!("session={first} {MODES}"), 8);
    stage.orphan(&family);
    let rows = stage.list();
    assert_eq!(rows.each("/key"), [first.as_str()], "one row\n{rows}");
    assert_eq!(rows.at("/0/processes").list().len(), stage.alive(&family).len());
    stage.reap(&["cleanup", "--yes"]).exits(0);
    stage.nothing_left(&family);
}

/// The wrapper passes TERM on to nobody; what it leaves is found all the same.
#[test]
fn a_wrapper_that_was_asked_to_end() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let family = start(&stage, ACP, 1);
    family.of("wrapper").signal(rustix::process::Signal::TERM);
    holds("the end of the wrapper", || !family.of("wrapper").lives());
    stage.reap(&["cleanup", "--yes"]).exits(0).says(&["its lock was removed"]);
    assert!(!family.of("backend").lives() && family.of("gateway").lives());
}

#[test]
fn the_desktop_companion_is_nobody() {
    let world = World::with(AT_ONCE);
    let Some(stage) = Stage::open(&world) else { return };
    let family = stage.start(&["gateway", "kiro_cli_desktop"], "", 2);
    stage.orphan(&family);
    assert!(stage.list().list().is_empty());
}
