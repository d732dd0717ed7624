//! `reap lock`, `reap unlock` and `reap locks`: who works in which directory.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use reap::core::locks::{Directory, Holder, Lock};
use reap::{LockFor, now};

use super::desk::Desk;
use super::error::{CliError, Exit};
use super::harmless::typed;
use super::output::{Style, Ui};
use super::selection::named;
use super::table::{Cell, Table};
use super::when::ago;

/// Locks a directory, for you or for a session.
///
/// A lock is a note that `reap locks` shows, and no barrier: it tells people and agents that somebody works there. The
/// lock of a session is freed when the session is gone.
#[derive(Debug, clap::Args)]
pub struct LockArgs {
    /// The directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// For this session: a handle, backend/instance/key, a key, or an exact title
    #[arg(long, value_name = "SESSION", conflicts_with = "name")]
    session: Option<String>,
    /// For whoever has this name, in the place of your user name
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
}

/// Frees a directory, whoever has it.
#[derive(Debug, clap::Args)]
pub struct UnlockArgs {
    /// The directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Lists the locked directories, with who else works there.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

pub async fn lock(args: &LockArgs, desk: &Desk, ui: &mut Ui) -> Result<Exit, CliError> {
    let directory = there(&args.directory)?;
    let holder = match &args.session {
        Some(session) => {
            let pass = desk.pass(ui).await?;
            LockFor::Session(named(std::slice::from_ref(session), &pass)?[0].subject.handle.clone())
        }
        None => LockFor::Person(person(args.name.as_deref())?),
    };
    let lock = desk.lock(directory, holder).await?;
    let (directory, holder) = (typed(lock.directory.as_str()), &lock.holder);
    ui.say(&format!("{directory} is locked for {holder}. To undo: reap unlock {directory}\n"));
    Ok(Exit::Done)
}

pub async fn unlock(args: &UnlockArgs, desk: &Desk, ui: &mut Ui) -> Result<Exit, CliError> {
    let directory = directory(&args.directory)?;
    desk.unlock(directory.clone()).await?;
    ui.say(&format!("{} is not locked any more.\n", typed(directory.as_str())));
    Ok(Exit::Done)
}

pub async fn list(args: &Args, desk: &Desk, ui: &mut Ui) -> Result<Exit, CliError> {
    let locks = desk.locks().await?;
    if args.json {
        ui.json(&locks)?;
    } else if locks.is_empty() {
        ui.print("No directory is locked.\n");
    } else {
        let text = render(&locks, ui.colours());
        ui.print(&text);
    }
    Ok(Exit::Done)
}

/// A directory that is there, by the one path that leads to it without links.
fn there(path: &Path) -> Result<Directory, CliError> {
    let unusable =
        |why: String| CliError::new(Exit::Error, format!("{} cannot be locked: {why}", shown(path)));
    let real = fs::canonicalize(path).map_err(|error| unusable(error.to_string()))?;
    if !real.is_dir() {
        return Err(unusable("it is no directory".to_owned()));
    }
    known(&real)
}

/// The same for one that may be gone: its lock must not stay for that.
fn directory(path: &Path) -> Result<Directory, CliError> {
    match fs::canonicalize(path) {
        Ok(real) => known(&real),
        Err(_) => {
            let whole = std::path::absolute(path).map_err(|error| {
                CliError::new(Exit::Error, format!("{} is no path: {error}", shown(path)))
            })?;
            known(&whole)
        }
    }
}

fn known(path: &Path) -> Result<Directory, CliError> {
    let text = path.to_str().ok_or_else(|| {
        let message = format!("{} cannot be locked: its name is no UTF-8 text", shown(path));
        CliError::new(Exit::Error, message)
    })?;
    Directory::new(text).map_err(|error| CliError::new(Exit::Error, error.to_string()))
}

fn shown(path: &Path) -> String {
    typed(&path.to_string_lossy())
}

/// Who locks: the given name, or the user's.
fn person(name: Option<&str>) -> Result<String, CliError> {
    match name {
        Some(name) if name.trim().is_empty() => {
            Err(CliError::new(Exit::Usage, "the name is empty; a lock says who has it"))
        }
        Some(name) => Ok(name.to_owned()),
        None => Ok(user_name()),
    }
}

fn user_name() -> String {
    let told = ["USER", "LOGNAME"].into_iter().filter_map(|name| env::var(name).ok());
    let told = told.map(|name| name.trim().to_owned()).find(|name| !name.is_empty());
    told.unwrap_or_else(|| format!("user {}", rustix::process::geteuid().as_raw()))
}

fn render(locks: &[Lock], colours: bool) -> String {
    let mut table = Table::new(&["DIRECTORY", "SINCE", "FOR", "ALSO THERE"]);
    for lock in locks {
        let others: Vec<String> = lock.contenders.iter().map(|who| who.handle.short().to_owned()).collect();
        table.row(vec![
            Cell::styled(lock.directory.as_str(), Style::Strong),
            Cell::new(ago(Some(now().since(lock.since)))),
            Cell::new(holder(&lock.holder)),
            Cell::styled(others.join(" "), Style::Warn),
        ]);
    }
    table.render("", colours)
}

fn holder(holder: &Holder) -> String {
    let how = match holder {
        Holder::Person { .. } | Holder::Session { .. } => "",
        Holder::Automatic { .. } => ", which works there",
    };
    format!("{holder}{how}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use reap::core::event::Who;

    use super::*;
    use crate::cli::sample::pass;

    #[test]
    fn a_directory_has_one_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let real = fs::canonicalize(folder.path()).expect("it is there").join("a");
        fs::create_dir(&real).expect("made");
        let link = folder.path().join("link");
        symlink(&real, &link).expect("linked");
        for path in [&real, &link, &folder.path().join("./link/../a/")] {
            assert_eq!(there(path).expect("there").as_str(), real.to_str().expect("text"));
        }
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        assert!(there(&file).expect_err("a file").message.contains("it is no directory"));
        assert!(
            there(&folder.path().join("none")).expect_err("nothing").message.contains("cannot be locked")
        );
    }

    #[test]
    fn one_that_is_gone_can_be_freed() {
        assert_eq!(directory(Path::new("/no/such//./folder/")).expect("a path").as_str(), "/no/such/folder");
        assert_eq!(directory(Path::new("/..//no/..")).expect_err("not clear").exit, Exit::Error);
    }

    #[test]
    fn a_lock_has_a_name() {
        assert_eq!(person(Some("me")).expect("a name"), "me");
        assert_eq!(person(Some(" ")).expect_err("none").exit, Exit::Usage);
        assert!(!person(None).expect("the user's").is_empty());
    }

    #[test]
    fn locks_are_listed_with_who_else_is_there() {
        let who = |place: usize| {
            let subject = &pass().judged[place].subject;
            Who { handle: subject.handle.clone(), address: subject.address.clone() }
        };
        let lock = |path: &str, holder, contenders| Lock {
            directory: Directory::new(path).expect("a directory"),
            holder,
            since: now(),
            contenders,
        };
        let locks = [
            lock("/a\u{1b}[2J", Holder::Person { name: "me\n".to_owned() }, Vec::new()),
            lock("/b", Holder::Automatic { session: who(0) }, vec![who(1)]),
            lock("/c", Holder::Session { session: who(1) }, Vec::new()),
        ];
        insta::assert_snapshot!(render(&locks, false), @r"
        DIRECTORY    SINCE  FOR                                                                       ALSO THERE
        /a\u{1b}[2J  now    me\n
        /b           now    the session 5cbf9316 (tmux//tmp/tmux-1000/default/$1), which works there  e5586c37
        /c           now    the session e5586c37 (tmux//tmp/tmux-1000/default/$2)
        ");
    }
}
