//! The hash chain: what ties each entry of the journal to the one before it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What the hash of an entry is made over, besides the hash before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub seq: i64,
    pub at: i64,
    pub boot: &'a [u8],
    pub kind: &'a [u8],
    pub handle: Option<&'a [u8]>,
    pub payload: &'a [u8],
    pub written: i64,
}

/// A hash of the chain.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub(crate) [u8; 32]);

impl Hash {
    /// The hash of an entry that follows the one with this hash.
    pub(crate) fn link(self, fields: &Fields<'_>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"reap journal 1");
        hash.update(self.0);
        for number in [fields.seq, fields.at, fields.written] {
            hash.update(number.to_le_bytes());
        }
        // With its length before each text: ("ab", "c") and ("a", "bc") differ.
        // A missing handle is not an empty one.
        hash.update([u8::from(fields.handle.is_some())]);
        for text in [fields.boot, fields.kind, fields.handle.unwrap_or_default(), fields.payload] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = BadHead;
    fn try_from(text: String) -> Result<Self, BadHead> {
        text.parse()
    }
}

impl FromStr for Hash {
    type Err = BadHead;

    fn from_str(text: &str) -> Result<Self, BadHead> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadHead(text.to_owned()));
        }
        for (place, byte) in bytes.iter_mut().enumerate() {
            let pair = &text[2 * place..2 * place + 2];
            *byte = u8::from_str_radix(pair, 16).map_err(|_| BadHead(text.to_owned()))?;
        }
        Ok(Self(bytes))
    }
}

/// An entry's number and hash: stands for the whole journal up to it. Written
/// `NUMBER:HASH`. Who keeps one elsewhere can tell later whether the journal
/// still contains exactly what it did then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of the entry; 0 before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// A text that is no head of a journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no head of a journal: write NUMBER:HASH with 64 hex digits, as `reap journal verify` prints it"
)]
pub struct BadHead(pub String);

impl FromStr for Head {
    type Err = BadHead;

    fn from_str(text: &str) -> Result<Self, BadHead> {
        let bad = || BadHead(text.to_owned());
        let (seq, hash) = text.split_once(':').ok_or_else(bad)?;
        Ok(Self { seq: seq.parse().map_err(|_| bad())?, hash: hash.parse().map_err(|_| bad())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: Fields<'static> = Fields {
        seq: 7,
        at: 1000,
        boot: b"boot",
        kind: b"session.seen",
        handle: Some(b"ab"),
        payload: b"{}",
        written: 20,
    };

    #[test]
    fn every_field_counts() {
        let start = Hash([1; 32]);
        let usual = start.link(&FIELDS);
        let changed = [
            start.link(&Fields { seq: 8, ..FIELDS }),
            start.link(&Fields { at: 1001, ..FIELDS }),
            start.link(&Fields { boot: b"boo", kind: b"tsession.seen", ..FIELDS }),
            start.link(&Fields { handle: None, ..FIELDS }),
            start.link(&Fields { handle: Some(b""), ..FIELDS }),
            start.link(&Fields { payload: b"[]", ..FIELDS }),
            start.link(&Fields { written: 21, ..FIELDS }),
            Hash([2; 32]).link(&FIELDS),
        ];
        for (place, hash) in changed.iter().enumerate() {
            assert_ne!(*hash, usual, "case {place}");
            assert!(!changed[..place].contains(hash), "case {place}");
        }
        assert_eq!(start.link(&FIELDS), usual);
    }

    #[test]
    fn heads_are_written_and_read() {
        let head = Head { seq: 12, hash: Hash([0xa5; 32]) };
        assert_eq!(head.to_string().parse(), Ok(head));
        let cut = &head.to_string()[..66];
        for text in ["", "12", "12:", "12:a5", ":", cut, "12:ää", &format!("x:{}", head.hash)] {
            assert!(text.parse::<Hash>().is_err() && text.parse::<Head>().is_err(), "{text}");
        }
    }
}
