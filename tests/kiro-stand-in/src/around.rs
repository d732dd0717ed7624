//! What is around kiro-cli: the first process of a machine, others that take over
//! orphans, a gateway that hosts kiro-cli over pipes or sockets, and an editor that starts
//! the same programs as kiro-cli does, in other ways.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::kernel;
use crate::modes::{named, ready};
use crate::runtime::{hold, stay};

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
    hold(command.args(words), sockets)?;
    stay("gateway")
}

/// Starts many gateways, each with kiro-cli and a session of its own: `crowd COUNT`. For
/// measurements: to start them one by one from outside takes minutes.
pub fn crowd(words: &[String]) -> io::Result<()> {
    let count = words.first().and_then(|count| count.parse::<usize>().ok());
    let count = count.ok_or_else(|| io::Error::other("crowd: a number is needed"))?;
    kernel::own_session();
    let modes = std::env::var("STANDIN").unwrap_or_default();
    for n in 0..count {
        let mut gateway = Command::new(named("gateway"));
        gateway.env("STANDIN", format!("session=3f2504e0-4f89-11d3-9a0c-{n:012x} {modes}"));
        std::mem::forget(gateway.args(["kiro-cli", "acp"]).spawn()?);
    }
    stay("crowd")
}

/// Starts a program as kiro-cli does, `editor --own-group PROGRAM...`; in a kernel session
/// of its own, `editor --own-session ...`; or as a shell does in the background, in a group
/// of its own and with nothing to read, `editor --background ...`.
pub fn editor(words: &[String]) -> io::Result<()> {
    kernel::own_session();
    let [way, program, words @ ..] = words else {
        return Err(io::Error::other("editor: a way and a program are needed"));
    };
    let mut command = match way.as_str() {
        "--own-session" => {
            let mut command = Command::new("setsid");
            command.arg(named(program));
            command
        }
        _ => Command::new(named(program)),
    };
    command.args(words).process_group(0);
    match way.as_str() {
        "--background" => {
            command.stdin(Stdio::null()).stdout(Stdio::null());
            std::mem::forget(command.spawn()?);
        }
        _ => hold(&mut command, false)?,
    }
    stay("editor")
}
