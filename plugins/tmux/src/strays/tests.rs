//! Who is a stray, and whose: over made-up process tables.

use reap_plugin::processes::Variable;

use super::*;
use crate::testing::{info, placed, process, zombie};

/// Two servers, 10 and 50, and what lives in their panes and in none.
fn table() -> Table {
    Table::new(vec![
        info(5, 1, 5).0, // older than every server
        info(10, 1, 10).named(SERVER_NAME),
        info(20, 10, 20).0, // a pane of the first
        info(21, 20, 21).0, // its child, in a session of its own
        info(22, 1, 20).0,  // lost its parent, kept the session
        info(23, 22, 23).0, // a child of that one
        info(30, 1, 30).0,  // left both
        info(31, 30, 30).0, // a child of that one
        zombie(32, 1),
        info(33, 1, 33).named("ssh-agent"),
        info(34, 10, 34).0, // a child of the server, and no pane of it
        info(35, 34, 34).0,
        info(50, 1, 50).named(SERVER_NAME),
        info(60, 50, 60).0, // a pane of the second
        info(61, 60, 60).0,
        info(70, 1, 70).named("server"), // a third, which does not say so
        info(71, 70, 71).0,
    ])
}

fn pids(processes: Vec<Process>) -> Vec<u32> {
    processes.into_iter().map(|process| process.pid).collect()
}

#[test]
fn outside_is_what_lives_in_no_pane() {
    assert_eq!(pids(Panes::guess(&table()).outside(&table())), [30, 31, 70, 71]);
}

#[test]
fn what_a_server_says_corrects_the_guess() {
    let mut panes = Panes::guess(&table());
    panes.correct(&table(), process(10), &BTreeSet::from([20]));
    assert_eq!(pids(panes.outside(&table())), [30, 31, 34, 35, 70, 71], "the second stays as guessed");
    panes.correct(&table(), process(70), &BTreeSet::from([71]));
    assert_eq!(pids(panes.outside(&table())), [30, 31, 34, 35, 70]);
    let guess = Panes::guess(&table());
    let mut same = guess.clone();
    same.correct(&table(), process(50), &BTreeSet::from([60]));
    assert_eq!(same, guess);
}

#[test]
fn without_a_server_nobody_is_outside() {
    let table = Table::new(vec![info(20, 1, 20).0, info(30, 1, 30).0]);
    assert!(Panes::guess(&table).outside(&table).is_empty());
}

/// What the strays of a server's pane %1 are, after reading one process.
fn of_pane(details: Option<Details>, server: u32) -> Vec<u32> {
    let mut strays = Strays::default();
    strays.learn(&[process(30)], &[details]);
    strays.settle(&[process(30)]);
    pids(strays.of(process(server), 1).collect())
}

#[test]
fn a_stray_is_its_panes() {
    assert_eq!(of_pane(placed("/s,10,3", "%1"), 10), [30]);
    assert_eq!(of_pane(placed("/s,10,9", "%1"), 10), [30], "made in another session, shown in this one");
    let cases = [
        ("another pane", placed("/s,10,3", "%2"), 10),
        ("another server", placed("/s,11,3", "%1"), 10),
        ("a server that started later, with the same pid", placed("/s,40,3", "%1"), 40),
        ("has ended", None, 10),
        ("cannot be read", Some(Details { argv: None, cwd: None, environment: None }), 10),
        ("has none of it", Some(Details { argv: None, cwd: None, environment: Some(Vec::new()) }), 10),
    ];
    for (what, details, server) in cases {
        assert_eq!(of_pane(details, server), [0; 0], "{what}");
    }
    let pane = Variable { name: "TMUX_PANE".to_owned(), value: "%1".to_owned() };
    let half = Details { argv: None, cwd: None, environment: Some(vec![pane]) };
    assert_eq!(of_pane(Some(half), 10), [0; 0], "no server");
}

#[test]
fn each_is_read_once_and_counts_while_it_is_outside() {
    let mut strays = Strays::default();
    let outside = [process(30), process(31)];
    assert_eq!(strays.unread(&outside), outside);
    strays.learn(&outside, &[placed("/s,10,3", "%1"), None]);
    assert!(strays.unread(&outside).is_empty());
    assert_eq!(strays.unread(&[process(31), process(32)]), [process(32)]);
    // The pane that it lives in became known after it was read.
    strays.settle(&[process(31)]);
    assert_eq!(strays.of(process(10), 1).count(), 0);
}

/// Were the two lists to differ, a program would keep a session for ever without
/// ending with it, or end with it without a word.
#[test]
fn the_manifest_spares_the_same_programs() {
    let manifest: toml::Table = include_str!("../../tmux.toml").parse().expect("the manifest is TOML");
    let spare = manifest["asks"]["ending"]["signals"]["spare"].as_array().expect("a list");
    let names: Vec<&str> = spare.iter().map(|name| name.as_str().expect("a name")).collect();
    assert_eq!(names, SPARE);
    assert!(SPARE.iter().all(|name| !name.contains(['*', '?'])), "a pattern is no name");
}
