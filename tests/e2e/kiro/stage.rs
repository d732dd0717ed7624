//! A machine of its own for kiro-cli's stand-in: a PID namespace with a first process
//! that takes over orphans, as a real one does. The user's own processes cannot be
//! seen in it, and those of other tests neither.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use rustix::process::Signal;

use crate::support::{Json, Process, Ran, World, holds, run, skip, until};

/// The names that the stand-in goes by.
const NAMES: [&str; 14] = [
    "init",
    "systemd",
    "supervisor",
    "gateway",
    "editor",
    "crowd",
    "launcher",
    "kiro-cli",
    "kiro-cli-chat",
    "bun",
    "node",
    "mcp-server",
    "kiro_cli_desktop",
    "vim",
];

/// The policies vote at once.
pub const AT_ONCE: &str = "[policies.kiro-orphans]\nafter = \"0s\"\nheld_after = \"0s\"\nheadless_after = \"0s\"\n\
    launcher_after = \"0s\"\n[policies.kiro-stale-locks]\nafter = \"0s\"\n\
    [policies.kiro-leaked-mcp]\nafter = \"0s\"\n";

/// The id of session number `n`.
pub fn id(n: usize) -> String {
    format!("3f2504e0-4f89-11d3-9a0c-{n:012x}")
}

/// The machine.
pub struct Stage<'w> {
    pub world: &'w World,
    init: Process,
    families: Cell<usize>,
}

/// What was started at once, and all that it started.
pub struct Family {
    ready: PathBuf,
    /// By role, with the pids inside.
    members: Vec<(String, u32, Process)>,
}

impl<'w> Stage<'w> {
    /// Sets one up. Nothing where this machine does not let us, which is said aloud.
    #[track_caller]
    pub fn open(world: &'w World) -> Option<Self> {
        if !can_unshare() {
            skip("a PID namespace cannot be made here: it takes root, or user namespaces");
            return None;
        }
        let bin = world.path("bin");
        fs::create_dir(&bin).expect("a folder for the names");
        // Another user may not be let into the folder of the build.
        let program = bin.join("stand-in");
        fs::copy(stand_in(), &program).expect("a copy");
        NAMES.iter().for_each(|name| symlink(&program, bin.join(name)).expect("a name"));
        fs::create_dir_all(world.path("kiro/sessions/cli")).expect("a kiro home");
        for folder in ["kiro", "kiro/sessions", "kiro/sessions/cli"] {
            world.hand_over(&world.path(folder));
        }
        let ready = world.path("ready-init");
        fs::create_dir(&ready).expect("a folder");
        let mut command = world.own_command("unshare");
        command.args(namespaces()).args(["--fork", "--mount-proc", "--"]).arg(bin.join("init"));
        detach(command.env("STANDIN_READY", &ready));
        holds("the first process of the namespace", || count(&ready) == 1);
        let first = |process: &Process| inner_pid(*process) == Some(1);
        let init = until("the first process", || world.processes().into_iter().find(first));
        Some(Self { world, init, families: Cell::new(0) })
    }

    /// A path in the kiro home.
    pub fn kiro(&self, name: &str) -> PathBuf {
        self.world.path("kiro").join(name)
    }

    /// A file of a session of the second engine.
    pub fn file(&self, id: &str, ending: &str) -> PathBuf {
        self.kiro("sessions/cli").join(format!("{id}.{ending}"))
    }

    /// A command that runs this program in it.
    pub fn inside(&self, program: impl AsRef<Path>) -> Command {
        self.inside_at(&self.world.path("home"), program)
    }

    /// Each user sees no processes but their own from now on.
    #[track_caller]
    pub fn hide_processes_of_others(&self) {
        run(self.as_root().args(["mount", "-o", "remount,hidepid=2", "proc", "/proc"])).exits(0);
    }

    /// The beginning of a command that runs in it as the user of the test.
    fn as_root(&self) -> Command {
        let mut command = self.world.own_command("nsenter");
        command.arg(format!("--target={}", self.init.pid)).args(["--pid", "--mount", "--"]);
        command
    }

    fn inside_at(&self, folder: &Path, program: impl AsRef<Path>) -> Command {
        let mut command = self.world.own_command("nsenter");
        command.arg(format!("--target={}", self.init.pid)).args(["--pid", "--mount"]);
        if !is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["--", "env", "-C"]).arg(folder);
        if let Some(user) = self.world.user() {
            command.args(["setpriv", &format!("--reuid={user}"), "--clear-groups", "--"]);
        }
        command.arg(program.as_ref());
        command.env("KIRO_HOME", self.world.path("kiro"));
        command
    }

    /// Runs the program that is tested.
    #[track_caller]
    pub fn reap(&self, words: &[&str]) -> Ran {
        run(self.inside(self.world.program()).args(words))
    }

    /// The sessions that it lists.
    #[track_caller]
    pub fn list(&self) -> Json {
        self.reap(&["ls", "--json"]).exits(0).json()
    }

    /// Starts the stand-in, and waits until so many of its processes are ready.
    #[track_caller]
    pub fn start(&self, words: &[&str], modes: &str, count_ready: usize) -> Family {
        self.start_at(&self.world.path("home"), words, modes, count_ready)
    }

    /// The same, in this folder.
    #[track_caller]
    pub fn start_at(&self, folder: &Path, words: &[&str], modes: &str, count_ready: usize) -> Family {
        let number = self.families.replace(self.families.get() + 1);
        let ready = self.world.path(format!("ready-{number}"));
        fs::create_dir(&ready).expect("a folder");
        self.world.hand_over(&ready);
        let mut command = self.inside_at(folder, self.world.path("bin").join(words[0]));
        command.args(&words[1..]).env("STANDIN", modes);
        command.env("STANDIN_BIN", self.world.path("bin")).env("STANDIN_READY", &ready);
        detach(&mut command);
        holds(&format!("{count_ready} processes of {words:?}"), || count(&ready) >= count_ready);
        let all: Vec<(u32, Process)> =
            self.all_of(&ready).into_iter().filter_map(|one| Some((inner_pid(one)?, one))).collect();
        let said = fs::read_dir(&ready).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let members = said.map(|name| {
            let name = name.into_string().expect("a plain name");
            let (role, pid) = name.rsplit_once('-').expect("a role and a pid");
            let pid = pid.parse().expect("a pid");
            let found = all.iter().find(|(inner, _)| *inner == pid);
            (role.to_owned(), pid, found.unwrap_or_else(|| panic!("{name} has ended")).1)
        });
        Family { members: members.collect(), ready }
    }

    /// kiro-cli's configuration names the stand-in's MCP server, in this file of its home.
    #[track_caller]
    pub fn configure_mcp(&self, file: &str) {
        let file = self.kiro(file);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        let program = self.world.path("bin/mcp-server");
        let servers = format!(
            r#"{{"mcpServers": {{"git": {{"command": {:?}, "args": [], "env": {{"TOKEN": "canary"}}}}}}}}"#,
            program.to_string_lossy()
        );
        fs::write(file, servers).expect("a configuration");
    }

    /// A process of another user, and its pid inside. Nothing where we are not root, who
    /// alone may start one; which is said aloud.
    #[track_caller]
    pub fn stranger(&self) -> Option<(u32, Process)> {
        if !is_root() {
            skip("only root can start a process of another user");
            return None;
        }
        let mut command = self.as_root();
        if self.world.user().is_none() {
            command.args(["setpriv", "--reuid=65534", "--clear-groups"]);
        }
        detach(command.args(["sleep", "600"]));
        Some(until("a process of another user", || {
            let sleeps = |one: &Process| command_line(*one) == "sleep 600 ";
            let found = self.world.processes().into_iter().find(sleeps)?;
            Some((inner_pid(found)?, found))
        }))
    }

    /// All processes of a family that run, with the children that say nothing.
    pub fn alive(&self, family: &Family) -> Vec<Process> {
        self.all_of(&family.ready)
    }

    fn all_of(&self, ready: &Path) -> Vec<Process> {
        let ready = ready.to_string_lossy();
        let of = |process: &Process| process.variable("STANDIN_READY").as_deref() == Some(&*ready);
        // What put them inside waits outside.
        let inside = |process: &Process| inner_pid(*process).is_some();
        self.world.processes().into_iter().filter(of).filter(inside).collect()
    }

    /// Ends the host of a family as a crash does, and waits until it is gone.
    #[track_caller]
    pub fn orphan(&self, family: &Family) {
        let host = family.of("gateway");
        host.signal(Signal::KILL);
        holds("the end of the host", || !host.lives());
    }

    /// Fails unless nothing of the family runs any more.
    #[track_caller]
    pub fn nothing_left(&self, family: &Family) {
        let left: Vec<String> = self.alive(family).iter().map(|one| command_line(*one)).collect();
        assert!(left.is_empty(), "still there: {left:#?}");
    }
}

impl Family {
    /// The one of this role.
    #[track_caller]
    pub fn of(&self, role: &str) -> Process {
        self.one(role).2
    }

    /// Its pid, as it is seen inside.
    #[track_caller]
    pub fn pid(&self, role: &str) -> u32 {
        self.one(role).1
    }

    #[track_caller]
    fn one(&self, role: &str) -> &(String, u32, Process) {
        let found = self.members.iter().find(|(is, ..)| is == role);
        found.unwrap_or_else(|| panic!("no {role} in {:?}", self.members))
    }
}

/// Starts something that goes on, and lets a thread fetch it when it has ended.
#[track_caller]
pub fn detach(command: &mut Command) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    thread::spawn(move || child.wait());
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// What a process is called.
pub fn command_line(process: Process) -> String {
    let words = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ")
}

/// The pid of a process in its innermost namespace.
fn inner_pid(process: Process) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    let pids: Vec<&str> = line.split_whitespace().collect();
    if pids.len() < 2 { None } else { pids.last()?.parse().ok() }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn namespaces() -> &'static [&'static str] {
    if is_root() { &["--pid"] } else { &["--user", "--map-root-user", "--pid"] }
}

fn can_unshare() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let mut command = Command::new("unshare");
        command.args(namespaces()).args(["--fork", "--mount-proc", "true"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

/// The stand-in, built once for all tests.
pub fn stand_in() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stand-in");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
        cargo
            .args(["build", "--locked", "--release", "-p", "reap-kiro-stand-in", "--target-dir"])
            .arg(&target);
        for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
            cargo.env_remove(variable);
        }
        let built = cargo.output().expect("cargo can be started");
        assert!(built.status.success(), "it did not compile\n{}", String::from_utf8_lossy(&built.stderr));
        target.join("release/kiro-stand-in")
    })
}
