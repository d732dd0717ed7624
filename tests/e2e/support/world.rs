//! A world for one test: folders, an environment, and an end to all that was
//! started in it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use rustix::process::Signal;
use tempfile::TempDir;

use super::process::{MARK, Process};
use super::run::{Ran, run};
use super::tmux::Server;
use super::wait::{comes_true, until};

/// A guard that makes nobody wait: nothing is too young, nothing was active just
/// now.
const QUICK: &str = "[guard]\nstart_grace = \"0s\"\nactive_within = \"0s\"\n";

/// Whom root becomes where root would be let in everywhere.
const NOBODY: u32 = 65534;

/// Everything that one test sees of the machine.
pub struct World {
    folder: TempDir,
    id: String,
    cache: PathBuf,
    /// Whom its commands run as, where that is not the user of the test.
    user: Option<u32>,
    /// The servers that the test started, by name.
    servers: RefCell<BTreeSet<&'static str>>,
}

impl World {
    /// A world with a guard that makes nobody wait.
    pub fn new() -> Self {
        Self::with("")
    }

    /// The same, with more in `reap.toml`.
    pub fn with(more: &str) -> Self {
        let world = Self::bare();
        world.configure(more);
        world
    }

    /// A world without `reap.toml`.
    pub fn bare() -> Self {
        Self::on(shared_cache())
    }

    /// A world in which nothing was ever compiled.
    pub fn cold() -> Self {
        let mut world = Self::on(Path::new(""));
        world.cache = world.path("cache");
        world
    }

    /// A world with a guard that makes nobody wait, of a user who is not root: to
    /// root every file is open, and every process is its own.
    pub fn of_nobody() -> Self {
        let mut world = Self::cold();
        if rustix::process::geteuid().is_root() {
            world.user = Some(NOBODY);
            for name in ["", "home", "config", "run", "tmux"] {
                world.hand_over(&world.path(name));
            }
            // nobody may not be let into the folder of the build.
            run(Command::new("cp").arg(env!("CARGO_BIN_EXE_reap")).arg(world.program())).exits(0);
        }
        world.configure("");
        world
    }

    fn on(cache: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("reap-").tempdir().expect("a folder for the test");
        let id = format!("{:016x}", RandomState::new().hash_one(folder.path()));
        let world = Self { folder, id, cache: cache.to_owned(), user: None, servers: RefCell::default() };
        for name in ["home", "config", "run", "tmux"] {
            fs::DirBuilder::new().mode(0o700).create(world.path(name)).expect("a folder in it");
        }
        world
    }

    /// Gives a file or folder to whom the world belongs to.
    pub fn hand_over(&self, path: &Path) {
        if let Some(user) = self.user {
            chown(path, Some(user), None).expect("root may give away");
        }
    }

    /// Whom its commands run as, where that is not the user of the test.
    pub fn user(&self) -> Option<u32> {
        self.user
    }

    /// The program that is tested.
    pub fn program(&self) -> PathBuf {
        match self.user {
            Some(_) => self.path("reap"),
            None => PathBuf::from(env!("CARGO_BIN_EXE_reap")),
        }
    }

    /// A path in the world's folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where `reap.toml` is.
    pub fn config_file(&self) -> PathBuf {
        self.path("config/reap/reap.toml")
    }

    /// Writes `reap.toml`: a guard that makes nobody wait, and this.
    pub fn configure(&self, more: &str) {
        self.configure_only(&format!("{QUICK}{more}"));
    }

    /// Writes `reap.toml` with nothing but this.
    pub fn configure_only(&self, text: &str) {
        self.write("config/reap/reap.toml", text);
    }

    /// Writes a file, and makes the folders above it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let folder = path.parent().expect("it is in a folder");
        fs::create_dir_all(folder).and_then(|()| fs::write(&path, text)).expect("a file can be written");
        path.ancestors().take_while(|path| *path != self.folder.path()).for_each(|path| self.hand_over(path));
        path
    }

    /// Lets every user into the world's folder.
    pub fn open_to_all(&self) {
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755)).expect("our own folder");
    }

    /// Where tmux keeps its sockets.
    pub fn sockets(&self) -> PathBuf {
        let user = self.user.unwrap_or_else(|| rustix::process::geteuid().as_raw());
        self.path(format!("tmux/tmux-{user}"))
    }

    /// The tmux server of this name. It starts with its first session.
    pub fn server(&self, name: &'static str) -> Server<'_> {
        self.servers.borrow_mut().insert(name);
        Server::new(self, name)
    }

    /// A command that sees this world and nothing else.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let Some(user) = self.user else { return self.own_command(program) };
        let mut command = self.own_command("setpriv");
        command.args([&format!("--reuid={user}"), "--clear-groups", "--"]).arg(program.as_ref());
        command
    }

    /// The same as the user of the test, whomever the world belongs to.
    pub fn own_command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(self.path("home")).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        // The plainest surroundings there are; a systemd unit has these.
        command.env("LC_ALL", "C").env("TERM", "screen").env("SHELL", "/bin/sh");
        command.env("HOME", self.path("home")).env("TMUX_TMPDIR", self.path("tmux"));
        command.env("XDG_CONFIG_HOME", self.path("config")).env("XDG_STATE_HOME", self.path("state"));
        command.env("XDG_RUNTIME_DIR", self.path("run")).env("XDG_CACHE_HOME", &self.cache);
        // Where nobody listens: the user's own gateway may be at the usual port.
        command.env("OPENCLAW_GATEWAY_PORT", "1");
        command.env(MARK, &self.id);
        command
    }

    /// The program that is tested.
    pub fn reap_command(&self, words: &[&str]) -> Command {
        let mut command = self.command(self.program());
        command.args(words);
        command
    }

    /// Runs the program that is tested.
    #[track_caller]
    pub fn reap(&self, words: &[&str]) -> Ran {
        run(&mut self.reap_command(words))
    }

    /// A process that belongs to no session.
    pub fn bystander(&self) -> Process {
        let mut command = self.command("sleep");
        command.arg("600");
        self.in_background(command)
    }

    /// Starts a command that goes on while the test does.
    #[track_caller]
    pub fn in_background(&self, mut command: Command) -> Process {
        let mut child = command.spawn().expect("the program can be started");
        let process = Process::of(child.id()).expect("a child is there until it was waited for");
        // Somebody must fetch it when the world ends.
        thread::spawn(move || child.wait());
        process
    }

    /// All processes of this world that run.
    pub fn processes(&self) -> Vec<Process> {
        Process::of_world(&self.id)
    }

    /// Waits for the one process that says its pid in this file.
    #[track_caller]
    pub fn process_in(&self, file: &Path) -> Process {
        until(&format!("a pid in {}", file.display()), || {
            let text = fs::read_to_string(file).ok()?;
            Process::of(text.strip_suffix('\n')?.parse().ok()?)
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for name in self.servers.take() {
            self.ask_to_end(&self.sockets().join(name));
        }
        let all_ended = comes_true(|| {
            let left = self.processes();
            left.iter().for_each(|process| process.signal(Signal::KILL));
            left.is_empty()
        });
        let left = if all_ended { Vec::new() } else { self.processes() };
        assert!(all_ended || thread::panicking(), "these processes of the test cannot be ended: {left:?}");
    }
}

impl World {
    /// Asks the server at this socket to end. A stopped one never answers, and it
    /// would hold on to a pipe for output for ever.
    fn ask_to_end(&self, socket: &Path) {
        if socket.exists() {
            let mut command = self.command("timeout");
            command.args(["5", "tmux", "-S"]).arg(socket).arg("kill-server");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            // That it is gone already, or does not answer, is for the signals to settle.
            let _ = command.status();
        }
    }
}

/// Compiled plugins, shared by all tests, so that they are compiled once. The
/// first test to come fills it while the others wait.
fn shared_cache() -> &'static Path {
    static FILLED: OnceLock<PathBuf> = OnceLock::new();
    FILLED.get_or_init(|| {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
        World::on(&cache).reap(&["plugin", "list"]).exits(0);
        cache
    })
}
