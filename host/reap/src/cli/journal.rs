//! `reap journal`: what was seen, decided, done and verified, and the proof that
//! the record is as it was written. Read beside whoever writes it.

use std::time::Duration;

use reap::core::ids::Handle;
use reap::core::notes;
use reap::core::resolve::ResolveError;
use reap::store::chain::Head;
use reap::store::journal::{Entry, Query};
use reap::store::verify::{Sound, Verdict};
use reap::store::{Reader, StoreError};
use reap::{Paths, beside};

use super::block_on;
use super::error::{CliError, Exit};
use super::journal_names::handle_of;
use super::journal_text::line;
use super::output::Ui;

/// Shows the record of what was seen, decided, done and verified, oldest first.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Only entries about this session, which may be gone: a handle, backend/instance/key, a key, or an exact title
    #[arg(value_name = "SESSION")]
    session: Option<String>,
    /// Only the newest so many entries
    #[arg(long, value_name = "N", default_value_t = 100)]
    newest: u32,
    /// All entries that are kept
    #[arg(long, conflicts_with = "newest")]
    all: bool,
    /// Go on with entries as they come
    #[arg(long, short)]
    follow: bool,
    /// Print a JSON array; with --follow, an object to a line
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Verify(VerifyArgs),
}

/// Checks that no entry was changed, removed or put in.
///
/// Prints the head of the journal, which is the number and the hash of its last entry. Who keeps that elsewhere can check
/// later that the journal still holds exactly what it did then.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Also check against this head, which was printed earlier
    #[arg(long, value_name = "N:HASH")]
    head: Option<Head>,
}

/// How often new entries are looked for.
const PAUSE: Duration = Duration::from_millis(250);

pub fn run(args: &Args, ui: &mut Ui) -> Result<Exit, CliError> {
    let paths = Paths::from_environment()?;
    match &args.command {
        Some(Command::Verify(args)) => verify(args, &paths, ui),
        None if args.follow => block_on(follow(args, &paths, ui)),
        None => show(args, &paths, ui),
    }
}

fn show(args: &Args, paths: &Paths, ui: &mut Ui) -> Result<Exit, CliError> {
    let Some(reader) = open(paths)? else {
        return match &args.session {
            Some(name) => Err(ResolveError::NotFound { text: name.clone() }.into()),
            None => none_yet(args.json, ui).map(|()| Exit::Done),
        };
    };
    let about = about(args, paths, &reader)?;
    let entries = read(&reader, about.as_ref(), 0, newest(args))?;
    if args.json {
        ui.json(&entries)?;
    } else {
        entries.iter().for_each(|entry| ui.print(&line(entry, ui.colours())));
    }
    Ok(Exit::Done)
}

/// Shows what is there, and then what comes, until somebody ends it or stops
/// reading.
async fn follow(args: &Args, paths: &Paths, ui: &mut Ui) -> Result<Exit, CliError> {
    let mut reader = open(paths)?;
    let about = match &reader {
        Some(reader) => about(args, paths, reader)?,
        None => None,
    };
    let (mut after, mut first) = (0, newest(args));
    loop {
        if reader.is_none() {
            reader = open(paths)?;
        }
        if let Some(reader) = &reader {
            for entry in read(reader, about.as_ref(), after, first.take())? {
                after = entry.seq;
                if args.json { ui.json_line(&entry)? } else { ui.print(&line(&entry, ui.colours())) }
            }
        }
        if !ui.is_read()? {
            return Ok(Exit::Done);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn verify(args: &VerifyArgs, paths: &Paths, ui: &mut Ui) -> Result<Exit, CliError> {
    let Some(reader) = open(paths)? else {
        if args.head.is_some() {
            return Err(CliError::new(Exit::Error, "there is no journal, so it does not hold that head"));
        }
        return none_yet(false, ui).map(|()| Exit::Done);
    };
    match reader.verify(args.head.as_ref())? {
        Verdict::Sound(sound) => {
            ui.say(&sound_in_words(&sound));
            if !sound.anchored {
                ui.warn(&format!(
                    "no head is noted beside the journal ({} is not there), so a cut-off end is not found",
                    paths.state.join("journal.head").display()
                ));
            }
            Ok(Exit::Done)
        }
        Verdict::Broken(broken) => {
            let message =
                format!("the journal in {} is not as it was written: {broken}", paths.state.display());
            Err(CliError::new(Exit::Error, message).hint("keep a copy of the folder before anything else"))
        }
    }
}

fn sound_in_words(sound: &Sound) -> String {
    let open = match sound.open_intents {
        0 => String::new(),
        1 => "1 end was begun and not settled.\n".to_owned(),
        more => format!("{more} ends were begun and not settled.\n"),
    };
    let entries = if sound.entries == 1 { "entry" } else { "entries" };
    format!(
        "The journal is as it was written: {} {entries}.\n{open}Its head: {}\n",
        sound.entries, sound.head
    )
}

fn open(paths: &Paths) -> Result<Option<Reader>, CliError> {
    match Reader::open(&paths.state) {
        Ok(reader) => Ok(Some(reader)),
        Err(StoreError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn none_yet(json: bool, ui: &mut Ui) -> Result<(), CliError> {
    if json {
        return ui.json(&[(); 0]);
    }
    ui.print("There is no journal yet.\n");
    Ok(())
}

fn newest(args: &Args) -> Option<u32> {
    (!args.all).then_some(args.newest)
}

fn read(
    reader: &Reader,
    handle: Option<&Handle>,
    after: u64,
    newest: Option<u32>,
) -> Result<Vec<Entry>, CliError> {
    Ok(reader.view().journal(&Query { handle, after, newest, ..Query::default() })?)
}

/// The session that is asked about, if one is.
fn about(args: &Args, paths: &Paths, reader: &Reader) -> Result<Option<Handle>, CliError> {
    let Some(name) = &args.session else { return Ok(None) };
    let known = beside::known_sessions(&paths.state)?;
    let journalled = || Ok(read(reader, None, 0, None)?.iter().flat_map(handles).collect());
    Ok(Some(handle_of(name, &known, journalled)?))
}

/// The sessions that an entry is about.
fn handles(entry: &Entry) -> Vec<String> {
    match &entry.handle {
        Some(handle) => vec![handle.clone()],
        None => {
            let events = notes::events(&entry.kind, &entry.payload);
            events.iter().filter_map(|event| event.session()).map(|who| who.handle.to_string()).collect()
        }
    }
}
