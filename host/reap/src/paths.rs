//! Where Reap reads and keeps things, by the XDG rules. A folder comes into being
//! when the first file is written into it, and the home folder never does.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::files;

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
    /// The home folder, where the environment names one.
    pub home: Option<PathBuf>,
}

/// No variable says where the user's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoHome {
    /// The more exact variable that would do as well.
    pub variable: &'static str,
    /// What that one holds: nothing, or no whole path.
    pub value: Option<OsString>,
    /// What `HOME` holds: nothing, or no whole path.
    pub home: Option<OsString>,
}

impl fmt::Display for NoHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variable, value, home } = self;
        match (value, home) {
            (None, None) => write!(f, "{variable} is not set and neither is HOME")?,
            _ => write!(f, "{variable} is {} and HOME is {}", no_path(value), no_path(home))?,
        }
        f.write_str(
            ", so it is not known where Reap's files are; set HOME to the whole path of your home folder",
        )
    }
}

impl std::error::Error for NoHome {}

fn no_path(value: &Option<OsString>) -> String {
    value.as_ref().map_or("not set".to_owned(), |value| format!("not set to a whole path (it is {value:?})"))
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
                .ok_or_else(|| NoHome { variable, value: lookup(variable), home: lookup("HOME") })
        };
        let state = base("XDG_STATE_HOME", ".local/state")?;
        Ok(Self {
            config: base("XDG_CONFIG_HOME", ".config")?,
            cache: base("XDG_CACHE_HOME", ".cache")?,
            runtime: absolute("XDG_RUNTIME_DIR").map_or_else(|| state.clone(), |base| base.join("reap")),
            state,
            home,
        })
    }

    /// Where the daemon listens.
    pub fn socket(&self) -> PathBuf {
        self.runtime.join("reap.sock")
    }

    /// Where the daemon of this state folder said that it listens. It may be gone.
    pub(crate) fn noted_socket(&self) -> Option<PathBuf> {
        let noted = fs::read(self.socket_note()).ok()?;
        Some(PathBuf::from(OsString::from_vec(noted))).filter(|path| path.is_absolute())
    }

    /// Where it says so, for those whose environment names another runtime folder.
    pub(crate) fn socket_note(&self) -> PathBuf {
        self.state.join("daemon.socket")
    }

    /// Makes one of these folders, and those above it that are missing, for this
    /// user alone.
    pub fn create(&self, folder: &Path) -> io::Result<()> {
        self.may_create(folder)?;
        files::create_folder(folder)
    }

    /// Refuses to make the home folder. One that is missing is often missing on
    /// purpose, as in `HOME=/nonexistent`, and root could make it all the same.
    pub fn may_create(&self, folder: &Path) -> io::Result<()> {
        match &self.home {
            Some(home) if folder.starts_with(home) && is_missing(home) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!(
                    "the home folder {} does not exist, and Reap does not make it; set HOME to one that does",
                    home.display()
                ),
            )),
            _ => Ok(()),
        }
    }
}

fn is_missing(folder: &Path) -> bool {
    fs::metadata(folder).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
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

    #[test]
    fn a_variable_that_holds_no_whole_path_is_not_called_unset() {
        let cases: [(&[(&str, &str)], &str); 4] = [
            (&[], "XDG_STATE_HOME is not set and neither is HOME, so"),
            (
                &[("HOME", "rel")],
                "XDG_STATE_HOME is not set and HOME is not set to a whole path (it is \"rel\"), so",
            ),
            (
                &[("XDG_STATE_HOME", "s")],
                "XDG_STATE_HOME is not set to a whole path (it is \"s\") and HOME is not set, so",
            ),
            (&[("HOME", "")], "and HOME is not set to a whole path (it is \"\"), so"),
        ];
        for (variables, words) in cases {
            let error = paths(variables).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn the_home_folder_is_never_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().join("home");
        let elsewhere = folder.path().join("cache");
        let names = [("HOME", &home), ("XDG_CACHE_HOME", &elsewhere)];
        let lookup =
            |name: &str| names.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
        let paths = Paths::from_lookup(lookup).expect("found");
        let error = paths.create(&paths.state).expect_err("no home").to_string();
        assert!(error.contains("does not exist, and Reap does not make it; set HOME"), "{error}");
        assert!(!home.exists());
        paths.create(&paths.cache).expect("it is elsewhere");
        assert!(elsewhere.join("reap").exists());
        fs::create_dir(&home).expect("made");
        paths.create(&paths.state).expect("below a home that is there");
        assert!(home.join(".local/state/reap").exists());
    }
}
