//! What is around kiro-cli: the first process of a machine, others that take over
//! orphans, and a gateway that hosts kiro-cli over pipes or sockets.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::kernel;
use crate::modes::{named, ready};
use crate::runtime::stay;

/// The first process: it does nothing but fetch those that have ended.
pub fn init() -> io::Result<()> {
    kernel::own_session();
    ready("init")?;
    fetch_for_ever()
}

/// One that orphans below it are given to: `systemd --user PROGRAM...`.
pub fn subreaper(words: &[String]) -> io::Result<()> {
    kernel::own_session();
    kernel::take_over_orphans()?;
    let mut words = words.iter().skip_while(|word| word.starts_with("--"));
    if let Some(program) = words.next() {
        Command::new(named(program)).args(words).spawn()?;
    }
    ready("subreaper")?;
    fetch_for_ever()
}

fn fetch_for_ever() -> io::Result<()> {
    loop {
        if !kernel::fetch_a_child() {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Starts a program with its input and output in hand: `gateway PROGRAM...`, or
/// `gateway --sockets PROGRAM...` as programs that run on node do.
pub fn gateway(words: &[String]) -> io::Result<()> {
    kernel::own_session();
    let sockets = words.first().is_some_and(|word| word == "--sockets");
    let mut words = words.iter().skip(usize::from(sockets));
    let program = words.next().ok_or_else(|| io::Error::other("gateway: no program was named"))?;
    let mut command = Command::new(named(program));
    command.args(words);
    // What it holds of them is closed when it ends, and not before.
    let (input, output) = (UnixStream::pair()?, UnixStream::pair()?);
    if sockets {
        command.stdin(OwnedFd::from(input.1)).stdout(OwnedFd::from(output.1));
    } else {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
    }
    let _child = command.spawn()?;
    drop(command);
    stay("gateway")
}
