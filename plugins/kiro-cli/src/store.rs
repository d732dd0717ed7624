//! What the second engine wrote: `sessions/cli/ID.json`, `.jsonl` and `.lock`.
//!
//! Transcripts are never read: they may have a million lines, and all that is
//! wanted of them is when they were written. Of sidecars only the front is read.

use std::collections::BTreeMap;

use reap_plugin::files::{Entry, EntryKind, entries, read};
use reap_plugin::{Error, Timestamp};

use crate::head::{End, Head};
use crate::lock::Lock;
use crate::moment;

/// How much of a sidecar is read at first. The members that are wanted take less.
const FRONT: u32 = 16 << 10;
/// How much is read where that was not enough: a title may be a whole prompt.
const MORE: u32 = 512 << 10;
/// More than any lock.
const LOCK: u32 = 4 << 10;

const WANTED: [&str; 5] = ["cwd", "created_at", "title", "parent_session_id", "session_created_reason"];
/// Where in a sidecar the large part begins.
const STATE: &str = "session_state";

/// The sessions of one home that the second engine keeps.
#[derive(Debug, Default)]
pub struct Store {
    folder: String,
    files: BTreeMap<String, Files>,
    /// What could not be made out, each in a sentence.
    pub flaws: Vec<String>,
}

/// The files of one session.
#[derive(Debug, Default)]
struct Files {
    lock: Option<Entry>,
    sidecar: Option<Entry>,
    transcript: Option<Entry>,
}

/// A session that has a lock.
#[derive(Debug)]
pub struct Locked {
    /// Its id.
    pub id: String,
    /// What the lock says, or why that is not known.
    pub lock: Result<Lock, String>,
    /// When the lock was written.
    pub written: Timestamp,
}

/// What the files of a session tell of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its title.
    pub title: Option<String>,
    /// Where it works.
    pub cwd: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The session that made it.
    pub parent: Option<String>,
    /// Why it was made.
    pub reason: Option<String>,
    /// When one of its files was last written.
    pub written: Option<Timestamp>,
    /// The size of its transcript in bytes.
    pub transcript: Option<u64>,
    /// What is wrong with its sidecar.
    pub flaw: Option<&'static str>,
}

impl Store {
    /// Looks into the folder. One that does not exist holds nothing.
    pub fn look(sessions: &str) -> Result<Self, Error> {
        let folder = format!("{sessions}/cli");
        let found = match entries(&folder) {
            Ok(found) => found,
            Err(Error::NotFound(_)) => Vec::new(),
            Err(error) => {
                return Err(error.reworded(|why| format!("the folder of its sessions cannot be read: {why}")));
            }
        };
        let mut store = Self { folder, ..Self::default() };
        found.into_iter().for_each(|entry| store.add(entry));
        Ok(store)
    }

    fn add(&mut self, entry: Entry) {
        let Some((id, ending)) = entry.name.rsplit_once('.') else { return };
        if !matches!(ending, "lock" | "json" | "jsonl") {
            return;
        }
        if entry.kind != EntryKind::File || !entry.exact || !is_id(id) {
            // Of what is no lock, no session depends.
            if ending == "lock" {
                self.flaws.push(format!("{:?} is no lock file", entry.name));
            }
            return;
        }
        let files = self.files.entry(id.to_owned()).or_default();
        let place = match ending {
            "lock" => &mut files.lock,
            "json" => &mut files.sidecar,
            _ => &mut files.transcript,
        };
        *place = Some(entry);
    }

    /// The sessions that have a lock. One that was unlocked meanwhile is left out.
    pub fn locked(&mut self) -> Vec<Locked> {
        let mut all = Vec::new();
        for (id, files) in &self.files {
            let Some(entry) = &files.lock else { continue };
            let lock = match read(&format!("{}/{}", self.folder, entry.name), 0, LOCK) {
                Ok(bytes) => Lock::parse(&bytes),
                Err(Error::NotFound(_)) => continue,
                Err(error) => Err(error.reason()),
            };
            if let Err(why) = &lock {
                self.flaws.push(format!("the lock of {id} cannot be read: {why}"));
            }
            all.push(Locked { id: id.clone(), lock, written: entry.modified });
        }
        all
    }

    /// What is known of the session with this id.
    pub fn record(&self, id: &str) -> Record {
        let Some(files) = self.files.get(id) else { return Record::default() };
        let written = [&files.lock, &files.sidecar, &files.transcript];
        let known = Record {
            written: written.into_iter().flatten().map(|entry| entry.modified).max(),
            transcript: files.transcript.as_ref().map(|entry| entry.size),
            ..Record::default()
        };
        match &files.sidecar {
            Some(entry) => self.sidecar(entry, known),
            None => known,
        }
    }

    fn sidecar(&self, entry: &Entry, known: Record) -> Record {
        let path = format!("{}/{}", self.folder, entry.name);
        let front = |length| read(&path, 0, length).map(|bytes| Head::read(&bytes, &WANTED, STATE));
        let head = match front(FRONT) {
            Ok(head) if head.end == End::Cut && entry.size > u64::from(FRONT) => front(MORE),
            other => other,
        };
        match head {
            Ok(head) => of_head(&head, known),
            Err(_) => Record { flaw: Some("unreadable"), ..known },
        }
    }
}

fn of_head(head: &Head, known: Record) -> Record {
    let text = |name| head.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    Record {
        title: text("title"),
        cwd: text("cwd"),
        created: head.text("created_at").and_then(moment::parse),
        parent: text("parent_session_id"),
        reason: text("session_created_reason"),
        flaw: match head.end {
            End::Read => None,
            End::Cut => Some("half-written"),
            End::Broken => Some("no JSON"),
        },
        ..known
    }
}

/// Whether a name may be a session's id: what the manifest lets a lock be named.
fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, kind: EntryKind) -> Entry {
        Entry { name: name.to_owned(), exact: true, kind, size: 10, modified: 5_000 }
    }

    #[test]
    fn files_are_sorted_by_session() {
        let mut store = Store::default();
        for (name, kind) in [
            ("a-1.lock", EntryKind::File),
            ("a-1.json", EntryKind::File),
            ("b-2.jsonl", EntryKind::File),
            ("c.lock", EntryKind::Directory),
            ("d.json", EntryKind::Directory),
            ("e f.lock", EntryKind::File),
            ("notes.txt", EntryKind::File),
            ("README", EntryKind::File),
        ] {
            store.add(entry(name, kind));
        }
        assert_eq!(store.files.keys().collect::<Vec<_>>(), ["a-1", "b-2"]);
        assert_eq!(store.flaws, ["\"c.lock\" is no lock file", "\"e f.lock\" is no lock file"]);
        assert_eq!(store.record("b-2").transcript, Some(10));
        assert_eq!(store.record("b-2").written, Some(5_000));
        assert_eq!(store.record("none"), Record::default());
    }

    #[test]
    fn what_a_sidecar_says() {
        let text = r#"{"session_id":"a","cwd":"/w","created_at":"2026-09-15T04:28:34Z","title":"t","parent_session_id":"p","session_created_reason":"subagent","session_state":{"#;
        let record = of_head(&Head::read(text.as_bytes(), &WANTED, STATE), Record::default());
        assert_eq!((record.title.as_deref(), record.cwd.as_deref()), (Some("t"), Some("/w")));
        assert_eq!((record.parent.as_deref(), record.reason.as_deref()), (Some("p"), Some("subagent")));
        assert_eq!((record.created, record.flaw), (Some(1_789_446_514_000), None));
        let flaw = |text: &str| of_head(&Head::read(text.as_bytes(), &WANTED, STATE), Record::default()).flaw;
        assert_eq!(flaw(r#"{"cwd":"/w","ti"#), Some("half-written"));
        assert_eq!(flaw("null"), Some("no JSON"));
    }
}
