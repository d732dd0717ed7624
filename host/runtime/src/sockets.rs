//! Who is at the other end of a unix socket.
//!
//! Programs that run on node have sockets as their standard streams, and `/proc` says of
//! a socket nothing but its number. The kernel tells the rest over netlink (sock_diag(7)),
//! for all unix sockets of this network namespace at once. A socket that it does not
//! tell of, as one of another namespace, is not known to be anything.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// What is known of the other end of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// It is open: somebody holds it.
    Open,
    /// It was closed by all who held it.
    Closed,
    /// It cannot be told.
    Unknown,
}

/// The unix sockets of this network namespace, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Sockets(HashMap<u32, End>);

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    /// The number of the other end. None, or 0, when there is none any more.
    peer: Option<u32>,
    /// Which ways are shut down: 1 for receiving, 2 for sending.
    shut: u8,
}

/// Numbers of the kernel's interface: linux/netlink.h, linux/sock_diag.h,
/// linux/unix_diag.h.
const REQUEST: u16 = 0x1;
const DUMP: u16 = 0x300;
const BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const SHOW_PEER: u32 = 4;
const PEER: u16 = 2;
const SHUTDOWN: u16 = 6;
const UNIX: u8 = 1;
const BOTH_WAYS: u8 = 3;
/// The lengths of the headers, of the request and of an answer without its attributes.
const HEADER: usize = 16;
const ASKED: usize = 24;
const ANSWER: usize = 16;
const ATTRIBUTE: usize = 4;

/// The kernel answers at once; a sandbox may not answer at all.
const PATIENCE: Duration = Duration::from_secs(1);
/// More sockets than anybody has.
const MOST: usize = 1_000_000;

impl Sockets {
    /// Asks the kernel for all of them.
    pub(crate) fn read() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let kernel = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::SOCK_DIAG))?;
        set_socket_timeout(&kernel, Timeout::Recv, Some(PATIENCE))?;
        send(&kernel, &request(), SendFlags::empty())?;
        let mut all = Self::default();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let (got, _) = recv(&kernel, &mut buffer[..], RecvFlags::empty())?;
            if all.take(&buffer[..got])? {
                return Ok(all);
            }
            if got == 0 || all.0.len() > MOST {
                return Err(io::Error::other("the kernel's list of sockets has no end"));
            }
        }
    }

    /// Who is at the other end of the socket with this number.
    pub(crate) fn peer_of(&self, number: u32) -> Peer {
        let Some(end) = self.0.get(&number) else { return Peer::Unknown };
        match end.peer.filter(|peer| *peer != 0) {
            Some(peer) if self.0.contains_key(&peer) => Peer::Open,
            Some(_) => Peer::Unknown,
            // Never connected, it would be shut down in no way.
            None if end.shut == BOTH_WAYS => Peer::Closed,
            None => Peer::Unknown,
        }
    }

    /// Takes over one part of the answer. True when it was the last.
    fn take(&mut self, mut part: &[u8]) -> io::Result<bool> {
        while let Some((kind, body, rest)) = message(part) {
            match kind {
                DONE => return Ok(true),
                ERROR => return Err(io::Error::other("the kernel tells nothing of its sockets")),
                BY_FAMILY => {
                    if let Some((number, end)) = socket(body) {
                        self.0.insert(number, end);
                    }
                }
                _ => {}
            }
            part = rest;
        }
        if part.is_empty() { Ok(false) } else { Err(io::Error::other("the kernel's answer breaks off")) }
    }
}

/// The request: all unix sockets, in whatever state, with their other ends.
fn request() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + ASKED);
    bytes.extend(((HEADER + ASKED) as u32).to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend((REQUEST | DUMP).to_ne_bytes());
    bytes.extend([0; 8]); // its number, and whose it is
    bytes.extend([UNIX, 0, 0, 0]);
    bytes.extend(u32::MAX.to_ne_bytes()); // of all states
    bytes.extend(0_u32.to_ne_bytes()); // of all numbers
    bytes.extend(SHOW_PEER.to_ne_bytes());
    bytes.extend([0xff; 8]); // no cookie
    bytes
}

/// The first message in some bytes: its kind, what is in it, and what follows.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = number(bytes, 0)? as usize;
    let kind = short(bytes, 4)?;
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(aligned(length)..).unwrap_or_default()))
}

/// The socket that an answer is about.
fn socket(body: &[u8]) -> Option<(u32, End)> {
    let own = number(body, 4)?;
    let mut end = End { peer: None, shut: 0 };
    let mut left = body.get(ANSWER..)?;
    while let (Some(length), Some(kind)) = (short(left, 0), short(left, 2)) {
        let value = left.get(ATTRIBUTE..usize::from(length))?;
        match kind {
            PEER => end.peer = number(value, 0),
            SHUTDOWN => end.shut = *value.first()?,
            _ => {}
        }
        left = left.get(aligned(usize::from(length))..).unwrap_or_default();
    }
    Some((own, end))
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    fn number_of(socket: &impl AsRawFd) -> u32 {
        let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).expect("/proc is readable");
        let digits = link.to_string_lossy().replace("socket:[", "").replace(']', "");
        digits.parse().expect("a number")
    }

    #[test]
    fn a_pair_of_which_one_is_closed() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let Ok(sockets) = Sockets::read() else { return };
        assert_eq!(sockets.peer_of(number_of(&ours)), Peer::Open);
        // Who only says that no more will come still is there.
        theirs.shutdown(std::net::Shutdown::Both).expect("our own");
        assert_eq!(Sockets::read().expect("as before").peer_of(number_of(&ours)), Peer::Open);
        let copy = theirs.try_clone().expect("a copy");
        drop(theirs);
        assert_eq!(Sockets::read().expect("as before").peer_of(number_of(&ours)), Peer::Open);
        drop(copy);
        assert_eq!(Sockets::read().expect("as before").peer_of(number_of(&ours)), Peer::Closed);
        assert_eq!(sockets.peer_of(0), Peer::Unknown, "of this one nothing is told");
    }

    #[test]
    fn what_was_never_connected_is_not_forsaken() {
        let folder = tempfile::tempdir().expect("a temp folder");
        let listener = UnixListener::bind(folder.path().join("s")).expect("it binds");
        let Ok(sockets) = Sockets::read() else { return };
        assert_eq!(sockets.peer_of(number_of(&listener)), Peer::Unknown);
    }

    /// Its kind, and what it holds.
    type Attribute<'a> = (u16, &'a [u8]);

    fn answer(own: u32, attributes: &[Attribute<'_>]) -> Vec<u8> {
        let mut body = vec![UNIX, 1, 1, 0];
        body.extend(own.to_ne_bytes());
        body.extend([0; 8]);
        for (kind, value) in attributes {
            body.extend(((ATTRIBUTE + value.len()) as u16).to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(*value);
            body.resize(aligned(body.len()), 0);
        }
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(BY_FAMILY.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn anything_unclear_is_unknown() {
        let peer = |number: u32| number.to_ne_bytes();
        let cases: [(&[Attribute<'_>], Peer); 7] = [
            (&[(PEER, &peer(8)), (SHUTDOWN, &[0])], Peer::Open),
            (&[(PEER, &peer(9)), (SHUTDOWN, &[3])], Peer::Unknown), // of another namespace
            (&[(PEER, &peer(0)), (SHUTDOWN, &[3])], Peer::Closed),
            (&[(SHUTDOWN, &[3])], Peer::Closed),
            (&[(PEER, &peer(0)), (SHUTDOWN, &[1])], Peer::Unknown),
            (&[(SHUTDOWN, &[0])], Peer::Unknown),
            (&[], Peer::Unknown),
        ];
        for (attributes, expected) in cases {
            let mut sockets = Sockets::default();
            let both = [answer(7, attributes), answer(8, &[])].concat();
            assert!(!sockets.take(&both).expect("whole"));
            assert_eq!(sockets.peer_of(7), expected, "{attributes:?}");
        }
    }

    #[test]
    fn a_torn_answer_is_none() {
        let whole = answer(7, &[(PEER, &8_u32.to_ne_bytes()), (SHUTDOWN, &[3])]);
        for length in 1..whole.len() {
            assert!(Sockets::default().take(&whole[..length]).is_err(), "{length} bytes");
        }
        let mut liar = whole.clone();
        liar[32] = 255; // an attribute longer than its message
        let mut sockets = Sockets::default();
        assert!(!sockets.take(&liar).expect("whole") && sockets.peer_of(7) == Peer::Unknown);
        let refusal = [&36_u32.to_ne_bytes()[..], &ERROR.to_ne_bytes(), &[0; 30]].concat();
        assert!(Sockets::default().take(&refusal).is_err());
    }
}
