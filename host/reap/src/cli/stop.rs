//! Being told to stop, without stopping at once.

use std::fs;
use std::future::poll_fn;
use std::io;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals by which a person or the system tells a program to stop.
pub struct Stop {
    told: Vec<Signal>,
    /// Nobody waits for it: where a file may not grow any more, the write is to fail,
    /// and not Reap to end in the middle of what it does.
    _full: Signal,
}

impl Stop {
    /// Watches for them from now on, in the place of ending at once. Those that
    /// whoever started this program had it ignore, as `nohup` does, stay ignored.
    pub fn watch() -> io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let ignored = ignored();
        let heard = kinds.into_iter().filter(|kind| !is_in(ignored, *kind));
        let full = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        Ok(Self { told: heard.map(signal).collect::<Result<_, _>>()?, _full: signal(full)? })
    }

    /// Waits for one of them.
    pub async fn asked(&mut self) {
        poll_fn(|context| {
            let asked = self.told.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if asked { Poll::Ready(()) } else { Poll::Pending }
        })
        .await
    }
}

/// The signals that this process ignores, a bit for each. None where the kernel
/// does not tell: to be stopped by one too many is better than by none.
fn ignored() -> u64 {
    fs::read_to_string("/proc/self/status").ok().and_then(|status| mask_in(&status)).unwrap_or(0)
}

fn mask_in(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

fn is_in(mask: u64, kind: SignalKind) -> bool {
    let bit = u32::try_from(kind.as_raw_value() - 1).unwrap_or(u32::MAX);
    mask.checked_shr(bit).is_some_and(|rest| rest & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_what_is_ignored() {
        let mask = mask_in("Name:\treap\nSigIgn:\t0000000000001001\nSigCgt:\t00\n").expect("a mask");
        assert!(is_in(mask, SignalKind::hangup()));
        assert!(!is_in(mask, SignalKind::interrupt()) && !is_in(mask, SignalKind::terminate()));
        assert!(is_in(mask, SignalKind::pipe()));
        assert_eq!(mask_in("Name:\treap\n"), None);
        assert!(!is_in(ignored(), SignalKind::terminate()), "or nobody could stop this test");
    }
}
