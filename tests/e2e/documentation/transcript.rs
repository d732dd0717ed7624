//! The transcript of the README: its commands are typed again, in a terminal, and
//! must give what is printed there but for handles and times.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::markdown::page;
use crate::support::{Server, Session, World, holds, run};

const NOTHING_WAITS: &str = "[policies.idle-shell]\nafter = \"0s\"\n[policies.dead-panes]\nafter = \"0s\"\n";

#[test]
fn the_transcript_of_the_readme_is_what_happens() {
    let world = World::with(NOTHING_WAITS);
    people(&world);
    let blocks = page("README.md").blocks("console");
    let transcript = blocks.iter().find(|block| block.starts_with("$ reap ls\n")).expect("the transcript");
    let console = Console::open(&world);
    console.replay(transcript);
    let screen = console.screen();
    let screen = screen.strip_suffix('$').unwrap_or(&screen);
    assert_eq!(plain(screen), plain(transcript), "the README does not show what was printed:\n{screen}");
}

/// The sessions that the README tells of. Their order in the list is by activity,
/// which tmux counts in seconds, so each gets a second of its own.
fn people(world: &World) {
    let server = world.server("default");
    let done = server.sleeper("cron-nightly");
    let window = format!("{}:", done.id);
    server.tmux(&["set-option", "-w", "-t", &window, "remain-on-exit", "on"]);
    server.tmux(&["respawn-pane", "-k", "-t", &window, "true"]);
    holds("a dead pane", || done.shows("#{pane_dead}", "1"));
    let starts: [fn(&Server<'_>) -> String; 3] =
        [|on| on.shell("agent-41").id, |on| on.shell("agent-42").id, |on| on.sleeper("notes").id];
    let mut last = done;
    for start in starts {
        is_past(&last);
        last = Session { server, id: start(&server) };
    }
    is_past(&last);
}

/// Waits until the second of a session's last activity is over.
fn is_past(session: &Session<'_>) {
    holds("the next second", || {
        let last: u64 = session.format("#{window_activity}").parse().expect("a time");
        SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() > last
    });
}

/// A terminal outside of all that Reap looks at.
struct Console<'w> {
    world: &'w World,
}

impl<'w> Console<'w> {
    fn open(world: &'w World) -> Self {
        let programs = Path::new(env!("CARGO_BIN_EXE_reap")).parent().expect("it is in a folder");
        let path = format!("PATH={}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
        let console = Self { world };
        console.tmux(&[
            "new-session",
            "-d",
            "-x",
            "200",
            "-y",
            "100",
            "-s",
            "console",
            "env",
            &path,
            "PS1=$ ",
            "sh",
        ]);
        console
    }

    fn tmux(&self, words: &[&str]) -> String {
        let mut command = self.world.command("tmux");
        command.args(["-u", "-f", "/dev/null", "-S"]).arg(self.world.path("console.sock")).args(words);
        run(&mut command).exits(0).stdout
    }

    fn types(&self, line: &str) {
        self.tmux(&["send-keys", "-t", "console:", "-l", "--", line]);
        self.tmux(&["send-keys", "-t", "console:", "Enter"]);
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-J", "-t", "console:"]).trim_end().to_owned()
    }

    /// Types what the transcript says was typed, each as soon as it is asked for.
    fn replay(&self, transcript: &str) {
        let (mut prompts, mut questions) = (1, 0);
        for line in transcript.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                self.wait_for("a prompt", "$", prompts);
                self.types(command);
                prompts += 1;
            } else if let Some((_, answer)) = line.split_once("[y/N] ") {
                questions += 1;
                self.wait_for("the question", "[y/N]", questions);
                self.types(answer);
            }
        }
        self.wait_for("the last prompt", "$", prompts);
    }

    /// Waits until the screen ends in this, for the `count`th time.
    fn wait_for(&self, what: &str, end: &str, count: usize) {
        holds(what, || {
            let screen = self.screen();
            let met =
                screen.lines().filter(|line| line.starts_with(end) || line.contains("[y/N]") && end != "$");
            screen.ends_with(end) && met.count() == count
        });
    }
}

/// The text with one blank between words, and names in the place of what differs
/// each time.
fn plain(text: &str) -> String {
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.trim().lines().map(line).collect::<Vec<_>>().join("\n")
}

fn word(word: &str) -> String {
    let bare = word.trim_matches(['(', ')', ',', ';', '.']);
    let handle = bare.len() == 8 && bare.chars().all(|c| c.is_ascii_hexdigit());
    let time = bare.starts_with(|c: char| c.is_ascii_digit()) && bare.ends_with(['s', 'm', 'h', 'd']);
    let name = if handle {
        "HANDLE"
    } else if time {
        "TIME"
    } else {
        return word.to_owned();
    };
    word.replace(bare, name)
}
