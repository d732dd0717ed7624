//! What the operator says about a plugin's gateways: where its secrets are, and whom
//! it may talk to how. No secret itself is in here, so that all of it may be shown.

use std::path::PathBuf;

/// How a plugin may talk to its gateways.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Where its secrets are.
    pub secrets: Vec<SecretSource>,
    /// Addresses on other machines that may be talked to without TLS.
    pub plain: Vec<String>,
    /// A file with the certificates (PEM) of the only authorities that are believed;
    /// nothing for those of the machine.
    pub ca_file: Option<PathBuf>,
}

/// Where one secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSource {
    /// Its name, one of the manifest's.
    pub name: String,
    /// The one address that it is for; nothing for all.
    pub address: Option<String>,
    /// Where it is.
    pub place: SecretPlace,
}

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// In this environment variable.
    Environment(String),
    /// In this file, which must be the user's alone.
    File(PathBuf),
}
