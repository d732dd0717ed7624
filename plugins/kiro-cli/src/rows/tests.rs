use reap_plugin::{Process, Value};

use super::*;
use crate::lock::Lock;
use crate::testing::{Line, STARTED, locked, process, scene};

fn pids(session: &Session) -> Vec<u32> {
    session.processes.iter().map(|process| process.pid).collect()
}

const ORPHAN: [Line<'_>; 4] = [
    (1, 0, 1, "/sbin/init"),
    (20, 1, 9, "kiro-cli acp"),
    (21, 20, 9, "kiro-cli-chat acp"),
    (22, 21, 9, "python mcp.py"),
];

#[test]
fn a_session_with_its_processes() {
    let record = Record {
        title: Some("work".to_owned()),
        cwd: Some("/w".to_owned()),
        created: Some(5),
        parent: Some("p".to_owned()),
        written: Some(STARTED + 60_000),
        ..Record::default()
    };
    let one = locked("a", 21);
    let session = scene(&ORPHAN, std::slice::from_ref(&one), |scene| scene.session(&one, record));
    assert_eq!((session.key.as_str(), session.title.as_str()), ("a", "work"));
    assert_eq!(pids(&session), [20, 21, 22]);
    let Process { pid, started } = process(21);
    assert_eq!(session.incarnation, format!("{pid}.{started}"));
    assert_eq!((session.created, session.last_active), (Some(STARTED), Some(STARTED + 60_000)));
    assert_eq!((session.kind, session.activity), (Kind::Subagent, Activity::Unknown));
    assert_eq!(session.parent.as_ref().map(|parent| parent.key.as_str()), Some("p"));
    for (name, value) in [("lock", "live"), ("owner", "gone"), ("shape", "acp"), ("engine", "v2")] {
        assert_eq!(session.text(name), Some(value), "{name}");
    }
    assert_eq!(session.text("resume"), Some("cd /w && kiro-cli chat --resume-id a"));
    assert_eq!(session.number("lock-pid"), Some(21));
    assert_eq!(session.fact("session-created"), Some(&Value::Time(5)));
    assert_eq!(session.fact("shared-with"), None);
}

#[test]
fn locks_without_their_process_have_none() {
    let rows = [(20, 1, 9, "kiro-cli acp"), (30, 1, 30, "vim")];
    let later = Lock { pid: 20, since: Some(STARTED - 60_000) };
    let cases = [
        (locked("a", 21), "stale", Activity::Stopped),
        (locked("a", 30), "unknown", Activity::Unknown),
        (Locked { lock: Ok(later), ..locked("a", 20) }, "reused", Activity::Unknown),
        (Locked { lock: Err("torn".to_owned()), ..locked("a", 20) }, "unknown", Activity::Unknown),
    ];
    for (one, word, activity) in cases {
        let (session, runtimes) = scene(&rows, std::slice::from_ref(&one), |scene| {
            let runtimes = scene.runtimes(|_| true, |_| Record::default(), |_| Vec::new());
            (scene.session(&one, Record::default()), runtimes)
        });
        assert_eq!((session.text("lock"), session.activity), (Some(word), activity));
        assert!(session.processes.is_empty(), "{word}");
        assert_eq!(runtimes.len(), 1, "{word}: the process with that pid is a runtime of its own");
    }
}

#[test]
fn two_sessions_of_one_process_name_each_other() {
    let both = [locked("a", 21), locked("b", 21)];
    let sessions =
        scene(&ORPHAN, &both, |scene| both.each_ref().map(|one| scene.session(one, Record::default())));
    assert_eq!(sessions[0].processes, sessions[1].processes);
    assert_eq!(sessions[0].fact("shared-with"), Some(&Value::Texts(vec!["b".to_owned()])));
    assert_eq!(sessions[1].fact("shared-with"), Some(&Value::Texts(vec!["a".to_owned()])));
}

#[test]
fn work_is_what_runs_in_the_group_of_its_parent() {
    let host = (10, 1, 10, "node gateway.js");
    let runtime = [host, (20, 10, 20, "kiro-cli acp"), (21, 20, 20, "kiro-cli-chat acp")];
    let activity = |more: &[Line<'_>]| {
        let rows = [&runtime[..], more].concat();
        let one = locked("a", 21);
        scene(&rows, std::slice::from_ref(&one), |scene| scene.session(&one, Record::default()).activity)
    };
    assert_eq!(activity(&[]), Activity::Unknown);
    // The group of these is their kernel session's: an MCP server has its own.
    assert_eq!(activity(&[(22, 21, 22, "python mcp.py")]), Activity::Unknown);
    assert_eq!(activity(&[(22, 21, 20, "bash -c make")]), Activity::Running);
}
