//! What a lock is worth.
//!
//! A lock holds a pid and a time, and no start time of the process: a sweep ended a
//! living kiro-cli because its pid stood in an old lock. So the time is held against
//! the start of the process. One that started before the lock was written and lives
//! has had the pid ever since, and wrote it; one that started later did not.

use reap_plugin::Timestamp;
use reap_plugin::processes::ProcessInfo;

use crate::head::{End, Head};
use crate::moment;
use crate::table::Table;

/// A lock is dated to the second, and a process to a hundredth.
const TOLERANCE: u64 = 2_000;

/// What a lock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The process that holds the session.
    pub pid: u32,
    /// When it took it.
    pub since: Option<Timestamp>,
}

impl Lock {
    /// Reads one. The error says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let head = Head::read(bytes, &["pid", "started_at"], "");
        let pid = head.number("pid").and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
        match (pid, head.end) {
            (Some(pid), End::Read) => {
                Ok(Self { pid, since: head.text("started_at").and_then(moment::parse) })
            }
            (_, End::Cut) => Err("it breaks off; it may be being written".to_owned()),
            _ => Err("it names no process".to_owned()),
        }
    }
}

/// Who holds the lock now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Holder<'a> {
    /// The process that wrote it, and it is kiro-cli's.
    Lives(&'a ProcessInfo),
    /// Nobody: no process has that pid.
    Gone,
    /// A process that cannot be seen has that pid.
    Hidden,
    /// Another process has the pid since.
    Reused(&'a ProcessInfo),
    /// The process that wrote it, by its start; but its arguments are not those of
    /// kiro-cli, or the time is not known.
    Doubtful(&'a ProcessInfo),
}

impl<'a> Holder<'a> {
    /// Looks it up. `now` is the time of day of the process table.
    pub fn of(lock: &Lock, table: &'a Table, now: Timestamp) -> Self {
        let Some(row) = table.row(lock.pid) else {
            return if table.is_hidden(lock.pid) { Self::Hidden } else { Self::Gone };
        };
        let started = now.saturating_sub(row.age);
        match lock.since {
            Some(since) if started > since.saturating_add(TOLERANCE) => Self::Reused(row),
            Some(_) if table.kin(lock.pid).is_some() => Self::Lives(row),
            _ => Self::Doubtful(row),
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lives(_) => "live",
            Self::Gone => "stale",
            Self::Reused(_) => "reused",
            Self::Doubtful(_) | Self::Hidden => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::table;

    #[test]
    fn locks() {
        let read = |text: &str| Lock::parse(text.as_bytes());
        let since = Some(1_789_446_514_000);
        assert_eq!(
            read(r#"{"pid":81879,"started_at":"2026-09-15T04:28:34Z"}"#),
            Ok(Lock { pid: 81879, since })
        );
        assert_eq!(
            read(r#"{"started_at":"2026-09-15T04:28:34.000001Z", "pid": 7, "more": {}}"#),
            Ok(Lock { pid: 7, since })
        );
        assert_eq!(read(r#"{"pid":7,"started_at":"noon"}"#), Ok(Lock { pid: 7, since: None }));
        for (text, why) in [
            ("", "breaks off"),
            (r#"{"pid":7,"#, "breaks off"),
            ("{}", "no process"),
            (r#"{"pid":0}"#, "no process"),
            (r#"{"pid":-7}"#, "no process"),
            (r#"{"pid":"7"}"#, "no process"),
            (r#"{"pid":4294967303}"#, "no process"),
            ("81879", "no process"),
        ] {
            assert!(read(text).expect_err(text).contains(why), "{text}");
        }
    }

    #[test]
    fn who_holds_one() {
        // Both processes are an hour old.
        let table = table(&[(20, 1, 20, "kiro-cli-chat acp"), (30, 1, 30, "vim kiro-cli")]);
        let now = 10_000_000;
        let started = now - 3_600_000;
        let cases = [
            (20, Some(started), "live"),
            (20, Some(started + 3_599_000), "live"),
            (20, Some(started - TOLERANCE), "live"),
            (20, Some(started - TOLERANCE - 1), "reused"),
            (20, None, "unknown"),
            (30, Some(started + 5_000), "unknown"),
            (30, Some(started - 60_000), "reused"),
            (40, Some(started), "stale"),
        ];
        for (pid, since, word) in cases {
            assert_eq!(Holder::of(&Lock { pid, since }, &table, now).word(), word, "{pid} {since:?}");
        }
    }
}
