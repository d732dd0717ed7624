//! Positive proofs that a session is gone, and what they are made of.
//!
//! Counting absences is slow and leans on the backend. A process table and a
//! boot id lie to nobody: with them a reboot or a crashed server converges at
//! once, also while the backend cannot be asked. They work the other way round
//! too: a server that is known to live has not ended, whatever answers, or does
//! not, at its address.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{BootId, Generation, Incarnation, PluginName};
use crate::listing::{Extent, Listing, Observation};
use crate::record::Record;
use crate::session::ProcessId;
use crate::state::State;
use crate::time::Span;

/// What the edge found out besides the listings, at the time of the observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proofs {
    /// Which start of the machine this is.
    pub boot: BootId,
    /// Time since that start, asleep included (`CLOCK_BOOTTIME`), read together
    /// with the observation's `at`. Nobody can set this clock.
    pub uptime: Span,
    /// The backends that were asked for all that they have and answered. Only
    /// from these an instance can be absent.
    pub answered: BTreeSet<PluginName>,
    /// Of the processes that [`questions`] names: those that are gone.
    pub gone: BTreeSet<ProcessId>,
    /// Of the same: those that live. One that could not be looked at is in
    /// neither.
    pub alive: BTreeSet<ProcessId>,
}

/// How it is known that a session is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "proof")]
pub enum Proof {
    /// It was absent so often.
    Absent {
        /// How often.
        misses: u32,
    },
    /// Another start of its server answers.
    Generation {
        /// The start that held the session.
        was: Generation,
        /// The start that answers now.
        is: Generation,
    },
    /// Its server's process is gone.
    Server {
        /// That process.
        process: ProcessId,
    },
    /// None of its processes is left.
    Processes,
    /// The machine was started anew.
    Boot,
    /// Its key means another session now.
    Replaced {
        /// That session.
        by: Incarnation,
    },
}

/// The processes whose fate would settle something: of the sessions on record
/// that this observation does not show, the servers, or else the processes.
pub fn questions(state: &State, observation: &Observation) -> BTreeSet<ProcessId> {
    let asked = |record: &Record| match record.server {
        Some(server) => vec![server],
        None => record.session.processes.clone(),
    };
    state.unseen(observation).into_iter().flat_map(asked).collect()
}

/// What an answer, or the lack of one, says about a session that it should show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word<'a> {
    /// Everything is listed, and this start of the server says so.
    Complete {
        generation: &'a Generation,
        /// Whether the sessions of earlier starts can be taken for gone at once.
        ends_others: bool,
    },
    /// There is positively nothing at the instance's address.
    Nothing,
    /// The backend answered and knows of no such instance any more.
    Unlisted,
    /// Nothing can be concluded, for this reason.
    Doubt(&'a str),
}

/// What is to be thought of a session that was not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It is gone.
    Gone(Proof),
    /// It was absent once more.
    Absent,
    /// Unknown, for this reason.
    Unknown(String),
}

impl<'a> Word<'a> {
    /// What a listing says in which absence counts.
    pub fn of(listing: &'a Listing) -> Self {
        match (&listing.extent, &listing.generation) {
            (Extent::Complete, Some(generation)) => Self::Complete {
                generation,
                // A gateway that has only just started may know none of its
                // sessions yet. An empty answer is never more than one absence,
                // unless a server process stands for it: with the one before
                // went all that it held.
                ends_others: !listing.sessions.is_empty() || listing.server.is_some(),
            },
            _ => Self::Nothing,
        }
    }
}

impl Proofs {
    pub(crate) fn judge(&self, record: &Record, word: Word<'_>) -> Finding {
        match self.proof(record, word) {
            Some(proof) => Finding::Gone(proof),
            None => self.weigh(record, word),
        }
    }

    fn proof(&self, record: &Record, word: Word<'_>) -> Option<Proof> {
        let processes = &record.session.processes;
        // A gateway elsewhere outlives our reboot. What held processes of this
        // machine does not; the rest is for its backend to tell.
        if record.boot != self.boot && is_local(record) {
            return Some(Proof::Boot);
        }
        if let Some(process) = record.server
            && self.gone.contains(&process)
        {
            return Some(Proof::Server { process });
        }
        if let (Word::Complete { generation: is, ends_others: true }, Some(was)) = (word, &record.generation)
            && was != is
            && !self.server_lives(record)
        {
            return Some(Proof::Generation { was: was.clone(), is: is.clone() });
        }
        // A server may keep a session whose last process is gone (a dead pane), so
        // where there is a server, only its end or its word counts.
        let none_left = !processes.is_empty() && processes.iter().all(|p| self.gone.contains(p));
        (record.server.is_none() && none_left).then_some(Proof::Processes)
    }

    fn weigh(&self, record: &Record, word: Word<'_>) -> Finding {
        let same_server = |is: &Generation| record.generation.as_ref().is_none_or(|was| was == is);
        match word {
            Word::Doubt(reason) => Finding::Unknown(reason.to_owned()),
            Word::Complete { generation, .. } if same_server(generation) => Finding::Absent,
            _ if self.server_lives(record) => Finding::Unknown(
                "the server that held it lives on, but something else, or nothing, answers at its address"
                    .to_owned(),
            ),
            _ if record.server.is_none() && self.some_process_lives(record) => {
                Finding::Unknown("its instance is not to be found, but its processes live on".to_owned())
            }
            _ => Finding::Absent,
        }
    }

    /// Only within one boot: a pid and its start tick may come again in the next.
    fn server_lives(&self, record: &Record) -> bool {
        record.boot == self.boot && record.server.is_some_and(|server| self.alive.contains(&server))
    }

    fn some_process_lives(&self, record: &Record) -> bool {
        record.boot == self.boot && record.session.processes.iter().any(|p| self.alive.contains(p))
    }
}

fn is_local(record: &Record) -> bool {
    record.server.is_some() || !record.session.processes.is_empty()
}
