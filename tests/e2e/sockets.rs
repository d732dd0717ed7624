//! What is behind a socket, or is not. Unknown is never gone: what cannot be
//! looked at is said, and changes nothing for the rest.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use rustix::process::Signal;

use crate::support::{World, holds, run};

#[test]
fn a_stale_socket_is_no_fault() {
    let world = World::new();
    let (stays, ended, killed) = (world.server("stays"), world.server("ended"), world.server("killed"));
    stays.sleeper("work");
    ended.sleeper("work");
    killed.sleeper("work");
    ended.end();
    killed.process().signal(Signal::KILL);
    holds("the end of the server", || killed.try_tmux(&["list-sessions"]).code != 0);
    // And one that no tmux ever used.
    drop(UnixListener::bind(world.sockets().join("abandoned")).expect("a socket"));

    let ran = world.reap(&["ls", "--json"]).exits(0);
    assert_eq!(ran.json().each("/instance"), [stays.instance()]);
    assert_eq!(ran.stderr, "");
    let all = world.reap(&["ls", "--all"]).exits(0);
    for name in ["ended", "killed", "abandoned"] {
        assert!(all.stdout.contains(&format!("/{name}: nothing there")), "{all}");
    }
}

/// tmux tells its panes the real path of its socket. Known by another spelling,
/// a server would be another instance, and a parent's child nobody's.
#[test]
fn a_server_is_known_by_its_real_path() {
    let world = World::new();
    let server = world.server("main");
    server.sleeper("work");
    symlink(world.path("tmux"), world.path("linked")).expect("a link can be made");
    let folder = world.path("tmux").display().to_string();
    let linked = world.path("linked").display().to_string();
    for spelt in
        [linked, format!("{folder}/"), format!("/{folder}"), format!("{folder}/../tmux/."), "../tmux".into()]
    {
        let mut command = world.reap_command(&["ls", "--json"]);
        command.env("TMUX_TMPDIR", &spelt);
        let listed = run(&mut command).exits(0).json();
        assert_eq!(listed.each("/instance"), [server.instance()], "{spelt}");
    }
}

#[test]
fn three_servers_are_looked_at_together() {
    let world = World::new();
    let (one, two, dead) = (world.server("one"), world.server("two"), world.server("dead"));
    let keys = [one.sleeper("a"), one.sleeper("b"), two.sleeper("a")];
    dead.sleeper("a");
    dead.end();
    let listed = world.reap(&["ls", "--json"]).exits(0).json();
    assert_eq!(listed.each("/instance"), [one.instance(), one.instance(), two.instance()]);
    let handles = listed.each("/handle");
    assert!(handles.windows(2).all(|pair| pair[0] != pair[1]), "{listed}");
    world.reap(&["ls", "instance:*/two", "--json"]).exits(0).json().find("/key", &keys[2].id);
    world.reap(&["kill", "--yes", "b", &keys[2].address()]).exits(0);
    assert_eq!((one.ids().len(), two.ids().len()), (1, 0));
}

/// A socket behind which something listens and never says a word.
struct Mute {
    _listener: UnixListener,
    path: String,
}

impl Mute {
    fn in_world(world: &World) -> Self {
        let path = world.sockets().join("mute");
        let listener = UnixListener::bind(&path).expect("a socket");
        Self { _listener: listener, path: path.to_string_lossy().into_owned() }
    }
}

#[test]
fn a_socket_that_never_answers_is_unknown() {
    let world = World::with("[policies.idle-shell]\nafter = \"0s\"\n");
    let server = world.server("main");
    let (orphan, busy) = (server.shell("orphan"), server.sleeper("busy"));
    let mute = Mute::in_world(&world);
    let before = world.processes();

    let ran = world.reap(&["ls", "--json"]).exits(5).says(&[&mute.path]);
    assert_eq!(ran.json().each("/title"), ["busy", "orphan"], "the rest is listed");
    let mut after = world.processes();
    after.retain(|process| !before.contains(process));
    assert_eq!(after, [], "the client that waits for the mute server was left behind");

    let done = world.reap(&["cleanup", "--yes", "--json"]).exits(0).says(&[&mute.path]).json();
    assert_eq!(done.at("/unknown/0/instance").text(), mute.path);
    assert_eq!(done.at("/unknown/0/backend").text(), "tmux");
    assert!(!orphan.lives(), "the rest is cleaned up");
    assert!(busy.lives());
}

/// A session may be where reap cannot look. Then "there is no such session" alone
/// would be a lie.
#[test]
fn a_session_that_is_not_found_may_be_where_nobody_could_look() {
    let world = World::new();
    world.server("main").sleeper("work");
    let mute = Mute::in_world(&world);
    world.reap(&["kill", "--yes", "elsewhere"]).exits(3).says(&["elsewhere", &mute.path]);
}

#[test]
fn a_server_that_hangs_is_unknown_and_not_gone() {
    let world = World::new();
    let server = world.server("main");
    let session = server.sleeper("work");
    let process = server.process();
    process.signal(Signal::STOP);
    let ran = world.reap(&["ls"]).exits(5).says(&[&server.instance()]);
    assert!(!ran.stdout.contains("work"));
    world.reap(&["kill", "--yes", "work"]).exits(3).says(&[&server.instance()]);
    process.signal(Signal::CONT);
    world.reap(&["ls", "--json"]).exits(0).json().find("/key", &session.id);
    assert!(session.lives());
}

/// Neither a plugin that could not be loaded nor one that gave up half-way says
/// that there is nothing.
#[test]
fn a_backend_that_reaches_its_limits_knows_nothing() {
    let world = World::new();
    let server = world.server("main");
    let (first, second) = (server.sleeper("first"), server.sleeper("second"));
    for (limit, number) in [("memory_bytes", 1), ("sessions", 1), ("output_bytes", 10)] {
        world.configure(&format!("[backends.tmux.limits]\n{limit} = {number}\n"));
        let ran = world.reap(&["ls", "--json"]).exits(5).says(&["tmux", limit]);
        assert!(ran.json().list().is_empty(), "{ran}");
        world.reap(&["kill", "--yes", "first"]).exits(3).says(&["first", limit]);
    }
    assert!(first.lives() && second.lives());
}

#[test]
fn a_server_without_sessions_is_a_server() {
    let world = World::new();
    let server = world.server("main");
    let session = server.sleeper("work");
    server.tmux(&["set-option", "-s", "exit-empty", "off"]);
    let process = server.process();
    world.reap(&["kill", "--yes", "work"]).exits(0);
    assert!(!session.lives());
    let ran = world.reap(&["ls", "--json", "--all"]).exits(0);
    assert!(ran.json().list().is_empty());
    assert_eq!(ran.stderr, "");
    assert!(process.lives());
}

#[test]
fn other_things_in_the_folder_are_left_out() {
    let world = World::new();
    let server = world.server("main");
    server.sleeper("work");
    let folder = world.sockets();
    fs::write(folder.join("a file"), "").expect("a file");
    fs::create_dir(folder.join("a folder")).expect("a folder");
    symlink(server.socket(), folder.join("a link")).expect("a link");
    let ran = world.reap(&["ls", "--json"]).exits(0);
    assert_eq!(ran.json().list().len(), 1, "{ran}");
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_name_that_is_no_text_is_unknown() {
    let world = World::new();
    world.server("main").sleeper("work");
    let name = std::ffi::OsStr::from_bytes(b"odd\xff");
    let _listener = UnixListener::bind(world.sockets().join(name)).expect("a socket");
    let ran = world.reap(&["ls", "--json"]).exits(5).says(&["UTF-8"]);
    assert_eq!(ran.json().each("/title"), ["work"]);
}

#[test]
fn a_socket_with_an_awkward_name_is_a_server_like_any_other() {
    let world = World::new();
    for name in ["two words", "ünï", "-n", "a;b", "#{pid}"] {
        let session = world.server(name).sleeper("work");
        let listed = world.reap(&["ls", "--json"]).exits(0).json();
        assert_eq!(listed.each("/label"), [name]);
        world.reap(&["kill", "--yes", &session.address()]).exits(0);
        assert!(!session.lives());
    }
}

#[test]
fn configured_sockets_are_looked_at_too() {
    let world = World::new();
    let path = world.path("free.sock");
    // A server at a path of its own is ended with the world by its mark.
    let start =
        ["-f", "/dev/null", "-S", &path.to_string_lossy(), "new-session", "-d", "-s", "free", "sleep", "600"];
    run(world.command("tmux").args(start)).exits(0);
    assert!(world.reap(&["ls", "--json"]).exits(0).json().list().is_empty());
    world.configure(&format!("[backends.tmux]\nsockets = [\"{}\"]\n", path.display()));
    assert_eq!(world.reap(&["ls", "--json"]).exits(0).json().each("/title"), ["free"]);
    world.reap(&["kill", "--yes", "free"]).exits(0);
    assert!(world.reap(&["ls", "--json"]).exits(0).json().list().is_empty());
    world.configure("[backends.tmux]\nsockets = [\"free.sock\"]\n");
    world.reap(&["ls"]).says(&["sockets", "free.sock", "whole path"]);
}

/// Else its sessions would count twice.
#[test]
fn a_server_behind_two_paths_is_listed_once() {
    let world = World::new();
    let server = world.server("main");
    server.sleeper("work");
    let link = world.path("link.sock");
    symlink(server.socket(), &link).expect("a link can be made");
    world.configure(&format!("[backends.tmux]\nsockets = [\"{}\"]\n", link.display()));
    let listed = world.reap(&["ls", "--json"]).exits(0).json();
    assert_eq!(listed.each("/instance"), [server.instance()]);
    world.reap(&["kill", "--yes", "work"]).exits(0);
}

#[test]
fn an_unreadable_folder_is_unknown() {
    let world = World::of_nobody();
    let other = world.path("free.sock").to_string_lossy().into_owned();
    world.configure(&format!("[backends.tmux]\nsockets = [\"{other}\"]\n"));
    let start = ["-f", "/dev/null", "-S", &other, "new-session", "-d", "-s", "free", "sleep", "600"];
    run(world.command("tmux").args(start)).exits(0);
    let folder = world.sockets();
    fs::DirBuilder::new().mode(0o000).create(&folder).expect("a new folder");
    let ran = world.reap(&["ls", "--json"]);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("our own folder");
    let ran = ran.exits(5).says(&[&folder.to_string_lossy(), "Permission denied"]);
    assert_eq!(ran.json().each("/title"), ["free"], "the rest is listed");
}

/// tmux says of a file that nobody listens there. Taken for a server that has
/// ended, a slip in the configuration would hide the one that was meant.
#[test]
fn a_configured_path_that_is_no_socket_is_unknown() {
    let world = World::new();
    world.server("main").sleeper("work");
    let (file, folder) = (world.write("file", "text"), world.path("home"));
    for (path, kind) in
        [(file, "a regular file"), (folder, "a directory"), ("/dev/null".into(), "a character")]
    {
        world.configure(&format!("[backends.tmux]\nsockets = [\"{}\"]\n", path.display()));
        let says = [&*path.to_string_lossy(), "no socket", kind, "reap.toml", "sockets"];
        let ran = world.reap(&["ls", "--json"]).exits(5).says(&says);
        assert_eq!(ran.json().each("/title"), ["work"], "the rest is listed");
        let plan = world.reap(&["cleanup", "--dry-run", "--json"]).json();
        assert_eq!(plan.at("/unknown").each("/instance"), [path.to_string_lossy()]);
        world.reap(&["kill", "--yes", "elsewhere"]).exits(3).says(&says);
    }
    // A socket that a server left behind, and a path at which there is nothing, are no fault.
    let (stale, missing) = (world.path("stale"), world.path("missing"));
    drop(UnixListener::bind(&stale).expect("a socket"));
    let both = format!("\"{}\", \"{}\"", stale.display(), missing.display());
    world.configure(&format!("[backends.tmux]\nsockets = [{both}]\n"));
    let ran = world.reap(&["ls", "--all"]).exits(0);
    assert_eq!(ran.stderr, "");
    for path in [stale, missing] {
        assert!(ran.stdout.contains(&format!("{}: nothing there", path.display())), "{ran}");
    }
}

#[test]
fn without_tmux_nothing_is_known() {
    let world = World::new();
    let server = world.server("main");
    let session = server.sleeper("work");
    let empty = world.path("home").to_string_lossy().into_owned();
    let reap = |words: &[&str]| run(world.reap_command(words).env("PATH", &empty));
    let ran = reap(&["ls", "--json"]).exits(5).says(&["tmux", "install", "PATH"]);
    assert!(ran.json().list().is_empty());
    reap(&["kill", "--yes", "work"]).exits(3).says(&["install"]);
    reap(&["cleanup", "--yes"]).says(&["install"]);
    reap(&["plugin", "list"]).exits(0);
    assert!(session.lives());
}
