//! Sessions out of made-up rows and process tables.

use reap_plugin::processes::{Details, ProcessInfo};
use reap_plugin::{Address, Value};

use super::*;
use crate::rows::parse;
use crate::testing::{info, placed, process, zombie};

/// Rows of a server with pid 10 that started at 400, read at 1000.
fn rows(lines: &[&str]) -> Rows {
    let output: String = ["H 1000 10 400 3.3a"].iter().chain(lines).map(|line| format!("{line}\n")).collect();
    let rows = parse(output.as_bytes()).expect("the server's row is there");
    assert_eq!(rows.flaws, [""; 0]);
    rows
}

/// The server, and these processes besides, with the argument vectors given.
fn table(processes: Vec<ProcessInfo>, argv: &[(u32, &str)]) -> Table {
    let mut table = Table::new([vec![info(10, 1, 10).aged(600)], processes].concat());
    let of: Vec<Process> = argv.iter().map(|(pid, _)| process(*pid)).collect();
    let details = argv.iter().map(|(pid, line)| {
        Some(Details {
            argv: Some(line.split(' ').map(str::to_owned).collect()),
            cwd: Some(format!("/srv/{pid}")),
            environment: None,
        })
    });
    table.learn(&of, details.collect());
    table
}

fn sessions(rows: &Rows, table: Option<&Table>) -> Vec<Session> {
    let scene = Scene::new(rows, table);
    rows.sessions.iter().map(|row| scene.session(row)).collect()
}

fn only(rows: &Rows, table: &Table) -> Session {
    let mut sessions = sessions(rows, Some(table));
    assert_eq!(sessions.len(), 1);
    sessions.swap_remove(0)
}

fn one_pane() -> Rows {
    rows(&["S $3 500 600  0 0 0  @1%1:20:0:700; 3 job "])
}

#[test]
fn a_shell_that_waits_is_idle() {
    let table = table(vec![info(20, 10, 20).named("bash"), zombie(21, 20)], &[(20, "-bash")]);
    let session = only(&one_pane(), &table);
    assert_eq!(
        (session.key.as_str(), session.incarnation.as_str(), session.title.as_str()),
        ("$3", "10.400.500", "job")
    );
    assert_eq!(session.activity, Activity::Idle);
    assert_eq!(session.flag("shell-only"), Some(true));
    assert_eq!(session.processes, [process(20)], "a zombie is no process of it");
    assert_eq!(session.cwd.as_deref(), Some("/srv/20"));
    assert_eq!((session.created, session.last_active), (Some(500_000), Some(700_000)));
    assert_eq!((session.text("command"), session.text("session-number")), (Some("bash"), Some("3")));
    assert_eq!(session.fact(VISIBLE), None);
    assert!(!session.attached && session.protected.is_none());
}

#[test]
fn anything_else_that_lives_is_running() {
    let shell = || info(20, 10, 20).named("bash");
    let cases = [
        ("a script", vec![shell()], "bash build.sh"),
        ("arguments that could not be read", vec![shell()], ""),
        ("a child", vec![shell(), info(21, 20, 20).0], "bash"),
        ("a child in a session of its own", vec![shell(), info(21, 20, 21).0], "bash"),
        ("a job that lost its parent", vec![shell(), info(21, 1, 20).0], "bash"),
        ("another program", vec![info(20, 10, 20).named("python3")], "python3"),
        ("a program that poses as a shell", vec![info(20, 10, 20).named("python3")], "bash"),
    ];
    for (what, processes, argv) in cases {
        let session = only(&one_pane(), &table(processes, &[(20, argv)]));
        assert_eq!(session.activity, Activity::Running, "{what}");
        assert_eq!(session.flag("shell-only"), Some(false), "{what}");
    }
}

/// The table with a daemon 40 that lives in no pane and carries these variables.
fn with_stray(mut table: Table, tmux: &str, pane: &str) -> Table {
    let stray = [process(40)];
    table.strays.learn(&stray, &[placed(tmux, pane)]);
    table.strays.settle(&stray);
    table
}

#[test]
fn a_daemon_that_left_its_pane_is_life() {
    let shell = || table(vec![info(20, 10, 20).named("bash")], &[(20, "bash")]);
    let dead = rows(&["S $3 500 600  0 0 0  @1%1:20:1:700; 3 job "]);
    for (what, rows, processes) in [
        ("beside a shell", one_pane(), vec![process(20), process(40)]),
        ("of a dead pane", dead, vec![process(40)]),
    ] {
        let session = only(&rows, &with_stray(shell(), "/s,10,3", "%1"));
        assert_eq!(
            (session.activity, session.flag("shell-only")),
            (Activity::Running, Some(false)),
            "{what}"
        );
        assert_eq!(session.processes, processes, "{what}");
    }
    let session = only(&one_pane(), &with_stray(shell(), "/s,10,3", "%2"));
    assert_eq!((session.activity, session.processes.len()), (Activity::Idle, 1), "of another pane");
}

/// tmux gave it the number of the session that its pane was made in. When that
/// one ends, the pane lives on in the others, and the daemon with it.
#[test]
fn a_daemon_belongs_to_each_that_shows_its_pane() {
    let rows = rows(&["S $1 5 6  0 0 0 g1 @1%1:20:0:1; 1 a ", "S $2 5 6  0 0 0 g1 @1%1:20:0:1; 1 b "]);
    let table = with_stray(table(vec![info(20, 10, 20).0], &[]), "/s,10,1", "%1");
    for session in sessions(&rows, Some(&table)) {
        assert_eq!(session.processes, [process(20), process(40)], "{}", session.key);
    }
}

#[test]
fn what_cannot_be_seen_is_unknown() {
    let other_server = table(vec![info(20, 10, 20).named("bash")], &[(20, "bash")]);
    let mut elsewhere = one_pane();
    elsewhere.server.started = 100;
    for (what, table) in [("no process table", None), ("another PID namespace", Some(&other_server))] {
        let session = sessions(&elsewhere, table).swap_remove(0);
        assert_eq!(session.activity, Activity::Unknown, "{what}");
        assert_eq!(session.flag(VISIBLE), Some(false), "{what}");
        assert!(session.processes.is_empty() && session.fact("shell-only").is_none(), "{what}");
    }
    let hidden = [
        ("a leader of another user", table(vec![], &[])),
        ("a pid that is used again", table(vec![info(20, 1, 20).named("bash")], &[(20, "bash")])),
        ("a leader that has just ended", table(vec![zombie(20, 10)], &[])),
    ];
    for (what, table) in hidden {
        let session = only(&one_pane(), &table);
        assert_eq!(session.activity, Activity::Unknown, "{what}");
        assert!(session.processes.is_empty(), "{what}");
    }
}

#[test]
fn panes_count_together() {
    let shells = || {
        let processes = vec![info(20, 10, 20).named("bash"), info(30, 10, 30).named("zsh")];
        table(processes, &[(20, "bash"), (30, "zsh")])
    };
    let cases = [
        ("two shells", "@1%1:20:0:1;@1%2:30:0:1;", Activity::Idle),
        ("a shell and a dead pane", "@1%1:20:0:1;@1%2:99:1:1;", Activity::Idle),
        ("a shell and one that cannot be seen", "@1%1:20:0:1;@1%2:99:0:1;", Activity::Unknown),
        ("dead panes", "@1%1:98:1:1;@1%2:99:1:1;", Activity::Stopped),
        ("a dead pane whose pid is used again", "@1%1:20:1:1;", Activity::Stopped),
        ("a dead pane and one that others write to", "@1%1:98:1:1;@1%2:0:1:1;", Activity::Unknown),
    ];
    for (what, panes, activity) in cases {
        let row = format!("S $3 500 600  0 0 0  {panes} 3 job ");
        assert_eq!(only(&rows(&[&row]), &shells()).activity, activity, "{what}");
    }
}

#[test]
fn a_dead_pane_has_no_process_and_says_so() {
    let session = only(&rows(&["S $3 5 6  0 0 0  @1%1:20:1:1; 1 x "]), &table(vec![info(20, 10, 20).0], &[]));
    assert!(session.processes.is_empty());
    assert_eq!((session.number("panes"), session.number("dead-panes")), (Some(1), Some(1)));
    assert_eq!((session.cwd.as_deref(), session.text("command")), (None, None));
}

#[test]
fn a_window_that_several_show_belongs_to_each() {
    let rows = rows(&[
        "S $1 5 6  0 0 0 g1 @1%1:20:0:1; 1 a ",
        "S $2 5 6  0 0 0 g1 @1%1:20:0:1; 1 b ",
        "S $3 5 6  0 0 0  @2%2:30:0:1; 1 c ",
    ]);
    let table = table(vec![info(20, 10, 20).0, info(21, 20, 20).0, info(30, 10, 30).0], &[]);
    let sessions = sessions(&rows, Some(&table));
    assert_eq!(sessions[0].processes, [process(20), process(21)]);
    assert_eq!(sessions[1].processes, sessions[0].processes);
    assert_eq!(sessions[2].processes, [process(30)]);
    let shared: Vec<_> = sessions.iter().map(|session| session.number("shared-windows")).collect();
    assert_eq!(shared, [Some(1), Some(1), Some(0)]);
    let groups: Vec<_> = sessions.iter().map(|session| session.text("group")).collect();
    assert_eq!(groups, [Some("g1"), Some("g1"), None]);
}

#[test]
fn clients_count_whatever_they_speak() {
    let rows = rows(&[
        "S $3 500 600 800 2 0 0  @1%1:20:0:700; 3 job ",
        "S $4 500 600 900 1 0 0  @2%2:21:0:700; 3 own ",
        "S $5 500 600  0 0 0  @3%3:22:0:700; 3 off ",
        "C $3 0",
        "C $3 1",
        "C $4 1",
    ]);
    let sessions = sessions(&rows, None);
    let seen: Vec<_> = sessions
        .iter()
        .map(|session| (session.attached, session.number("clients"), session.number("control-clients")))
        .collect();
    assert_eq!(seen, [(true, Some(1), Some(1)), (true, Some(0), Some(1)), (false, Some(0), Some(0))]);
    assert_eq!(sessions[0].last_active, Some(800_000), "somebody attached after the last output");
}

#[test]
fn owners_make_workers() {
    let rows = rows(&[
        "S $1 5 6  0 1 18  @1%1:20:0:1; 1 a openclaw/gw/main:1",
        "S $2 5 6  0 0 3  @2%2:21:0:1; 1 b bob",
        "S $3 5 6  0 0 999  @3%3:22:0:1; 1 c openclaw/gw/main:1",
    ]);
    let sessions = sessions(&rows, None);
    let parent =
        Address { backend: "openclaw".to_owned(), instance: "gw".to_owned(), key: "main:1".to_owned() };
    assert_eq!(sessions[0].parent, Some(parent));
    assert_eq!((&sessions[1].parent, &sessions[2].parent), (&None, &None));
    assert!(sessions.iter().all(|session| session.kind == Kind::Worker));
    assert_eq!(sessions[1].fact("owner"), Some(&Value::Text("bob".to_owned())));
    let protected = sessions[0].protected.as_deref().expect("tagged");
    assert!(protected.contains("@reap-protect") && protected.contains("reap unprotect"), "{protected}");
}

#[test]
fn the_command_is_what_the_shell_started_last() {
    let cases = [
        (
            vec![
                info(20, 10, 20).named("bash"),
                info(21, 20, 21).named("make"),
                info(22, 20, 22).named("node"),
            ],
            "node",
        ),
        (vec![info(20, 10, 20).named("bash")], "bash"),
        (vec![info(20, 10, 20).named("node"), info(21, 20, 21).named("sh")], "node"),
    ];
    for (processes, command) in cases {
        assert_eq!(only(&one_pane(), &table(processes, &[])).text("command"), Some(command));
    }
}

#[test]
fn details_are_asked_of_leaders() {
    let rows = rows(&[
        "S $1 5 6  0 0 0 g1 @1%1:20:0:1;@1%2:30:0:1;@1%3:40:1:1; 1 a ",
        "S $2 5 6  0 0 0 g1 @1%1:20:0:1;@1%2:30:0:1;@1%3:40:1:1; 1 b ",
    ]);
    let processes = vec![info(20, 10, 20).0, info(21, 20, 20).0, info(22, 20, 20).0, info(30, 10, 30).0];
    let table = table(processes, &[]);
    let asked = Scene::new(&rows, Some(&table)).curious();
    assert_eq!(asked, [process(20), process(30)]);
    assert!(Scene::new(&rows, None).curious().is_empty());
}
