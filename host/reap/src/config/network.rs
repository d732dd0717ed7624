//! What the operator says about a backend's gateways: `[backends.NAME.secrets]` and
//! `[backends.NAME.websocket]`.
//!
//! A secret itself never stands in `reap.toml`: the file is copied, shown and kept
//! under version control.

use std::path::Path;

use reap_runtime::Network;
use reap_runtime::network::{SecretPlace, SecretSource};

use super::document::{Entry, Section};
use super::error::ConfigError;
use super::read::from_config;

pub(super) fn read(backend: &mut Section<'_>, file: &Path) -> Result<Network, ConfigError> {
    let mut network = Network::default();
    for (name, entry) in backend.section("secrets")?.rest() {
        if entry.is_table() {
            for (inner, entry) in entry.section()?.rest() {
                network.secrets.push(source(inner, Some(name.clone()), &entry, file)?);
            }
        } else {
            network.secrets.push(source(name, None, &entry, file)?);
        }
    }
    let mut section = backend.section("websocket")?;
    if let Some(entry) = section.take("plain") {
        for text in entry.texts()? {
            network.plain.push(text.text()?.to_owned());
        }
    }
    network.ca_file = match section.take("ca_file") {
        Some(entry) => Some(from_config(entry.text()?, file)),
        None => None,
    };
    section.finish()?;
    Ok(network)
}

fn source(
    name: String,
    address: Option<String>,
    entry: &Entry<'_>,
    file: &Path,
) -> Result<SecretSource, ConfigError> {
    // The text is not repeated: it may be the secret, put there by mistake.
    let wrong = || {
        entry.error(
            "expected where the secret is: \"env:VARIABLE\" or \"file:PATH\"; the secret itself does not belong \
             into this file",
        )
    };
    let place = match entry.text().map_err(|_| wrong())?.split_once(':') {
        Some(("env", variable)) if !variable.is_empty() => SecretPlace::Environment(variable.to_owned()),
        Some(("file", path)) if !path.is_empty() => SecretPlace::File(from_config(path, file)),
        _ => return Err(wrong()),
    };
    Ok(SecretSource { name, address, place })
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use reap_core::ids::PluginName;

    use super::*;
    use crate::config::Config;

    fn network(text: &str) -> Result<Network, String> {
        let config = Config::parse(text, Path::new("/etc/reap.toml")).map_err(|error| error.to_string())?;
        Ok(config.backend(&PluginName::new("x").expect("a name")).network)
    }

    #[test]
    fn secrets_are_for_all_addresses_or_for_one() {
        let read = network(
            "[backends.x.secrets]\ntoken = \"env:TOKEN\"\n[backends.x.secrets.\"wss://a:1\"]\ntoken = \"file:t\"\n\
             [backends.x.websocket]\nplain = [\"ws://b:1\"]\nca_file = \"ca.pem\"\n",
        );
        let source = |address: Option<&str>, place| SecretSource {
            name: "token".to_owned(),
            address: address.map(str::to_owned),
            place,
        };
        let secrets = vec![
            source(None, SecretPlace::Environment("TOKEN".to_owned())),
            source(Some("wss://a:1"), SecretPlace::File(PathBuf::from("/etc/t"))),
        ];
        let (plain, ca_file) = (vec!["ws://b:1".to_owned()], Some(PathBuf::from("/etc/ca.pem")));
        assert_eq!(read, Ok(Network { secrets, plain, ca_file }));
        assert_eq!(network(""), Ok(Network::default()));
    }

    #[test]
    fn a_secret_in_the_file_is_refused_and_not_repeated() {
        for text in ["tok-SECRET", "env:", "file:", "tok:SECRET", "ENV:X"] {
            let error = network(&format!("[backends.x.secrets]\ntoken = \"{text}\"\n")).expect_err(text);
            assert!(error.contains("line 2") && error.contains("\"env:VARIABLE\""), "{error}");
            assert!(!error.contains("SECRET"), "{error}");
        }
        let error = network("[backends.x.secrets]\ntoken = 12345678\n").expect_err("a number");
        assert!(!error.contains("12345678"), "{error}");
    }
}
