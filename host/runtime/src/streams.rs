//! Who is at the other ends of what a process reads and writes.
//!
//! Nothing is read or written to find out, and what is not clear is unknown.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};

use crate::process::Proc;
use crate::sockets::{Peer, Sockets};

/// A standard stream that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Input,
    Output,
}

/// What is at the other end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherEnd {
    /// There is none: it is a file.
    None,
    /// A terminal, and whether somebody has it open.
    Terminal { open: bool },
    /// Somebody holds the other end of the pipe or the socket.
    Held,
    /// Nobody does any more.
    Gone,
    /// It cannot be told.
    Unknown,
}

/// Looks at streams. The sockets of the machine are asked for once, and only where a
/// stream is one.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    sockets: Option<Sockets>,
}

impl Streams {
    /// For tests: as where the kernel tells nothing of sockets.
    #[cfg(test)]
    pub(crate) fn blind() -> Self {
        Self { sockets: Some(Sockets::default()) }
    }

    /// What is at the other end of a stream of whoever has this pid now.
    pub(crate) fn look(&mut self, proc: &Proc, pid: u32, stream: Stream) -> OtherEnd {
        let (link, way) = match stream {
            Stream::Input => ("fd/0", OFlags::RDONLY),
            Stream::Output => ("fd/1", OFlags::WRONLY),
        };
        let Some(target) = proc.link(pid, link) else { return OtherEnd::Unknown };
        let target = String::from_utf8_lossy(&target);
        if target.starts_with("pipe:[") {
            return pipe(&format!("/proc/{pid}/{link}"), way);
        }
        if let Some(number) = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) {
            return number.parse().map_or(OtherEnd::Unknown, |number| self.socket(number));
        }
        if target.starts_with("/dev/pts/") {
            // A terminal's file goes when the program that drew it closes its own end.
            return OtherEnd::Terminal { open: !target.ends_with(" (deleted)") };
        }
        if target.starts_with('/') { OtherEnd::None } else { OtherEnd::Unknown }
    }

    fn socket(&mut self, number: u32) -> OtherEnd {
        // Refused (by a sandbox, say), nothing is known of any.
        let sockets = self.sockets.get_or_insert_with(|| Sockets::read().unwrap_or_default());
        match sockets.peer_of(number) {
            Peer::Open => OtherEnd::Held,
            Peer::Closed => OtherEnd::Gone,
            Peer::Unknown => OtherEnd::Unknown,
        }
    }
}

/// Opens the end of a pipe that the process has, once more: the kernel then says
/// whether anybody has the other one.
fn pipe(path: &str, way: OFlags) -> OtherEnd {
    let Ok(end) = open(path, way | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) else {
        return OtherEnd::Unknown;
    };
    let mut polled = [PollFd::new(&end, PollFlags::empty())];
    match poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        // Nobody writes any more, or nobody reads.
        Ok(_) if polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) => OtherEnd::Gone,
        Ok(_) => OtherEnd::Held,
        Err(_) => OtherEnd::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn ends(child: &Child) -> (OtherEnd, OtherEnd) {
        let proc = Proc::open().expect("/proc is readable");
        let mut streams = Streams::default();
        let mut look = |stream| streams.look(&proc, child.id(), stream);
        (look(Stream::Input), look(Stream::Output))
    }

    fn sleeper(input: impl Into<Stdio>, output: impl Into<Stdio>) -> Child {
        Command::new("sleep").arg("600").stdin(input).stdout(output).spawn().expect("it starts")
    }

    fn end(mut child: Child) {
        child.kill().and_then(|()| child.wait()).expect("our child");
    }

    #[test]
    fn pipes_and_files() {
        use OtherEnd::{Gone, Held, None};
        let plain = sleeper(Stdio::null(), Stdio::null());
        assert_eq!(ends(&plain), (None, None));
        let mut piped = sleeper(Stdio::piped(), Stdio::piped());
        assert_eq!(ends(&piped), (Held, Held));
        drop(piped.stdin.take());
        assert_eq!(ends(&piped), (Gone, Held));
        drop(piped.stdout.take());
        assert_eq!(ends(&piped), (Gone, Gone));
        [plain, piped].into_iter().for_each(end);
    }

    #[test]
    fn sockets() {
        use OtherEnd::{Gone, Held, Unknown};
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let output = theirs.try_clone().expect("a copy");
        let child = sleeper(OwnedFd::from(theirs), OwnedFd::from(output));
        // Where the kernel is not to be asked, nothing is known before and after.
        let asked = Sockets::read().is_ok();
        assert_eq!(ends(&child), if asked { (Held, Held) } else { (Unknown, Unknown) });
        drop(ours);
        assert_eq!(ends(&child), if asked { (Gone, Gone) } else { (Unknown, Unknown) });
        end(child);
    }
}
