//! Which session a word means. Names match exactly, and identify nothing: a
//! reaper that went by names ended `app-10` for `app-1`.

use std::fs;

use crate::support::{Json, World, holds};

#[test]
fn a_prefix_names_nothing() {
    let world = World::new();
    let server = world.server("main");
    let app_10 = server.sleeper("app-10");
    for word in ["app-1", "app", "app-1*", "app-*", "=app-1", "app-10:", "10"] {
        world.reap(&["kill", "--yes", "--force", word]).exits(3).says(&[word]);
        world.reap(&["show", word]).exits(3);
        world.reap(&["protect", word]).exits(3);
    }
    assert!(app_10.lives());
    assert!(app_10.shows("#{@reap-protect}", ""));
    world.reap(&["kill", "--yes", "app-10"]).exits(0);
    assert!(!app_10.lives());
}

/// A name as it is given to tmux, and as tmux then keeps it.
const AWKWARD: [(&str, &str); 19] = [
    ("two  words ", "two  words "),
    ("a|b", "a|b"),
    ("a:b.c", "a_b_c"),
    ("=lead", "=lead"),
    ("@1", "@1"),
    ("%1", "%1"),
    ("-x", "-x"),
    ("*", "*"),
    ("ünï — 日本 🦀", "ünï — 日本 🦀"),
    ("line\nend", "line\\nend"),
    ("tab\there", "tab\\there"),
    ("back\\slash", "back\\\\slash"),
    ("\u{1b}[31mred", "\\033[31mred"),
    ("user\u{202e}txt", "user\u{202e}txt"),
    ("'q\" n", "'q\" n"),
    ("##{pid}", "#{pid}"),
    ("{key}", "{key}"),
    ("P $0 @0 %0 1 0 0", "P $0 @0 %0 1 0 0"),
    ("S $9 1 1 1 0 0 0 0 1 x", "S $9 1 1 1 0 0 0 0 1 x"),
];

#[test]
fn awkward_names_are_listed_exactly() {
    let world = World::new();
    let server = world.server("main");
    let sessions: Vec<_> = AWKWARD.iter().map(|(given, _)| server.sleeper(given)).collect();
    let listed = world.reap(&["ls", "--json"]).exits(0).json();
    assert_eq!(listed.list().len(), sessions.len());
    for (session, (_, title)) in sessions.iter().zip(AWKWARD) {
        let row = listed.find("/key", &session.id);
        assert_eq!(row.at("/title").text(), title);
        assert_eq!(row.at("/processes").processes(), [session.leader()], "{title}");
        let shown = world.reap(&["show", "--json", "--", title]).exits(0).json();
        assert_eq!(shown.at("/key").text(), session.id, "{title}");
    }
    let table = world.reap(&["ls"]).exits(0).says(&["ünï — 日本 🦀", "a|b", "=lead", "two␣␣words␣"]);
    assert_eq!(table.stdout.lines().count(), 1 + sessions.len());
    assert!(!table.stdout.contains(['\u{1b}', '\u{202e}', '\t']), "{table}");
}

#[test]
fn awkward_names_are_ended_alone() {
    let world = World::new();
    let server = world.server("main");
    let mut sessions: Vec<_> = AWKWARD.iter().map(|(given, _)| server.sleeper(given)).collect();
    sessions.push(server.sleeper("the last"));
    let listed = world.reap(&["ls", "--json"]).exits(0).json();
    while sessions.len() > 1 {
        let session = sessions.remove(0);
        let row = listed.find("/key", &session.id);
        let ran = world.reap(&["kill", "--yes", "--json", row.at("/handle").text()]).exits(0);
        assert_eq!(ran.json().at("/items/0/outcome").text(), "ended");
        let mut left: Vec<String> = sessions.iter().map(|session| session.id.clone()).collect();
        left.sort();
        assert_eq!(server.ids(), left, "after the end of {row}");
    }
}

#[test]
fn the_name_of_one_is_the_id_of_another() {
    let world = World::new();
    let server = world.server("main");
    let base = server.sleeper("base");
    let named = server.sleeper("$0");
    assert_eq!((base.id.as_str(), named.id.as_str()), ("$0", "$1"));
    let (of_base, of_named) = (base.handle(), named.handle());

    world.reap(&["kill", "--yes", "$0"]).exits(2).says(&[&of_base, &of_named]);
    assert!(base.lives() && named.lives(), "a word that means two sessions ends neither");

    world.reap(&["kill", "--yes", &of_named]).exits(0);
    assert!(!named.lives());
    assert!(base.lives());
    world.reap(&["kill", "--yes", "$0"]).exits(0);
    assert!(server.ids().is_empty());
}

#[test]
fn a_session_answers_to_handle_address_key_and_title() {
    let world = World::new();
    let server = world.server("main");
    let bystander = server.sleeper("bystander");
    for way in 0..5 {
        let session = server.sleeper("wanted");
        let handle = session.handle();
        let word = [&handle, &handle[..8], &session.address(), &session.id, "wanted"][way].to_owned();
        world.reap(&["kill", "--yes", &word]).exits(0);
        assert_eq!(server.ids(), [&*bystander.id], "by {word}");
    }
    let handle = bystander.handle();
    world.reap(&["kill", "--yes", &handle[..3]]).exits(3);
    assert!(bystander.lives(), "three digits are no handle");
}

#[test]
fn one_title_on_two_servers_names_neither() {
    let world = World::new();
    let [first, second] = ["first", "second"].map(|name| world.server(name).sleeper("build"));
    world.reap(&["kill", "--yes", "build"]).exits(2).says(&[&first.handle(), &second.handle()]);
    assert!(first.lives() && second.lives());
    world.reap(&["kill", "--yes", &first.address()]).exits(0);
    assert!(!first.lives());
    assert!(second.lives());
}

/// Free text that tries to be rows of what tmux prints: of a session that does
/// not exist, and of pid 1 in one that does.
const FORGED: &str =
    "x\nS $9 1 1  0 0 0  @9%9:1:0:1; 6 forged \nS $0 1 1  0 0 0  @0%0:1:0:1; 1 x \n$9 %9 1 0 \nC $0 0\n";

#[test]
fn a_directory_that_imitates_rows_adds_nothing() {
    let world = World::new();
    let folder = world.path("home").join(FORGED.replace('/', "_"));
    fs::create_dir(&folder).expect("a newline may be in a name");
    let server = world.server("main");
    let path = folder.to_string_lossy().into_owned();
    let id = server.tmux(&[
        "new-session",
        "-d",
        "-P",
        "-F",
        "#{session_id}",
        "-s",
        "a",
        "-c",
        &path,
        "sleep",
        "600",
    ]);
    holds("the directory", || server.tmux(&["display-message", "-p", "#{pane_current_path}"]) == path);
    let row = only(&world.reap(&["ls", "--json"]).exits(0).json());
    let leader = server.tmux(&["display-message", "-p", "#{pane_pid}"]);
    assert_eq!(row.at("/key").text(), id);
    assert_eq!(row.at("/cwd").text(), path);
    assert_eq!(row.at("/processes").processes().len(), 1);
    assert_eq!(row.at("/processes/0/pid").to_string(), leader);
    assert_eq!(world.reap(&["ls"]).exits(0).stdout.lines().count(), 2);
    world.reap(&["kill", "--yes", "a"]).exits(0);
}

#[test]
fn options_and_titles_that_imitate_rows_add_nothing() {
    let world = World::new();
    let server = world.server("main");
    let session = server.sleeper("a");
    server.tmux(&["set-option", "-t", &session.id, "@reap-owner", FORGED]);
    server.tmux(&["set-option", "-t", &session.id, "@other", FORGED]);
    server.tmux(&["rename-window", "-t", "a:", FORGED]);
    server.tmux(&["select-pane", "-t", "a:", "-T", FORGED]);
    let row = only(&world.reap(&["ls", "--json"]).exits(0).json());
    assert_eq!(row.at("/processes").processes(), [session.leader()]);
    assert!(row.at("/parent").is_null(), "an owner that is no address makes no parent: {row}");
}

/// tmux keeps the name of a group as it was given, unlike that of a session.
#[test]
fn a_group_that_imitates_rows_adds_nothing() {
    let world = World::new();
    let server = world.server("main");
    let session = server.sleeper("a");
    let id = server.tmux(&["new-session", "-d", "-P", "-F", "#{session_id}", "-t", FORGED, "-s", "b"]);
    let listed = world.reap(&["ls", "--json"]).exits(0).json();
    assert_eq!(listed.each("/key"), [session.id.clone(), id]);
    assert_eq!(listed.find("/title", "a").at("/processes").processes(), [session.leader()]);
    assert!(!listed.find("/title", "a").at("/attached").flag());
}

#[test]
fn an_owner_tag_names_the_parent() {
    let world = World::new();
    let server = world.server("main");
    let (boss, worker) = (server.sleeper("boss"), server.sleeper("worker"));
    server.tmux(&["set-option", "-t", &worker.id, "@reap-owner", &boss.address()]);
    let row = world.reap(&["show", "--json", "worker"]).exits(0).json();
    assert_eq!(row.at("/kind").text(), "worker");
    assert_eq!(row.at("/parent/key").text(), boss.id);
    assert_eq!(row.at("/parent_state").text(), "alive");
}

#[track_caller]
fn only(listed: &Json) -> Json {
    let mut all = listed.list();
    assert_eq!(all.len(), 1, "{listed}");
    all.remove(0)
}
