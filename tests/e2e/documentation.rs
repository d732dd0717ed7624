//! What the documentation says is what the program does: every example runs, every
//! field and key in a table exists, and none is missing there.

mod api;
mod markdown;
mod policies;
mod transcript;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use reap::core::ids::{Instance, PluginName};
use reap::core::listing::Unknown;
use reap::core::outcome::Survivor;
use reap::core::plan::{Held, PlanId};
use reap::core::session::ProcessId;
use reap::core::subject::Mark;
use reap::core::time::Timestamp;
use reap::runtime::Limits;
use serde_json::Value;

use crate::support::{Json, Ran, World, holds, quick};
use Presence::{May, Must};
use markdown::{PAGES, anchor, page, root, words};

#[test]
fn every_configuration_is_accepted() {
    let world = World::bare();
    fs::create_dir(world.path("plugins")).expect("the folder that the examples name");
    for page in PAGES {
        for block in page.blocks("toml") {
            assert_eq!(accepts(&world, &block).code, 0, "{}:\n{block}", page.name);
        }
    }
}

fn accepts(world: &World, configuration: &str) -> Ran {
    let file = world.write("example.toml", configuration);
    world.reap(&["--config", &file.to_string_lossy(), "plugin", "list"])
}

#[test]
fn every_selector_is_understood() {
    let world = World::bare();
    let mut selectors: Vec<String> =
        page("docs/guide.md").table("Selectors").names().iter().map(ToString::to_string).collect();
    let blocks = PAGES.iter().flat_map(|page| page.blocks("selector"));
    selectors.extend(blocks.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()));
    assert!(selectors.len() > 20);
    for selector in selectors {
        world.reap(&["ls", &selector]).exits(0);
    }
}

/// Asking for the help of a command line fails where a command or a flag of it is
/// unknown.
#[test]
fn every_command_line_exists() {
    let world = World::bare();
    let mut count = 0;
    for page in PAGES {
        let consoles = page.blocks("console");
        let typed =
            consoles.iter().flat_map(|block| block.lines()).filter_map(|line| line.strip_prefix("$ "));
        let tables = page.blocks("crontab");
        let timed = tables
            .iter()
            .flat_map(|block| block.lines())
            .filter_map(|line| Some(&line[line.find("reap ")?..]));
        for line in typed.chain(timed).chain(page.codes()) {
            let from_clone = line.strip_prefix("cargo run --release -- ");
            let Some(rest) = from_clone.or_else(|| line.strip_prefix("reap ")) else { continue };
            let words: Vec<String> = words(rest).into_iter().map(filled_in).collect();
            world.reap(&words.iter().map(String::as_str).chain(["--help"]).collect::<Vec<_>>()).exits(0);
            count += 1;
        }
    }
    assert!(count > 40, "only {count} command lines were found");
}

/// `SESSION...` stands for something that a person would write.
fn filled_in(word: String) -> String {
    let letters = word.trim_end_matches('.');
    if letters.is_empty() || !letters.chars().all(|c| c.is_ascii_uppercase()) {
        return word;
    }
    if letters == "SHELL" { "bash" } else { "something" }.to_owned()
}

#[test]
fn every_link_leads_somewhere() {
    for page in PAGES {
        for (path, to) in page.links() {
            let file = root().join(&path);
            assert!(file.exists(), "{}: there is no {path}", page.name);
            let there = || PAGES.iter().find(|other| same(&root().join(other.name), &file));
            let known = to.is_empty()
                || there().is_some_and(|page| page.headings().iter().any(|heading| anchor(heading) == to));
            assert!(known, "{}: {path} has no heading for #{to}", page.name);
        }
    }
}

fn same(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).ok().zip(fs::canonicalize(other).ok()).is_some_and(|(one, other)| one == other)
}

/// One policy that fails and does not count, and one that counts.
const ALL_REASONS: &str = "[policies.idle-shell]\nafter = \"0s\"\n\
    [policies.dead-panes]\nmode = \"shadow\"\nlimits = { memory_bytes = 1 }\n";

#[test]
fn the_fields_of_the_json_are_those_of_the_tables() {
    let mut documented = BTreeMap::new();
    for table in page("docs/json.md").tables() {
        assert_eq!(table.head, ["field", "type", "meaning"]);
        let fields = table.rows.iter().map(|row| {
            (row[0].trim_matches('`').to_owned(), if row[1].contains("*when ") { May } else { Must })
        });
        documented.insert(table.heading.clone(), fields.collect::<BTreeMap<_, _>>());
    }
    assert_eq!(documented, real_fields());
}

/// By type and field, whether the field must be there.
type Fields = BTreeMap<String, BTreeMap<String, Presence>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Must,
    May,
}

fn real_fields() -> Fields {
    let world = World::with(ALL_REASONS);
    let server = world.server("main");
    let (made, busy) = (server.shell("made"), server.sleeper("busy"));
    server.tmux(&["set-option", "-t", &made.id, "@reap-owner", &busy.address()]);
    let sessions = world.reap(&["ls", "--json"]).exits(0).json().list();
    let session = world.reap(&["ls", "--json", "made"]).exits(0).json().at("/0");
    let shown = ["made", "busy"].map(|title| world.reap(&["show", "--json", title]).exits(0).json());
    let plan = world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json();
    let selected = world.reap(&["cleanup", "--dry-run", "--json", "made"]).exits(0).json();
    let done = world.reap(&["kill", "--yes", "--json", "busy"]).exits(0).json();
    let details = shown[0].clone();

    let mut all = Fields::new();
    let mut add = |name: &str, seen: &[Json], known: &[&str]| {
        let there = |field: &&str| seen.iter().all(|one| one.fields().contains(field));
        let fields = seen.iter().flat_map(Json::fields).filter(|field| !known.contains(field));
        let fields = fields.map(|field| (field.to_owned(), if there(&field) { Must } else { May }));
        all.insert(name.to_owned(), fields.collect());
    };
    add("Session", &sessions, &[]);
    add("Address", &[session.at("/parent")], &[]);
    add("Process", &session.at("/processes").list(), &[]);
    add("Verdict", &sessions.iter().map(|one| one.at("/verdict")).collect::<Vec<_>>(), &[]);
    let reasons = session.at("/verdict/reasons");
    for (policy, unusual) in [("dead-panes", true), ("idle-shell", false)] {
        let reason = reasons.find("/policy", policy);
        assert_eq!((reason.at("/shadow").flag(), reason.at("/fault").flag()), (unusual, unusual));
    }
    add("Reason", &reasons.list(), &[]);
    add("Details", &shown, &session.fields());
    add("Fact", &details.at("/extra").list(), &[]);
    add("Vote", &shown.iter().flat_map(|one| one.at("/votes").list()).collect::<Vec<_>>(), &[]);
    add("Plan", &[plan.clone(), selected], &[]);
    add("Item", &plan.at("/items").list(), &[]);
    add("Lifts", &[plan.at("/items/0/lifts")], &[]);
    add("Kept", &plan.at("/kept").list(), &[]);
    add("Outcome", &done.at("/items").list(), &plan.at("/items/0").fields());
    daemon_fields(&mut add);
    for (name, seen) in rare() {
        add(name, &seen.map(|json| Json::new(json.expect("JSON"))), &[]);
    }
    all
}

/// What only a daemon tells, and what it leaves behind.
fn daemon_fields(add: &mut impl FnMut(&str, &[Json], &[&str])) {
    let world = World::with(&format!("{}[locks]\nautomatic = [\"title:auto-*\"]\n", quick("observe")));
    let server = world.server("main");
    for name in ["auto-1", "auto-2", "c", "d", "e", "f"] {
        server.shell(name);
    }
    let alone = world.reap(&["status", "--json"]).exits(0).json();
    let daemon = world.daemon();
    holds("a held plan", || !daemon.status().at("/held").list().is_empty());
    world.reap(&["lock", "/", "--as", "me"]).exits(0);
    let locks = world.reap(&["locks", "--json"]).exits(0).json().list();
    let contenders: Vec<Json> = locks.iter().flat_map(|lock| lock.at("/contenders").list()).collect();
    let status = daemon.status();
    let part = |pointer: &str| [status.at(pointer)];
    add("Daemon", &part("/daemon"), &[]);
    add("Cycle", &part("/cycle"), &[]);
    add("Cost", &part("/cycle/cost"), &[]);
    add("Backend", &status.at("/backends").list(), &[]);
    add("Plugin", &status.at("/plugins").list(), &[]);
    add("Marks", &part("/marks"), &[]);
    add("Waiting plan", &status.at("/held").list(), &[]);
    add("Journal", &part("/journal"), &[]);
    add("Lock", &locks, &[]);
    add("Holder", &locks.iter().map(|lock| lock.at("/holder")).collect::<Vec<_>>(), &[]);
    assert_eq!(contenders.len(), 1, "{locks:?}");
    add("Known session", &contenders, &[]);
    add("Entry", &world.journal(), &[]);
    add("Status", &[status, alone], &[]);
    assert_eq!(daemon.stop(), 0);
}

/// What a run on a healthy machine does not give.
/// Of each, one with everything and one with as little as may be.
fn rare() -> [(&'static str, [serde_json::Result<Value>; 2]); 4] {
    let backend = PluginName::new("tmux").expect("a name");
    let reason = String::new();
    let instance = Some(Instance::new("/s"));
    let mark = Mark { since: Timestamp::from_millis(1), times: 1 };
    let process = ProcessId { pid: 1, started: 1 };
    let mark = |times| serde_json::to_value(Mark { times, ..mark });
    let held = |plan| serde_json::to_value(Held { backend: backend.clone(), reason: reason.clone(), plan });
    let unknown = |instance| {
        serde_json::to_value(Unknown { backend: backend.clone(), instance, reason: reason.clone() })
    };
    let survivor = || serde_json::to_value(Survivor { process, reason: reason.clone() });
    [
        ("Mark", [mark(1), mark(0)]),
        ("Held", [held(Some(PlanId::default())), held(None)]),
        ("Unknown", [unknown(instance), unknown(None)]),
        ("Survivor", [survivor(), survivor()]),
    ]
}

#[test]
fn the_facts_of_tmux_are_those_of_the_table() {
    let world = World::new();
    let server = world.server("main");
    let session = server.shell("work");
    server.tmux(&["new-session", "-d", "-t", "work"]);
    server.tmux(&["set-option", "-t", &session.id, "@reap-owner", "me"]);
    let real = world.reap(&["show", "--json", "work"]).exits(0).json().at("/extra").each("/name");
    let mut real: BTreeSet<String> = real.into_iter().collect();
    // Only of a server in a container.
    real.insert("processes-visible".to_owned());
    let table = page("docs/guide.md").table("What Reap knows of a session");
    let names =
        table.rows.iter().flat_map(|row| row[0].split(", ")).map(|name| name.trim_matches('`').to_owned());
    assert_eq!(names.collect::<BTreeSet<_>>(), real);
}

/// What the program calls valid when it meets a key that is none.
fn valid(world: &World, table: &str) -> BTreeSet<String> {
    let ran = accepts(world, &format!("{table}\nno_such_key = 1\n")).exits(1);
    let (_, names) = ran.stderr.split_once("valid ").unwrap_or_else(|| panic!("nothing is valid\n{ran}"));
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The keys in the tables under these headings.
fn keys(headings: &[&str]) -> BTreeSet<String> {
    let tables =
        headings.iter().map(|heading| page("docs/configuration.md").table(&format!("`[{heading}]`")));
    tables.flat_map(|table| table.names().into_iter().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The tables whose keys are all Reap's own.
const KNOWN_TABLES: [&str; 10] =
    ["guard", "records", "marks", "limits", "plan", "retry", "locks", "store", "daemon", "plugins"];

#[test]
fn the_keys_of_the_configuration_are_those_of_the_tables() {
    let world = World::bare();
    for table in KNOWN_TABLES {
        assert_eq!(keys(&[table]), valid(&world, &format!("[{table}]")), "{table}");
    }
    assert_eq!(keys(&["limits"]), valid(&world, "[limits.tmux]"));
    assert_eq!(keys(&["backends.NAME.websocket"]), valid(&world, "[backends.tmux.websocket]"));
    for (kind, name) in [
        ("backends", "tmux"),
        ("backends", "kiro-cli"),
        ("backends", "openclaw"),
        ("policies", "dead-panes"),
        ("policies", "idle-shell"),
        ("policies", "kiro-leaked-mcp"),
        ("policies", "kiro-orphans"),
        ("policies", "kiro-stale-locks"),
        ("policies", "openclaw-orphans"),
    ] {
        let (any, table) = (format!("{kind}.NAME"), format!("{kind}.{name}"));
        assert_eq!(keys(&[&any, &table]), valid(&world, &format!("[{table}]")), "{table}");
        let limits =
            page("docs/configuration.md").table("`[backends.NAME.limits]` and `[policies.NAME.limits]`");
        let limits: BTreeSet<String> = limits.names().iter().map(ToString::to_string).collect();
        assert_eq!(limits, valid(&world, &format!("[{table}.limits]")), "{table}");
    }
    let headings = page("docs/configuration.md").headings();
    let named: BTreeSet<String> = headings
        .iter()
        .filter_map(|heading| heading.strip_prefix("`[")?.split(['.', ']']).next())
        .map(str::to_owned)
        .collect();
    assert_eq!(named, valid(&world, ""));
    let bundled = world.reap(&["plugin", "list"]).exits(0).stdout;
    for plugin in bundled.lines().skip(1).filter_map(|line| line.split_whitespace().next()) {
        assert!(headings.iter().any(|heading| heading.contains(&format!(".{plugin}]"))), "{plugin}");
    }
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let page = page("docs/configuration.md");
    let block = &page.blocks("toml")[0];
    let whole: toml::Table = block.parse().expect("TOML");
    let mut tables = toml::Table::new();
    for table in page.tables().into_iter().filter(|table| table.head[..2] == ["key", "default"]) {
        let name = table.heading.trim_matches(['`', '[', ']']);
        for row in table.rows.iter().filter(|row| row[1].starts_with('`')) {
            let (key, value) = (row[0].trim_matches('`'), row[1].trim_matches('`'));
            for name in filled(name, &whole) {
                let said = format!("[{name}]\n{key} = {value}\n").parse().expect("TOML");
                merge(&mut tables, said);
            }
        }
    }
    assert_eq!(whole, tables, "the tables and the whole file differ");

    let (said, none) = (reap::Config::parse(block, Path::new("x")), reap::Config::default());
    let said = said.expect("good");
    assert_eq!((said.guard, said.lifetime, said.folders), (none.guard, none.lifetime, none.folders));
    assert_eq!((said.records, said.sweep, said.locks), (none.records, none.sweep, none.locks));
    assert_eq!((said.keep, said.daemon), (none.keep, none.daemon));
    let world = World::bare();
    let file = world.write("whole.toml", block).to_string_lossy().into_owned();
    for plugin in [
        "tmux",
        "kiro-cli",
        "openclaw",
        "dead-panes",
        "idle-shell",
        "kiro-leaked-mcp",
        "kiro-orphans",
        "kiro-stale-locks",
        "openclaw-orphans",
    ] {
        let inspect = |more: &[&str]| {
            let shown = world.reap(&[&["plugin", "inspect", plugin], more].concat()).exits(0).stdout;
            shown.split_once("\nCounters").expect("its counters").0.to_owned()
        };
        assert_eq!(inspect(&["--config", &file]), inspect(&[]), "{plugin}");
    }
}

/// `backends.NAME` stands for each of the backends.
fn filled(name: &str, whole: &toml::Table) -> Vec<String> {
    let Some(kind) = name.strip_suffix(".NAME") else { return vec![name.to_owned()] };
    let names = whole[kind].as_table().expect("a table of plugins").keys();
    names.map(|name| format!("{kind}.{name}")).collect()
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(more)) => merge(known, more),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

#[test]
fn the_documented_limits_are_the_defaults() {
    let table = page("docs/configuration.md").table("`[backends.NAME.limits]` and `[policies.NAME.limits]`");
    let documented: Vec<Vec<&str>> =
        table.rows.iter().map(|row| row[..3].iter().map(|cell| cell.trim_matches('`')).collect()).collect();
    let (backend, policy) = (Limits::for_backend().table(), Limits::for_policy().table());
    let real = backend
        .iter()
        .zip(&policy)
        .map(|(backend, policy)| vec![backend.0.to_owned(), backend.1.to_string(), policy.1.to_string()]);
    assert_eq!(documented, real.collect::<Vec<_>>());
}

/// Each message in the guide is one of the program. What stands in the place of
/// `...` is filled in there; a message may be made of two, joined by a colon.
#[test]
fn the_messages_of_the_guide_are_in_the_program() {
    let mut sources = String::new();
    for folder in ["host/core/src", "host/runtime/src", "host/store/src", "host/reap/src", "plugins/tmux/src"]
    {
        read_all(&root().join(folder), &mut sources);
    }
    let sources = template(&sources);
    let table = page("docs/guide.md").table("When something is wrong");
    assert!(table.rows.len() > 30);
    let messages = table.rows.iter().flat_map(|row| row[0].split('`').skip(1).step_by(2));
    let unsaid: Vec<&str> = messages
        .filter(|message| {
            let bare = |part: &str| part.trim_matches(['.', ' ', ':']).to_owned();
            let said = |part: &str| part.len() >= SHORTEST && sources.contains(part);
            !said(&bare(message)) && !message.split(": ").map(bare).all(|part| said(&part))
        })
        .collect();
    assert!(unsaid.is_empty(), "nothing says these: {unsaid:#?}");
}

/// Less than this is found anywhere.
const SHORTEST: usize = 8;

/// The text with `...` for what is filled in, and without its marks of quoting.
fn template(text: &str) -> String {
    let mut pieces = text.split('{');
    let first = pieces.next().unwrap_or_default().to_owned();
    let filled = pieces.fold(first, |text, piece| match piece.split_once('}') {
        Some((name, rest)) if !name.contains(['\n', ' ']) => format!("{text}...{rest}"),
        _ => format!("{text}{{{piece}"),
    });
    filled.replace(['`', '\\'], "").replace("... ...", "...")
}

/// The sources as one text without tests and comments, and with texts that go
/// over several lines joined.
fn read_all(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_all(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).expect("a source");
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = lines.fold(String::new(), |code, line| code + line + "\n");
            let mut pieces = code.split("\\\n");
            into.push_str(pieces.next().unwrap_or_default());
            pieces.for_each(|piece| into.push_str(piece.trim_start()));
        }
    }
}

/// Each case of the page names tests that exist, or says what it waits for.
#[test]
fn the_tests_of_the_incidents_exist() {
    let rows: Vec<Vec<String>> =
        page("docs/incidents.md").tables().into_iter().flat_map(|table| table.rows).collect();
    assert!(rows.len() > 70, "only {} cases were found", rows.len());
    for row in rows {
        let tests: Vec<&str> = row[2].split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty() || row[2].starts_with("comes with "), "{row:?}");
        for test in tests {
            assert!(is_a_test(test), "there is no test {test}: {}", row[0]);
        }
    }
}

/// Whether this, a file and a name, is a test.
fn is_a_test(test: &str) -> bool {
    let Some((file, name)) = test.split_once("::") else { return false };
    let Ok(text) = fs::read_to_string(root().join(file)) else { return false };
    let Some(at) = text.find(&format!("fn {name}(")) else { return false };
    let above = text[..at].lines().rev().map(str::trim);
    let mut marks =
        above.take_while(|line| line.is_empty() || line.starts_with("#[") || line.starts_with("//"));
    marks.any(|mark| mark == "#[test]")
}

#[test]
fn the_exit_statuses_of_the_guide_are_those_of_the_help() {
    let help = World::bare().reap(&["--help"]).exits(0).stdout;
    let (_, told) = help.split_once("Exit status:\n").expect("the statuses are in the help");
    let told: Vec<&str> = told.lines().filter(|line| !line.is_empty()).map(str::trim).collect();
    let table = page("docs/guide.md").table("Exit status");
    let documented: Vec<String> =
        table.rows.iter().map(|row| format!("{}  {}", row[0], row[1].replace('`', ""))).collect();
    assert_eq!(told, documented);
}
