//! Which kiro homes are looked into: the usual one, and those that the setting
//! `homes` names.

use reap_plugin::files::granted;
use reap_plugin::settings::environment;
use reap_plugin::{Error, Settings};

/// One kiro home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The real path: the instance.
    pub path: String,
    /// How else its path is written by those who work in it.
    pub spelt: Option<String>,
}

/// The part of a home that may be read.
const SESSIONS: &str = "/sessions";

impl Home {
    /// Where its sessions are.
    pub fn sessions(&self) -> String {
        format!("{}{SESSIONS}", self.path)
    }

    /// Whether a process that works in the home at this path works in this one.
    pub fn is_at(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        path == self.path || self.spelt.as_deref() == Some(path)
    }

    /// Whether a file lies in it.
    pub fn holds(&self, file: &str) -> bool {
        file.strip_prefix(self.path.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// The setting `homes`, checked.
pub fn configured(settings: &Settings) -> Result<Vec<String>, Error> {
    let paths = settings.texts("homes")?;
    match paths.iter().find(|path| !is_plain(path)) {
        None => Ok(paths.to_vec()),
        Some(wrong) => Err(Error::Invalid(format!(
            "the setting homes holds {wrong:?}: write the whole path of a kiro home, with a / in front and no . or .. in \
             it, such as \"/srv/agent/.kiro\""
        ))),
    }
}

fn is_plain(path: &str) -> bool {
    path.len() > 1
        && path.starts_with('/')
        && !path.ends_with('/')
        && !path.contains(char::is_control)
        && !path.split('/').any(|part| part == "." || part == "..")
}

/// The homes, each once: the usual one first.
pub fn find(configured: &[String]) -> Result<Vec<Home>, Error> {
    let spelt = std::iter::once(usual()?).chain(configured.iter().cloned().map(Some));
    Ok(pair(granted(), spelt.collect()))
}

/// What the environment calls the usual home.
fn usual() -> Result<Option<String>, Error> {
    let told = |name| Ok::<_, Error>(environment(name)?.filter(|value| !value.is_empty()));
    Ok(told("KIRO_HOME")?.or(told("HOME")?.map(|home| default_in(&home))))
}

/// The home of whoever has this home folder and says nothing else.
pub fn default_in(home: &str) -> String {
    format!("{}/.kiro", home.trim_end_matches('/'))
}

/// The granted folders, in the manifest's order, with how each was spelt.
fn pair(granted: Vec<String>, spelt: Vec<Option<String>>) -> Vec<Home> {
    let mut homes: Vec<Home> = Vec::new();
    for (folder, spelt) in granted.iter().zip(spelt) {
        let path = folder.strip_suffix(SESSIONS).unwrap_or(folder).to_owned();
        if !homes.iter().any(|home| home.path == path) {
            let spelt = spelt.map(|spelt| spelt.trim_end_matches('/').to_owned());
            homes.push(Home { path, spelt });
        }
    }
    homes
}

#[cfg(test)]
mod tests {
    use super::*;
    use reap_plugin::fact;

    #[test]
    fn each_home_once_and_by_both_its_names() {
        let granted = ["/real/me/.kiro/sessions", "/srv/k/sessions", "/real/me/.kiro/sessions"];
        let spelt = ["/home/me/.kiro/", "/srv/k", "/real/me/.kiro"].map(|path| Some(path.to_owned()));
        let homes = pair(granted.map(str::to_owned).to_vec(), spelt.to_vec());
        let paths: Vec<&str> = homes.iter().map(|home| home.path.as_str()).collect();
        assert_eq!(paths, ["/real/me/.kiro", "/srv/k"]);
        assert_eq!(homes[0].sessions(), "/real/me/.kiro/sessions");
        for (path, here) in [
            ("/home/me/.kiro", true),
            ("/home/me/.kiro/", true),
            ("/real/me/.kiro", true),
            ("/home/me/.kiro2", false),
            ("/srv/k", false),
        ] {
            assert_eq!(homes[0].is_at(path), here, "{path}");
        }
        assert_eq!(default_in("/home/me/"), "/home/me/.kiro");
        let files = ["/srv/k/settings/mcp.json", "/srv/k2/settings/mcp.json", "/srv/k"];
        assert_eq!(files.map(|file| homes[1].holds(file)), [true, false, false]);
    }

    #[test]
    fn configured_paths_are_whole() {
        let settings = |path: &str| Settings::new(vec![fact("homes", vec![path.to_owned()])]);
        assert_eq!(configured(&settings("/srv/k")), Ok(vec!["/srv/k".to_owned()]));
        for wrong in ["", "/", "k", "~/.kiro", "/srv/../k", "/srv/k/", "/srv/\n"] {
            let error = configured(&settings(wrong)).expect_err(wrong).reason();
            assert!(error.contains(&format!("{wrong:?}")) && error.contains("whole path"), "{error}");
        }
    }
}
