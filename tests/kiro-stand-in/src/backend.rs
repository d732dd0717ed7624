//! The process that holds the sessions: `kiro-cli-chat acp`, a run without a
//! terminal, and the server of the third engine.
//!
//! The end of its input ends none of them: that is what is reported.

use std::io::{self, BufRead};
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::modes::{Modes, named, ready};
use crate::runtime::{spin, start_mcp_server, stay};
use crate::store;

/// `kiro-cli-chat acp`: several sessions, each with its lock.
pub fn serve(modes: &Modes) -> io::Result<()> {
    for id in &modes.sessions {
        store::open(id, modes.megabytes)?;
    }
    start_children(modes)?;
    if modes.renamed {
        // The same process, the same start, other arguments.
        let mut other = Command::new(named("kiro-cli-chat"));
        return Err(other.arg0("renamed").exec());
    }
    ready("backend")?;
    for line in io::stdin().lock().lines() {
        // A terminal that was closed is the end of the input too.
        let Ok(line) = line else { break };
        match line.split_once(' ') {
            // A turn is written when it has ended, and not before.
            Some(("turn", id)) => store::write_turn(id)?,
            Some(("new", id)) => store::open(id, modes.megabytes)?,
            Some(("quit", _)) => return modes.sessions.iter().try_for_each(|id| store::close(id)),
            _ => {}
        }
    }
    stay("backend-without-input")
}

/// `kiro-cli-chat chat --no-interactive`: writes no file about its session.
pub fn headless(modes: &Modes) -> io::Result<()> {
    start_children(modes)?;
    stay("headless")
}

/// `node .../acp-server.js`: a store without locks.
pub fn third_engine(modes: &Modes) -> io::Result<()> {
    for id in &modes.sessions {
        store::open_third(id)?;
    }
    start_children(modes)?;
    stay("server")
}

fn start_children(modes: &Modes) -> io::Result<()> {
    (0..modes.servers).try_for_each(|_| start_mcp_server(modes))?;
    if modes.tool {
        // As the shell tool does: in the group of the backend.
        Command::new("bash").args(["-c", "sleep 100000; true"]).spawn()?;
    }
    if modes.session_child {
        Command::new("setsid").args(["sleep", "100000"]).spawn()?;
    }
    if modes.double_fork {
        // The shell between them ends at once.
        Command::new("sh").args(["-c", "setsid sleep 100000 & :"]).status()?;
    }
    if modes.spin {
        spin();
    }
    Ok(())
}
