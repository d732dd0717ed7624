//! Somebody who looks at a session: a tmux client in control mode, which needs no
//! terminal.

use std::process::{Child, ChildStdin, Stdio};

use super::tmux::Session;
use super::wait::{holds, until};

/// An attached client. It leaves when this is dropped.
pub struct Client {
    child: Child,
    /// It stays for as long as somebody could type.
    input: Option<ChildStdin>,
}

impl Client {
    /// Attaches to a session, and waits until tmux says so.
    #[track_caller]
    pub fn attach(session: &Session<'_>) -> Self {
        let mut command = session.server.command(&["-C", "attach-session", "-t", &session.id]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("tmux can be started");
        let input = child.stdin.take();
        holds("the client", || !session.shows("#{session_attached}", "0"));
        Self { child, input }
    }

    /// Leaves, and waits until it is gone.
    #[track_caller]
    pub fn leave(mut self) {
        self.end();
    }

    #[track_caller]
    fn end(&mut self) {
        drop(self.input.take());
        until("the end of the client", || self.child.try_wait().expect("it is our child"));
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.input.take());
        // It is our own child and was not waited for, so the pid is still its.
        // That it has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
