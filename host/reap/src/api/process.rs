//! What this process uses up, as the kernel tells.

use std::fs;
use std::io;

/// What the process uses up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Usage {
    /// Processor time, in seconds.
    pub cpu: f64,
    /// Memory that is really there, in bytes.
    pub resident: u64,
    /// Memory that it has addresses for, in bytes.
    pub addressed: u64,
    /// Files, sockets and the like that it has open.
    pub open: u64,
}

impl Usage {
    /// Of this very moment.
    pub fn now() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        let open = fs::read_dir("/proc/self/fd")?.count() as u64;
        let (page, ticks) = (rustix::param::page_size() as u64, rustix::param::clock_ticks_per_second());
        let odd = || io::Error::new(io::ErrorKind::InvalidData, "/proc/self/stat is not as expected");
        let fields = Fields::of(&stat).ok_or_else(odd)?;
        Ok(Self {
            cpu: fields.ticks as f64 / ticks as f64,
            resident: fields.pages.saturating_mul(page),
            addressed: fields.bytes,
            open: open.saturating_sub(1), // the folder itself
        })
    }
}

/// What is read of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Fields {
    ticks: u64,
    bytes: u64,
    pages: u64,
}

impl Fields {
    fn of(stat: &str) -> Option<Self> {
        // The name comes second, in brackets, and may hold brackets and blanks itself.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |place: usize| fields.get(place - 3)?.parse::<u64>().ok();
        Some(Self { ticks: number(14)? + number(15)?, bytes: number(23)?, pages: number(24)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_misleads_nobody() {
        let stat =
            "7 (a) b) (c) S 1 7 7 0 -1 4194560 1 0 0 0 30 12 0 0 20 0 1 0 99 4096 5 18446744073709551615 0";
        assert_eq!(Fields::of(stat), Some(Fields { ticks: 42, bytes: 4096, pages: 5 }));
        assert_eq!(Fields::of("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_uses_something() {
        let usage = Usage::now().expect("/proc is there");
        assert!(usage.resident > 1 << 20 && usage.addressed > usage.resident && usage.open >= 3, "{usage:?}");
    }
}
