use super::*;

const HEAD: &str = "name = \"x\"\nversion = \"1\"\nworld = \"backend\"\nsummary = \"s\"\n";

#[test]
fn bad_manifests_say_what_to_change() {
    let cases = [
        ("select = \"kind:cron\"\n", "`select` and `facts` are for policies"),
        ("select = \"kind:corn\"\n", "`select` is not right"),
        ("[asks.telepathy]\n", "unknown field `telepathy`, expected one of `settings`, `files`"),
        ("[asks.commands.c]\nrun = []\n", "[asks.commands.c]: `run` is empty"),
        ("[asks.commands.c]\nrun = [\"{p}\"]\n", "the program itself cannot be a placeholder"),
        ("[asks.commands.c]\nrun = [\"t\", \"{p}\"]\n", "{p} is not declared; add [asks.placeholders.p]"),
        ("[asks.commands.c]\nrun = [\"t\"]\ntimeout = \"2h\"\n", "at most 1m"),
        (
            "[asks.commands.c]\nrun = [\"t\"]\nlifts = \"attached\"\n",
            "`lifts` is for [asks.ending.commands] only",
        ),
        ("[asks.ending.commands.c]\nrun = [\"t\"]\n", "it must name its session: use {key}"),
        ("[asks.ending.commands.c]\nrun = [\"t\", \"{key}\", \"{pid}\"]\n", "{pid} cannot be filled"),
        ("[asks.placeholders.p]\npattern = \"(\"\n", "`pattern` is not valid"),
        ("[asks.placeholders.p]\n", "add a `pattern`, or `paths`"),
        ("[asks.ending.signals]\nroot = \"guess\"\n", "unknown variant `guess`"),
        (
            "[asks.ending.signals]\nroot = \"listed\"\nenvironment = { T = '.*' }\n",
            "no pattern names the session",
        ),
        ("[asks.ending.signals]\nroot = \"child-of-server\"\n", "add `server`"),
        (
            "[asks.ending.signals]\nroot = \"listed\"\nenvironment = { T = '{pid}' }\n",
            "{pid} is not known; use {server}",
        ),
        ("[asks.ending.signals]\nroot = \"program\"\n", "`root = \"program\"` needs `programs`"),
        ("[asks.ending.signals]\nroot = \"listed\"\nprograms = [[\"x\"]]\n", "`programs` needs that"),
        ("[asks.ending.signals]\nroot = \"program\"\nprograms = [[]]\n", "would be any process"),
        ("[asks.ending.signals]\nroot = \"program\"\nprograms = [[\".*\"]]\n", "would be any process"),
        ("[asks.ending.signals]\nroot = \"program\"\nprograms = [[\"(\"]]\n", "not a valid pattern"),
        ("[asks.ending.removals.r]\nfile = \"/x\"\nholder = \"([0-9]+)\"\n", "add [asks.files]"),
        (&removal("/x", "([0-9]+)"), "it must name its session: use {key}"),
        (&removal("/x/{pid}", "([0-9]+)"), "{pid} cannot be filled"),
        (&removal("/x/{key}", "[0-9]+"), "`holder` must have one group"),
        (&removal("/x/{key}", "("), "`holder` is not valid"),
        ("[asks.leftovers]\nfiles = [\"/x\"]\nunder = \"s\"\n", "add [asks.processes]"),
        (&leftovers("[]", "s"), "write the `files`"),
        (&leftovers("[\"/x\"]", ""), "write the `files`"),
        (&leftovers("[\"/x*/y\"]", "s"), "only the last part"),
        ("[asks.websocket]\naddresses = []\n", "name at least one"),
        ("[asks.websocket]\naddresses = [\"ws://{host}\"]\n", "a setting stands for a whole address"),
        (
            &gateway("reads = [\"a\"]\n[asks.websocket.messages.m]\nmethod = \"a\"\n"),
            "among the `reads` and a message",
        ),
        (&gateway("reads = [\"\"]\n"), "a method has no name"),
        (
            &gateway("[asks.websocket.messages.m]\nmethod = \"m\"\nparams = { a = \"{x}\" }\n"),
            "{x} is not declared",
        ),
        (
            &gateway("[asks.websocket.messages.m]\nmethod = \"m\"\nparams = { a = \"{{secret:t}}\" }\n"),
            "belong into",
        ),
        (
            &gateway("[asks.websocket.messages.m]\nmethod = \"m\"\nparams = { a = \"{{sign:t}}\" }\n"),
            "belong into",
        ),
        (
            &gateway("[asks.websocket.logins.l]\nmethod = \"m\"\nparams = { a = \"{{secret:t}}\" }\n"),
            "secret t is not declared",
        ),
        (&gateway("[asks.websocket.logins.l]\nmethod = \"m\"\nhide = [\"a\"]\n"), "is no JSON pointer"),
        ("[asks.ending.messages.e]\nmethod = \"m\"\nparams = {}\n", "add [asks.websocket]"),
        (&ends("params = { a = 1 }"), "it must name its session: use {key}"),
        (&ends("params = { a = \"{pid}\" }"), "{pid} is not declared"),
        (&ends("params = { a = \"{{secret:t}} {key}\" }"), "belong into"),
        (&ends("params = { a = \"{item}\" }"), "{item} needs `each`"),
        (&ends("params = { a = \"{key}\" }\neach = \"f\""), "`each` needs {item}"),
        (&ends("params = { a = \"{item}\" }\neach = \"f\""), "add an ending message without it"),
        (&ends("params = { a = \"{key}\" }\nmost = 3"), "for a message with `many`"),
        (&ends("params = { a = [\"{key}\"] }\nmany = \"/a\""), "`many` needs `most` and `answers`"),
        (&ends("params = { a = [\"{key}\"] }\nmany = \"/a\"\nmost = 0\nanswers = \"/o\""), "from 1 to 1000"),
        (
            &ends("params = { a = [\"{key}\"], b = \"{key}\" }\nmany = \"/a\"\nmost = 3\nanswers = \"/o\""),
            "would be another's",
        ),
        (
            &ends("params = { a = \"{key}\" }\nmany = \"/a\"\nmost = 3\nanswers = \"/o\""),
            "a list with one element",
        ),
    ];
    for (asks, want) in cases {
        let error = Manifest::parse(&format!("{HEAD}{asks}"), "x.toml").expect_err(asks).to_string();
        assert!(error.contains(want), "{asks}: {error}");
        assert!(error.starts_with("x.toml: "), "{error}");
    }
}

/// A manifest that asks for a removal, with everything else that this needs.
fn removal(file: &str, holder: &str) -> String {
    format!(
        "[asks.files]\npaths = [\"/x\"]\n[asks.placeholders.key]\npattern = 'k'\n\
         [asks.ending.removals.r]\nfile = \"{file}\"\nholder = '{holder}'\n"
    )
}

fn leftovers(files: &str, under: &str) -> String {
    let processes = "[asks.processes]\nexecutables = [\"*\"]\n";
    format!("{processes}[asks.leftovers]\nfiles = {files}\nunder = \"{under}\"\n")
}

#[test]
fn leftovers_can_be_asked_for() {
    let asks = leftovers("[\"${HOME}/mcp.json\", \"{homes}/agents/*.json\"]", "servers");
    let signals = "[asks.ending.signals]\nroot = \"program\"\nprograms = [[\"x\"]]\n";
    let manifest = Manifest::parse(&format!("{HEAD}{asks}{signals}"), "x.toml").expect("good");
    let words = manifest.in_words();
    assert!(words[1].contains("under `servers` in: ${HOME}/mcp.json, {homes}/agents/*.json."), "{words:?}");
    assert!(words[3].starts_with("End in the same way what was left behind"), "{words:?}");
    assert_eq!(manifest.asks.variables(), BTreeSet::from(["HOME"]));
}

#[test]
fn a_removal_can_be_asked_for() {
    let text = format!("{HEAD}{}", removal("/x/{key}", "([0-9]+)"));
    let words = Manifest::parse(&text, "x.toml").expect("good").in_words();
    assert!(
        words[1].starts_with("Remove, with a session that you agreed to end, the file `/x/{key}`"),
        "{words:?}"
    );
}

#[test]
fn a_policy_gets_nothing() {
    let text = HEAD.replace("backend", "policy") + "[asks.files]\npaths = [\"/\"]\n";
    let error = Manifest::parse(&text, "x.toml").expect_err("policies get nothing").to_string();
    assert!(error.contains("a policy gets no capabilities"), "{error}");
}

#[test]
fn patterns_match_the_whole_value() {
    let pattern = whole_regex(r"\$[0-9]+|x").expect("valid");
    assert!(pattern.is_match("$12") && pattern.is_match("x"));
    for bad in ["$12\n", "a$12", "$12;", "xx", "", "\n$1"] {
        assert!(!pattern.is_match(bad), "{bad:?}");
    }
}

#[test]
fn the_asks_can_be_read() {
    let text = format!(
        "{HEAD}[asks.processes]\nexecutables = [\"*\"]\n[asks.commands.scan]\nrun = [\"tmux\", \"ls\"]\n\
         [asks.ending.signals]\nroot = \"child-of-server\"\nserver = \"tmux: server\"\n\
         environment = {{ TMUX = '.*,{{server}},0' }}\n"
    );
    let words = Manifest::parse(&text, "x.toml").expect("good").in_words();
    assert_eq!(
        words,
        [
            "Look at all your processes: arguments, working directory, processor time.",
            "Run `tmux ls` (scan).",
            "End the processes of such a session with TERM, then KILL (children of its server, their descendants).",
            "End with it any process that carries in its environment TMUX=.*,{server},0.",
        ]
    );
}

fn gateway(more: &str) -> String {
    format!("[asks.websocket]\naddresses = [\"ws://127.0.0.1:1\"]\n{more}")
}

fn ends(act: &str) -> String {
    let holes = "[asks.placeholders.key]\npattern = '.+'\n[asks.placeholders.item]\npattern = '.+'\n";
    gateway(&format!("[asks.ending.messages.e]\nmethod = \"m\"\n{act}\n{holes}"))
}

#[test]
fn what_is_said_to_gateways_is_said_in_words() {
    let asks = gateway(
        "reads = [\"list\"]\n[asks.websocket.secrets]\ntoken = \"TOKEN\"\n[asks.websocket.logins.l]\n\
         method = \"connect\"\nparams = { auth = { token = \"{{secret:token}}\" } }\n\
         [asks.websocket.messages.back]\nmethod = \"patch\"\nparams = { archived = false }\n\
         [asks.ending.messages.archive]\nmethod = \"patch\"\nmany = \"/all\"\nmost = 9\nanswers = \"/all\"\n\
         params = { all = [{ key = \"{key}\" }], archived = true }\n[asks.placeholders.key]\npattern = '.+'\n",
    );
    let manifest = Manifest::parse(&format!("{HEAD}{asks}"), "x.toml").expect("a good manifest");
    assert_eq!(
        manifest.in_words(),
        [
            "Connect to gateways at: ws://127.0.0.1:1.",
            "Ask them with any parameters: list.",
            "Log in to them: `connect {\"auth\":{\"token\":\"{{secret:token}}\"}}` (l).",
            "Have Reap fill in the secret token there, from TOKEN or as you configure it; it does not see it.",
            "Send them `patch {\"archived\":false}` (back).",
            "End a session that you agreed to end, up to 9 in one message: \
             `patch {\"all\":[{\"key\":\"{key}\"}],\"archived\":true}` (archive).",
        ]
    );
}
