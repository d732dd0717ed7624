//! Removing the file that a killed session leaves behind: its lock.
//!
//! The manifest names the file, and the permit fills in whose. It must lie below the
//! paths that the plugin may read, and is removed only when the process that it
//! names has ended: a lock that is right must stay. Folder and file are held open
//! meanwhile, so that nothing that is swapped in between is removed in its place.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use regex::Regex;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, statat, unlinkat};
use rustix::io::Errno;

use crate::bindings::{commands, types};
use crate::capabilities::commands::{Answer, Line};
use crate::capabilities::files::open_below;
use crate::capabilities::grants::plain;
use crate::process::{Existence, existence};

/// More than any lock. What is longer is something else.
const LONGEST: u64 = 64 << 10;

/// A removal that the manifest allows, and below which paths.
#[derive(Debug)]
pub(crate) struct Removal<'a> {
    /// What the file holds; the first group is the pid of its holder.
    pub(crate) holder: Regex,
    /// The paths that the plugin may read.
    pub(crate) paths: &'a [PathBuf],
}

impl Removal<'_> {
    /// Whether this file lies below one of the paths.
    pub(crate) fn covers(paths: &[PathBuf], line: &Line) -> bool {
        place(paths, line).is_some()
    }

    /// Removes the file, or says why it stays. One that is not there is as good.
    pub(crate) fn carry_out(&self, line: &Line) -> Answer {
        let Some((root, file)) = place(self.paths, line) else {
            return Err(types::Error::Invalid("no file of the granted paths was named".to_owned()));
        };
        let shown = file.display();
        let unavailable =
            |error: Errno| types::Error::Unavailable(format!("{shown}: {}", std::io::Error::from(error)));
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
            return Err(types::Error::Invalid(format!("{shown} is no file")));
        };
        let below = folder.strip_prefix(root).unwrap_or(Path::new(""));
        let folder = match open_below(root, below, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(said("there was none\n")),
            Err(error) => return Err(unavailable(error)),
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let held = match openat(&folder, name, flags, Mode::empty()) {
            Ok(held) => held,
            Err(Errno::NOENT) => return Ok(said("there was none\n")),
            Err(error) => return Err(unavailable(error)),
        };
        let (read, seen) =
            self.holder_of(held).map_err(|why| types::Error::Failed(format!("{shown} {why}")))?;
        if existence(read) != Existence::Gone {
            return Err(types::Error::Failed(format!(
                "{shown} names pid {read}, and a process with that pid lives"
            )));
        }
        // Taken anew meanwhile, it is another file, or was written to again.
        let now = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(unavailable)?;
        if !same(&seen, &now) {
            return Err(types::Error::Failed(format!("{shown} was changed at the last moment")));
        }
        unlinkat(&folder, name, AtFlags::empty()).map_err(unavailable)?;
        Ok(said("removed\n"))
    }

    /// The pid in an open file, and which file it is.
    fn holder_of(&self, held: OwnedFd) -> Result<(u32, Stat), String> {
        let unreadable = |error: &dyn std::fmt::Display| format!("cannot be read: {error}");
        let seen = fstat(&held).map_err(|error| unreadable(&error))?;
        if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile {
            return Err("is no regular file".to_owned());
        }
        let mut bytes = Vec::new();
        File::from(held).take(LONGEST).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        let text = String::from_utf8_lossy(&bytes);
        let digits = self.holder.captures(&text).and_then(|found| found.get(1));
        match digits.and_then(|digits| digits.as_str().parse().ok()).filter(|pid: &u32| *pid > 0) {
            Some(pid) => Ok((pid, seen)),
            None => Err("does not say which process holds it".to_owned()),
        }
    }
}

/// The file, and the path that it lies below.
fn place<'a>(paths: &'a [PathBuf], line: &'a Line) -> Option<(&'a Path, &'a Path)> {
    let file = Path::new(line.words.first()?);
    let root = paths.iter().find(|root| file.starts_with(root) && file != root.as_path())?;
    plain(file).then_some((root.as_path(), file))
}

fn same(one: &Stat, other: &Stat) -> bool {
    let of = |stat: &Stat| (stat.st_dev, stat.st_ino, stat.st_mtime, stat.st_mtime_nsec, stat.st_size);
    of(one) == of(other)
}

fn said(text: &str) -> commands::Output {
    commands::Output {
        status: Some(0),
        stdout: text.as_bytes().to_vec(),
        stderr: String::new(),
        truncated: false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;

    const HOLDER: &str = r#"^\{.*"pid":([0-9]+).*\}$"#;

    fn line(path: &Path) -> Line {
        Line { words: vec![path.display().to_string()], timeout: Duration::from_secs(1), output_bytes: 0 }
    }

    /// What became of the file with this text, and what was said.
    fn removed(text: &str) -> (bool, Result<String, String>) {
        let dir = tempfile::tempdir().expect("a temp folder");
        let file = dir.path().join("x.lock");
        fs::write(&file, text).expect("written");
        let said = carry_out(dir.path(), &file);
        (!file.exists(), said)
    }

    fn carry_out(root: &Path, file: &Path) -> Result<String, String> {
        let holder = Regex::new(HOLDER).expect("a pattern");
        let removal = Removal { holder, paths: &[root.to_path_buf()] };
        match removal.carry_out(&line(file)) {
            Ok(output) => Ok(String::from_utf8(output.stdout).expect("UTF-8")),
            Err(error) => Err(format!("{error:?}")),
        }
    }

    fn ended() -> u32 {
        let mut child = std::process::Command::new("true").spawn().expect("it starts");
        child.wait().expect("our child");
        child.id()
    }

    #[test]
    fn only_the_lock_of_a_process_that_has_ended() {
        let lock = |pid: u32| format!(r#"{{"pid":{pid},"started_at":"x"}}"#);
        let (gone, said) = removed(&lock(ended()));
        assert!(gone && said == Ok("removed\n".to_owned()), "{said:?}");
        for (text, why) in [
            (lock(std::process::id()), "lives"),
            (lock(1), "lives"),
            (lock(0), "which process"),
            (format!("{}99", lock(ended())), "which process"),
            (String::new(), "which process"),
            (r#"{"pid":99999999999}"#.to_owned(), "which process"),
        ] {
            let (gone, said) = removed(&text);
            assert!(!gone && said.as_ref().is_err_and(|error| error.contains(why)), "{text}: {said:?}");
        }
    }

    #[test]
    fn one_that_has_ended_and_waits_for_its_parent_has_ended() {
        let mut child = std::process::Command::new("true").spawn().expect("it starts");
        let path = format!("/proc/{}/stat", child.id());
        let zombie = || fs::read_to_string(&path).is_ok_and(|stat| stat.contains(") Z "));
        while !zombie() {
            std::thread::yield_now();
        }
        let (gone, said) = removed(&format!(r#"{{"pid":{}}}"#, child.id()));
        child.wait().expect("our child");
        assert!(gone, "{said:?}");
    }

    #[test]
    fn nothing_outside_is_removed() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let (root, outside) = (dir.path().join("granted"), dir.path().join("outside"));
        fs::create_dir_all(root.join("sub")).expect("made");
        fs::create_dir(&outside).expect("made");
        let text = format!(r#"{{"pid":{}}}"#, ended());
        let lock = outside.join("x.lock");
        fs::write(&lock, text).expect("written");
        symlink(&lock, root.join("link.lock")).expect("linked");
        symlink(&outside, root.join("way")).expect("linked");
        fs::create_dir(root.join("folder.lock")).expect("made");
        for path in [
            lock.clone(),
            root.join("link.lock"),
            root.join("way/x.lock"),
            root.join("../outside/x.lock"),
            root.join("sub/../../outside/x.lock"),
            root.join("folder.lock"),
            root.clone(),
        ] {
            let said = carry_out(&root, &path);
            assert!(said.is_err(), "{}: {said:?}", path.display());
        }
        assert!(lock.exists() && root.join("folder.lock").exists());
        assert_eq!(carry_out(&root, &root.join("none.lock")), Ok("there was none\n".to_owned()));
        assert_eq!(carry_out(&root, &root.join("no/none.lock")), Ok("there was none\n".to_owned()));
    }
}
