use reap_plugin::Value;

use super::*;
use crate::testing::{Line, STARTED, home, scene, table};

#[test]
fn runtimes_of_their_own() {
    let id = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
    let launcher = format!("launcher --session-id {id}");
    let rows = [(20, 1, 9, launcher.as_str()), (30, 5, 30, "kiro-cli-chat chat --no-interactive x")];
    let record = |asked: &str| {
        assert_eq!(asked, id);
        Record { title: Some("work".to_owned()), ..Record::default() }
    };
    let runtimes = scene(&rows, &[], |scene| scene.runtimes(|_| true, record, |_| Vec::new()));
    let told: Vec<_> = runtimes
        .iter()
        .map(|one| (one.key.as_str(), one.title.as_str(), one.text("shape"), one.flag("empty")))
        .collect();
    let expected = [
        ("runtime:20:2000", "work", Some("launcher"), Some(true)),
        ("runtime:30:3000", "headless in ", Some("headless"), Some(false)),
    ];
    assert_eq!(told, expected);
    assert_eq!(runtimes[0].text("session-id"), Some(id));
    assert_eq!(runtimes[0].created, Some(STARTED));
}

const SERVER: &str = "node /x/@kiro/agent/dist/server/acp-server.js --transport=stdio";

/// Two servers of the third engine, each below a wrapper.
const THIRD: [Line<'_>; 4] = [
    (20, 1, 9, "kiro-cli chat --v3"),
    (21, 20, 9, SERVER),
    (30, 5, 9, "kiro-cli chat --v3"),
    (31, 30, 9, SERVER),
];

fn written(id: &str, folder: &str) -> third::Session {
    third::Session {
        id: id.to_owned(),
        title: Some(format!("work on {id}")),
        workspaces: vec![folder.to_owned()],
        created: Some(7),
        written: STARTED + 60_000,
    }
}

/// The rows of those servers, which work in these folders: key, pids, and the sessions that
/// each is shared with.
fn third_rows(folders: [&str; 2], sessions: &[third::Session]) -> Vec<Session> {
    let mut table = table(&THIRD);
    for (pid, folder) in [21, 31].into_iter().zip(folders) {
        table.place(pid, folder);
    }
    let home = home();
    let scene = Scene::new(&home, &table, &[], crate::testing::NOW);
    scene.runtimes(|_| true, |_| Record::default(), |_| sessions.to_vec())
}

fn pids(session: &Session) -> Vec<u32> {
    session.processes.iter().map(|process| process.pid).collect()
}

#[test]
fn sessions_of_the_third_engine() {
    let sessions = [written("sess_a", "/a"), written("sess_b", "/b"), written("sess_c", "/b")];
    let rows = third_rows(["/a", "/b"], &sessions);
    let told: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.title.as_str(), pids(row))).collect();
    let expected = [
        ("sess_a", "work on sess_a", vec![20, 21]),
        ("sess_b", "work on sess_b", vec![30, 31]),
        ("sess_c", "work on sess_c", vec![30, 31]),
    ];
    assert_eq!(told, expected);
    assert_eq!(rows[0].fact("shared-with"), None);
    assert_eq!(rows[1].fact("shared-with"), Some(&Value::Texts(vec!["sess_c".to_owned()])));
    assert_eq!(rows[0].fact("session-created"), Some(&Value::Time(7)));
    assert_eq!((rows[0].cwd.as_deref(), rows[0].text("engine")), (Some("/a"), Some("v3")));
    assert_eq!((rows[0].created, rows[0].last_active), (Some(STARTED), Some(STARTED + 60_000)));
    assert_eq!(rows[0].fact("resume"), None, "nobody knows how");
}

#[test]
fn two_servers_in_one_folder_are_runtimes() {
    let rows = third_rows(["/a", "/a"], &[written("sess_a", "/a")]);
    let told: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.text("session-id"))).collect();
    assert_eq!(told, [("runtime:20:2000", Some("sess_a")), ("runtime:30:3000", Some("sess_a"))]);
}

#[test]
fn what_was_left_behind() {
    let lines = [
        (1, 0, 1, "/sbin/init"),
        (20, 1, 9, "uvx git"),
        (21, 20, 9, "python git.py"),
        (30, 1, 9, "uvx git"),
        (40, 1, 9, "uvx git"),
        (41, 40, 41, "kiro-cli acp"),
        (50, 1, 9, "uvx git"),
        (60, 1, 9, "kiro-cli-chat acp"),
    ];
    let mut table = table(&lines);
    let (ours, others) = ("/k/settings/mcp.json", "/other/settings/mcp.json");
    for (pid, file, environment) in [
        (20, ours, Some("/k")),
        (30, others, Some("/k")),
        (40, ours, Some("/k")),
        (50, ours, Some("/o")),
        (60, ours, Some("/k")),
    ] {
        table.add_left(pid, "git".to_owned(), file.to_owned());
        table.settle(pid, environment);
    }
    let home = home();
    let rows = Scene::new(&home, &table, &[], crate::testing::NOW).left_behind();
    let told: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.title.as_str(), pids(row))).collect();
    assert_eq!(told, [("mcp:20:2000", "git (MCP server)", vec![20, 21])]);
    for (name, value) in [("shape", "mcp"), ("owner", "gone"), ("mcp-server", "git"), ("mcp-config", ours)] {
        assert_eq!(rows[0].text(name), Some(value), "{name}");
    }
    assert_eq!(rows[0].created, Some(STARTED));
}
