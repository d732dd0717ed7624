//! JSON bodies with a checksum over their row.
//!
//! SQLite notices a torn page and not a flipped bit in a text. A record that
//! silently names another session is worse than none, so each row says what it
//! should add up to. This finds accidents, not malice; against malice there is
//! the journal.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;

/// The parts of a row that its checksum covers, in their order.
pub(crate) fn sum(parts: &[&str]) -> i64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    // Each step can be undone, so one changed word always changes the result.
    let mut take = |word: u64| state = (state.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for part in parts {
        // With lengths, so that a border between two parts cannot move.
        take(part.len() as u64);
        for chunk in part.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            take(u64::from_le_bytes(word));
        }
    }
    state as i64
}

/// Writes a value as the JSON of a body.
pub(crate) fn json(what: &str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Json { what: what.to_owned(), source })
}

/// Reads a body back, if the row still adds up.
pub(crate) fn open<T: DeserializeOwned>(
    path: &Path,
    what: &str,
    parts: &[&str],
    body: &str,
    expected: i64,
) -> Result<T, StoreError> {
    let mut all = parts.to_vec();
    all.push(body);
    if sum(&all) != expected {
        let what = format!("{what} does not add up to its checksum");
        return Err(StoreError::Damaged { path: path.to_owned(), what });
    }
    serde_json::from_str(body).map_err(|source| StoreError::Json { what: what.to_owned(), source })
}

/// A number as SQLite keeps it. Nothing real is so large; what some plugin makes
/// up is cut rather than wrapped into the past.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number from SQLite. A negative one cannot come from [`int`].
pub(crate) fn uint(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
