//! The clocks: the time of day, which people set, and those that nobody can.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use reap_core::ids::BootId;
use reap_core::time::{Span, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// Now. A clock set before 1970 reads as 1970: everything is then young, and
/// what is young is not ended.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The time since this machine was started, asleep included.
pub(crate) fn uptime() -> Span {
    let since = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (since.tv_sec.max(0) as u64, since.tv_nsec.max(0) as u64);
    Span::from_millis(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
}

/// Which start of this machine it is.
pub(crate) fn boot() -> io::Result<BootId> {
    let path = "/proc/sys/kernel/random/boot_id";
    let text = std::fs::read_to_string(path).map_err(|error| {
        io::Error::new(error.kind(), format!("{path} cannot be read: {error}. Is /proc mounted?"))
    })?;
    Ok(BootId::new(text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_go_forward() {
        let before = (now(), uptime());
        let after = (now(), uptime());
        assert!(before.1 <= after.1 && before.1 > Span::ZERO);
        assert!(before.0 > Timestamp::from_millis(1_700_000_000_000));
        assert_eq!(boot().expect("Linux").as_str().len(), 36);
    }
}
