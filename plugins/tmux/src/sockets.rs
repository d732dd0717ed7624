//! Where tmux servers are looked for: the sockets in the user's socket folder,
//! and those that the setting `sockets` names.

use reap_plugin::files::{Entry, EntryKind, entries, granted};
use reap_plugin::{Error, Listing, Settings};

use crate::listing::failed;

/// The sockets to ask, and a listing for every place that could not be looked at.
pub struct Sockets {
    /// Their paths, each once.
    pub paths: Vec<String>,
    /// The places.
    pub unknown: Vec<Listing>,
}

/// The setting `sockets`, checked.
pub fn configured(settings: &Settings) -> Result<Vec<String>, Error> {
    let paths = settings.texts("sockets")?;
    match paths.iter().find(|path| !is_plain(path)) {
        None => Ok(paths.to_vec()),
        Some(wrong) => Err(Error::Invalid(format!(
            "the setting sockets holds {wrong:?}: write the whole path of a tmux socket, with a / in front and no . or \
             .. in it, such as \"/run/user/1000/tmux/work\""
        ))),
    }
}

fn is_plain(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains(char::is_control)
        && !path.ends_with('/')
        && !path.split('/').any(|part| part == "." || part == "..")
}

/// Looks into the socket folder and adds the configured sockets.
pub fn find(configured: &[String]) -> Sockets {
    match folder() {
        Ok(folder) => sort(&folder, entries(&folder), configured),
        Err(error) => Sockets { paths: configured.to_vec(), unknown: vec![failed("$TMUX_TMPDIR", error)] },
    }
}

/// The folder that tmux keeps its sockets in: the one path of the manifest.
fn folder() -> Result<String, Error> {
    let folder = granted().into_iter().next();
    folder.ok_or_else(|| Error::Failed("the manifest names no folder for sockets ([asks.files])".to_owned()))
}

/// A folder that does not exist is one in which no server was ever started. One
/// that cannot be read may hold any number of them.
fn sort(folder: &str, found: Result<Vec<Entry>, Error>, configured: &[String]) -> Sockets {
    let mut sockets = Sockets { paths: Vec::new(), unknown: Vec::new() };
    match found {
        Ok(entries) => entries.into_iter().for_each(|entry| sockets.add(folder, entry)),
        Err(Error::NotFound(_)) => {}
        Err(error) => {
            let error = error.reworded(|why| format!("the folder of the tmux sockets cannot be read: {why}"));
            sockets.unknown.push(failed(folder, error));
        }
    }
    let known = sockets.paths.len();
    let more = configured
        .iter()
        .enumerate()
        .filter(|(at, path)| !sockets.paths[..known].contains(path) && !configured[..*at].contains(path));
    let more: Vec<String> = more.map(|(_, path)| path.clone()).collect();
    sockets.paths.extend(more);
    sockets
}

impl Sockets {
    fn add(&mut self, folder: &str, entry: Entry) {
        if entry.kind != EntryKind::Socket {
            return;
        }
        let path = format!("{folder}/{}", entry.name);
        if entry.exact {
            self.paths.push(path);
        } else {
            let why = "the name of this socket is not UTF-8, so it cannot be passed to tmux; rename it";
            self.unknown.push(failed(&path, Error::Unavailable(why.to_owned())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reap_plugin::{Extent, fact};

    fn entry(name: &str, kind: EntryKind, exact: bool) -> Entry {
        Entry { name: name.to_owned(), exact, kind, size: 0, modified: 0 }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn sockets_of_the_folder_come_first_and_each_once() {
        let entries = vec![
            entry("a b", EntryKind::Socket, true),
            entry("default", EntryKind::Socket, true),
            entry("lock", EntryKind::File, true),
            entry("link", EntryKind::Link, true),
        ];
        let configured = texts(&["/run/x", "/tmp/tmux-0/default", "/run/x"]);
        let sockets = sort("/tmp/tmux-0", Ok(entries), &configured);
        assert_eq!(sockets.paths, ["/tmp/tmux-0/a b", "/tmp/tmux-0/default", "/run/x"]);
        assert!(sockets.unknown.is_empty());
    }

    #[test]
    fn no_folder_is_no_server_and_no_fault() {
        let sockets = sort("/tmp/tmux-0", Err(Error::NotFound("none".to_owned())), &texts(&["/run/x"]));
        assert_eq!(sockets.paths, ["/run/x"]);
        assert!(sockets.unknown.is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        let sockets =
            sort("/tmp/tmux-0", Err(Error::Unavailable("Permission denied".to_owned())), &texts(&["/run/x"]));
        assert_eq!(sockets.paths, ["/run/x"], "the rest still works");
        let [listing] = &sockets.unknown[..] else { panic!("{:?}", sockets.unknown) };
        assert_eq!(listing.instance, "/tmp/tmux-0");
        let Extent::Failed(error) = &listing.extent else { panic!("{listing:?}") };
        assert_eq!(error.reason(), "the folder of the tmux sockets cannot be read: Permission denied");

        let sockets = sort("/tmp/tmux-0", Ok(vec![entry("x\u{fffd}", EntryKind::Socket, false)]), &[]);
        assert!(sockets.paths.is_empty());
        assert_eq!(
            (sockets.unknown[0].instance.as_str(), sockets.unknown[0].label.as_str()),
            ("/tmp/tmux-0/x\u{fffd}", "x\u{fffd}")
        );
    }

    #[test]
    fn configured_paths_are_whole() {
        let settings = |path: &str| Settings::new(vec![fact("sockets", texts(&[path]))]);
        assert_eq!(configured(&settings("/run/x")), Ok(texts(&["/run/x"])));
        for wrong in ["", "x", "./x", "/run/../x", "/run/./x", "/run/", "~/x"] {
            let error = configured(&settings(wrong)).expect_err(wrong).reason();
            assert!(error.contains(&format!("{wrong:?}")) && error.contains("whole path"), "{error}");
        }
    }
}
