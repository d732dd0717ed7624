//! The key that signs logins: the host's own, for each plugin. It is made at the first
//! login that needs it, and never leaves the host.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use super::secrets::read_file;
use crate::manifest::digest;

/// Ed25519 grows a key out of so many random bytes.
const SEED: usize = 32;

/// A key, and what others know of it.
pub(crate) struct Device {
    key: Ed25519KeyPair,
    /// SHA-256 of the public key, in hex.
    pub(crate) id: String,
    /// The public key in base64url.
    pub(crate) public_key: String,
}

impl Device {
    /// The key of this plugin, which is made when there is none.
    pub(crate) fn of(plugin: &str, folder: &Path) -> Result<Self, String> {
        let file = folder.join(format!("{plugin}.ed25519"));
        let wrong = |why: String| format!("{}, the key that signs logins: {why}", file.display());
        if !file.try_exists().map_err(|error| wrong(error.to_string()))? {
            make(folder, &file).map_err(|error| wrong(format!("it cannot be made: {error}")))?;
        }
        let seed = read_file(&file).map_err(&wrong)?;
        let key = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| {
            wrong(format!(
                "it must have {SEED} bytes; remove it for a new one, which gateways have to pair again"
            ))
        })?;
        let public = key.public_key().as_ref();
        Ok(Self { id: digest(public), public_key: base64url(public), key })
    }

    /// The signature over a text, in base64url.
    pub(crate) fn sign(&self, text: &[u8]) -> String {
        base64url(self.key.sign(text).as_ref())
    }
}

/// Makes a key. Of two that do it at once the first one's stays.
fn make(folder: &Path, file: &Path) -> io::Result<()> {
    let (mut seed, mut name) = (Zeroizing::new([0; SEED]), [0; 8]);
    let random = SystemRandom::new();
    let filled = random.fill(&mut *seed).and_then(|()| random.fill(&mut name));
    filled.map_err(|_| io::Error::other("the system gives no random bytes"))?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // A name that nobody else takes, who does the same at this moment.
    let beside: PathBuf = file.with_extension(format!("{}.new", base64url(&name)));
    let written = (|| {
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        new.write_all(&*seed)?;
        new.sync_all()?;
        // A link, and not a new name: it never takes the place of another.
        fs::hard_link(&beside, file)
    })();
    let _ = fs::remove_file(&beside); // the first error is the one to tell
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && file.exists() => Ok(()),
        other => other,
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 for addresses, without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let number =
            three.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            out.push(char::from(DIGITS[(number >> (18 - 6 * place)) as usize & 63]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn base64_of_every_length() {
        for (bytes, want) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")]
        {
            assert_eq!(base64url(bytes.as_bytes()), want);
        }
        assert_eq!(base64url(&[0xff, 0xef, 0xbf]), "_--_");
    }

    #[test]
    fn the_key_stays_the_same_and_is_ours_alone() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let folder = dir.path().join("state/keys");
        let device = Device::of("x", &folder).expect("made");
        let again = Device::of("x", &folder).expect("read");
        assert_eq!((&device.id, &device.public_key), (&again.id, &again.public_key));
        assert_eq!((device.id.len(), device.public_key.len(), device.sign(b"t").len()), (64, 43, 86));
        assert_ne!(Device::of("y", &folder).expect("made").id, device.id);
        let file = folder.join("x.ed25519");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&folder)), (0o600, 0o700));
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 2, "nothing else is left there");
        let signature = device.key.sign(b"text");
        let public = UnparsedPublicKey::new(&ED25519, device.key.public_key().as_ref());
        assert!(public.verify(b"text", signature.as_ref()).is_ok());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("our own");
        assert!(Device::of("x", &folder).err().is_some_and(|error| error.contains("chmod 600")));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("our own");
        fs::write(&file, b"short").expect("written");
        assert!(Device::of("x", &folder).err().is_some_and(|error| error.contains("32 bytes")));
    }

    #[test]
    fn two_that_make_it_at_once_get_the_same() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let ids: Vec<String> = std::thread::scope(|scope| {
            let makers: Vec<_> =
                (0..2).map(|_| scope.spawn(|| Device::of("x", dir.path()).expect("made").id)).collect();
            makers.into_iter().map(|maker| maker.join().expect("no panic")).collect()
        });
        assert_eq!(ids[0], ids[1]);
    }
}
