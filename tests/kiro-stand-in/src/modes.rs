//! How the stand-in misbehaves: words in the variable `STANDIN`.

use std::io;
use std::path::PathBuf;

use crate::kernel;

/// What was asked for.
#[derive(Debug, Default)]
pub struct Modes {
    /// `session=UUID`, any number of times: what the backend holds, in one process.
    pub sessions: Vec<String>,
    /// `mcp=N`: how many MCP servers it starts, each with a child of its own.
    pub servers: usize,
    /// `mcp-sockets`: it talks to them over sockets.
    pub mcp_sockets: bool,
    /// `mcp-spin`: they use all of a processor.
    pub mcp_spin: bool,
    /// `megabytes=N`: how large its sidecars are.
    pub megabytes: usize,
    /// `tool`: a command of the shell tool runs.
    pub tool: bool,
    /// `ignore-hup`, `ignore-term`: signals that do nothing.
    pub ignore_hangup: bool,
    /// See above.
    pub ignore_term: bool,
    /// `spin`: it uses all of a processor.
    pub spin: bool,
    /// `setsid-child`: a child in a kernel session of its own.
    pub session_child: bool,
    /// `double-fork`: a child that has left the tree.
    pub double_fork: bool,
    /// `renamed`: once it is ready, it goes by other arguments.
    pub renamed: bool,
}

impl Modes {
    /// Reads them.
    pub fn told() -> io::Result<Self> {
        let mut modes = Self::default();
        for word in std::env::var("STANDIN").unwrap_or_default().split_whitespace() {
            match word.split_once('=') {
                Some(("session", id)) => modes.sessions.push(id.to_owned()),
                Some(("mcp", count)) => modes.servers = number(count)?,
                Some(("megabytes", count)) => modes.megabytes = number(count)?,
                _ => *modes.flag(word)? = true,
            }
        }
        Ok(modes)
    }

    fn flag(&mut self, word: &str) -> io::Result<&mut bool> {
        Ok(match word {
            "mcp-spin" => &mut self.mcp_spin,
            "mcp-sockets" => &mut self.mcp_sockets,
            "tool" => &mut self.tool,
            "ignore-hup" => &mut self.ignore_hangup,
            "ignore-term" => &mut self.ignore_term,
            "spin" => &mut self.spin,
            "setsid-child" => &mut self.session_child,
            "double-fork" => &mut self.double_fork,
            "renamed" => &mut self.renamed,
            other => return Err(io::Error::other(format!("STANDIN has no mode {other:?}"))),
        })
    }

    /// Ignores what is to be ignored, and lets children inherit that.
    pub fn ignore_signals(&self) {
        if self.ignore_hangup {
            kernel::ignore(kernel::HANGUP);
        }
        if self.ignore_term {
            kernel::ignore(kernel::TERM);
        }
    }
}

fn number(text: &str) -> io::Result<usize> {
    text.parse().map_err(|_| io::Error::other(format!("STANDIN: {text:?} is no number")))
}

/// One of the names of this program.
pub fn named(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("STANDIN_BIN").unwrap_or_default()).join(name)
}

/// Says that this process is ready: a file of its role and pid.
pub fn ready(role: &str) -> io::Result<()> {
    match std::env::var_os("STANDIN_READY") {
        Some(folder) => {
            std::fs::write(PathBuf::from(folder).join(format!("{role}-{}", std::process::id())), "")
        }
        None => Ok(()),
    }
}
