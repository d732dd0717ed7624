//! How the daemon runs: whether it may end sessions, how often it looks, and
//! where it can be reached.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use reap_core::time::Span;

use super::document::{Entry, Section};
use super::error::ConfigError;
use super::read::from_config;

/// How the daemon runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonConfig {
    /// Whether it ends sessions.
    pub mode: DaemonMode,
    /// From the start of one cycle to the start of the next.
    pub every: Span,
    /// Where it answers besides its Unix socket.
    pub listen: Option<Listen>,
}

impl Default for DaemonConfig {
    fn default() -> Self {
        Self { mode: DaemonMode::Observe, every: Span::from_secs(30), listen: None }
    }
}

/// Whether the daemon ends sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaemonMode {
    /// It looks, marks and plans, and ends nothing.
    Observe,
    /// It ends what is due.
    Enforce,
}

impl DaemonMode {
    const ALL: [Self; 2] = [Self::Observe, Self::Enforce];

    /// The word for it in `reap.toml`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// A TCP listener. There is none without a token: other users reach a port, and
/// not the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The address and the port.
    pub address: SocketAddr,
    /// The file with the token that clients show.
    pub token_file: PathBuf,
}

/// Shorter, and one cycle follows the other without a pause; longer, and a
/// slip of the unit makes a daemon that hardly looks.
const EVERY: RangeInclusive<Span> = Span::from_secs(1)..=Span::from_secs(3600);

pub(super) fn read(mut section: Section<'_>, file: &Path) -> Result<DaemonConfig, ConfigError> {
    let mut daemon = DaemonConfig::default();
    section.set("mode", &mut daemon.mode, |entry| entry.mode(DaemonMode::ALL, DaemonMode::word))?;
    section.set("every", &mut daemon.every, |entry| entry.span_in(EVERY))?;
    daemon.listen = listen(section.take("listen"), section.take("token_file"), file)?;
    section.finish()?;
    Ok(daemon)
}

fn listen(
    address: Option<Entry<'_>>,
    token_file: Option<Entry<'_>>,
    file: &Path,
) -> Result<Option<Listen>, ConfigError> {
    match (address, token_file) {
        (None, None) => Ok(None),
        (Some(address), Some(token_file)) => Ok(Some(Listen {
            address: socket_address(&address)?,
            token_file: path(&token_file, file)?,
        })),
        (Some(address), None) => Err(address.error(
            "other users can reach a port, so it needs a token: name the file that holds it with `token_file`",
        )),
        (None, Some(token_file)) => Err(token_file.error(
            "there is nothing that asks for a token: say with `listen` where the daemon is to listen, or take \
             this out",
        )),
    }
}

fn socket_address(entry: &Entry<'_>) -> Result<SocketAddr, ConfigError> {
    let text = entry.text()?;
    let wrong = || {
        entry.error(format!(
            "{text:?} is no address to listen at; write an IP address and a port such as \"127.0.0.1:7317\" or \
             \"[::1]:7317\""
        ))
    };
    text.parse().map_err(|_| wrong())
}

fn path(entry: &Entry<'_>, file: &Path) -> Result<PathBuf, ConfigError> {
    match entry.text()? {
        "" => Err(entry.error("the path is empty; name the file that holds the token")),
        path => Ok(from_config(path, file)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn said(text: &str) -> Result<DaemonConfig, ConfigError> {
        Config::parse(&format!("[daemon]\n{text}"), Path::new("/etc/reap.toml")).map(|config| config.daemon)
    }

    #[test]
    fn it_only_observes_unless_told() {
        let none = DaemonConfig { mode: DaemonMode::Observe, every: Span::from_secs(30), listen: None };
        assert_eq!(said("").expect("good"), none);
        let both = "mode = \"enforce\"\nevery = \"1h\"";
        let expected = DaemonConfig { mode: DaemonMode::Enforce, every: Span::from_secs(3600), listen: None };
        assert_eq!(said(both).expect("good"), expected);
        assert_eq!(said("every = \"1s\"").expect("good").every, Span::from_secs(1));
    }

    #[test]
    fn a_listener_has_an_address_and_a_token() {
        let cases = [
            ("127.0.0.1:7317", "token", "/etc/token"),
            ("[::1]:0", "secrets/token", "/etc/secrets/token"),
            ("0.0.0.0:80", "/run/token", "/run/token"),
        ];
        for (address, token, path) in cases {
            let daemon = said(&format!("listen = {address:?}\ntoken_file = {token:?}")).expect("good");
            let listen = Listen { address: address.parse().expect("an address"), token_file: path.into() };
            assert_eq!(daemon.listen, Some(listen));
        }
    }

    #[test]
    fn each_mistake_says_where_it_is_and_what_is_valid() {
        let cases = [
            ("mode = \"on\"", 2, "`daemon.mode`: \"on\" is no mode; valid are `observe`, `enforce`"),
            ("mode = \"shadow\"", 2, "valid are `observe`, `enforce`"),
            ("mode = true", 2, "`daemon.mode`: expected a text in quotes, found true"),
            (
                "\nevery = \"999ms\"",
                3,
                "`daemon.every`: expected a length of time from 1s to 1h, found the text",
            ),
            ("every = \"1h1ms\"", 2, "from 1s to 1h, found the text \"1h1ms\""),
            ("every = \"0s\"", 2, "from 1s to 1h"),
            ("every = 30", 2, "expected a length of time such as \"30m\", found the number 30"),
            (
                "\nlisten = \"127.0.0.1:7317\"",
                3,
                "`daemon.listen`: other users can reach a port, so it needs a token",
            ),
            (
                "\ntoken_file = \"t\"",
                3,
                "`daemon.token_file`: there is nothing that asks for a token: say with `listen`",
            ),
            (
                "token_file = \"t\"\nlisten = \"localhost:1\"",
                3,
                "`daemon.listen`: \"localhost:1\" is no address",
            ),
            ("token_file = \"t\"\nlisten = \"127.0.0.1\"", 3, "such as \"127.0.0.1:7317\""),
            ("token_file = \"t\"\nlisten = \"127.0.0.1:99999\"", 3, "is no address to listen at"),
            ("token_file = \"t\"\nlisten = 7317", 3, "`daemon.listen`: expected a text in quotes"),
            ("listen = \"[::1]:1\"\ntoken_file = \"\"", 3, "`daemon.token_file`: the path is empty"),
            (
                "token = \"t\"",
                2,
                "unknown key `token` in [daemon]; valid keys are `mode`, `every`, `listen`, `token_file`",
            ),
        ];
        for (text, line, words) in cases {
            let error = said(text).expect_err(text);
            assert_eq!(error.line, Some(line), "{text}: {error}");
            assert!(error.message.contains(words), "{text}: {error}");
        }
    }
}
