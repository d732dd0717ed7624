//! What the third engine wrote: `sessions/HASH/sess_ID/session.json`, without locks.
//!
//! So nothing ties a session to a process but this: a server works in one folder, and a
//! session of that folder which was written to since the server started is likely its.
//! Where no other server could have written any of them, they are its sessions. Else it
//! is told as what it is, a guess, and the row is that of the runtime.

use reap_plugin::Timestamp;
use reap_plugin::files::{EntryKind, entries, read};

use crate::head::Head;
use crate::moment;

/// How much of a session's file is read. The whole is some hundred bytes.
const FRONT: u32 = 16 << 10;

const WANTED: [&str; 3] = ["title", "workspacePaths", "createdAt"];

/// A session of the third engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, with `sess_` in front.
    pub id: String,
    /// Its title.
    pub title: Option<String>,
    /// The folders that it is about.
    pub workspaces: Vec<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was last written to.
    pub written: Timestamp,
}

/// A server of the third engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it works.
    pub cwd: Option<String>,
    /// When it started.
    pub since: Timestamp,
    /// Whether it is the only one of its tree.
    pub alone: bool,
}

/// What a server likely has to do with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim<'a> {
    /// These are its sessions.
    Certain(Vec<&'a Session>),
    /// These may be its sessions, or some of them.
    Likely(Vec<&'a Session>),
}

/// For each server, the sessions that it may have written. `None` among the servers is
/// passed over.
pub fn claims<'a>(servers: &[Option<Server>], sessions: &'a [Session]) -> Vec<Claim<'a>> {
    let servers: Vec<&Server> = servers.iter().flatten().collect();
    let claim = |server: &&Server| {
        let own: Vec<&Session> = sessions.iter().filter(|one| server.may_have_written(one)).collect();
        let only_its = |one: &&Session| {
            let others = servers.iter().filter(|other| other.may_have_written(one)).count() > 1;
            let twins = sessions.iter().filter(|other| other.id == one.id).count() > 1;
            // One of several folders is likely the editor's.
            !others && !twins && one.workspaces.len() == 1
        };
        if server.alone && !own.is_empty() && own.iter().all(only_its) {
            Claim::Certain(own)
        } else {
            Claim::Likely(own)
        }
    };
    servers.iter().map(claim).collect()
}

impl Server {
    fn may_have_written(&self, one: &Session) -> bool {
        let here = self.cwd.as_ref().is_some_and(|cwd| one.workspaces.contains(cwd));
        here && one.is_since(self.since)
    }
}

impl Session {
    /// Whether it was written to since then. Files are dated to the second.
    fn is_since(&self, since: Timestamp) -> bool {
        self.written.saturating_add(1000) >= since
    }
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
        .max()?;
    let bare = Session { id: id.to_owned(), title: None, workspaces: Vec::new(), created: None, written };
    if !bare.is_since(since) {
        return None;
    }
    let head = Head::read(&read(&format!("{folder}/session.json"), 0, FRONT).ok()?, &WANTED, "");
    Some(Session {
        title: head.text("title").map(str::to_owned),
        workspaces: head.texts("workspacePaths").into_iter().map(str::to_owned).collect(),
        created: head.text("createdAt").and_then(moment::parse),
        ..bare
    })
}

fn is_hash(name: &str) -> bool {
    name.len() == 16 && name.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, folder: &str, written: Timestamp) -> Session {
        let workspaces = folder.split(' ').map(str::to_owned).collect();
        Session { id: id.to_owned(), title: None, workspaces, created: None, written }
    }

    /// What each of these servers (where, since when) claims: the ids, and whether for certain.
    fn claimed(servers: &[(&str, Timestamp)], sessions: &[Session]) -> Vec<(String, bool)> {
        let server = |(cwd, since): &(&str, Timestamp)| {
            Some(Server { cwd: Some((*cwd).to_owned()), since: *since, alone: true })
        };
        let servers: Vec<Option<Server>> = servers.iter().map(server).collect();
        let ids = |all: Vec<&Session>| all.iter().map(|one| one.id.as_str()).collect::<Vec<_>>().join(" ");
        let told = |claim| match claim {
            Claim::Certain(all) => (ids(all), true),
            Claim::Likely(all) => (ids(all), false),
        };
        claims(&servers, sessions).into_iter().map(told).collect()
    }

    #[test]
    fn whose_a_session_is() {
        let (early, late) = (10_000, 60_000);
        let (a, b) = (session("a", "/w", 50_000), session("b", "/w", 70_000));
        let certain = |ids: &str| (ids.to_owned(), true);
        let likely = |ids: &str| (ids.to_owned(), false);
        let one = [("/w", early)];
        let both = [("/w", early), ("/w", late)];
        let cases = [
            ("one server, one session", &one[..], vec![a.clone()], vec![certain("a")]),
            ("several sessions", &one, vec![a.clone(), b.clone()], vec![certain("a b")]),
            ("none yet", &one, vec![], vec![likely("")]),
            ("written before it started", &[("/w", late)], vec![a.clone()], vec![likely("")]),
            ("another folder", &one, vec![session("a", "/x", 50_000)], vec![likely("")]),
            ("of several folders", &one, vec![session("a", "/w /x", 50_000)], vec![likely("a")]),
            (
                "two servers, two folders",
                &[("/w", early), ("/x", early)],
                vec![a.clone(), session("b", "/x", 50_000)],
                vec![certain("a"), certain("b")],
            ),
            ("two in one folder", &both, vec![b.clone()], vec![likely("b"), likely("b")]),
            ("the later one has none", &both, vec![a.clone()], vec![certain("a"), likely("")]),
            ("one of them is unclear", &both, vec![a.clone(), b], vec![likely("a b"), likely("b")]),
            ("one id twice", &one, vec![a.clone(), a], vec![likely("a a")]),
        ];
        for (what, servers, sessions, expected) in cases {
            assert_eq!(claimed(servers, &sessions), expected, "{what}");
        }
    }

    #[test]
    fn a_server_beside_another_claims_nothing_for_certain() {
        let server = Server { cwd: Some("/w".to_owned()), since: 0, alone: false };
        let sessions = [session("a", "/w", 50_000)];
        assert_eq!(claims(&[None, Some(server)], &sessions), [Claim::Likely(vec![&sessions[0]])]);
        let hidden = Server { cwd: None, since: 0, alone: true };
        assert_eq!(claims(&[Some(hidden)], &sessions), [Claim::Likely(vec![])]);
    }
}
