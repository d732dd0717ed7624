//! kiro-cli in a terminal that another backend lists. Its processes are those of a
//! tmux session too, and either may be ended without the other being named.
//!
//! No namespace here: that would hide the tmux server. So nothing is cleaned up, and
//! only what the test started is named.

use std::fs;
use std::os::unix::fs::symlink;

use super::stage::{id, stand_in};
use crate::support::{Process, Server, Session, World, until};

/// A tmux session whose command is the stand-in, and its backend.
fn start<'w>(server: &Server<'w>, world: &'w World, modes: &str) -> (Session<'w>, Process) {
    let bin = world.path("bin");
    fs::create_dir(&bin).expect("a folder");
    for name in ["kiro-cli", "kiro-cli-chat", "mcp-server"] {
        symlink(stand_in(), bin.join(name)).expect("a name");
    }
    let bin = bin.to_string_lossy().into_owned();
    let modes = format!("STANDIN=session={} mcp=1 {modes}", id(1));
    let path = format!("STANDIN_BIN={bin}");
    let program = format!("{bin}/kiro-cli");
    let session = server.start("agent", &["env", &modes, &path, &program, "acp"]);
    let lock = world.path(format!("home/.kiro/sessions/cli/{}.lock", id(1)));
    let backend = until("the backend", || {
        let text = fs::read_to_string(&lock).ok()?;
        Process::of(text.split([':', ',']).nth(1)?.parse().ok()?)
    });
    (session, backend)
}

#[test]
fn kiro_is_ended_inside_a_tmux_session() {
    let world = World::new();
    let server = world.server("main");
    let (_, backend) = start(&server, &world, "");
    let other = server.sleeper("other");
    world.reap(&["kill", "--yes", &id(1)]).exits(0).says(&["its lock was removed"]);
    assert!(!backend.lives() && other.lives());
}

#[test]
fn a_tmux_session_is_ended_with_the_kiro_in_it() {
    let world = World::new();
    let server = world.server("main");
    let (session, backend) = start(&server, &world, "ignore-hup");
    world.reap(&["kill", "--yes", "--force", "agent"]).exits(0);
    assert!(!backend.lives() && !session.lives());
}

/// The terminal goes all the same: that is tmux's. No signal is ours.
#[test]
fn one_that_is_protected_stays() {
    let world = World::with(&format!("protect = [\"key:{}\"]\n", id(1)));
    let server = world.server("main");
    let (_, backend) = start(&server, &world, "ignore-hup");
    let ran = world.reap(&["kill", "--yes", "--force", "agent"]);
    assert!(backend.lives(), "{ran}");
}
