//! What the bundled policies find, what they must never find, and how votes
//! become a verdict.

use crate::support::{Client, HOSTILE_POLICY, Json, Session, World, holds, skip};

const AT_ONCE: &str = "[policies.idle-shell]\nafter = \"0s\"\n[policies.dead-panes]\nafter = \"0s\"\n";

#[track_caller]
fn verdict(world: &World, title: &str) -> Json {
    world.reap(&["show", "--json", title]).exits(0).json().at("/verdict")
}

#[track_caller]
fn vote(world: &World, title: &str) -> String {
    verdict(world, title).at("/vote").text().to_owned()
}

/// A session whose one program has ended, kept by `remain-on-exit`.
#[track_caller]
fn dead<'w>(world: &'w World, title: &str) -> Session<'w> {
    let server = world.server("main");
    let session = server.sleeper(title);
    server.tmux(&["set-option", "-w", "-t", &format!("{}:", session.id), "remain-on-exit", "on"]);
    server.tmux(&["respawn-pane", "-k", "-t", &format!("{}:", session.id), "true"]);
    holds("a dead pane", || session.shows("#{pane_dead}", "1"));
    session
}

#[test]
fn dead_panes_are_found_and_ended() {
    let world = World::with(AT_ONCE);
    let session = dead(&world, "done");
    let half = dead(&world, "half");
    half.server.tmux(&["split-window", "-t", "half:", "sleep", "600"]);
    let verdict = verdict(&world, "done");
    assert_eq!(verdict.at("/vote").text(), "orphan");
    assert_eq!(verdict.at("/reasons/0/policy").text(), "dead-panes");
    assert!(verdict.at("/reasons/0/reason").text().contains("remain-on-exit"), "{verdict}");
    assert_eq!(vote(&world, "half"), "abstain");

    let ran = world.reap(&["cleanup", "--yes", "--json"]).exits(0);
    assert_eq!(ran.json().at("/items").each("/title"), ["done"]);
    assert!(!session.lives());
    assert!(half.lives());
}

#[test]
fn idle_shells_are_found_after_their_time() {
    let world = World::new();
    let server = world.server("main");
    let session = server.shell("idle");
    assert_eq!(vote(&world, "idle"), "abstain", "a day has not gone by");
    world.configure("[policies.idle-shell]\nafter = \"1s\"\n");
    holds("a second without activity", || vote(&world, "idle") == "orphan");
    let reason = verdict(&world, "idle").at("/reasons/0");
    assert_eq!(reason.at("/policy").text(), "idle-shell");
    assert!(reason.at("/reason").text().contains("nothing but its shell"), "{reason}");
    world.reap(&["cleanup", "--yes"]).exits(0);
    assert!(!session.lives());
}

#[test]
fn work_is_never_an_orphan() {
    let world = World::with(AT_ONCE);
    let server = world.server("main");
    let script = world.write("build.sh", "read answer\n").to_string_lossy().into_owned();
    let sessions = [
        server.sleeper("program"),
        server.start("script", &["sh", &script]),
        server.start("bash-script", &["bash", &script]),
        server.start("command", &["sh", "-c", "read answer; true"]),
        server.shell("background"),
        server.shell("foreground"),
        server.shell("disowned"),
        server.shell("two panes"),
        server.shell("seen"),
    ];
    sessions[4].types("sleep 600 &");
    sessions[5].types("sleep 600");
    sessions[6].types("(setsid sleep 600 &)");
    server.tmux(&["split-window", "-t", "two panes:", "sleep", "600"]);
    let client = Client::attach(&sessions[8]);
    let idle = server.shell("idle");
    let titles =
        ["program", "script", "bash-script", "command", "background", "foreground", "two panes", "seen"];
    for title in titles {
        holds(&format!("the work in {title}"), || vote(&world, title) == "abstain");
    }
    let plan = world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json();
    assert!(plan.at("/items").each("/title").contains(&"idle".to_owned()), "the policy is at work: {plan}");
    for session in &sessions[..6] {
        assert!(!plan.at("/items").each("/key").contains(&session.id), "{plan}");
    }
    world.reap(&["cleanup", "--yes", "title:idle"]).exits(0);
    assert!(!idle.lives());
    assert!(sessions.iter().all(Session::lives));
    client.leave();
}

/// A daemon that somebody left behind is work, too, although it is no child of
/// the shell any more.
#[test]
fn a_shell_that_left_a_daemon_is_no_idle_shell() {
    let world = World::with(AT_ONCE);
    let server = world.server("main");
    let session = server.shell("daemon");
    let file = world.path("home/pid");
    session.types(&format!("(setsid sh -c 'echo $$ >{}; exec sleep 600' &)", file.display()));
    let daemon = world.process_in(&file);
    assert_eq!(vote(&world, "daemon"), "abstain");
    world.reap(&["cleanup", "--yes"]).exits(0);
    assert!(session.lives() && daemon.lives());
}

/// What was started with `sudo` runs as somebody else, and is work all the same.
#[test]
fn a_shell_that_waits_for_another_users_program_is_no_idle_shell() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can start a program as another user");
    }
    let world = World::with(AT_ONCE);
    world.open_to_all();
    let server = world.server("main");
    let session = server.shell("sudo");
    session.types("setpriv --reuid=65534 --clear-groups sleep 600");
    holds("the program", || session.shows("#{pane_current_command}", "sleep"));
    assert_eq!(vote(&world, "sudo"), "abstain");
    world.reap(&["cleanup", "--yes"]).exits(0);
    assert!(session.lives());
}

#[test]
fn a_shadow_policy_is_recorded_and_never_counts() {
    let world = World::with(&format!("{AT_ONCE}mode = \"shadow\"\n"));
    let session = dead(&world, "done");
    let verdict = verdict(&world, "done");
    assert_eq!(verdict.at("/vote").text(), "abstain");
    assert_eq!(verdict.at("/reasons/0/policy").text(), "dead-panes");
    assert!(verdict.at("/reasons/0/shadow").flag());
    world.reap(&["cleanup", "--yes"]).exits(0).says(&["Nothing to clean up"]);
    assert!(session.lives());
}

#[test]
fn a_policy_that_is_off_is_not_asked() {
    let world = World::with(&format!("{AT_ONCE}mode = \"off\"\n"));
    let session = dead(&world, "done");
    let shown = world.reap(&["show", "--json", "done"]).exits(0).json();
    assert!(shown.at("/verdict/reasons").list().is_empty());
    assert_eq!(
        shown.at("/votes").each("/policy"),
        ["idle-shell", "kiro-leaked-mcp", "kiro-orphans", "kiro-stale-locks", "openclaw-orphans"]
    );
    world.reap(&["cleanup", "--yes"]).exits(0);
    assert!(session.lives());
}

#[test]
fn a_policy_is_asked_only_about_what_it_is_for() {
    let world = World::with(&format!("{AT_ONCE}select = \"title:cron*\"\n"));
    dead(&world, "cron-1");
    dead(&world, "other");
    assert_eq!(vote(&world, "cron-1"), "orphan");
    assert_eq!(vote(&world, "other"), "abstain");
    let asked = |title: &str| world.reap(&["show", "--json", title]).exits(0).json().at("/votes");
    assert!(!asked("cron-1").find("/policy", "dead-panes").at("/vote").is_null());
    assert!(asked("other").find("/policy", "dead-panes").at("/vote").is_null(), "it was not asked");
}

/// So that a vote can be replayed: the time is the one that the policy is asked
/// about, none goes by, and luck is always the same.
#[test]
fn a_policys_surroundings_never_differ() {
    let world =
        World::with("[plugins]\nfolders = [\"plugins\"]\n[policies.hostile-policy]\nattack = \"clock\"\n");
    world.add_hostile_policy();
    world.server("main").sleeper("work");
    let told = || {
        let reason = verdict(&world, "work").at("/reasons").find("/policy", HOSTILE_POLICY).at("/reason");
        let words: Vec<String> = reason.text().split(' ').map(str::to_owned).collect();
        <[String; 4]>::try_from(words).expect("four words")
    };
    let [first_time, first_clock, passed, luck] = told();
    assert_eq!((&first_clock, &*passed), (&first_time, "0"));
    let [time, clock, passed, same_luck] = told();
    assert_eq!((&clock, &*passed, same_luck), (&time, "0", luck));
    assert_ne!(time, first_time, "it is asked about the time of the run");
}

/// A session that one policy calls an orphan and another wants to keep.
#[track_caller]
fn kept_against_the_vote(attack: &str, reason: &str, fault: bool) {
    let world = World::with(AT_ONCE);
    let session = dead(&world, "done");
    assert_eq!(vote(&world, "done"), "orphan");
    let other = format!(
        "{AT_ONCE}[plugins]\nfolders = [\"plugins\"]\n[policies.hostile-policy]\nattack = \"{attack}\"\n"
    );
    world.configure(&other);
    world.add_hostile_policy();

    let verdict = verdict(&world, "done");
    assert_eq!(verdict.at("/vote").text(), "keep");
    let votes = verdict.at("/reasons");
    assert_eq!(votes.find("/policy", "dead-panes").at("/vote").text(), "orphan");
    let keep = votes.find("/policy", HOSTILE_POLICY);
    assert_eq!((keep.at("/vote").text(), keep.at("/fault").flag()), ("keep", fault));
    assert!(keep.at("/reason").text().contains(reason), "{keep}");

    let plan = world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json();
    assert!(plan.at("/items").list().is_empty());
    let kept = plan.at("/kept").find("/title", "done");
    assert!(kept.at("/orphan").flag(), "some policy calls it an orphan: {kept}");
    assert!(kept.at("/reason").text().contains(HOSTILE_POLICY), "{kept}");
    world.reap(&["cleanup", "--yes"]).exits(0).says(&[HOSTILE_POLICY]);
    assert!(session.lives());

    world.configure(&format!("{other}mode = \"shadow\"\n"));
    world.reap(&["cleanup", "--yes"]).exits(0);
    assert!(!session.lives(), "a shadow policy keeps nothing");
}

#[test]
fn one_keep_beats_an_orphan() {
    kept_against_the_vote("keep", "needed", false);
}

#[test]
fn a_fault_counts_as_keep() {
    kept_against_the_vote("error", "it does not want to", true);
}
