//! Secrets: read when they are needed, written into the one message that holds them,
//! and wiped. What stays for as long as a line stands is a mask of each, good for
//! finding it in what comes back and for nothing else.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::OFlags;
use zeroize::{Zeroize, Zeroizing};

use crate::message::escaped;
use crate::network::SecretPlace;

/// The shortest secret. What is shorter would be found in every other answer.
const SHORTEST: usize = 4;

/// More than any token.
const LONGEST: u64 = 16 << 10;

/// A secret, for a moment.
pub(crate) struct Secret(Zeroizing<String>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Reads a secret. The error says what to change, and nothing of the secret.
    pub(crate) fn read(place: &SecretPlace) -> Result<Self, String> {
        let (text, told) = match place {
            SecretPlace::Environment(name) => {
                let value = std::env::var_os(name).ok_or_else(|| format!("${name} is not set"))?;
                let bytes = Zeroizing::new(value.into_encoded_bytes());
                (whole(&bytes)?, format!("${name}"))
            }
            SecretPlace::File(path) => {
                let read = read_file(path).and_then(|bytes| whole(&bytes));
                (read.map_err(|why| format!("{}: {why}", path.display()))?, path.display().to_string())
            }
        };
        if text.len() < SHORTEST {
            return Err(format!("the secret in {told} is shorter than {SHORTEST} bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(format!("the secret in {told} has a line end or another control character in it"));
        }
        Ok(Self(text))
    }

    /// The secret itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Whether there is something to read, without reading it.
pub(crate) fn is_set(place: &SecretPlace) -> bool {
    match place {
        SecretPlace::Environment(name) => std::env::var_os(name).is_some_and(|value| !value.is_empty()),
        SecretPlace::File(_) => true,
    }
}

fn whole(bytes: &[u8]) -> Result<Zeroizing<String>, String> {
    let text = str::from_utf8(bytes).map_err(|_| "the secret is no UTF-8 text".to_owned())?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Reads a file that is this user's alone.
pub(crate) fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let unreadable = |error: &dyn fmt::Display| format!("the secret cannot be read: {error}");
    // One that nobody writes to must not hold everything up.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let held = rustix::fs::open(path, flags, rustix::fs::Mode::empty())
        .map_err(|error| unreadable(&std::io::Error::from(error)))?;
    let file = File::from(held);
    let seen = file.metadata().map_err(|error| unreadable(&error))?;
    if !seen.is_file() {
        return Err("the secret must be in a regular file".to_owned());
    }
    if seen.uid() != rustix::process::geteuid().as_raw() || seen.mode() & 0o077 != 0 {
        return Err(
            "others may read the secret or change it; make the file yours alone: chmod 600".to_owned()
        );
    }
    // Large enough from the start: what a vector grows out of is not wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 1));
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("the file is longer than {LONGEST} bytes, which no secret is"));
    }
    Ok(bytes)
}

/// A text that is wiped when it is dropped, and whatever it grew out of too.
#[derive(Default)]
pub(crate) struct Wiped(Vec<u8>);

impl Wiped {
    pub(crate) fn push(&mut self, text: &str) {
        let needed = self.0.len() + text.len();
        if needed > self.0.capacity() {
            let mut larger = Vec::with_capacity(needed.next_power_of_two().max(1 << 10));
            larger.extend_from_slice(&self.0);
            std::mem::replace(&mut self.0, larger).zeroize();
        }
        self.0.extend_from_slice(text.as_bytes());
    }
}

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wiped({} bytes)", self.0.len())
    }
}

/// What a secret is recognised by: its bytes under a pad, so that the secret itself is
/// in no memory while a line stands.
#[derive(Clone)]
pub(crate) struct Mask {
    /// Where the secret belongs: that of another address may have the same name.
    address: String,
    name: String,
    pad: Vec<u8>,
    bytes: Vec<u8>,
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask({})", self.name)
    }
}

impl Mask {
    /// The masks of a secret: as it is, and as JSON writes it where that differs.
    pub(crate) fn of(address: &str, name: &str, secret: &Secret) -> Result<Vec<Self>, String> {
        let spelt = Zeroizing::new(escaped(secret.reveal()));
        let mut masks = vec![Self::one(address, name, secret.reveal().as_bytes())?];
        if *spelt != secret.reveal() {
            masks.push(Self::one(address, name, spelt.as_bytes())?);
        }
        Ok(masks)
    }

    fn is_for_same(&self, other: &Self) -> bool {
        self.address == other.address && self.name == other.name
    }

    fn one(address: &str, name: &str, secret: &[u8]) -> Result<Self, String> {
        let mut pad = vec![0; secret.len()];
        SystemRandom::new().fill(&mut pad).map_err(|_| "the system gives no random bytes".to_owned())?;
        let bytes = secret.iter().zip(&pad).map(|(byte, pad)| byte ^ pad).collect();
        Ok(Self { address: address.to_owned(), name: name.to_owned(), pad, bytes })
    }

    fn is_at(&self, text: &[u8]) -> bool {
        text.len() >= self.bytes.len()
            && text.iter().zip(&self.pad).zip(&self.bytes).all(|((byte, pad), masked)| byte ^ pad == *masked)
    }
}

/// Adds masks in the place of those that the same secrets had before: a daemon logs in
/// again and again, with the same.
pub(crate) fn renew(known: &mut Vec<Mask>, new: Vec<Mask>) {
    known.retain(|old| new.iter().all(|mask| !mask.is_for_same(old)));
    known.extend(new);
}

/// The text with each secret replaced by its name; nothing where there was none.
pub(crate) fn without(masks: &[Mask], text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    // An answer may have millions of bytes, and few of them are the first of a secret.
    let mut firsts = [false; 256];
    masks.iter().for_each(|mask| firsts[usize::from(mask.pad[0] ^ mask.bytes[0])] = true);
    let found = |at: usize| {
        let first = firsts[usize::from(bytes[at])];
        first.then(|| masks.iter().find(|mask| mask.is_at(&bytes[at..]))).flatten()
    };
    let mut at = (0..bytes.len()).find(|at| found(*at).is_some())?;
    let mut out = bytes[..at].to_vec();
    while at < bytes.len() {
        match found(at) {
            Some(mask) => {
                out.extend_from_slice(format!("[secret {}]", mask.name).as_bytes());
                at += mask.bytes.len();
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    // A secret is whole characters, so what is around one is too.
    Some(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn masks_at(address: &str, secret: &str) -> Vec<Mask> {
        let secret = Secret(Zeroizing::new(secret.to_owned()));
        Mask::of(address, "token", &secret).expect("random bytes")
    }

    fn masks(secrets: &[&str]) -> Vec<Mask> {
        secrets.iter().flat_map(|secret| masks_at("ws://127.0.0.1:1", secret)).collect()
    }

    #[test]
    fn secrets_are_found_wherever_they_are() {
        let masks = masks(&["tok-SECRET", "ünï\"code"]);
        for (text, want) in [
            ("nothing", None),
            ("tok-SECRE", None),
            ("", None),
            ("tok-SECRET", Some("[secret token]")),
            ("a tok-SECRETtok-SECRET b", Some("a [secret token][secret token] b")),
            ("ätok-SECRETö", Some("ä[secret token]ö")),
            ("tok-tok-SECRET", Some("tok-[secret token]")),
            ("x ünï\"code", Some("x [secret token]")),
            ("x ünï\\\"code", Some("x [secret token]")),
        ] {
            assert_eq!(without(&masks, text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn masks_take_the_place_of_those_of_the_same_secret() {
        let mut known = masks_at("ws://127.0.0.1:1", "tok-FIRST");
        for _ in 0..10 {
            renew(&mut known, masks_at("ws://127.0.0.1:2", "tok-\"SECOND"));
        }
        assert_eq!(known.len(), 3, "the second is spelt in two ways");
        for secret in ["tok-FIRST", "tok-\"SECOND", "tok-\\\"SECOND"] {
            assert_eq!(without(&known, secret).as_deref(), Some("[secret token]"), "{secret}");
        }
    }

    #[test]
    fn nothing_shows_a_secret() {
        let secret = Secret(Zeroizing::new("tok-SECRET".to_owned()));
        let mut text = Wiped::default();
        text.push("tok-SECRET");
        let shown = format!("{secret:?} {text:?} {:?}", masks(&["tok-SECRET"]));
        assert_eq!(shown, "Secret Wiped(10 bytes) [Mask(token)]");
        let mask = &masks(&["tok-SECRET"])[0];
        assert_ne!(mask.bytes, b"tok-SECRET");
    }

    #[test]
    fn a_wiped_text_grows_as_any_other() {
        let mut text = Wiped::default();
        for _ in 0..1_000 {
            text.push("0123456789");
        }
        assert_eq!(text.as_ref(), "0123456789".repeat(1_000).as_bytes());
    }

    #[test]
    fn a_secret_is_its_owners_alone() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let path = dir.path().join("token");
        let read = |mode: u32, bytes: &[u8]| {
            fs::write(&path, bytes).expect("written");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("our own");
            Secret::read(&SecretPlace::File(path.clone())).map(|secret| secret.reveal().to_owned())
        };
        assert_eq!(read(0o600, b"tok-SECRET\n").as_deref(), Ok("tok-SECRET"));
        assert_eq!(read(0o400, b"tok-SECRET\r\n").as_deref(), Ok("tok-SECRET"));
        for (mode, bytes, words) in [
            (0o640, &b"tok-SECRET"[..], "chmod 600"),
            (0o604, b"tok-SECRET", "chmod 600"),
            (0o602, b"tok-SECRET", "chmod 600"),
            (0o600, b"tok-SECRET\nmore", "line end"),
            (0o600, b"\xfftok-SECRET", "UTF-8"),
            (0o600, b"abc", "shorter than 4"),
            (0o600, &[b'x'; 20_000], "longer than"),
        ] {
            let error = read(mode, bytes).expect_err(words);
            assert!(error.contains(words) && !error.contains("SECRET"), "{error}");
        }
        let missing = SecretPlace::File(dir.path().join("none"));
        assert!(Secret::read(&missing).expect_err("none").contains("cannot be read"));
        let folder = SecretPlace::File(dir.path().to_owned());
        assert!(Secret::read(&folder).expect_err("a folder").contains("regular file"));
        let unset = SecretPlace::Environment("REAP_TEST_NO_SUCH_SECRET".to_owned());
        assert!(Secret::read(&unset).expect_err("unset").contains("is not set") && !is_set(&unset));
    }
}
