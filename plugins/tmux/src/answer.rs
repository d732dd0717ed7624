//! What one server's answer to the `scan` command means.
//!
//! Two sentences of tmux say for certain that there is no server at a path.
//! Everything else that goes wrong says nothing about the sessions: a reaper that
//! read every error as "no sessions" took fifty live ones for dead.

use reap_plugin::Error;
use reap_plugin::commands::Output;

use crate::rows::{Rows, parse};

/// What is wrong with an answer that was cut.
const CUT: &str = "tmux printed more than the host lets through (limit `output_bytes`)";

/// What became of asking one server.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It answered.
    Server(Rows),
    /// There is positively no server at that path.
    Absent(Absence),
    /// It could not be asked, or what it said is not understood.
    Failed(Error),
}

/// Why there is no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// Nobody listens there. That is so of a socket that a server left behind, and
    /// of everything that is no socket at all.
    NobodyListens,
    /// There is nothing at that path.
    NothingThere,
}

impl Absence {
    /// In words for a person.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NobodyListens => "no tmux server listens at this socket",
            Self::NothingThere => "there is no such socket",
        }
    }
}

/// Reads the answer of the server at `socket`.
pub fn read(socket: &str, output: Result<Output, Error>) -> Answer {
    let output = match output {
        Ok(output) => output,
        Err(error) => return Answer::Failed(not_run(error)),
    };
    if let Some(absence) = no_server(socket, &output) {
        return Answer::Absent(absence);
    }
    match parse(&output.stdout) {
        Ok(rows) if answered(&output, &rows) => Answer::Server(marked(rows, &output)),
        Err(_) if output.truncated => Answer::Failed(Error::Limited(CUT.to_owned())),
        Err(why) if output.status == Some(0) => {
            Answer::Failed(Error::Failed(format!("tmux answered something unexpected: {why}")))
        }
        Ok(_) | Err(_) => Answer::Failed(complaint(&output)),
    }
}

/// The two sentences, each whole and with this very path in it.
fn no_server(socket: &str, output: &Output) -> Option<Absence> {
    if output.status != Some(1) || !output.stdout.is_empty() {
        return None;
    }
    match output.stderr.trim_end_matches('\n') {
        said if said == format!("no server running on {socket}") => Some(Absence::NobodyListens),
        said if said == format!("error connecting to {socket} (No such file or directory)") => {
            Some(Absence::NothingThere)
        }
        _ => None,
    }
}

/// A server that lives on without sessions (`exit-empty off`) prints its own row
/// and then finds nothing to list.
fn answered(output: &Output, rows: &Rows) -> bool {
    let nothing = rows.sessions.is_empty() && rows.clients.is_empty();
    match output.status {
        Some(0) => true,
        Some(1) => nothing && output.stderr.trim_end() == "no current target",
        _ => false,
    }
}

fn marked(mut rows: Rows, output: &Output) -> Rows {
    if output.truncated {
        rows.flaws.push(CUT.to_owned());
    }
    rows
}

/// What tmux complained about, as an error of ours.
pub fn complaint(output: &Output) -> Error {
    let said = output.stderr.trim();
    let said = if said.is_empty() { "no word of why" } else { said };
    match output.status {
        Some(status) => Error::Unavailable(format!("tmux failed with status {status}: {said}")),
        None => Error::Unavailable(format!("tmux was ended by a signal: {said}")),
    }
}

/// What the command `kind` says of a configured path at which nobody listens. tmux
/// says of a file or a folder what it says of a socket without a server, and such a
/// slip would hide the server that was meant.
pub fn of_kind(output: Result<Output, Error>) -> Answer {
    let output = match output {
        Ok(output) => output,
        Err(error) => return Answer::Failed(error.reworded(|why| format!("{UNTOLD}: {why}"))),
    };
    match (output.status, String::from_utf8_lossy(&output.stdout).trim()) {
        (Some(0), "socket") => Answer::Absent(Absence::NobodyListens),
        (Some(0), kind) => Answer::Failed(Error::Invalid(format!(
            "it is no socket but a {kind}; write the path of a tmux socket in its place under [backends.tmux] sockets in \
             reap.toml, or take it out there"
        ))),
        _ => Answer::Failed(Error::Unavailable(format!("{UNTOLD}: {}", output.stderr.trim()))),
    }
}

/// What is said when a path cannot be looked at.
const UNTOLD: &str = "nobody listens there, and whether it is a socket could not be told";

/// The error of a command that did not run to its end.
pub fn not_run(error: Error) -> Error {
    match error {
        Error::NotFound(what) => Error::Unavailable(format!(
            "{what}; install tmux, or put it into the PATH that Reap runs with, to see the sessions of this server"
        )),
        Error::TimedOut(what) => Error::TimedOut(format!("the tmux server does not answer: {what}")),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKET: &str = "/tmp/tmux-0/default";

    fn output(status: Option<i32>, stdout: &str, stderr: &str) -> Result<Output, Error> {
        Ok(Output { status, stdout: stdout.as_bytes().to_vec(), stderr: stderr.to_owned(), truncated: false })
    }

    #[test]
    fn only_two_sentences_mean_absent() {
        let absent = [
            ("no server running on /tmp/tmux-0/default\n", Absence::NobodyListens),
            ("error connecting to /tmp/tmux-0/default (No such file or directory)\n", Absence::NothingThere),
        ];
        for (said, absence) in absent {
            assert_eq!(read(SOCKET, output(Some(1), "", said)), Answer::Absent(absence), "{said}");
        }
        let failed = [
            (Some(1), "", "error connecting to /tmp/tmux-0/default (Permission denied)\n"),
            (Some(1), "", "error connecting to /tmp/tmux-0/default (File name too long)\n"),
            (Some(1), "", "no server running on /tmp/tmux-0/other\n"),
            (Some(1), "", "no server running on /tmp/tmux-0/default (or so)\n"),
            (Some(1), "H 5 4 3 3.3a\n", "no server running on /tmp/tmux-0/default\n"),
            (Some(0), "", "no server running on /tmp/tmux-0/default\n"),
            (None, "", "no server running on /tmp/tmux-0/default\n"),
            (Some(1), "", "protocol version mismatch (client 8, server 7)\n"),
            (Some(1), "", "server exited unexpectedly\n"),
            (Some(1), "", "no current target\n"),
            (Some(1), "", ""),
            (Some(0), "", ""),
            (Some(0), "no H row\n", ""),
            (Some(1), "H 5 4 3 3.3a\nS $0", "server exited unexpectedly\n"),
            (None, "H 5 4 3 3.3a\n", ""),
        ];
        for (status, stdout, stderr) in failed {
            let answer = read(SOCKET, output(status, stdout, stderr));
            assert!(matches!(answer, Answer::Failed(_)), "{status:?} {stdout:?} {stderr:?}: {answer:?}");
        }
    }

    #[test]
    fn a_server_without_sessions_is_empty_and_not_absent() {
        let answer =
            read(SOCKET, output(Some(1), "H 1795163105 17208 1795163100 3.3a\n", "no current target\n"));
        let Answer::Server(rows) = answer else { panic!("{answer:?}") };
        assert!(rows.sessions.is_empty() && rows.flaws.is_empty());
        let with_session = "H 5 4 3 3.3a\nS $0 1 1  0 0 0  @0%0:7:0:1; 1 x \n";
        assert!(matches!(
            read(SOCKET, output(Some(1), with_session, "no current target\n")),
            Answer::Failed(_)
        ));
    }

    #[test]
    fn cut_output_is_never_whole() {
        let rows = b"H 5 4 3 3.3a\nS $0 1 1  0 0 0  @0%0:7:0:1; 1 x \n".to_vec();
        let cut = Output { status: Some(0), stdout: rows, stderr: String::new(), truncated: true };
        let answer = read(SOCKET, Ok(cut));
        let Answer::Server(rows) = answer else { panic!("{answer:?}") };
        assert_eq!(rows.flaws.len(), 1, "{:?}", rows.flaws);
    }

    #[test]
    fn output_cut_before_its_first_row_names_the_limit() {
        for status in [Some(0), Some(1), None] {
            let cut =
                Output { status, stdout: b"H 17951642".to_vec(), stderr: String::new(), truncated: true };
            let answer = read(SOCKET, Ok(cut));
            let Answer::Failed(Error::Limited(why)) = answer else { panic!("{answer:?}") };
            assert!(why.contains("`output_bytes`"), "{why}");
        }
    }

    #[test]
    fn only_a_socket_was_left_by_a_server() {
        assert_eq!(of_kind(output(Some(0), "socket\n", "")), Answer::Absent(Absence::NobodyListens));
        let unknown = [
            (output(Some(0), "directory\n", ""), "a directory"),
            (output(Some(0), "regular empty file\n", ""), "a regular empty file"),
            (output(Some(1), "", "stat: cannot statx '/x': No such file or directory\n"), "cannot statx"),
            (output(None, "socket\n", ""), "could not be told"),
            (Err(Error::NotFound("stat is not installed".to_owned())), "stat is not installed"),
        ];
        for (output, why) in unknown {
            let Answer::Failed(error) = of_kind(output) else { panic!("{why}") };
            assert!(error.reason().contains(why), "{}", error.reason());
        }
    }

    #[test]
    fn a_missing_tmux_says_what_to_do() {
        let answer =
            read(SOCKET, Err(Error::NotFound("tmux is not installed: no such program in PATH".to_owned())));
        let Answer::Failed(error) = answer else { panic!("{answer:?}") };
        assert!(error.reason().contains("install tmux"), "{}", error.reason());
    }
}
