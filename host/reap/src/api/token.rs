//! The token that whoever comes over TCP must show, and the listener that it
//! guards. Every user of the machine, and often of the network, reaches a port.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

use crate::config::Listen;
use crate::files;

/// A shorter one can be guessed.
const SHORTEST: usize = 16;

/// No token needs more.
const LARGEST: u64 = 4096;

/// Why the daemon does not listen for TCP.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The token's file cannot be read.
    #[error("the token cannot be read from {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It belongs to somebody else, who could put another token into it.
    #[error(
        "the token's file {} belongs to user {owner}, and must belong to user {us}, who runs the daemon",
        path.display()
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it should be.
        us: u32,
    },
    /// Others may read or change it.
    #[error(
        "other users may use the token's file {} (mode {mode:o}); run: chmod 600 {}",
        path.display(), path.display()
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It can be guessed.
    #[error(
        "the token in {} has {length} characters, and at least {SHORTEST} are needed; make one with: \
         head -c 32 /dev/urandom | base64",
        path.display()
    )]
    Short {
        /// The file.
        path: PathBuf,
        /// How many it has.
        length: usize,
    },
    /// It cannot be sent in a header.
    #[error("the token in {} has blanks or characters besides ASCII in it, which no header can hold", path.display())]
    Unsendable {
        /// The file.
        path: PathBuf,
    },
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {error}")]
    Address {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
}

/// A TCP listener, and what is to be shown there.
#[derive(Debug)]
pub(crate) struct Tcp {
    pub(super) listener: TcpListener,
    pub(super) token: Token,
    /// Where it listens. A port of 0 was replaced by a free one.
    pub(super) address: SocketAddr,
}

impl Tcp {
    /// Reads the token and listens. Nobody is let in yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the token is not safe, or the address cannot be had.
    pub fn bind(listen: &Listen) -> Result<Self, ListenError> {
        let token = Token::read(&listen.token_file)?;
        let address = listen.address;
        let bound = std::net::TcpListener::bind(address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .and_then(TcpListener::from_std);
        let refused = |error| ListenError::Address { address, error };
        let listener = bound.map_err(refused)?;
        Ok(Self { address: listener.local_addr().map_err(refused)?, listener, token })
    }
}

/// The token, as its digest: two digests are always of the same length, so a
/// comparison tells nothing of it, and no dump of memory shows it.
#[derive(Clone)]
pub(super) struct Token([u8; 32]);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    fn read(path: &Path) -> Result<Self, ListenError> {
        let unreadable = |error| ListenError::Unreadable { path: path.to_owned(), error };
        let text = files::read_text(path, LARGEST).map_err(unreadable)?;
        let about = fs::metadata(path).map_err(unreadable)?;
        let (owner, us) = (about.uid(), rustix::process::geteuid().as_raw());
        if owner != us {
            return Err(ListenError::Owner { path: path.to_owned(), owner, us });
        }
        let mode = about.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(ListenError::OpenToOthers { path: path.to_owned(), mode });
        }
        let text = text.trim();
        let length = text.chars().count();
        if length < SHORTEST {
            return Err(ListenError::Short { path: path.to_owned(), length });
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ListenError::Unsendable { path: path.to_owned() });
        }
        Ok(Self::new(text))
    }

    /// Whether this is the token. Takes as long for a wrong one as for the right one.
    pub fn is(&self, shown: &str) -> bool {
        self.0.ct_eq(&Self::new(shown).0).into()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const GOOD: &str = "0123456789abcdef";

    fn read(text: &str, mode: u32) -> Result<Token, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        fs::write(&file, text).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("our own file");
        Token::read(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn only_the_token_is_the_token() {
        for text in [GOOD, "  0123456789abcdef\n"] {
            let token = read(text, 0o600).expect("good");
            assert!(token.is(GOOD));
            for wrong in
                ["", "0123456789abcde", "0123456789abcdeF", "0123456789abcdef0", "0123456789abcdef\n"]
            {
                assert!(!token.is(wrong), "{wrong:?}");
            }
            assert_eq!(format!("{token:?}"), "Token");
        }
    }

    #[test]
    fn a_token_that_is_not_safe_is_refused() {
        let cases = [
            (GOOD, 0o640, "other users may use the token's file"),
            (GOOD, 0o604, "chmod 600"),
            (GOOD, 0o620, "(mode 620)"),
            ("0123456789abcde\n", 0o600, "has 15 characters, and at least 16 are needed"),
            ("", 0o600, "has 0 characters"),
            ("0123456789 abcdef", 0o600, "has blanks"),
            ("0123456789abcdéf", 0o600, "besides ASCII"),
        ];
        for (text, mode, words) in cases {
            let error = read(text, mode).expect_err(words);
            assert!(error.contains(words), "{error}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        for (path, words) in
            [(folder.path().join("none"), "cannot be read"), (folder.path().into(), "a folder")]
        {
            let error = Token::read(&path).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
        let device = Token::read(Path::new("/dev/zero")).expect_err("it never ends").to_string();
        assert!(device.contains("it is a device"), "{device}");
    }
}
