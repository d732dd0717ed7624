//! Policies that are scripts: the operator's own rules, and what is wrong with them.

use std::fs;
use std::path::Path;

use crate::support::{Json, Ran, World, holds, run};

const AT_ONCE: &str = "[policies.mine]\nafter = \"0s\"\n";

/// Votes for idle shells, as its own reading of the facts says.
const MINE: &str = r#""""Votes for shells that nobody uses."""

select = "backend:tmux attached:no"

settings = {
    "after": setting(days(1), "How long nothing must have happened."),
}

def decide(s):
    if s.title.startswith("keep"):
        return keep("its title says so")
    if s.extra["shell-only"] and s.idle and s.idle >= cfg.after:
        return orphan("left for %s" % s.idle)
"#;

fn with_script(config: &str, name: &str, script: &str) -> World {
    let world = World::with(config);
    put(&world, name, script);
    world
}

fn put(world: &World, name: &str, script: &str) {
    world.write(&format!("config/reap/policies/{name}.star"), script);
}

fn within(world: &World, folder: &Path, words: &[&str]) -> Ran {
    run(world.reap_command(words).current_dir(folder))
}

fn votes(world: &World, title: &str) -> Json {
    world.reap(&["show", "--json", title]).exits(0).json().at("/votes")
}

#[test]
fn a_script_is_a_policy_like_any_other() {
    let world = with_script(AT_ONCE, "mine", MINE);
    let server = world.server("main");
    let session = server.shell("idle");
    let kept = server.shell("keep-me");
    let mine = || votes(&world, "idle").find("/policy", "mine");
    holds("a shell that waits", || mine().at("/vote").to_string().contains("orphan"));
    assert!(mine().at("/reason").text().starts_with("left for "), "{}", mine());
    assert_eq!(votes(&world, "keep-me").find("/policy", "mine").at("/vote").text(), "keep");
    world.reap(&["plugin", "list"]).exits(0).says(&["mine", "mine.star", "ok"]);
    world.reap(&["plugin", "inspect", "mine"]).exits(0).says(&[
        "a policy: Votes for shells that nobody uses.",
        "after",
        "How long nothing must have happened.",
        "It may write to its log, and nothing else.",
    ]);
    world.reap(&["plugin", "approve", "mine"]).exits(0).says(&["needs no approval"]);
    world.reap(&["policy", "list"]).exits(0).says(&["mine", "script", "backend:tmux attached:no"]);
    world.reap(&["cleanup", "--yes"]).exits(0);
    assert!(!session.lives() && kept.lives());
}

#[test]
fn the_operator_has_the_last_word_on_a_script() {
    let world = with_script(AT_ONCE, "mine", MINE);
    let session = world.server("main").shell("idle");
    let vote = || votes(&world, "idle").find("/policy", "mine").at("/vote").to_string();
    holds("a shell that waits", || vote().contains("orphan"));
    for (more, shown) in [("mode = \"shadow\"\n", "orphan"), ("select = \"title:other\"\n", "null")] {
        world.configure(&format!("{AT_ONCE}{more}"));
        assert!(vote().contains(shown), "{more}: {}", vote());
        world.reap(&["cleanup", "--yes"]).exits(0).says(&["Nothing to clean up"]);
    }
    world.configure(&format!("{AT_ONCE}mode = \"off\"\n"));
    world.reap(&["cleanup", "--yes"]).exits(0).says(&["Nothing to clean up"]);
    assert!(session.lives());
}

/// Only the file of the configuration says where a mistake is, so it must.
#[test]
fn settings_that_a_script_does_not_take_are_named_with_their_line() {
    let world = with_script("", "mine", MINE);
    for (config, words) in [
        ("[policies.mine]\naftr = \"1h\"\n", &["reap.toml, line 2", "unknown setting `aftr`", "`after`"][..]),
        ("[policies.mine]\nafter = 3\n", &["reap.toml, line 2", "expected a length of time"]),
        ("[policies.mien]\nafter = \"1h\"\n", &["there is no policy mien", "mine"]),
    ] {
        world.configure_only(config);
        world.reap(&["ls"]).exits(1).says(words);
    }
}

/// It was put there to vote. Sessions that it would have kept must not end because of
/// a slip in it.
#[test]
fn a_script_that_cannot_be_loaded_keeps_everything() {
    let idle = "[policies.idle-shell]\nafter = \"0s\"\n";
    let world = World::with(idle);
    let session = world.server("main").shell("idle");
    holds("a shell that waits", || {
        votes(&world, "idle").find("/policy", "idle-shell").at("/vote").text() == "orphan"
    });
    let cases = [
        (
            "def decide(s):\n    return s.idel\n",
            "line 2, column 14: a session has no `idel`; did you mean `idle`?",
        ),
        ("def decide(s):\n    return orphn(\"x\")\n", "line 2, column 12: Variable `orphn` not found"),
        ("def decide(s):\n    return minutes()\n", "line 2, column 12: "),
        ("def decide(s):\n    return cfg.after\n", "line 2, column 16: settings has no \"after\""),
        ("def decide(s):\n    return (\n", "line "),
        ("def decide(s):\n    return decide(s)\n", "line 1, column 5: decide comes back to itself"),
        (
            "load(\"x.star\", \"x\")\ndef decide(s):\n    return x\n",
            "line 1, column 1: `load` is not allowed",
        ),
        ("select = \"backnd:tmux\"\ndef decide(s):\n    pass\n", "there is no field `backnd`"),
        ("selct = \"backend:tmux\"\ndef decide(s):\n    pass\n", "did you mean `select`?"),
        ("x = 1\n", "there is no `def decide(s):`"),
    ];
    for (script, words) in cases {
        put(&world, "mine", script);
        let ran = world.reap(&["cleanup", "--yes", "--json"]).exits(0).says(&["mine.star", words]);
        assert!(ran.json().at("/items").list().is_empty(), "{script}");
        world.reap(&["policy", "check", "mine"]).exits(1).says(&[words]);
    }
    assert!(session.lives());
    fs::remove_file(world.path("config/reap/policies/mine.star")).expect("it is ours");
    world.reap(&["cleanup", "--yes"]).exits(0);
    assert!(!session.lives());
}

/// The bundled policy of that name may keep less, and a name with a slip in it is no
/// reason to keep nothing.
#[test]
fn a_script_whose_name_cannot_be_used_keeps_everything() {
    let idle = "[policies.idle-shell]\nafter = \"0s\"\n";
    let world = World::with(idle);
    let session = world.server("main").shell("idle");
    let idle_shell = || votes(&world, "idle").find("/policy", "idle-shell").at("/vote").to_string();
    holds("a shell that waits", || idle_shell().contains("orphan"));
    let items = || world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json().at("/items").list().len();
    assert_eq!(items(), 1);
    for (file, name, words) in [
        ("keep_ci", "keep-ci", "Rename the file, to keep-ci.star for example"),
        ("Keep", "keep", "Rename the file, to keep.star for example"),
        ("idle-shell", "idle-shell-script", "the name idle-shell is taken by the bundled one"),
    ] {
        put(&world, file, "def decide(s):\n    return keep(\"always\")\n");
        let ran = world.reap(&["cleanup", "--yes", "--json"]).exits(0);
        let ran = ran.says(&[&format!("{file}.star"), words, &format!("[policies.{name}]")]);
        assert!(ran.json().at("/items").list().is_empty(), "{file}");
        let vote = votes(&world, "idle").find("/policy", name);
        assert_eq!((vote.at("/vote").text(), vote.at("/fault").flag()), ("keep", true), "{file}");
        assert!(idle_shell().contains("orphan"), "the one that comes with Reap goes on");
        world.reap(&["plugin", "list"]).exits(0).says(&[name]);

        world.configure(&format!("{idle}[policies.{name}]\nmode = \"off\"\n"));
        assert_eq!(items(), 1, "the operator does without {file}");
        world.configure(idle);
        assert_eq!(items(), 0, "{file}");
        fs::remove_file(world.path(format!("config/reap/policies/{file}.star"))).expect("it is ours");
        assert_eq!(items(), 1, "{file} is gone");
    }
    assert!(session.lives());
}

/// Found only when it runs: the line, and the session that it was about.
#[test]
fn a_script_that_fails_keeps_everything_and_says_where() {
    let config = "[policies.idle-shell]\nafter = \"0s\"\n[policies.mine.limits]\nrun_ms = 300\n";
    let world = with_script(config, "mine", "def decide(s):\n    pass\n");
    let session = world.server("main").shell("idle");
    holds("a shell that waits", || {
        votes(&world, "idle").find("/policy", "idle-shell").at("/vote").text() == "orphan"
    });
    let cases = [
        ("    return s.title\n", "line 1, column 5: decide returned \"idle\""),
        ("    return orphan(s.tokens)\n", "line 2"),
        (
            "    return orphan(\"x\") if s.tokens > 3 else None\n",
            "what is not known is None, so ask for it first",
        ),
        ("    fail(\"no idea\")\n", "line 2, column 5: no idea"),
        ("    x = \"a\"\n    for i in range(60):\n        x = x + x\n    return orphan(x)\n", "memory_bytes"),
        ("    for i in range(1 << 30):\n        pass\n", "run_ms"),
        ("    return f(s, 1)\ndef f(s, n):\n    return [g(g, s) for g in [lambda g, s: g(g, s)]]\n", "mine"),
    ];
    for (body, words) in cases {
        put(&world, "mine", &format!("def decide(s):\n{body}"));
        let ran = world.reap(&["cleanup", "--yes", "--json"]).exits(0).says(&["mine", words]);
        assert!(ran.json().at("/items").list().is_empty(), "{body}");
        let vote = votes(&world, "idle").find("/policy", "mine");
        assert_eq!((vote.at("/vote").text(), vote.at("/fault").flag()), ("keep", true), "{body}");
    }
    assert!(session.lives());
}

/// One rule's slip is nothing to another.
#[test]
fn scripts_do_not_see_each_other() {
    let world = with_script(AT_ONCE, "mine", MINE);
    put(&world, "broken", "def decide(s):\n    fail(\"x\")\n");
    put(&world, "other", "seen = []\ndef decide(s):\n    seen.append(1)\n");
    world.server("main").shell("idle");
    holds("a shell that waits", || {
        votes(&world, "idle").find("/policy", "mine").at("/vote").to_string().contains("orphan")
    });
    let all = votes(&world, "idle");
    assert!(all.find("/policy", "broken").at("/fault").flag());
    let other = all.find("/policy", "other");
    assert!(other.at("/reason").text().contains("line 3"), "what a script made is frozen: {other}");
}

#[test]
fn the_daemon_asks_scripts_too() {
    let world = with_script(AT_ONCE, "mine", MINE);
    let server = world.server("main");
    server.shell("keep-me");
    let daemon = world.daemon();
    for _ in 0..3 {
        daemon.cycle();
        assert_eq!(votes(&world, "keep-me").find("/policy", "mine").at("/vote").text(), "keep");
    }
}

#[test]
fn a_new_rule_passes_its_cases_in_an_empty_folder() {
    let world = World::new();
    let folder = world.path("rules");
    fs::create_dir(&folder).expect("made");
    let reap = |words: &[&str]| within(&world, &folder, words);
    reap(&["policy", "new", "rule"]).exits(0).says(&["rule.star", "rule.cases.toml"]);
    reap(&["policy", "test", "rule"]).exits(0).says(&["rule: 5 cases passed"]);
    reap(&["policy", "check", "rule"]).exits(0).says(&["no mistake found"]);
    reap(&["policy", "new", "rule"]).exits(1).says(&["rule.star cannot be written"]);
    reap(&["policy", "new", "mine", "--from", "kiro-orphans"]).exits(0);
    reap(&["policy", "test", "mine", "rule.star"]).exits(0).says(&["mine: 17 cases", "rule: 5 cases"]);
    reap(&["policy", "new", "x", "--from", "nothing"]).exits(3).says(&["idle-shell"]);
    reap(&["policy", "new", "No Name"]).exits(2);
    reap(&["policy", "test", "nothing"]).exits(3).says(&["there is no policy nothing", "nothing.star"]);
    reap(&["policy", "new", "made", "--rust"]).exits(0).says(&["made/src/lib.rs", "cargo build"]);
    assert!(!world.path("state").join("reap").exists(), "nothing was remembered");
}

#[test]
fn the_scripts_that_come_with_reap_pass_their_cases() {
    let world = World::new();
    for name in ["dead-panes", "idle-shell", "kiro-orphans", "kiro-stale-locks"] {
        world.reap(&["policy", "test", name]).exits(0).says(&["cases passed"]);
        world.reap(&["policy", "check", name]).exits(0).says(&["no mistake found"]);
    }
}

#[test]
fn a_case_that_fails_shows_all_that_it_rests_on() {
    let world = World::new();
    let folder = world.path("rules");
    fs::create_dir(&folder).expect("made");
    let reap = |words: &[&str]| within(&world, &folder, words);
    reap(&["policy", "new", "rule"]).exits(0);
    let cases = folder.join("rule.cases.toml");
    let test = |text: &str| {
        fs::write(&cases, text).expect("ours");
        reap(&["policy", "test", "rule"])
    };
    test("[[case]]\nname = \"too soon\"\nsession = { idle = \"6d\", extra = { panes = 2 } }\nvote = \"orphan\"\n")
        .exits(1)
        .says(&[
            "FAILED too soon",
            "session   backend = tmux",
            "extra = { panes = 2 }",
            "idle = 6d",
            "expected  orphan",
            "got       abstain",
            "1 of 1 cases failed",
        ]);
    test("[[case]]\nname = \"x\"\nsession = { idle = \"8d\" }\nvote = \"orphan\"\nreason = \"for 9d\"\n")
        .exits(1)
        .says(&["expected  orphan: ...for 9d...", "got       orphan: nothing happened for 8d"]);
    test("[[case]]\nname = \"x\"\nsession = { backend = \"openclaw\" }\nvote = \"orphan\"\n")
        .exits(1)
        .says(&["got       nothing: it is asked only about backend:tmux attached:no"]);
    test("[[case]]\nname = \"x\"\nsession = { idel = \"8d\" }\nvote = \"orphan\"\n").exits(1).says(&[
        "rule.cases.toml",
        "line 3",
        "unknown field `idel`",
        "`idle`",
    ]);
    test("[[case]]\nname = \"x\"\nvote = \"yes\"\n")
        .exits(1)
        .says(&["line 3", "`keep`, `orphan`, `abstain`"]);
    test("[[case]]\nname = \"x\"\nsettings = { aftr = \"1h\" }\nvote = \"keep\"\n")
        .exits(1)
        .says(&["unknown setting `aftr`"]);
    test("").exits(1).says(&["there is no [[case]]"]);
    fs::remove_file(&cases).expect("ours");
    reap(&["policy", "test", "rule"]).exits(1).says(&["rule.cases.toml is not there"]);
}
