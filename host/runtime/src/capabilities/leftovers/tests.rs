use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use super::*;
use crate::capabilities::grants::ProcessGrant;

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn line(command: &str, args: &str) -> Line {
    let args = if args.is_empty() { Vec::new() } else { words(args) };
    Line { name: "x".to_owned(), file: PathBuf::from("/x"), command: command.to_owned(), args }
}

#[test]
fn words_count_whole_and_all_of_them() {
    let cases = [
        ("uvx", "pkg@latest", "uvx pkg@latest", true),
        ("uvx", "pkg@latest", "/usr/bin/uvx pkg@latest", true),
        ("/opt/uvx", "pkg", "/opt/uvx pkg", true),
        ("/opt/uvx", "pkg", "uvx pkg", false),
        ("/opt/uvx", "pkg", "/usr/bin/uvx pkg", false),
        ("npx", "-y pkg", "node /usr/bin/npx -y pkg", true),
        ("npx", "-y pkg", "/usr/bin/node /usr/bin/npx -y pkg", true),
        ("/srv/run.py", "", "python3.12 /srv/run.py", true),
        ("run.sh", "", "/bin/bash /srv/run.sh", true),
        ("run.sh", "", "/bin/bash -x /srv/run.sh", false),
        ("npx", "-y pkg", "vim /usr/bin/npx -y pkg", false),
        ("npx", "-y pkg", "npx -y pkg --more", false),
        ("npx", "-y pkg", "npx -y", false),
        ("npx", "-y pkg", "npx -y pkg2", false),
        ("node", "server.js", "node server.js", true),
        ("node", "server.js", "node node server.js", true),
        ("x", "", "xx", false),
        ("x", "", "x", true),
    ];
    for (command, args, argv, is) in cases {
        assert_eq!(line(command, args).is_of(&words(argv)), is, "{command} {args}: {argv}");
    }
    assert!(!line("x", "").is_of(&[]));
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().expect("a folder")).expect("made");
    fs::write(&file, text).expect("written");
    file
}

const SERVERS: &str = r#"{"other": 1, "mcpServers": {
    "git": {"command": "uvx", "args": ["git"], "env": {"TOKEN": "canary"}, "disabled": false},
    "bare": {"command": "python3"}, "plain": {"command": "server", "args": null},
    "far": {"url": "https://localhost/mcp"}, "odd": {"command": 7}, "worse": {"command": "x", "args": [7]}}}"#;

#[test]
fn what_a_configuration_says() {
    let dir = tempfile::tempdir().expect("a temp folder");
    let root = dir.path();
    write(root, "settings/mcp.json", SERVERS);
    write(root, "agents/a.json", r#"{"mcpServers": {"two": {"command": "uvx", "args": ["two"]}}}"#);
    write(root, "agents/b.json", r#"{"name": "b", "mcpServers": []}"#);
    write(root, "agents/notes.txt", "no JSON");
    symlink(root.join("settings/mcp.json"), root.join("agents/link.json")).expect("linked");
    let files = ["settings/mcp.json", "settings/none.json", "agents/*.json", "nowhere/*.json"];
    let grant = |files: &[&str]| {
        let files = files.iter().map(|file| root.join(file)).collect();
        LeftoversGrant::of(files, "mcpServers")
    };
    let (lines, unread) = command_lines(&grant(&files));
    let told: Vec<(&str, &str, usize)> =
        lines.iter().map(|line| (line.name.as_str(), line.command.as_str(), line.args.len())).collect();
    let mcp = [("git", "uvx", 1), ("plain", "server", 0)];
    assert_eq!(told, [&mcp[..], &[("two", "uvx", 1)], &mcp[..]].concat());
    assert!(unread.is_empty(), "{unread:?}");

    write(root, "agents/torn.json", r#"{"mcpServers": {"git": {"env": {"TOKEN": "canary"#);
    fs::create_dir(root.join("agents/folder.json")).expect("made");
    let long = format!("{{}}{}", " ".repeat(usize::try_from(LONGEST).expect("it fits")));
    write(root, "agents/long.json", &long);
    let (_, unread) = command_lines(&grant(&files));
    assert_eq!(unread.len(), 3, "{unread:?}");
    for (one, why) in unread.iter().zip(["no regular file", "longer than", "is no JSON"]) {
        assert!(one.contains(why) && !one.contains("canary"), "{one}");
    }
}

/// A process of ours with this parent, group and kernel session.
fn row(pid: u32, parent: u32, group: u32, session: u32) -> Row {
    Row {
        id: ProcessId { pid, started: 100 },
        parent,
        group,
        session,
        terminal: 0,
        zombie: false,
        name: "x".to_owned(),
        age: Duration::from_secs(60),
        cpu: Duration::ZERO,
        uid: rustix::process::geteuid().as_raw(),
    }
}

/// A pid that nobody has.
fn gone() -> u32 {
    let mut child = Command::new("true").spawn().expect("it starts");
    child.wait().expect("our child");
    child.id()
}

#[test]
fn who_was_taken_over() {
    let (us, gone) = (std::process::id(), gone());
    let reaper = row(8, 1, 8, 8);
    let cases = [
        ("pid 1 took it over, unseen", row(20, 1, 20, gone), true),
        ("something else took it over", row(20, 8, 20, gone), true),
        ("in the group of another", row(20, 8, 19, gone), false),
        ("it leads its kernel session", row(20, 8, 20, 20), false),
        ("the leader of its session lives", row(20, 8, 20, us), false),
        ("its parent is in its session", row(20, 9, 20, gone), false),
        ("its parent cannot be seen", row(20, 30, 20, gone), false),
        ("its session is outside of the container", row(20, 8, 20, 0), false),
        ("it has ended", Row { zombie: true, ..row(20, 8, 20, gone) }, false),
    ];
    for (what, one, taken_over) in cases {
        let table = ProcessTable::from_rows(vec![reaper.clone(), row(9, 8, 9, gone), one.clone()]);
        assert_eq!(was_taken_over(&one, &table), taken_over, "{what}");
    }
}

/// What cannot be told of a server must not read as if there were none.
#[test]
fn an_unclear_input_is_told() {
    let dir = tempfile::tempdir().expect("a temp folder");
    let server = r#"{"mcpServers": {"x": {"command": "sleep", "args": ["600"]}}}"#;
    let configured = |args: &str| write(dir.path(), "mcp.json", &server.replace("600", args));
    let file = configured("600");
    let uid = rustix::process::geteuid().as_raw();
    let mut grants = Grants::default();
    grants.leftovers = Some(LeftoversGrant::of(vec![file.clone()], "mcpServers"));
    grants.processes =
        Some(ProcessGrant { executables: Vec::new(), all: true, uid, environment: Vec::new() });
    let (_ours, theirs) = UnixStream::pair().expect("a pair");
    let mut child = Command::new("sleep").arg("600").stdin(OwnedFd::from(theirs)).spawn().expect("it starts");
    let table = ProcessTable::from_rows(vec![row(child.id(), 1, child.id(), gone())]);
    let found = Found::look(&grants, &table, &mut Streams::blind());
    configured("601");
    let other = Found::look(&grants, &table, &mut Streams::blind());
    child.kill().and_then(|()| child.wait()).expect("our child");
    let [why] = &found.unread[..] else { panic!("{:?}", found.unread) };
    let start = format!("{} names pid {} ", file.display(), child.id());
    assert!(why.starts_with(&start) && found.leftovers.is_empty(), "{why}");
    assert!(other.unread.is_empty(), "no command line is its: {:?}", other.unread);
}
