//! What became of a session that was to be ended: decided from tmux's answer, a
//! second look at the server, and what the host says of the processes.

use reap_plugin::commands::Output;
use reap_plugin::ending::Termination;
use reap_plugin::{Error, Extent, Listing, Outcome, Session, Verdict};

use crate::answer::{complaint, not_run};
use crate::own::PANES;
use crate::session::VISIBLE;

/// What the manifest's commands print when their guard did not hold.
pub const REFUSED: &[u8] = b"REFUSED";

/// What a guarded command did.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// tmux did it, by its own word.
    Accepted,
    /// The guard in the server did not hold.
    Refused,
    /// It could not be done.
    Failed(Error),
}

impl Act {
    /// Reads the command's answer.
    pub fn of(answer: Result<Output, Error>) -> Self {
        let output = match answer {
            Ok(output) => output,
            Err(error) => return Self::Failed(not_run(error)),
        };
        match (output.status, output.stdout.trim_ascii_end()) {
            (Some(0), b"") => Self::Accepted,
            (Some(0), REFUSED) => Self::Refused,
            _ => Self::Failed(complaint(&output)),
        }
    }
}

/// What became of one session, its processes aside.
#[derive(Debug, PartialEq)]
pub enum Fate {
    /// It is listed no more, and its processes are still to be ended.
    Gone {
        /// What the operator should know besides.
        notes: Vec<String>,
    },
    /// There is nothing more to be done.
    Settled(Outcome),
}

impl Fate {
    /// Decides it from the session as it was, the act, and the second look.
    pub fn of(session: &Session, act: Act, after: &Listing) -> Self {
        match (act, &after.extent) {
            (Act::Failed(_), Extent::Absent(_)) => {
                settled(Verdict::Skipped("its server has ended".to_owned()))
            }
            // A server that was stopped takes the command once it goes on.
            (Act::Failed(Error::TimedOut(why)), _) => failed(Error::TimedOut(format!(
                "{why}; it may still carry the command out, so look again later"
            ))),
            (Act::Failed(error), _) => failed(error),
            (Act::Refused, _) => {
                let what = change(session, after);
                settled(Verdict::Skipped(format!("it changed at the last moment: {what}")))
            }
            (Act::Accepted, Extent::Failed(error)) => failed(error.clone().reworded(unverified)),
            (Act::Accepted, Extent::Partial(why)) => failed(Error::Unavailable(unverified(why))),
            (Act::Accepted, Extent::Complete | Extent::Absent(_)) => gone(session, after),
        }
    }

    /// Whether its processes are still to be ended.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }
}

fn settled(verdict: Verdict) -> Fate {
    Fate::Settled(Outcome { verdict, survivors: Vec::new(), notes: Vec::new() })
}

fn failed(error: Error) -> Fate {
    settled(Verdict::Failed(error))
}

fn unverified(why: &str) -> String {
    format!("tmux took the command, but the server could not be looked at afterwards: {why}")
}

/// Why the guard did not hold, as far as the second look tells.
fn change(session: &Session, after: &Listing) -> &'static str {
    let listed = after.sessions.iter().find(|other| other.key == session.key);
    match (listed, &after.extent) {
        (Some(other), _) if other.incarnation != session.incarnation => {
            "its id belongs to another session now"
        }
        (Some(other), _) if other.fact(PANES) != session.fact(PANES) => "its panes are not the same any more",
        (Some(other), _) if other.protected.is_some() => "it is protected now",
        (Some(other), _) if other.attached => "somebody is attached to it",
        (Some(_), _) => "somebody was attached to it",
        (None, Extent::Complete | Extent::Absent(_)) => "it has ended by itself",
        (None, Extent::Partial(_) | Extent::Failed(_)) => {
            "tmux refused, and the server could not be looked at afterwards"
        }
    }
}

/// tmux took the command and could be looked at. Where the processes of other
/// sessions cannot be seen, it is not known which of them this one shares, and
/// none may be ended.
fn gone(session: &Session, after: &Listing) -> Fate {
    if after.sessions.iter().any(|other| other.key == session.key && other.incarnation == session.incarnation)
    {
        return failed(Error::Failed("tmux took the command, but the session is still there".to_owned()));
    }
    if blind(session) {
        let why = "the session is gone, but its processes cannot be seen from here (a container?), so nobody knows \
                   whether they live";
        return failed(Error::Unavailable(why.to_owned()));
    }
    if after.sessions.iter().any(blind) {
        let why = "the session was ended; which of its processes other sessions use could not be seen, so none was ended";
        return failed(Error::Unavailable(why.to_owned()));
    }
    Fate::Gone { notes: inheritance(session, after).into_iter().collect() }
}

fn blind(session: &Session) -> bool {
    session.flag(VISIBLE) == Some(false)
}

/// Windows can be shown by several sessions: all of a group, or those that they
/// were linked into. Ending one of these sessions ends no process of theirs.
fn inheritance(session: &Session, after: &Listing) -> Option<String> {
    let group = session.text("group");
    let shares = |other: &&Session| {
        (group.is_some() && other.text("group") == group)
            || other.processes.iter().any(|process| session.processes.contains(process))
    };
    let heirs: Vec<&Session> = after.sessions.iter().filter(shares).collect();
    if heirs.is_empty() {
        return None;
    }
    let inherited = |process| heirs.iter().any(|heir| heir.processes.contains(process));
    let count = session.processes.iter().filter(|process| inherited(process)).count();
    let what = if count == session.processes.len() {
        "no process ended: its windows live on".to_owned()
    } else {
        format!("{count} of its {} processes live on with windows", session.processes.len())
    };
    let keys: Vec<&str> = heirs.iter().map(|heir| heir.key.as_str()).collect();
    let (noun, keys) = (if keys.len() == 1 { "session" } else { "sessions" }, keys.join(", "));
    let group = group.map(|group| format!(" (group {group})")).unwrap_or_default();
    Some(format!("{what} in {noun} {keys}{group}"))
}

/// The outcome of a session that is gone, once the host has ended its processes.
pub fn finished(mut notes: Vec<String>, termination: Result<Termination, Error>) -> Outcome {
    let termination = match termination {
        Ok(termination) => termination,
        Err(error) => {
            let error =
                error.reworded(|why| format!("the session was ended, but its processes were not: {why}"));
            return Outcome { verdict: Verdict::Failed(error), survivors: Vec::new(), notes };
        }
    };
    let count = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 process had to be {what}")),
        more => Some(format!("{more} processes had to be {what}")),
    };
    notes.extend(count(termination.terminated.len(), "asked to end (TERM)"));
    notes.extend(count(termination.killed.len(), "killed (KILL)"));
    let verdict = match termination.survivors.len() {
        0 => Verdict::Ended,
        1 => Verdict::Failed(Error::Failed("the session was ended, but a process of it lives on".to_owned())),
        more => Verdict::Failed(Error::Failed(format!(
            "the session was ended, but {more} processes of it live on"
        ))),
    };
    Outcome { verdict, survivors: termination.survivors, notes }
}

#[cfg(test)]
mod tests;
