//! Directory locks: taken by hand, by sessions and by themselves, and never left
//! behind.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::support::{Server, Session, World, holds, quick};

fn folder(world: &World, name: &str) -> String {
    let folder = world.path(name);
    fs::create_dir(&folder).expect("it is new");
    fs::canonicalize(folder).expect("it is there").to_string_lossy().into_owned()
}

/// The locked directories.
fn locked(world: &World) -> Vec<String> {
    world.reap(&["locks", "--json"]).exits(0).json().each("/directory")
}

/// The same alone and with a daemon.
#[test]
fn by_hand() {
    for with_daemon in [false, true] {
        let world = World::with(&quick("observe"));
        let daemon = with_daemon.then(|| world.daemon());
        let work = folder(&world, "work");
        let link: PathBuf = world.path("link");
        symlink(&work, &link).expect("linked");
        let link = link.to_string_lossy().into_owned();

        assert_eq!(world.path("state").exists(), with_daemon);
        world.reap(&["locks"]).exits(0).says(&["No directory is locked."]);
        world.reap(&["lock", &work, "--as", "me"]).exits(0).says(&["is locked for me", "reap unlock "]);
        world.reap(&["lock", &link, "--as", "me"]).exits(0);
        let taken = world.reap(&["lock", &link, "--as", "you"]).exits(4);
        taken.says(&[&format!("{work} is locked since "), " for me; `reap unlock` frees it"]);
        let locks = world.reap(&["locks", "--json"]).exits(0).json();
        assert_eq!(locks.at("/0/directory").text(), work);
        assert_eq!(
            (locks.at("/0/holder/holder").text(), locks.at("/0/holder/name").text()),
            ("person", "me")
        );
        assert!(locks.at("/0/since").number() > 1_700_000_000_000, "{locks}");
        world.reap(&["locks"]).exits(0).says(&["DIRECTORY", &work, "me"]);
        world.reap(&["unlock", &link]).exits(0);
        world.reap(&["unlock", &work]).exits(3).says(&["is not locked"]);
        assert_eq!(locked(&world), [""; 0]);

        world.reap(&["lock", &world.path("none").to_string_lossy()]).exits(1).says(&["cannot be locked"]);
        world.reap(&["lock", &world.path("config/reap/reap.toml").to_string_lossy()]).exits(1);
        world.reap(&["lock", &work, "--session", "nobody"]).exits(3);
        world.reap(&["lock", &work, "--as", ""]).exits(2);

        // One that is gone can be freed.
        world.reap(&["lock", &work]).exits(0);
        fs::remove_dir(&work).expect("it is empty");
        world.reap(&["unlock", &work]).exits(0);
        if let Some(daemon) = daemon {
            assert_eq!(daemon.stop(), 0);
        }
    }
}

#[test]
fn the_lock_of_a_session_goes_when_reap_ends_it() {
    for with_daemon in [false, true] {
        let world = World::with(&quick("observe"));
        let session = world.server("main").sleeper("work");
        world.server("main").sleeper("other");
        let daemon = with_daemon.then(|| world.daemon());
        let work = folder(&world, "work");
        world.reap(&["lock", &work, "--session", "work"]).exits(0).says(&["is locked for the session "]);
        world.reap(&["lock", &work, "--as", "me"]).exits(4).says(&["for the session "]);
        assert_eq!(locked(&world), [work]);
        world.reap(&["kill", "--yes", "work"]).exits(0);
        assert!(!session.lives());
        assert_eq!(locked(&world), [""; 0], "with a daemon: {with_daemon}");
        if let Some(daemon) = daemon {
            assert_eq!(daemon.stop(), 0);
        }
    }
}

#[test]
fn the_lock_of_a_session_goes_when_it_vanishes() {
    let world = World::with(&format!("{}[records]\nspacing = \"0s\"\n", quick("observe")));
    let server = world.server("main");
    let session = server.sleeper("work");
    server.sleeper("other");
    let daemon = world.daemon();
    let (work, mine) = (folder(&world, "work"), folder(&world, "mine"));
    world.reap(&["lock", &work, "--session", "work"]).exits(0);
    world.reap(&["lock", &mine, "--as", "me"]).exits(0);
    daemon.cycle();
    daemon.cycle();
    assert_eq!(locked(&world).len(), 2);
    server.tmux(&["kill-session", "-t", &session.id]);
    holds("a freed directory", || locked(&world) == [mine.clone()]);
    assert_eq!(daemon.stop(), 0);
}

const AUTOMATIC: &str = "[records]\nspacing = \"0s\"\n[locks]\nautomatic = [\"title:auto-*\"]\n";

fn in_folder<'w>(server: Server<'w>, name: &str, folder: &str) -> Session<'w> {
    let session = server.start(name, &["-c", folder, "sleep", "600"]);
    holds("the sleeper", || session.shows("#{pane_current_command}", "sleep"));
    session
}

#[test]
fn automatic_locks_come_and_go_with_who_works_there() {
    let world = World::with(&format!("{}{AUTOMATIC}", quick("observe")));
    let server = world.server("main");
    let work = folder(&world, "work");
    server.sleeper("other");
    let first = in_folder(server, "auto-1", &work);
    let daemon = world.daemon();
    holds("a lock", || locked(&world) == [work.clone()]);
    let second = in_folder(server, "auto-2", &work);
    let lock = || world.reap(&["locks", "--json"]).exits(0).json().at("/0");
    holds("a contender", || lock().at("/contenders").list().len() == 1);
    let handles = [first.handle(), second.handle()];
    assert_eq!(lock().at("/holder/holder").text(), "automatic");
    assert_eq!(lock().at("/holder/session/handle").text(), handles[0]);
    assert_eq!(lock().at("/contenders/0/handle").text(), handles[1]);
    world.reap(&["locks"]).exits(0).says(&["which works there", &handles[0][..8], &handles[1][..8]]);
    world.reap(&["lock", &work, "--as", "me"]).exits(4).says(&["is locked since "]);

    server.tmux(&["kill-session", "-t", &first.id]);
    holds("the next holder", || {
        let locks = world.reap(&["locks", "--json"]).exits(0).json().list();
        locks.len() == 1 && locks[0].at("/holder/session/handle").text() == handles[1]
    });
    server.tmux(&["kill-session", "-t", &second.id]);
    holds("no lock", || locked(&world).is_empty());
    assert_eq!(daemon.stop(), 0);
}

/// A server that does not answer may well be at work.
#[test]
fn nothing_is_freed_while_nobody_knows() {
    let world = World::with(&format!("{}{AUTOMATIC}", quick("observe")));
    let server = world.server("main");
    let (work, mine) = (folder(&world, "work"), folder(&world, "mine"));
    let session = in_folder(server, "auto-1", &work);
    server.sleeper("other");
    let daemon = world.daemon();
    world.reap(&["lock", &mine, "--session", "other"]).exits(0);
    holds("both locks", || locked(&world).len() == 2);
    let process = server.process();
    process.signal(Signal::STOP);
    holds("a server that is not known", || !daemon.status().at("/unknown").list().is_empty());
    daemon.cycle();
    assert_eq!(locked(&world).len(), 2);
    process.signal(Signal::CONT);
    holds("a server that is known", || daemon.status().at("/unknown").list().is_empty());
    assert_eq!(locked(&world).len(), 2);
    server.tmux(&["kill-session", "-t", &session.id]);
    holds("one lock less", || locked(&world) == [mine.clone()]);
    assert_eq!(daemon.stop(), 0);
}
