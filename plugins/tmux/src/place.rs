//! The pane that a process was started in, as the variables say that tmux gave it.
//!
//! They are inherited: whatever leaves its pane's tree and kernel session still
//! carries them. They can be forged and cleared too. Here they only speak for
//! leaving a session alone; what they prove against a process, the host decides.

use crate::rows::whole;

/// A pane of a server. No server gives a pane's number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The pid of the server.
    pub server: u32,
    /// The pane's number.
    pub pane: u32,
}

impl Place {
    /// From `$TMUX`, which is `socket,server pid,session`, and `$TMUX_PANE`. A
    /// job of the server itself has -1 for a session, and no pane of its own.
    ///
    /// Which session is not kept: it is the one that the pane was made in. The
    /// pane may be shown by others too, or have moved since, and then what was
    /// started in it lives with the pane.
    pub fn of(tmux: &str, pane: &str) -> Option<Self> {
        let mut fields = tmux.rsplitn(3, ',');
        let _session: u32 = whole(fields.next()?)?;
        let server = whole(fields.next()?)?;
        fields.next()?; // the socket, which may have commas in its name
        Some(Self { server, pane: whole(pane.strip_prefix('%')?)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for tmux in ["/tmp/tmux-0/default,42,3", "/tmp/a,b,42,0", ",42,7", "/x\n,1,2,42,0"] {
            assert_eq!(Place::of(tmux, "%5"), Some(Place { server: 42, pane: 5 }), "{tmux:?}");
        }
    }

    #[test]
    fn what_is_no_place() {
        let cases = [
            ("", "%5"),
            ("42,3", "%5"),
            ("/s,42", "%5"),
            ("/s,42,-1", "%5"),
            ("/s,42,$3", "%5"),
            ("/s,+42,3", "%5"),
            ("/s,,3", "%5"),
            ("/s,42,", "%5"),
            ("/s,42,3 ", "%5"),
            ("/s,42,3", "5"),
            ("/s,42,3", "%"),
            ("/s,42,3", "%+5"),
            ("/s,42,3", "%4294967296"),
        ];
        for (tmux, pane) in cases {
            assert_eq!(Place::of(tmux, pane), None, "{tmux:?} {pane:?}");
        }
    }
}
