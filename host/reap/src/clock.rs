//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use reap_core::time::Timestamp;

/// Now. A clock set before 1970 reads as 1970: everything is then young, and
/// what is young is not ended.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
