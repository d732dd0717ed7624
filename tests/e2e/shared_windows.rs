//! Windows that several sessions show. Ending one of those sessions ends no
//! process, and whoever asked for the end must be told.

use crate::support::{Process, World};

#[test]
fn a_member_of_a_group_leaves_its_windows_to_the_others() {
    let world = World::new();
    let server = world.server("main");
    let first = server.sleeper("first");
    server.tmux(&["new-window", "-d", "-t", "first:", "sleep", "600"]);
    let member = server.start("second", &[]);
    let id = server.tmux(&["new-session", "-d", "-P", "-F", "#{session_id}", "-t", "first", "-s", "third"]);
    let mut leaders = world.reap(&["show", "--json", "first"]).exits(0).json().at("/processes").processes();
    assert_eq!(leaders.len(), 2);

    let ran = world.reap(&["kill", "--yes", "--json", "third"]).exits(0);
    let item = ran.json().at("/items/0");
    assert_eq!(item.at("/outcome").text(), "ended");
    let notes = item.at("/notes").to_string();
    assert!(notes.contains("no process ended") && notes.contains(&first.id), "{notes}");
    assert!(!server.ids().contains(&id));
    assert!(first.lives() && member.lives());
    assert!(leaders.iter().all(|process| process.lives()), "processes of the group were ended");

    world.reap(&["kill", "--yes", "first"]).exits(0);
    leaders.retain(|process| process.lives());
    assert_eq!(leaders, [], "the last of a group takes its processes along");
    assert!(member.lives());
}

#[test]
fn the_text_for_people_says_it_too() {
    let world = World::new();
    let server = world.server("main");
    server.sleeper("first");
    server.tmux(&["new-session", "-d", "-t", "first", "-s", "second"]);
    world.reap(&["kill", "--yes", "second"]).exits(0).says(&["no process ended", "live on"]);
}

#[test]
fn a_whole_group_ends_with_its_processes() {
    let world = World::new();
    let server = world.server("main");
    let first = server.sleeper("first");
    server.tmux(&["new-session", "-d", "-t", "first", "-s", "second"]);
    let stays = server.sleeper("stays");
    let (leader, neighbour) = (first.leader(), stays.leader());
    world.reap(&["kill", "--yes", "first", "second"]).exits(0);
    assert_eq!(server.ids(), [stays.id]);
    assert!(!leader.lives());
    assert!(neighbour.lives());
}

#[test]
fn a_window_that_is_linked_elsewhere_lives_on() {
    let world = World::new();
    let server = world.server("main");
    let (lender, borrower) = (server.sleeper("lender"), server.sleeper("borrower"));
    let lent = lender.leader();
    let own = server.tmux(&["new-window", "-d", "-P", "-F", "#{pane_pid}", "-t", "lender:", "sleep", "600"]);
    let own = Process::of(own.parse().expect("a pid")).expect("it runs");
    server.tmux(&["link-window", "-d", "-s", "lender:0", "-t", "borrower:7"]);

    let ran = world.reap(&["kill", "--yes", "--json", "lender"]).exits(0);
    let notes = ran.json().at("/items/0/notes").to_string();
    assert!(notes.contains("1 of its 2 processes") && notes.contains(&borrower.id), "{notes}");
    assert_eq!(server.ids(), [&*borrower.id]);
    assert!(lent.lives(), "the linked window was ended");
    assert!(!own.lives(), "the window that nobody else shows lives on");
    world.reap(&["kill", "--yes", "borrower"]).exits(0);
    assert!(!lent.lives());
}
