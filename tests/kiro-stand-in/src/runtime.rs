//! The processes between the host and the backend. Each starts the next one and
//! waits for it, and none forwards a signal.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::modes::{Modes, named, ready};

/// Where bun's script is, by its tail.
const TERMINAL_SCRIPT: &str = "kiro-cli/tui.js";
/// Where node's script is, by its tail.
const SERVER_SCRIPT: &str = "node_modules/@kiro/agent/dist/server/acp-server.js";

/// `launcher --session-id UUID`, of sandboxed installations.
pub fn launcher(_words: &[String]) -> io::Result<()> {
    pass_on("launcher", Command::new(named("kiro-cli")).arg("acp"))
}

/// `kiro-cli ...`.
pub fn wrapper(words: &[String]) -> io::Result<()> {
    pass_on("wrapper", Command::new(named("kiro-cli-chat")).args(words))
}

/// `kiro-cli-chat chat`: starts the program that draws.
pub fn chat(words: &[String]) -> io::Result<()> {
    pass_on("chat", Command::new(named("bun")).arg(named(TERMINAL_SCRIPT)).args(words))
}

/// `bun .../tui.js chat`. The third engine has a server of its own.
pub fn terminal(words: &[String], modes: &Modes) -> io::Result<()> {
    if modes.spin {
        spin();
    }
    if words.iter().any(|word| word == "--v3") {
        let mut server = Command::new(named("node"));
        server.arg(named(SERVER_SCRIPT)).args(["--transport=stdio", "--auth=acp-callback"]);
        return pass_on("terminal", &mut server);
    }
    pass_on("terminal", Command::new(named("kiro-cli-chat")).arg("acp"))
}

/// An MCP server, with a child of its own at first.
pub fn mcp_server(words: &[String], modes: &Modes) -> io::Result<()> {
    if modes.mcp_spin {
        spin();
    }
    if words.is_empty() {
        Command::new(named("mcp-server")).arg("child").spawn()?;
    }
    stay("mcp-server")
}

/// Starts an MCP server as kiro-cli does: in a group of its own, so that Ctrl-C
/// spares it, with its input and output in hand.
pub fn start_mcp_server(modes: &Modes) -> io::Result<()> {
    let mut server = Command::new(named("mcp-server"));
    hold(server.process_group(0), modes.mcp_sockets)
}

/// Starts a program, and holds the other ends of its input and output until the end.
pub fn hold(command: &mut Command, sockets: bool) -> io::Result<()> {
    let (input, output) = (UnixStream::pair()?, UnixStream::pair()?);
    if sockets {
        command.stdin(OwnedFd::from(input.1)).stdout(OwnedFd::from(output.1));
        std::mem::forget((input.0, output.0));
    } else {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
    }
    let child = command.spawn()?;
    // Nor does the command keep the ends that the child has.
    command.stdin(Stdio::null()).stdout(Stdio::null());
    std::mem::forget(child);
    Ok(())
}

fn pass_on(role: &str, next: &mut Command) -> io::Result<()> {
    let mut child = next.spawn()?;
    ready(role)?;
    let status = child.wait()?;
    std::process::exit(status.code().unwrap_or(1));
}

/// Does nothing for ever.
pub fn stay(role: &str) -> io::Result<()> {
    ready(role)?;
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

/// Uses a processor for ever, beside what else is done.
pub fn spin() {
    thread::spawn(|| {
        let mut turns = 0_u64;
        loop {
            turns = std::hint::black_box(turns.wrapping_add(1));
        }
    });
}
