//! What the third engine wrote: `sessions/HASH/sess_ID/session.json`, without locks.
//!
//! So nothing ties a session to a process. A server works in one folder; a session
//! of that folder that was written to since the server started is likely its. That
//! is told as what it is, and nothing is ended on its account alone.

use reap_plugin::Timestamp;
use reap_plugin::files::{EntryKind, entries, read};

use crate::head::Head;

/// How much of a session's file is read. The whole is some hundred bytes.
const FRONT: u32 = 16 << 10;

const WANTED: [&str; 3] = ["id", "title", "workspacePaths"];

/// A session of the third engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, with `sess_` in front.
    pub id: String,
    /// Its title.
    pub title: Option<String>,
    /// The folders that it is about.
    pub workspaces: Vec<String>,
    /// When it was last written to.
    pub written: Timestamp,
}

/// The sessions that were written to since then. What cannot be read is left out:
/// it is a hint, and no listing.
pub fn written_since(sessions: &str, since: Timestamp) -> Vec<Session> {
    let folders = |path: &str| {
        let found = entries(path).unwrap_or_default().into_iter();
        found.filter(|entry| entry.kind == EntryKind::Directory && entry.exact).collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    for workspace in folders(sessions).iter().filter(|entry| is_hash(&entry.name)) {
        let workspace = format!("{sessions}/{}", workspace.name);
        for folder in folders(&workspace).iter().filter(|entry| entry.name.starts_with("sess_")) {
            found.extend(session(&format!("{workspace}/{}", folder.name), &folder.name, since));
        }
    }
    found
}

fn session(folder: &str, id: &str, since: Timestamp) -> Option<Session> {
    let files = entries(folder).ok()?;
    let written = files
        .iter()
        .filter(|file| matches!(file.name.as_str(), "session.json" | "messages.jsonl"))
        .map(|file| file.modified)
        .max()
        // Files are dated to the second.
        .filter(|written| written.saturating_add(1000) >= since)?;
    let head = Head::read(&read(&format!("{folder}/session.json"), 0, FRONT).ok()?, &WANTED, "");
    Some(Session {
        id: id.to_owned(),
        title: head.text("title").map(str::to_owned),
        workspaces: head.texts("workspacePaths").into_iter().map(str::to_owned).collect(),
        written,
    })
}

fn is_hash(name: &str) -> bool {
    name.len() == 16 && name.chars().all(|c| c.is_ascii_hexdigit())
}
