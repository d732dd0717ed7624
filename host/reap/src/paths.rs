//! Where Reap reads and keeps things, by the XDG rules. Nothing is made here:
//! a folder comes into being when the first file is written into it.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folders of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// What the operator writes: `reap.toml`.
    pub config: PathBuf,
    /// What must not be lost: approvals.
    pub state: PathBuf,
    /// What can be made again: compiled plugins.
    pub cache: PathBuf,
    /// What lives as long as the login: the socket.
    pub runtime: PathBuf,
}

/// No variable says where the user's files are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{variable} is not set and neither is HOME, so it is not known where Reap's files are; set HOME to your home folder"
)]
pub struct NoHome {
    /// The more exact variable that would do as well.
    pub variable: &'static str,
}

impl Paths {
    /// The folders as this process's environment gives them.
    pub fn from_environment() -> Result<Self, NoHome> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// The folders as `lookup` gives the variables.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, NoHome> {
        // The XDG rules say to ignore a relative path.
        let absolute = |name: &str| lookup(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = absolute("HOME");
        let base = |variable: &'static str, fallback: &str| {
            absolute(variable)
                .or_else(|| home.as_ref().map(|home| home.join(fallback)))
                .map(|base| base.join("reap"))
                .ok_or(NoHome { variable })
        };
        let state = base("XDG_STATE_HOME", ".local/state")?;
        Ok(Self {
            config: base("XDG_CONFIG_HOME", ".config")?,
            cache: base("XDG_CACHE_HOME", ".cache")?,
            runtime: absolute("XDG_RUNTIME_DIR").map_or_else(|| state.clone(), |base| base.join("reap")),
            state,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(variables: &[(&str, &str)]) -> Result<Paths, NoHome> {
        Paths::from_lookup(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn xdg_goes_before_home() {
        let paths =
            paths(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s"), ("XDG_RUNTIME_DIR", "/run/u")]).expect("found");
        assert_eq!(paths.config, PathBuf::from("/h/.config/reap"));
        assert_eq!(paths.state, PathBuf::from("/s/reap"));
        assert_eq!(paths.cache, PathBuf::from("/h/.cache/reap"));
        assert_eq!(paths.runtime, PathBuf::from("/run/u/reap"));
    }

    #[test]
    fn relative_and_empty_values_are_ignored() {
        let paths =
            paths(&[("HOME", "/h"), ("XDG_STATE_HOME", "state"), ("XDG_RUNTIME_DIR", "")]).expect("found");
        assert_eq!(paths.state, PathBuf::from("/h/.local/state/reap"));
        assert_eq!(paths.runtime, paths.state);
    }

    #[test]
    fn without_a_home_the_missing_variable_is_named() {
        let error = paths(&[("XDG_STATE_HOME", "/s")]).expect_err("no config folder");
        assert_eq!(error.variable, "XDG_CONFIG_HOME");
    }
}
