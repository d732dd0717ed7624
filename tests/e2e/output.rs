//! What is printed, for programs and for people, and what is exited with.

use std::io::Read;
use std::process::Stdio;

use crate::support::{World, holds, run, until};

const AT_ONCE: &str = "[policies.idle-shell]\nafter = \"0s\"\n";

#[test]
fn ls_has_the_promised_fields() {
    let world = World::with(AT_ONCE);
    let server = world.server("main");
    let session = server.shell("orphan");
    let row = world.reap(&["ls", "--json"]).exits(0).json().at("/0");
    let promised = [
        "activity",
        "attached",
        "backend",
        "created",
        "cwd",
        "handle",
        "incarnation",
        "instance",
        "key",
        "kind",
        "last_active",
        "mark",
        "parent",
        "processes",
        "protected",
        "title",
        "tokens",
        "verdict",
    ];
    for field in promised {
        assert!(row.fields().contains(&field), "{field} is missing in {row}");
    }
    assert_eq!(row.at("/backend").text(), "tmux");
    assert_eq!(row.at("/instance").text(), server.instance());
    assert_eq!(row.at("/key").text(), session.id);
    assert_eq!(row.at("/title").text(), "orphan");
    assert_eq!((row.at("/kind").text(), row.at("/activity").text()), ("other", "idle"));
    assert!(!row.at("/attached").flag());
    assert_eq!(row.at("/cwd").text(), world.path("home").to_string_lossy());
    assert_eq!(row.at("/processes").processes(), [session.leader()]);
    let seconds = |format: &str| session.format(format).parse::<u64>().expect("a time") * 1000;
    assert_eq!(row.at("/created").number(), seconds("#{session_created}"));
    assert_eq!(
        row.at("/last_active").number(),
        seconds("#{window_activity}").max(seconds("#{session_activity}"))
    );
    for empty in ["/parent", "/tokens", "/protected", "/mark"] {
        assert!(row.at(empty).is_null(), "{empty}");
    }
    assert_eq!(row.at("/verdict/vote").text(), "orphan");
    let reason = row.at("/verdict/reasons/0");
    assert_eq!((reason.at("/policy").text(), reason.at("/vote").text()), ("idle-shell", "orphan"));
    assert!(!reason.at("/reason").text().is_empty());
    assert_eq!(row.at("/handle").text().len(), 16);
}

#[test]
fn show_has_all_that_ls_has_and_more() {
    let world = World::with(AT_ONCE);
    world.server("main").shell("orphan");
    let row = world.reap(&["ls", "--json"]).exits(0).json().at("/0");
    let shown = world.reap(&["show", "--json", "orphan"]).exits(0).json();
    for field in row.fields() {
        assert!(shown.fields().contains(&field), "{field}");
    }
    assert_eq!(shown.at("/extra").find("/name", "panes").at("/value").number(), 1);
    assert_eq!(shown.at("/extra").find("/name", "windows").at("/value").number(), 1);
    assert!(shown.at("/refusals").list().is_empty());
    let policies = [
        "dead-panes",
        "idle-shell",
        "kiro-leaked-mcp",
        "kiro-orphans",
        "kiro-stale-locks",
        "openclaw-orphans",
    ];
    assert_eq!(shown.at("/votes").each("/policy"), policies);
    world.reap(&["show", "orphan"]).exits(0).says(&[
        "orphan",
        "idle-shell",
        "dead-panes",
        "nothing but its shell",
    ]);
}

#[test]
fn a_plan_has_the_promised_fields_before_and_after() {
    let world = World::with(AT_ONCE);
    let server = world.server("main");
    let (orphan, busy) = (server.shell("orphan"), server.sleeper("busy"));
    let handles = (orphan.handle(), busy.handle());
    let dry = world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json();
    let done = world.reap(&["cleanup", "--yes", "--json"]).exits(0).json();
    for plan in [&dry, &done] {
        for field in ["expires", "held", "items", "kept", "plan", "unknown"] {
            assert!(plan.fields().contains(&field), "{field} is missing in {plan}");
        }
        assert!(plan.at("/expires").number() > 0 && !plan.at("/plan").text().is_empty());
        let item = plan.at("/items/0");
        assert_eq!(item.at("/handle").text(), handles.0);
        assert_eq!((item.at("/backend").text(), item.at("/key").text()), ("tmux", &*orphan.id));
        assert_eq!(item.at("/title").text(), "orphan");
        assert_eq!(item.at("/reasons/0/policy").text(), "idle-shell");
        assert_eq!(plan.at("/kept/0/handle").text(), handles.1);
        assert!(!plan.at("/kept/0/reason").text().is_empty());
        assert!(plan.at("/held").list().is_empty() && plan.at("/unknown").list().is_empty());
    }
    assert_eq!(done.at("/items/0/outcome").text(), "ended");
    assert!(done.at("/items/0/survivors").list().is_empty());
    assert!(done.at("/items/0/reason").is_null());

    let killed = world.reap(&["kill", "--yes", "--json", "busy"]).exits(0).json().at("/items/0");
    assert_eq!((killed.at("/handle").text(), killed.at("/outcome").text()), (&*handles.1, "ended"));
}

/// Nobody is there to be asked.
#[test]
fn without_a_terminal_nothing_is_ended_unless_told_so() {
    let world = World::with(AT_ONCE);
    let session = world.server("main").shell("orphan");
    let commands: [&[&str]; 4] =
        [&["kill", "orphan"], &["kill", "orphan", "--json"], &["cleanup"], &["cleanup", "--json"]];
    for words in commands {
        world.reap(words).exits(2).says(&["orphan", "--yes"]);
        assert!(session.lives(), "{words:?}");
    }
    // An answer from a pipe is no person's.
    let mut child = world.reap_command(&["kill", "orphan"]);
    let mut child =
        child.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("reap");
    let mut input = child.stdin.take().expect("it has a pipe");
    // It may have ended without reading.
    let _ = std::io::Write::write_all(&mut input, b"y\ny\n");
    drop(input);
    let status = until("its end", || child.try_wait().expect("our child"));
    assert_eq!(status.code(), Some(2));
    assert!(session.lives());
}

#[test]
fn on_a_terminal_it_asks_and_takes_no_for_an_answer() {
    let world = World::with(AT_ONCE);
    let server = world.server("main");
    let (victim, console) = (server.shell("victim"), world.server("console").shell("console"));
    let program = env!("CARGO_BIN_EXE_reap");
    for (answer, dies) in [("n", false), ("", false), ("nonsense", false), ("y", true)] {
        console.types("clear");
        holds("a clear screen", || console.screen().trim().lines().count() <= 1);
        console.types(&format!("{program} kill '{}'; echo exit=$?", victim.address()));
        holds("the question", || console.screen().contains("[y/N]"));
        assert!(victim.lives());
        console.types(answer);
        holds("the end of it", || console.screen().lines().any(|line| line.starts_with("exit=")));
        assert_eq!(victim.lives(), !dies, "after the answer {answer:?}\n{}", console.screen());
        assert!(console.screen().contains("exit=0"), "{}", console.screen());
    }
}

/// What was refused is said, and the answer was heeded all the same.
#[test]
fn a_no_is_no_failure_even_where_something_was_refused() {
    let world = World::with(AT_ONCE);
    let server = world.server("main");
    let (victim, kept) = (server.shell("victim"), server.shell("kept"));
    world.reap(&["protect", "kept"]).exits(0);
    let console = world.server("console").shell("console");
    let program = env!("CARGO_BIN_EXE_reap");
    console.types(&format!("clear; {program} kill victim kept; echo exit=$?"));
    holds("the question", || console.screen().contains("[y/N]"));
    console.types("n");
    holds("the end of it", || console.screen().lines().any(|line| line.starts_with("exit=")));
    let screen = console.screen();
    assert!(screen.contains("is not ended") && screen.contains("exit=0"), "{screen}");
    assert!(victim.lives() && kept.lives());
}

/// Whoever types the end of input at the question has not pressed return.
#[test]
fn the_end_of_input_is_a_no() {
    let world = World::with(AT_ONCE);
    let victim = world.server("main").shell("victim");
    let console = world.server("console").shell("console");
    console.types(&format!("clear; {} kill victim; echo exit=$?", env!("CARGO_BIN_EXE_reap")));
    holds("the question", || console.screen().contains("[y/N]"));
    console.server.tmux(&["send-keys", "-t", &format!("{}:", console.id), "C-d"]);
    holds("the end of it", || console.screen().lines().any(|line| line.starts_with("exit=0")));
    assert!(console.screen().lines().any(|line| line == "Nothing was ended."), "{}", console.screen());
    assert!(victim.lives());
}

/// No file was given, so none can be made anew.
#[test]
fn a_plan_that_expires_at_the_question_names_no_file() {
    let world = World::with("[plan]\nlifetime = \"0s\"\n");
    let session = world.server("main").shell("work");
    let ran = world.reap(&["kill", "--yes", "work"]).exits(1).says(&["expired", "run the command again"]);
    assert!(!ran.stderr.contains("reap plan"), "{ran}");
    assert!(session.lives());
}

#[test]
fn an_empty_list_says_why() {
    let world = World::new();
    let ls = |words: &[&str], said: &str| {
        assert_eq!(world.reap(&[&["ls"], words].concat()).exits(0).stdout, said, "{words:?}");
    };
    ls(&[], "No sessions.\n");
    let server = world.server("main");
    server.shell("one");
    ls(&["nobody"], "No session matches; there is 1.\n");
    server.shell("two");
    ls(&["nobody"], "No session matches; there are 2.\n");
    for command in [&["ls"][..], &["cleanup", "--dry-run"], &["plan", "-o", "plan.json"]] {
        let ran = world.reap(&[command, &["backend:tmx"]].concat()).exits(0);
        assert!(ran.stderr.contains("`backend:tmx` selects nothing"), "{ran}");
        assert!(ran.stderr.contains("there are: kiro-cli, openclaw, tmux"), "{ran}");
    }
    world.configure(
        "[backends.tmux]\nenabled = false\n[backends.kiro-cli]\nenabled = false\n[backends.openclaw]\nenabled = false\n",
    );
    ls(&[], "No backend is enabled.\n");
}

#[test]
fn an_instance_is_selected_by_path_and_by_label() {
    let world = World::new();
    let (first, second) = (world.server("first"), world.server("second"));
    first.shell("one");
    second.shell("two");
    for selector in ["instance:first".to_owned(), format!("instance:{}", first.instance())] {
        let listed = world.reap(&["ls", "--json", &selector]).exits(0).json();
        assert_eq!(listed.each("/title"), ["one"], "{selector}");
    }
}

/// A shell takes `title:"my job"` apart; `my` and `job` would be two matches.
#[test]
fn quotes_that_the_shell_took_are_asked_for() {
    let world = World::new();
    let server = world.server("main");
    server.shell("my job");
    server.shell("job");
    for command in ["ls", "cleanup"] {
        world.reap(&[command, "title:my job"]).exits(2).says(&["'title:\"my job\"'"]);
    }
    let listed = world.reap(&["ls", "--json", "title:\"my job\""]).exits(0).json();
    assert_eq!(listed.each("/title"), ["my job"]);
    let listed = world.reap(&["ls", "--json", "job backend:tmux"]).exits(0).json();
    assert_eq!(listed.each("/title"), ["job"]);
}

#[test]
fn show_tells_why_a_policy_has_no_vote() {
    let world =
        World::with("[policies.idle-shell]\nselect = \"kind:cron\"\n[policies.dead-panes]\nmode = \"off\"\n");
    world.server("main").shell("work");
    world
        .reap(&["show", "work"])
        .exits(0)
        .says(&["idle-shell: not asked: it is asked only about `kind:cron`", "dead-panes: off"]);
}

#[test]
fn colour_is_for_terminals() {
    let world = World::with(AT_ONCE);
    let console = world.server("main").shell("console");
    world.server("main").shell("other");
    for words in [
        &["ls"][..],
        &["show", "other"],
        &["cleanup", "--dry-run"],
        &["plugin", "list"],
        &["--help"],
        &["kil"],
    ] {
        let ran = world.reap(words);
        assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{ran}");
    }
    let shown = || console.server.tmux(&["capture-pane", "-e", "-p", "-t", "console:"]);
    console.types(&format!("{} ls", env!("CARGO_BIN_EXE_reap")));
    holds("the list in colour", || shown().contains("HANDLE") && shown().contains("\u{1b}["));
    console.types("clear");
    holds("a clear screen", || !console.screen().contains("HANDLE"));
    console.types(&format!("NO_COLOR=1 {} ls", env!("CARGO_BIN_EXE_reap")));
    holds("the list", || console.screen().contains("HANDLE"));
    assert!(!shown().contains("\u{1b}["), "{}", shown());
}

/// What a program writes about itself must not reach the terminal as it is.
#[test]
fn escapes_from_outside_are_made_visible() {
    let world = World::with(AT_ONCE);
    let folder = world.path("home/\u{1b}]0;owned\u{7}\u{202e}\nhandle");
    std::fs::create_dir(&folder).expect("a folder may be called that");
    let server = world.server("main");
    server.tmux(&["new-session", "-d", "-s", "a", "-c", &folder.to_string_lossy(), "sleep", "600"]);
    for words in [&["show", "a"][..], &["show", "a", "--json"], &["ls"], &["ls", "--json"]] {
        let ran = world.reap(words).exits(0);
        assert!(!ran.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", ran.stdout);
    }
    let shown = world.reap(&["show", "a", "--json"]).exits(0).json();
    assert_eq!(shown.at("/cwd").text(), folder.to_string_lossy());
}

/// Nor what was typed: somebody may have been told to type it.
#[test]
fn escapes_in_arguments_are_made_visible() {
    let world = World::with(AT_ONCE);
    world.server("main").shell("work");
    let name = "e\u{1b}[31mX\u{202e}";
    let cases: [(&[&str], i32); 9] = [
        (&["plugin", "inspect", name], 3),
        (&["plan", "-o", name], 0),
        (&["plan", "-o", name], 1),
        (&["plan", "-o", "no/e\u{1b}[31mX\u{202e}"], 1),
        (&["apply", "no\u{1b}[31mX\u{202e}"], 1),
        (&["show", name], 3),
        (&["ls", "titel:e\u{1b}[31mX\u{202e}"], 2),
        (&["ls", "backend:e\u{1b}[31mX\u{202e}"], 2),
        (&[name], 2),
    ];
    for (words, code) in cases {
        let ran = world.reap(words).exits(code);
        assert!(!ran.stdout.contains(['\u{1b}', '\u{202e}']), "{words:?} {:?}", ran.stdout);
        assert!(!ran.stderr.contains(['\u{1b}', '\u{202e}']), "{words:?} {:?}", ran.stderr);
    }
}

/// There is no answer, so nothing is printed in its place.
#[test]
fn an_error_prints_no_json() {
    let world = World::new();
    world.server("main").shell("work");
    let cases: [(&[&str], i32); 4] = [
        (&["kill", "--json", "nope"], 3),
        (&["show", "--json", "nope"], 3),
        (&["ls", "--json", "titel:x"], 2),
        (&["apply", "--json", "nowhere.json"], 1),
    ];
    for (words, code) in cases {
        assert_eq!(world.reap(words).exits(code).stdout, "", "{words:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = World::new();
    let server = world.server("main");
    for number in 0..40 {
        server.start(&format!("a session with a long name {number}"), &["sleep", "600"]);
    }
    let mut command = world.reap_command(&["ls", "--json"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("reap");
    drop(child.stdout.take());
    let mut said = String::new();
    let mut errors = child.stderr.take().expect("it has a pipe");
    let status = until("its end", || child.try_wait().expect("our child"));
    errors.read_to_string(&mut said).expect("text");
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn each_exit_status_has_its_meaning() {
    let world = World::with(AT_ONCE);
    let server = world.server("main");
    server.sleeper("work");
    server.sleeper("kept");
    world.reap(&["protect", "kept"]).exits(0);
    let cases: [(&[&str], i32); 12] = [
        (&["ls"], 0),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["cleanup", "--dry-run"], 0),
        (&["apply", "nowhere.json", "--yes"], 1),
        (&["kil"], 2),
        (&["kill"], 2),
        (&["cleanup", "--dry-run", "--yes"], 2),
        (&["show", "nobody"], 3),
        (&["plugin", "inspect", "nobody"], 3),
        (&["kill", "--yes", "kept"], 4),
        (&["kill", "--yes", "kept", "work"], 5),
    ];
    for (words, code) in cases {
        world.reap(words).exits(code);
    }
}

#[test]
fn newest_activity_comes_first() {
    let world = World::new();
    let server = world.server("main");
    let (old, new) = (server.shell("old"), server.shell("new"));
    let titles = || -> Vec<String> {
        let rows = world.reap(&["ls", "--json"]).exits(0).json().list();
        rows.iter().map(|row| row.at("/title").text().to_owned()).collect()
    };
    let activity =
        |title: &str| world.reap(&["show", "--json", title]).exits(0).json().at("/last_active").number();
    new.becomes_active_after(activity("old"));
    assert_eq!(titles(), ["new", "old"]);
    old.becomes_active_after(activity("new"));
    assert_eq!(titles(), ["old", "new"]);
}

#[test]
fn completions_and_the_manual_need_no_plugins() {
    let world = World::cold();
    for shell in ["bash", "zsh", "fish"] {
        world.reap(&["completions", shell]).exits(0).says(&["cleanup", "unprotect"]);
    }
    world.reap(&["man"]).exits(0).says(&[".TH", "cleanup"]);
    assert!(!world.path("cache").exists(), "a plugin was compiled for it");
}

/// Guessing at a folder would be worse than an error.
#[test]
fn the_home_folder_may_be_missing_but_must_be_named() {
    let world = World::new();
    let mut command = world.reap_command(&["ls"]);
    for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
        command.env_remove(variable);
    }
    run(&mut command).exits(1).says(&["HOME"]);
}
