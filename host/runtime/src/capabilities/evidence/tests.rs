use std::time::Duration;

use reap_core::ids::{Incarnation, Key};
use reap_core::session::{Activity, Fact, Kind};

use super::*;
use crate::manifest::Manifest;

const MANIFEST: &str = r#"
    name = "x"
    version = "1"
    world = "backend"
    summary = "s"
    [asks.processes]
    executables = ["*"]
    [asks.ending.signals]
    root = "child-of-server"
    server = "tmux: server"
    environment = { TMUX = '.*,{server},{fact.number}', TMUX_PANE = '{fact.panes}' }
    spare = ["tmux: server"]
"#;

fn id(pid: u32) -> ProcessId {
    ProcessId { pid, started: u64::from(pid) * 10 }
}

fn row(pid: u32, parent: u32, session: u32) -> Row {
    Row {
        id: id(pid),
        parent,
        group: session,
        session,
        terminal: 0,
        zombie: false,
        name: "sh".to_owned(),
        age: Duration::ZERO,
        cpu: Duration::ZERO,
        uid: rustix::process::geteuid().as_raw(),
    }
}

/// Server 100 with the panes 110 (session 3) and 150 (session 4).
fn rows() -> Vec<Row> {
    vec![
        row(1, 0, 1),
        row(50, 1, 50), // older than everything
        Row { name: "tmux: server".to_owned(), ..row(100, 1, 100) },
        row(110, 100, 110), // the pane
        row(111, 110, 110), // its child
        row(112, 111, 112), // a grandchild that called setsid
        row(113, 1, 110),   // reparented, still in the kernel session
        row(120, 1, 120),   // forked twice; only its environment tells
        row(150, 100, 150), // another session's pane
        row(151, 150, 150),
        row(160, 1, 160), // forked twice from the other session
    ]
}

fn environments() -> Environments {
    let one = |pid, tmux: &str, pane: &str| {
        (id(pid), vec![("TMUX".to_owned(), tmux.to_owned()), ("TMUX_PANE".to_owned(), pane.to_owned())])
    };
    Environments {
        read: vec![
            one(50, "/s,100,3", "%1"), // cannot be: it is older
            one(120, "/s,100,3", "%1"),
            one(151, "/s,100,3", "%1"), // forged: it is the other session's
            one(160, "/s,100,4", "%2"),
        ],
    }
}

fn session() -> Session {
    Session {
        key: Key::new("$3"),
        incarnation: Incarnation::new("i"),
        title: String::new(),
        kind: Kind::Other,
        activity: Activity::Idle,
        created: None,
        last_active: None,
        attached: false,
        parent: None,
        cwd: None,
        // It claims the other session's child and the server as well.
        processes: vec![id(110), id(151), id(100), id(1)],
        tokens: None,
        protected: None,
        extra: vec![
            Fact { name: "number".to_owned(), value: Value::Text("3".to_owned()) },
            Fact { name: "panes".to_owned(), value: Value::Texts(vec!["%1".to_owned(), "%7".to_owned()]) },
        ],
    }
}

fn proof(table: &ProcessTable, session: &Session) -> Proof {
    let manifest = Manifest::parse(MANIFEST, "x.toml").expect("a good manifest");
    let grants = Grants::complete(&manifest).expect("complete");
    let asked = grants.signals.clone().expect("asked for");
    // What the host knows: the other session is not being ended.
    let untouchable = Arc::new(HashSet::from([id(100), id(150), id(151)]));
    Proof::of(session, Some(id(100)), &grants, &asked, table, &HashSet::new(), untouchable).expect("a proof")
}

fn found(table: &ProcessTable, environments: &Environments, known: &[u32]) -> Vec<u32> {
    let known = known.iter().map(|&pid| id(pid)).collect();
    let mut pids: Vec<u32> =
        proof(table, &session()).find(table, environments, &known).iter().map(|id| id.pid).collect();
    pids.sort_unstable();
    pids
}

#[test]
fn all_of_the_session_and_nothing_else() {
    let table = ProcessTable::from_rows(rows());
    assert_eq!(found(&table, &environments(), &[]), [110, 111, 112, 113, 120]);
}

#[test]
fn a_server_started_inside_the_session_and_its_panes_are_another_matter() {
    let mut rows = rows();
    // `tmux -L other new -d` from inside: the daemon carries the variables of
    // the session that it was started in.
    rows.push(Row { name: "tmux: server".to_owned(), ..row(130, 1, 130) });
    rows.push(row(131, 130, 131));
    let table = ProcessTable::from_rows(rows);
    let mut environments = environments();
    let carried = environments.read[1].1.clone();
    environments.read.push((id(130), carried));
    assert_eq!(found(&table, &environments, &[]), [110, 111, 112, 113, 120]);
    let beyond = proof(&table, &session()).beyond(&table, &environments);
    assert_eq!(beyond.serving, [(id(130), "tmux: server".to_owned())]);
}

#[test]
fn a_program_to_spare_counts_while_it_works_in_a_pane() {
    let mut rows = rows();
    rows.push(Row { name: "tmux: server".to_owned(), ..row(114, 110, 110) });
    let table = ProcessTable::from_rows(rows);
    assert!(found(&table, &Environments::default(), &[]).contains(&114));
}

#[test]
fn what_lives_in_a_daemon_that_serves_others_is_left_alone() {
    let mut rows = rows();
    rows.push(Row { name: "tmux: server".to_owned(), ..row(130, 1, 130) });
    rows.push(row(131, 130, 131));
    let table = ProcessTable::from_rows(rows);
    let mut environments = environments();
    let carried = environments.read[1].1.clone();
    environments.read.extend([(id(130), carried.clone()), (id(131), carried)]);
    assert_eq!(found(&table, &environments, &[]), [110, 111, 112, 113, 120]);
}

#[test]
fn a_daemon_older_than_the_pane_that_lives_is_the_sessions() {
    let mut rows = rows();
    rows.push(row(105, 1, 105)); // left behind by a pane that was opened anew
    let table = ProcessTable::from_rows(rows);
    let mut environments = environments();
    let carried = environments.read[1].1.clone();
    environments.read.push((id(105), carried));
    assert!(found(&table, &environments, &[]).contains(&105));
}

#[test]
fn a_server_that_is_no_such_program_has_no_children() {
    let mut rows = rows();
    for row in &mut rows {
        if row.id.pid == 100 {
            row.name = "bash".to_owned();
        }
    }
    assert!(found(&ProcessTable::from_rows(rows), &environments(), &[]).is_empty());
}

#[test]
fn another_users_process_that_lost_its_parent_is_named() {
    let mut rows = rows();
    for row in &mut rows {
        row.uid += u32::from([110, 113].contains(&row.id.pid)); // the leader, and one of its session
    }
    let table = ProcessTable::from_rows(rows);
    let mut foreign = proof(&table, &session()).beyond(&table, &environments()).foreign;
    foreign.sort_unstable();
    assert_eq!(foreign, [id(110), id(113)]);
}

#[test]
fn a_reused_pid_of_the_leader_is_not_its_session() {
    let mut rows = rows();
    rows.retain(|row| ![110, 111, 112, 113].contains(&row.id.pid));
    // The pid was used again, by the leader of a kernel session that is
    // somebody else's.
    rows.push(Row { id: ProcessId { pid: 110, started: 9_999 }, ..row(110, 1, 110) });
    rows.push(Row { id: ProcessId { pid: 111, started: 9_999 }, ..row(111, 110, 110) });
    let table = ProcessTable::from_rows(rows);
    let before = ProcessTable::from_rows(self::rows());
    let proof = proof(&before, &session());
    let known = HashSet::from([id(110), id(111), id(112), id(113)]);
    assert!(proof.find(&table, &Environments::default(), &known).is_empty());
}

#[test]
fn a_kernel_session_goes_on_without_its_leader() {
    let mut rows = rows();
    rows.retain(|row| row.id.pid != 110);
    rows.push(row(114, 1, 110)); // joined after the leader ended
    let table = ProcessTable::from_rows(rows);
    let proof = proof(&ProcessTable::from_rows(self::rows()), &session());
    let known = HashSet::from([id(110), id(113)]);
    let left = proof.find(&table, &Environments::default(), &known);
    assert!(left.contains(&id(114)) && left.contains(&id(113)));
}

#[test]
fn once_the_pid_is_another_servers_its_environment_proves_nothing() {
    let mut rows = rows();
    rows.retain(|row| row.id.pid != 100);
    rows.push(Row {
        id: ProcessId { pid: 100, started: 9_999 },
        name: "tmux: server".to_owned(),
        ..row(100, 1, 100)
    });
    let proof = proof(&ProcessTable::from_rows(self::rows()), &session());
    let left = proof.find(&ProcessTable::from_rows(rows), &environments(), &HashSet::new());
    assert!(!left.contains(&id(120)));
}

#[test]
fn a_session_without_the_facts_has_no_such_proof() {
    let table = ProcessTable::from_rows(rows());
    let bare = Session { extra: Vec::new(), ..session() };
    assert!(!proof(&table, &bare).find(&table, &environments(), &HashSet::new()).contains(&id(120)));
    // An empty list of panes must not become a pattern that fits everything.
    let empty = vec![
        Fact { name: "number".to_owned(), value: Value::Text("3".to_owned()) },
        Fact { name: "panes".to_owned(), value: Value::Texts(Vec::new()) },
    ];
    let empty = Session { extra: empty, ..session() };
    assert!(!proof(&table, &empty).find(&table, &environments(), &HashSet::new()).contains(&id(120)));
}

#[test]
fn another_users_process_never_counts() {
    let mut rows = rows();
    for row in &mut rows {
        row.uid += u32::from(row.id.pid == 111);
    }
    let table = ProcessTable::from_rows(rows);
    assert!(!found(&table, &environments(), &[]).contains(&111));
    assert_eq!(proof(&table, &session()).beyond(&table, &environments()).foreign, [id(111)]);
}

/// Of two processes that the backend lists, the one with the manifest's arguments.
#[test]
fn a_program_is_known_by_its_arguments() {
    let manifest = MANIFEST
        .replace("\"child-of-server\"\n    server = \"tmux: server\"", "\"program\"")
        .replace("environment = ", "programs = [['(?:.*/)?sleep', '600']]\n    #");
    let manifest = Manifest::parse(&manifest, "x.toml").expect("a good manifest");
    let grants = Grants::complete(&manifest).expect("complete");
    let asked = grants.signals.clone().expect("asked for");
    let sleep = |time: &str| std::process::Command::new("sleep").arg(time).spawn().expect("it starts");
    let mut children = [sleep("600"), sleep("6001")];
    let started = |pid: u32| {
        // Until it has become the program, its arguments are those of this test.
        while std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|argv| !argv.starts_with(b"sleep\0")) {
            std::thread::yield_now();
        }
    };
    children.iter().for_each(|child| started(child.id()));
    let table = ProcessTable::read(crate::process::Owners::Exactly).expect("/proc is readable");
    let ids = children.each_ref().map(|child| table.pid(child.id()).expect("our child").id);
    let listed = Session { processes: ids.to_vec(), ..session() };
    let of = |leftovers: &HashSet<ProcessId>| {
        Proof::of(&listed, None, &grants, &asked, &table, leftovers, Arc::default()).expect("a proof")
    };
    let proof = of(&HashSet::new());
    let found = |proof: &Proof| proof.find(&table, &Environments::default(), &HashSet::new());
    let (programs, with_leftovers) = (found(&proof), found(&of(&HashSet::from([ids[1]]))));
    for child in &mut children {
        child.kill().and_then(|()| child.wait()).expect("our child");
    }
    assert_eq!(programs, HashSet::from([ids[0]]));
    assert_eq!(with_leftovers, HashSet::from(ids), "what was left behind is proven as well");
}
