//! Names that must never be mixed up, each its own type.
//!
//! A session is *identified* by backend, instance, key and incarnation, and
//! never by its title: a reaper that went by names killed `app-10` for `app-1`.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// The name of a plugin: `tmux`, `idle-shell`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginName(Arc<str>);

/// Why a text is no plugin name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no plugin name: use lower-case letters, digits and dashes, a letter first, at most 40")]
pub struct BadName(pub String);

impl PluginName {
    /// Checks that the text is a plugin name: lower-case letters, digits and
    /// dashes, a letter first, at most 40 characters.
    pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
        let text = text.into();
        let good = text.len() <= 40
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if good { Ok(Self(text.into())) } else { Err(BadName(text)) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PluginName {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::new(text)
    }
}

impl From<PluginName> for String {
    fn from(name: PluginName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

// Names are shared, not copied: one pass hands the same few to thousands of
// subjects, items and events.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into().into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self(String::deserialize(deserializer)?.into()))
            }
        }
    };
}

text_id! {
    /// One thing that a backend looks into: a tmux server's socket, a kiro home,
    /// a gateway's address.
    Instance
}
text_id! {
    /// A session's native name inside its instance: `$3`, a uuid.
    Key
}
text_id! {
    /// Changes whenever the same key comes to mean another session.
    Incarnation
}
text_id! {
    /// Which start of an instance's server it is.
    Generation
}
text_id! {
    /// An instance's short name, for tables. It identifies nothing.
    Label
}
text_id! {
    /// Which start of the machine it is: `/proc/sys/kernel/random/boot_id`.
    BootId
}

impl Deref for Label {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// Where a session is to be found. Written `backend/instance/key`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The backend that knows it.
    pub backend: PluginName,
    /// The instance inside the backend.
    pub instance: Instance,
    /// The key inside the instance.
    pub key: Key,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.backend, self.instance, self.key)
    }
}

/// The short id that people type: hex of a hash over backend, instance, key and
/// incarnation. A unique prefix of [`Handle::SHORTEST`] or more digits is enough.
// The digits themselves and no pointer to them: handles are what the tables of
// each pass are keyed by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Handle([u8; Self::DIGITS]);

/// Why a text is no handle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no handle: one has {digits} digits out of 0-9 and a-f", digits = Handle::DIGITS)]
pub struct BadHandle(pub String);

impl Handle {
    /// Digits of a whole handle: 64 bits, so that two of a million sessions
    /// collide with a probability of 1 in 40 million.
    pub const DIGITS: usize = 16;
    /// Digits that are shown in tables.
    pub const SHOWN: usize = 8;
    /// The least number of digits that name a session.
    pub const SHORTEST: usize = 4;

    /// The handle of the session at `address` in its `incarnation`.
    pub fn of(address: &Address, incarnation: &Incarnation) -> Self {
        let mut hash = Sha256::new();
        let parts =
            [address.backend.as_str(), address.instance.as_str(), address.key.as_str(), incarnation.as_str()];
        for part in parts {
            // The length goes in first: ("ab", "c") and ("a", "bc") are two sessions.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let hash = hash.finalize();
        Self(std::array::from_fn(|place| digit(hash[place / 2] >> [4, 0][place % 2])))
    }

    /// All digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }

    /// The digits that tables show.
    pub fn short(&self) -> &str {
        &self.as_str()[..Self::SHOWN]
    }

    /// Whether `text` is a prefix of this handle that is long enough to name it.
    pub fn answers_to(&self, text: &str) -> bool {
        text.len() >= Self::SHORTEST && self.as_str().starts_with(text)
    }
}

/// The hex digit of the lower half of a byte.
fn digit(byte: u8) -> u8 {
    b"0123456789abcdef"[usize::from(byte & 0xf)]
}

impl FromStr for Handle {
    type Err = BadHandle;
    fn from_str(text: &str) -> Result<Self, BadHandle> {
        let digits = text.as_bytes().try_into().ok();
        let hex = |digits: &[u8; Self::DIGITS]| digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f'));
        digits.filter(hex).map(Self).ok_or_else(|| BadHandle(text.to_owned()))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl TryFrom<String> for Handle {
    type Error = BadHandle;
    fn try_from(text: String) -> Result<Self, BadHandle> {
        text.parse()
    }
}

/// The first `digits` hex digits of some bytes.
pub(crate) fn hex(bytes: &[u8], digits: usize) -> String {
    use fmt::Write;
    let mut text = String::with_capacity(digits + 1);
    for byte in &bytes[..digits.div_ceil(2)] {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
    }
    text.truncate(digits);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::address;

    #[test]
    fn only_handles_are_read_as_handles() {
        let handle = Handle::of(&address("$1"), &Incarnation::new("first"));
        assert_eq!(handle.as_str().parse(), Ok(handle.clone()));
        let cut = &handle.as_str()[1..];
        for text in ["", "ff", cut, &format!("{handle}0"), &format!("{cut}g"), &format!("{cut}A")] {
            assert_eq!(text.parse::<Handle>(), Err(BadHandle(text.to_owned())));
        }
    }
}
