//! Ends sessions: the guarded command, a second look, then their processes.
//!
//! tmux answers `kill-session` with success and no word about processes, so its
//! answer is where the work begins. Nothing counts as ended before the server was
//! looked at again, and what another session still shows is spared.

use reap_plugin::ending::{run, terminate};
use reap_plugin::{Error, Extent, Listing, Outcome, Permit, Process, Session};

use crate::fate::{Act, Fate, finished};
use crate::scan;

/// How often the server is looked at again while it is just ending with its last
/// session: it then takes the connection and closes it.
const LOOKS: usize = 3;

/// Ends the sessions of these permits, all of one server. One outcome each, in
/// their order.
pub fn end(permits: &[Permit]) -> Vec<Outcome> {
    let Some(first) = permits.first() else {
        return Vec::new();
    };
    let sessions: Vec<Session> = permits.iter().map(Permit::session).collect();
    let acts = act(permits);
    let after = look_again(&first.instance());
    let fates: Vec<Fate> =
        sessions.iter().zip(acts).map(|(session, act)| Fate::of(session, act, &after)).collect();

    let gone: Vec<&Permit> =
        permits.iter().zip(&fates).filter(|(_, fate)| fate.is_gone()).map(|(it, _)| it).collect();
    let spare: Vec<Process> = after.sessions.iter().flat_map(|session| &session.processes).copied().collect();
    let mut terminations = if gone.is_empty() { Vec::new() } else { terminate(&gone, &spare) }.into_iter();
    let outcome = |fate| match fate {
        Fate::Gone { notes } => finished(notes, terminations.next().unwrap_or_else(|| Err(silence()))),
        Fate::Settled(outcome) => outcome,
    };
    fates.into_iter().map(outcome).collect()
}

/// Runs for each permit the command that it allows.
fn act(permits: &[Permit]) -> Vec<Act> {
    let mut acts: Vec<Act> = permits.iter().map(|_| Act::Failed(silence())).collect();
    for (command, lifts) in [("end", false), ("end-attached", true)] {
        let at: Vec<usize> = (0..permits.len()).filter(|at| permits[*at].lifts_attached() == lifts).collect();
        let group: Vec<&Permit> = at.iter().map(|at| &permits[*at]).collect();
        let answers = if group.is_empty() { Vec::new() } else { run(&group, command) };
        for (at, answer) in at.into_iter().zip(answers) {
            acts[at] = Act::of(answer);
        }
    }
    acts
}

fn look_again(instance: &str) -> Listing {
    let mut after = scan::server(instance);
    for _ in 1..LOOKS {
        if !matches!(after.extent, Extent::Failed(Error::Unavailable(_))) {
            break;
        }
        after = scan::server(instance);
    }
    after
}

/// The host owes an answer for each permit.
fn silence() -> Error {
    Error::Failed("the host gave no answer about this session".to_owned())
}
