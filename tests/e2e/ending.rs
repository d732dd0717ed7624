//! Ended means that nothing of the session lives on, and that nothing else was
//! touched. tmux itself sends no signal: it closes a terminal, and what does not
//! care about that stays.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Family, Process, Server, Session, World, holds, run, skip};

/// Everything around a session that must outlive it.
struct Outside<'w> {
    server: Server<'w>,
    sessions: Vec<Session<'w>>,
    processes: Vec<Process>,
}

impl<'w> Outside<'w> {
    /// A session on the same server, one on another, a process of no session.
    #[track_caller]
    fn of(server: &Server<'w>) -> Self {
        let world = server.world;
        let sessions = vec![server.shell("neighbour"), world.server("elsewhere").sleeper("elsewhere")];
        let leaders = sessions.iter().map(Session::leader);
        let processes = leaders.chain([server.process(), world.bystander()]).collect();
        Self { server: *server, sessions, processes }
    }

    #[track_caller]
    fn is_untouched(&self) {
        for session in &self.sessions {
            assert!(session.lives(), "the session {} of {} was ended", session.id, session.server.instance());
        }
        let dead: Vec<&Process> = self.processes.iter().filter(|process| !process.lives()).collect();
        assert!(dead.is_empty(), "these outside of the session were ended: {dead:?}");
        assert!(self.server.ids().contains(&self.sessions[0].id));
    }
}

#[test]
fn every_kind_of_child_ends_with_its_session() {
    let world = World::new();
    let server = world.server("main");
    let outside = Outside::of(&server);
    let (session, family) = Family::start(&server, "victim", false, "wait");
    assert_eq!(family.alive().len(), 7);

    let ran = world.reap(&["kill", "--yes", "--json", "victim"]).exits(0);
    assert_eq!(family.alive(), Vec::<&str>::new(), "{ran}");
    assert!(!session.lives());
    let item = ran.json().at("/items/0");
    assert_eq!(item.at("/outcome").text(), "ended");
    assert!(item.at("/survivors").list().is_empty());
    outside.is_untouched();
}

#[test]
fn a_leader_that_ignores_the_hangup_ends_too() {
    let world = World::new();
    let server = world.server("main");
    let outside = Outside::of(&server);
    let (session, family) = Family::start(&server, "victim", false, "trap '' HUP; wait");
    let ran = world.reap(&["kill", "--yes", "victim"]).exits(0);
    assert_eq!(family.alive(), Vec::<&str>::new(), "{ran}");
    assert!(!session.lives());
    outside.is_untouched();
}

#[test]
fn jobs_of_a_shell_end_with_it() {
    let world = World::new();
    let server = world.server("main");
    let outside = Outside::of(&server);
    let (session, family) = Family::in_shell(&server, "victim");
    let ran = world.reap(&["kill", "--yes", "--force", "victim"]).exits(0);
    assert_eq!(family.alive(), Vec::<&str>::new(), "{ran}");
    assert!(!session.lives());
    outside.is_untouched();
}

/// TERM, then five seconds, then KILL.
#[test]
fn a_child_that_ignores_term_is_killed_after_the_grace() {
    let world = World::new();
    let server = world.server("main");
    let outside = Outside::of(&server);
    let (session, family) = Family::start(&server, "victim", true, "wait");
    let ran = world.reap(&["kill", "--yes", "--json", "victim"]).exits(0);
    assert_eq!(family.alive(), Vec::<&str>::new(), "{ran}");
    assert!(!session.lives());
    assert!(ran.took >= Duration::from_secs(5), "it was killed before the grace was over: {:?}", ran.took);
    let notes = ran.json().at("/items/0/notes");
    let notes: Vec<String> = notes.list().iter().map(|note| note.text().to_owned()).collect();
    assert!(notes.iter().any(|note| note.contains("2 processes") && note.contains("KILL")), "{notes:?}");
    outside.is_untouched();
}

#[test]
fn a_child_that_was_stopped_ends_too() {
    let world = World::new();
    let server = world.server("main");
    let (session, family) = Family::start(&server, "victim", false, "wait");
    for kind in ["setsid", "daemon", "ignores-hup"] {
        family.children[kind].signal(Signal::STOP);
    }
    world.reap(&["kill", "--yes", "victim"]).exits(0);
    assert_eq!(family.alive(), Vec::<&str>::new());
    assert!(!session.lives());
}

/// Its process carries the variable by which children of the session are known,
/// and everything in it was started from inside the session. It serves others
/// all the same.
#[test]
fn a_server_that_was_started_from_inside_lives_on() {
    let world = World::new();
    let server = world.server("main");
    let outside = Outside::of(&server);
    let victim = server.shell("victim");
    let inner = world.server("inner");
    victim.types("tmux -f /dev/null -L inner new-session -d -s guest sleep 600");
    holds("the inner server", || inner.ids() == ["$0"]);
    let process = inner.process();
    let inherited = process.variable("TMUX").expect("it was started inside tmux");
    assert!(inherited.starts_with(&server.instance()) && inherited.ends_with(&victim.id[1..]), "{inherited}");
    let guest = Session { server: inner, id: "$0".to_owned() };
    let (leader, of_guest) = (victim.leader(), guest.leader());

    world.reap(&["kill", "--yes", "--force", &victim.address()]).exits(0);
    assert!(!victim.lives());
    assert!(!leader.lives());
    assert!(process.lives(), "the inner server was ended");
    assert!(guest.lives() && of_guest.lives(), "the session in it was ended");
    outside.is_untouched();
}

/// The same where reap does not look, so that nothing but its kind tells that it
/// serves others.
#[test]
fn a_server_at_an_unknown_place_lives_on() {
    let world = World::new();
    let server = world.server("main");
    let victim = server.shell("victim");
    let stays = server.sleeper("stays");
    let (socket, file) = (world.path("hidden.sock"), world.path("pid"));
    let guest = format!(r"sh -c 'echo \$\$ >{}; exec sleep 600'", file.display());
    victim.types(&format!("tmux -f /dev/null -S {} new-session -d \"{guest}\"", socket.display()));
    let guest = world.process_in(&file);
    let ask = ["-S", &socket.to_string_lossy(), "display-message", "-p", "#{pid}"];
    let pid = run(world.command("tmux").args(ask)).exits(0).stdout;
    let pid = pid.trim();
    let hidden = Process::of(pid.parse().expect("a pid")).expect("the server runs");
    assert!(hidden.variable("TMUX").is_some_and(|value| value.starts_with(&server.instance())));

    world.reap(&["kill", "--yes", "--force", "victim"]).exits(0).says(&["tmux: server", pid]);
    assert!(!victim.lives());
    assert!(hidden.lives(), "the hidden server was ended");
    assert!(guest.lives(), "what runs in it was ended");
    assert!(stays.lives());
}

#[test]
fn all_panes_and_windows_end() {
    let world = World::new();
    let server = world.server("main");
    let outside = Outside::of(&server);
    let victim = server.sleeper("victim");
    server.tmux(&["split-window", "-t", "victim:", "sleep", "600"]);
    server.tmux(&["new-window", "-t", "victim:", "sleep", "600"]);
    let pids = server.tmux(&["list-panes", "-s", "-t", "victim:", "-F", "#{pane_pid}"]);
    let all: Vec<Process> =
        pids.lines().map(|pid| Process::of(pid.parse().expect("a pid")).expect("it runs")).collect();
    let mut listed = world.reap(&["show", "--json", "victim"]).exits(0).json().at("/processes").processes();
    listed.sort();
    assert_eq!(listed.len(), 3);
    assert!(all.iter().all(|process| listed.contains(process)));
    world.reap(&["kill", "--yes", "victim"]).exits(0);
    assert!(!victim.lives());
    assert!(!all.iter().any(|process| process.lives()));
    outside.is_untouched();
}

/// With its last session a server ends. That is no failure, and no other server
/// is touched.
#[test]
fn several_are_ended_at_once_and_their_servers_with_them() {
    let world = World::new();
    let (one, two) = (world.server("one"), world.server("two"));
    let sessions = [one.sleeper("a"), one.shell("b"), two.sleeper("c")];
    let stays = two.sleeper("stays");
    let leaders: Vec<Process> = sessions.iter().map(Session::leader).collect();
    let server = one.process();
    let ran = world.reap(&["kill", "--yes", "--json", "a", "b", "c"]).exits(0);
    assert_eq!(ran.json().at("/items").each("/outcome"), ["ended"; 3]);
    assert!(!leaders.iter().any(|leader| leader.lives()));
    holds("the end of the server without sessions", || !server.lives());
    assert_eq!(two.ids(), [stays.id]);
}

/// The host never signals a process of another user. Then the session is not
/// wholly ended, and that is said.
#[test]
fn what_belongs_to_another_user_is_named_and_not_touched() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can start a process of another user");
    }
    let world = World::new();
    world.open_to_all();
    let server = world.server("main");
    let file = world.path("home").join("pid");
    std::fs::File::create(&file).expect("a new file");
    let session = server.shell("victim");
    session.types(&format!(
        "nohup setpriv --reuid=65534 --clear-groups sh -c 'echo $$; exec sleep 600' >{} 2>/dev/null &",
        file.display()
    ));
    let foreign = world.process_in(&file);
    holds("the change of user", || {
        std::fs::read_to_string(format!("/proc/{}/comm", foreign.pid))
            .is_ok_and(|name| name.trim() == "sleep")
    });
    let leader = session.leader();
    let ran = world.reap(&["kill", "--yes", "--force", "--json", "victim"]);
    assert!(!session.lives());
    assert!(!leader.lives());
    assert!(foreign.lives(), "a process of another user was signalled");
    let item = ran.exits(5).json().at("/items/0");
    assert_eq!(item.at("/outcome").text(), "failed");
    assert_eq!(item.at("/survivors/0/process/pid").number(), u64::from(foreign.pid), "{item}");
}
