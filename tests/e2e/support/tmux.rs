//! Private tmux servers and the sessions in them.

use std::path::PathBuf;
use std::process::Command;

use super::process::Process;
use super::run::{Ran, run};
use super::wait::{holds, until};
use super::world::World;

/// A tmux server of one world.
#[derive(Clone, Copy)]
pub struct Server<'w> {
    pub world: &'w World,
    name: &'static str,
}

impl<'w> Server<'w> {
    pub(super) fn new(world: &'w World, name: &'static str) -> Self {
        Self { world, name }
    }

    pub fn socket(&self) -> PathBuf {
        self.world.sockets().join(self.name)
    }

    /// The instance by which reap knows it.
    pub fn instance(&self) -> String {
        self.socket().to_string_lossy().into_owned()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.world.command("tmux");
        command.args(["-u", "-f", "/dev/null", "-L", self.name]).args(words);
        command
    }

    /// Asks or tells it something, and gives back what it printed.
    #[track_caller]
    pub fn tmux(&self, words: &[&str]) -> String {
        let ran = run(&mut self.command(words)).exits(0);
        ran.stdout.strip_suffix('\n').unwrap_or(&ran.stdout).to_owned()
    }

    #[track_caller]
    pub fn try_tmux(&self, words: &[&str]) -> Ran {
        run(&mut self.command(words))
    }

    /// Starts a session with a program in it. Without one it is a shell.
    #[track_caller]
    pub fn start(&self, name: &str, program: &[&str]) -> Session<'w> {
        let new = ["new-session", "-d", "-P", "-F", "#{session_id}", "-x", "80", "-y", "24", "-s", name];
        let id = self.tmux(&[&new[..], program].concat());
        Session { server: *self, id }
    }

    /// Starts a session that runs something without a word for ten minutes.
    #[track_caller]
    pub fn sleeper(&self, name: &str) -> Session<'w> {
        let session = self.start(name, &["sleep", "600"]);
        holds("the sleeper", || session.shows("#{pane_current_command}", "sleep"));
        session
    }

    /// Starts a session with a shell that waits for somebody to type.
    #[track_caller]
    pub fn shell(&self, name: &str) -> Session<'w> {
        let session = self.start(name, &[]);
        session.wait_for_prompt();
        session
    }

    /// The ids of its sessions, in order. None when it does not run.
    pub fn ids(&self) -> Vec<String> {
        let ran = self.try_tmux(&["list-sessions", "-F", "#{session_id}"]);
        let mut ids: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
        ids.sort();
        ids
    }

    #[track_caller]
    pub fn process(&self) -> Process {
        let pid = self.tmux(&["display-message", "-p", "#{pid}"]);
        Process::of(pid.parse().expect("a pid")).expect("the server runs")
    }

    /// Ends it, and waits until it is gone. Its socket stays.
    #[track_caller]
    pub fn end(&self) {
        let process = self.process();
        self.tmux(&["kill-server"]);
        holds("the end of the server", || !process.lives());
    }

    /// Everything about it that a look must not change.
    #[track_caller]
    pub fn state(&self) -> String {
        let all: [&[&str]; 10] = [
            &["display-message", "-p", "#{pid} #{start_time} #{next_session_id}"],
            &[
                "list-sessions",
                "-F",
                "#{session_id} #{session_created} #{session_activity} #{session_last_attached} #{session_attached} \
                 #{session_windows} #{session_group} #{session_name}",
            ],
            &[
                "list-windows",
                "-a",
                "-F",
                "#{session_id} #{window_id} #{window_activity} #{window_layout} #{window_name}",
            ],
            &[
                "list-panes",
                "-a",
                "-F",
                "#{session_id} #{pane_id} #{pane_pid} #{pane_dead} #{history_size} #{pane_title}",
            ],
            &["list-clients", "-F", "#{client_pid} #{session_id} #{client_activity}"],
            &["show-options", "-s"],
            &["show-options", "-g"],
            &["show-options", "-gw"],
            &["show-hooks", "-g"],
            &["show-environment", "-g"],
        ];
        let mut state: Vec<String> = all.iter().map(|words| self.tmux(words)).collect();
        for id in self.ids() {
            state.push(self.tmux(&["show-options", "-t", &id]));
            state.push(self.tmux(&["show-options", "-w", "-t", &format!("{id}:")]));
        }
        state.join("\n--\n")
    }
}

/// A session, by its id: names are what is tested.
#[derive(Clone)]
pub struct Session<'w> {
    pub server: Server<'w>,
    pub id: String,
}

impl Session<'_> {
    /// Whether it is there.
    pub fn lives(&self) -> bool {
        self.server.ids().contains(&self.id)
    }

    /// What a tmux format gives for it.
    #[track_caller]
    pub fn format(&self, format: &str) -> String {
        self.server.tmux(&["display-message", "-p", "-t", &self.target(), format])
    }

    pub fn shows(&self, format: &str, value: &str) -> bool {
        self.format(format) == value
    }

    /// As reap writes it: backend/instance/key.
    pub fn address(&self) -> String {
        format!("tmux/{}/{}", self.server.instance(), self.id)
    }

    /// Its handle, by what reap says.
    #[track_caller]
    pub fn handle(&self) -> String {
        let shown = self.server.world.reap(&["show", "--json", &self.address()]).exits(0);
        shown.json().at("/handle").text().to_owned()
    }

    /// The process that tmux started in its current pane.
    #[track_caller]
    pub fn leader(&self) -> Process {
        let pid = self.format("#{pane_pid}");
        Process::of(pid.parse().expect("a pid")).expect("the leader runs")
    }

    /// Types a line into its current pane.
    #[track_caller]
    pub fn types(&self, line: &str) {
        self.server.tmux(&["send-keys", "-t", &self.target(), "-l", "--", line]);
        self.server.tmux(&["send-keys", "-t", &self.target(), "Enter"]);
    }

    /// What its current pane shows.
    #[track_caller]
    pub fn screen(&self) -> String {
        self.server.tmux(&["capture-pane", "-p", "-t", &self.target()])
    }

    /// Types until tmux says that something happened after `since`, in
    /// milliseconds. It counts whole seconds, so this may take one.
    #[track_caller]
    pub fn becomes_active_after(&self, since: u64) {
        holds("activity", || {
            self.types("");
            let activity: u64 = self.format("#{window_activity}").parse().expect("a time");
            activity * 1000 > since
        });
    }

    /// Runs reap inside its current pane, where a shell waits.
    #[track_caller]
    pub fn reap(&self, words: &[&str]) -> Ran {
        self.reap_by(".", "", words)
    }

    /// Runs it from a daemon that was started there: no child of the session.
    #[track_caller]
    pub fn reap_in_daemon(&self, words: &[&str]) -> Ran {
        self.reap_by("(setsid sh", " &)", words)
    }

    #[track_caller]
    fn reap_by(&self, before: &str, after: &str, words: &[&str]) -> Ran {
        let world = self.server.world;
        let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
        let [out, err, code] = ["out", "err", "code"].map(|name| world.path(format!("inside.{name}")));
        let script = format!(
            "{} {} >{} 2>{} </dev/null; echo $? >{code}.new; mv {code}.new {code}\n",
            quote(env!("CARGO_BIN_EXE_reap")),
            quoted.join(" "),
            out.display(),
            err.display(),
            code = code.display(),
        );
        let script = world.write("inside.sh", script);
        self.types(&format!("{before} {}{after}", script.display()));
        let status = until("the end of reap inside a session", || std::fs::read_to_string(&code).ok());
        std::fs::remove_file(&code).expect("it was just read");
        let text = |path| String::from_utf8_lossy(&std::fs::read(path).expect("it was written")).into_owned();
        Ran {
            line: format!("(inside) reap {}", words.join(" ")),
            code: status.trim().parse().expect("an exit status"),
            stdout: text(out),
            stderr: text(err),
            took: std::time::Duration::ZERO,
        }
    }

    #[track_caller]
    pub fn wait_for_prompt(&self) {
        holds("a prompt", || !self.screen().trim().is_empty());
    }

    fn target(&self) -> String {
        format!("{}:", self.id)
    }
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
