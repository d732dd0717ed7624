//! The command lines of `tmux.toml` and the code that reads their answers, held
//! against a real tmux: a private server in a folder of its own each time.

use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reap_plugin::Error;
use reap_plugin::commands::Output;
use reap_plugin_tmux::answer::{Absence, Answer, of_kind, read};
use reap_plugin_tmux::fate::Act;
use reap_plugin_tmux::rows::{PaneState, Rows, SessionRow};

/// A private tmux server, ended with the test.
struct Tmux {
    folder: tempfile::TempDir,
    socket: String,
}

impl Tmux {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = folder.path().join("s").to_str().expect("UTF-8").to_owned();
        Self { folder, socket }
    }

    /// A server with one session of that name.
    fn with(name: &str) -> Self {
        let tmux = Self::new();
        tmux.start(name);
        tmux
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_remove("TMUX")
            .env_remove("TMUX_PANE")
            .env("TMUX_TMPDIR", self.folder.path())
            .env("LC_ALL", "C");
        command
    }

    /// Runs tmux as the test's own hand.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command("tmux");
        output(command.args(["-u", "-f", "/dev/null", "-S", &self.socket]).args(arguments))
    }

    fn start(&self, name: &str) {
        let started = self.run(&["new-session", "-d", "-s", name, "sleep 1000"]);
        assert_eq!((started.status, started.stderr.as_str()), (Some(0), ""), "tmux must be installed");
    }

    /// Runs a command line of the manifest, `table` being `asks.commands` or
    /// `asks.ending.commands`.
    fn manifest(&self, table: &str, name: &str, key: &str, incarnation: &str) -> Output {
        let panes = if table == "asks.ending.commands" { self.panes(key) } else { String::new() };
        self.filled(table, name, key, incarnation, &panes)
    }

    /// The same for a session that was seen with these panes.
    fn filled(&self, table: &str, name: &str, key: &str, incarnation: &str, panes: &str) -> Output {
        let manifest: toml::Table = include_str!("../tmux.toml").parse().expect("the manifest is TOML");
        let asked = table
            .split('.')
            .chain([name])
            .fold(&manifest, |table, key| table[key].as_table().expect("the manifest has this table"));
        let words = asked["run"].as_array().expect("a command line").iter().map(|word| {
            let word = word.as_str().expect("words");
            let word = word.replace("{socket}", &self.socket).replace("{instance}", &self.socket);
            let word = word.replace("{key}", key).replace("{incarnation}", incarnation);
            word.replace("{fact.pane-ids}", panes)
        });
        let words: Vec<String> = words.collect();
        output(self.command(&words[0]).args(&words[1..]))
    }

    /// The panes of a session, as its fact names them.
    fn panes(&self, key: &str) -> String {
        let rows = self.rows();
        let found = rows.sessions.iter().find(|row| row.number.to_string() == key);
        let panes = found.map(|row| row.panes.as_slice()).unwrap_or_default();
        panes.iter().map(|pane| format!("%{}", pane.id)).collect::<Vec<_>>().join(" ")
    }

    fn answer(&self) -> Answer {
        read(&self.socket, Ok(self.manifest("asks.commands", "scan", "", "")))
    }

    /// What the path of the socket is.
    fn kind(&self) -> Answer {
        of_kind(Ok(self.manifest("asks.commands", "kind", "", "")))
    }

    fn rows(&self) -> Rows {
        match self.answer() {
            Answer::Server(rows) => rows,
            other => panic!("{other:?}"),
        }
    }

    fn session(&self, name: &str) -> (SessionRow, String) {
        let rows = self.rows();
        let found = rows.sessions.into_iter().find(|row| row.name == name);
        let row = found.unwrap_or_else(|| panic!("{name} is not listed"));
        let incarnation = format!("{}.{}.{}", rows.server.pid, rows.server.started, row.created);
        (row, incarnation)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.rows().sessions.into_iter().map(|row| row.name).collect();
        names.sort();
        names
    }

    /// Attaches a control client. It is attached once it has printed something.
    fn attach(&self, key: &str) -> Attached {
        let mut command = self.command("tmux");
        command.args(["-S", &self.socket, "-C", "attach-session", "-t", key]);
        let mut client = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("tmux starts");
        let mut line = String::new();
        let mut printed = BufReader::new(client.stdout.take().expect("piped"));
        printed.read_line(&mut line).expect("it prints a line");
        Attached { client, _printed: printed }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

/// A client that lets go when it is dropped.
struct Attached {
    client: Child,
    _printed: BufReader<std::process::ChildStdout>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        drop(self.client.stdin.take());
        let _ = self.client.wait(); // it ends with its input
    }
}

fn output(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().expect("tmux must be installed");
    Output {
        status: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        truncated: false,
    }
}

#[test]
fn any_legal_name_is_read_as_it_is() {
    let tmux = Tmux::with("plain");
    let names = [
        ("a b|c:d.e", "a b|c_d_e"),
        ("=lead", "=lead"),
        ("$0", "$0"),
        ("ünï 日本", "ünï 日本"),
        ("  two  spaces ", "  two  spaces "),
        ("x\nP $9 @9 %9 1 0 1", "x\\nP $9 @9 %9 1 0 1"),
        ("x\ty\u{1b}[2J", "x\\ty\\033[2J"),
        ("0 0 0 0 1  x ", "0 0 0 0 1  x "),
    ];
    for (name, _) in names {
        tmux.start(name);
    }
    let rows = tmux.rows();
    assert_eq!(rows.flaws, [""; 0]);
    let mut expected: Vec<&str> = names.iter().map(|(_, printed)| *printed).chain(["plain"]).collect();
    expected.sort_unstable();
    assert_eq!(tmux.names(), expected);
    let panes: usize = rows.sessions.iter().map(|row| row.panes.len()).sum();
    assert_eq!((panes, rows.clients.len()), (9, 0));
}

#[test]
fn a_folder_that_imitates_a_row_adds_nothing() {
    let tmux = Tmux::with("plain");
    let forged = tmux.folder.path().join("x\nS $9 1 1  0 0 0  @9%9:1:0:1; 1 x \n");
    std::fs::create_dir(&forged).expect("a legal name");
    let folder = forged.to_str().expect("UTF-8");
    tmux.run(&["new-session", "-d", "-s", "forger", "-c", folder, "sleep 1000"]);
    let rows = tmux.rows();
    assert_eq!((rows.flaws.len(), rows.sessions.len()), (0, 2), "{rows:?}");
    assert!(rows.sessions.iter().all(|row| row.panes.len() == 1), "{rows:?}");
}

/// tmux keeps the name of a group as it was given, unlike that of a session.
#[test]
fn groups_stay_in_their_row() {
    let groups = [
        (&b"x\nS $9 1 1  0 0 0  1 x \nP $9 @9 %9 1 0 1\n"[..], "xS_$9_1_1__0_0_0__1_x_P_$9_@9_%9_1_0_1"),
        (b" two  spaces ", "_two__spaces_"),
        (b"1 x 0", "1_x_0"),
        ("ünï 日本".as_bytes(), "_n____"),
        (b"\x1b[2J\t#{pid} #(id) %s,}:.", "[2J#{pid}_#(id)_%s,}:."),
        (&[b'o'; 300], &"o".repeat(200)),
        (b"cut \xe6\x97 and \xff", "cut__and_"),
    ];
    for (given, printed) in groups {
        let tmux = Tmux::with("plain");
        let mut command = tmux.command("tmux");
        command.args(["-u", "-S", &tmux.socket, "new-session", "-d", "-s", "member", "-t"]);
        let made = output(command.arg(std::ffi::OsStr::from_bytes(given)));
        assert_eq!(made.status, Some(0), "{printed}: {}", made.stderr);
        let rows = tmux.rows();
        let panes = rows.sessions.iter().map(|row| row.panes.len());
        assert_eq!(panes.collect::<Vec<_>>(), [1, 1], "{rows:?}");
        assert_eq!(rows.flaws, [""; 0], "{printed}");
        assert_eq!(tmux.session("plain").0.group, None);
        assert_eq!(tmux.session("member").0.group.as_deref(), Some(printed));
    }
}

#[test]
fn owner_tags_stay_in_their_row() {
    let tmux = Tmux::with("plain");
    let (row, _) = tmux.session("plain");
    assert_eq!(row.owner, None);
    let long = "o".repeat(300);
    let cases = [
        ("tmux//tmp/tmux-0/default/$3", "tmux//tmp/tmux-0/default/$3", true),
        ("x\nS $9 1 1  0 0 0  1 x ", "xS $9 1 1  0 0 0  1 x ", false),
        ("#{pid} #(id) %s", "#{pid} #(id) %s", true),
        ("ärger", "_rger", false),
        (long.as_str(), &long[..200], false),
    ];
    for (tag, printed, exact) in cases {
        tmux.run(&["set-option", "-t", "$0:", "@reap-owner", tag]);
        assert_eq!(tmux.rows().flaws, [""; 0], "{tag:?}");
        let owner = tmux.session("plain").0.owner.expect("tagged");
        assert_eq!((owner.text.as_str(), owner.exact), (printed, exact), "{tag:?}");
    }
}

#[test]
fn the_opt_out_tag_is_read_set_and_cleared() {
    let tmux = Tmux::with("plain");
    let (row, incarnation) = tmux.session("plain");
    assert!(!row.protected);
    for (value, on) in
        [("1", true), ("on", true), ("", false), ("0", false), ("off", false), ("No", false), (",}", true)]
    {
        tmux.run(&["set-option", "-t", "$0:", "@reap-protect", value]);
        assert_eq!(tmux.session("plain").0.protected, on, "{value:?}");
    }
    let tag = |command: &str, incarnation: &str| {
        Act::of(Ok(tmux.manifest("asks.commands", command, "$0", incarnation)))
    };
    assert_eq!(tag("unprotect", &incarnation), Act::Accepted);
    assert!(!tmux.session("plain").0.protected);
    assert_eq!(tag("protect", "1.2.3"), Act::Refused);
    assert!(!tmux.session("plain").0.protected);
    assert_eq!(tag("protect", &incarnation), Act::Accepted);
    assert!(tmux.session("plain").0.protected);
    assert_eq!(tag("unprotect", "1.2.3"), Act::Refused);
    assert!(tmux.session("plain").0.protected);
}

#[test]
fn only_the_session_meant_is_ended() {
    let tmux = Tmux::with("base"); // its id is $0
    tmux.start("$0");
    tmux.start("app-10");
    let (row, incarnation) = tmux.session("$0");
    let end = |command: &str, key: &str, incarnation: &str| {
        Act::of(Ok(tmux.manifest("asks.ending.commands", command, key, incarnation)))
    };
    assert_eq!(end("end", &row.number.to_string(), "1.2.3"), Act::Refused, "another incarnation");
    assert_eq!(end("end", "$99", &incarnation), Act::Refused, "no such session");
    assert_eq!(tmux.names(), ["$0", "app-10", "base"]);
    assert_eq!(end("end", &row.number.to_string(), &incarnation), Act::Accepted);
    assert_eq!(tmux.names(), ["app-10", "base"]);
}

/// What runs in a window that was opened since the last look is not known.
#[test]
fn a_session_with_other_panes_is_not_ended() {
    let tmux = Tmux::with("base");
    tmux.start("grows");
    for more in ["split-window", "split-window -h", "new-window", "split-window -b"] {
        let (_, incarnation) = tmux.session("grows");
        let words: Vec<&str> = more.split(' ').chain(["-d", "-t", "$1:"]).collect();
        let before = tmux.panes("$1");
        tmux.run(&words);
        assert_ne!(tmux.panes("$1"), before);
        let guard = tmux.filled("asks.ending.commands", "end", "$1", &incarnation, &before);
        assert_eq!(Act::of(Ok(guard)), Act::Refused, "{more}");
    }
    let (_, incarnation) = tmux.session("grows");
    let now = tmux.panes("$1");
    let ended = tmux.filled("asks.ending.commands", "end", "$1", &incarnation, &now);
    assert_eq!(Act::of(Ok(ended)), Act::Accepted, "{now}");
    assert_eq!(tmux.names(), ["base"]);
}

#[test]
fn an_attached_session_is_ended_only_by_the_command_for_it() {
    let tmux = Tmux::with("base");
    tmux.start("looked-at");
    let client = tmux.attach("$1");
    let (row, incarnation) = tmux.session("looked-at");
    assert_eq!(row.attached, 1);
    let rows = tmux.rows();
    assert!(rows.clients.len() == 1 && rows.clients[0].control, "{:?}", rows.clients);
    let end = |command: &str| Act::of(Ok(tmux.manifest("asks.ending.commands", command, "$1", &incarnation)));
    assert_eq!(end("end"), Act::Refused);
    assert_eq!(tmux.names(), ["base", "looked-at"]);
    assert_eq!(end("end-attached"), Act::Accepted);
    assert_eq!(tmux.names(), ["base"]);
    drop(client);
}

#[test]
fn panes_are_told_apart() {
    let tmux = Tmux::with("base");
    tmux.run(&["set-option", "-g", "remain-on-exit", "on"]);
    tmux.run(&["new-session", "-d", "-s", "dead", "exit 3", ";", "split-window", "-d", "-t", "$0:", ""]);
    let state = |number: u32| {
        let rows = tmux.rows();
        let found = rows.sessions.into_iter().filter(|row| row.number.0 == number);
        found.flat_map(|row| row.panes).map(|pane| pane.state).collect::<Vec<_>>()
    };
    assert!(matches!(state(0)[..], [PaneState::Live(_), PaneState::Empty]), "{:?}", state(0));
    // The pane's death is noticed by the server in its own time.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while state(1) != [PaneState::Dead] {
        assert!(std::time::Instant::now() < deadline, "{:?}", state(1));
    }
}

#[test]
fn no_server_is_told_from_an_empty_one() {
    let tmux = Tmux::new();
    assert_eq!(tmux.answer(), Answer::Absent(Absence::NothingThere));
    tmux.start("last");
    tmux.run(&["set-option", "-s", "exit-empty", "off", ";", "kill-session", "-t", "$0"]);
    let rows = tmux.rows();
    assert!(rows.sessions.is_empty() && rows.flaws.is_empty(), "{rows:?}");
}

#[test]
fn a_stale_socket_is_no_server() {
    let tmux = Tmux::new();
    drop(std::os::unix::net::UnixListener::bind(&tmux.socket).expect("a socket"));
    assert!(Path::new(&tmux.socket).exists());
    assert_eq!(tmux.answer(), Answer::Absent(Absence::NobodyListens));
    assert_eq!(tmux.kind(), Answer::Absent(Absence::NobodyListens));
}

/// tmux itself says the same of these as of a socket without a server.
#[test]
fn what_is_no_socket_is_told_from_one_without_a_server() {
    type Make = fn(&str) -> std::io::Result<()>;
    let kinds: [(&str, Make); 4] = [
        ("a regular file", |path| std::fs::write(path, "x")),
        ("a regular empty file", |path| std::fs::write(path, "")),
        ("a directory", |path| std::fs::create_dir(path)),
        ("a character special file", |path| std::os::unix::fs::symlink("/dev/null", path)),
    ];
    for (kind, make) in kinds {
        let tmux = Tmux::new();
        make(&tmux.socket).expect("our own folder");
        assert_eq!(tmux.answer(), Answer::Absent(Absence::NobodyListens), "{kind}");
        let Answer::Failed(Error::Invalid(why)) = tmux.kind() else { panic!("{kind}: {:?}", tmux.kind()) };
        assert!(why.contains(kind), "{why}");
    }
}

#[test]
fn a_program_that_is_no_tmux_is_a_failure() {
    let tmux = Tmux::new();
    let listener = std::os::unix::net::UnixListener::bind(&tmux.socket).expect("a socket");
    let stranger = std::thread::spawn(move || drop(listener.accept()));
    assert!(matches!(tmux.answer(), Answer::Failed(_)));
    stranger.join().expect("somebody connected");
}
