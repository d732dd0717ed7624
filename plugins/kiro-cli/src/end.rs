//! Ends sessions: their processes first, then the lock that they leave.
//!
//! kiro-cli passes no signal on and ends nothing of its own, and refuses to resume a
//! session whose lock is there. Ending the processes is the host's work, which finds
//! out itself which they are; what is decided here is whom that would hit besides.

use std::collections::BTreeSet;

use reap_plugin::commands::Output;
use reap_plugin::ending::{Termination, run, terminate};
use reap_plugin::{Error, Extent, Listing, Outcome, Permit, Process, Session, Survivor, Verdict};

use crate::facts;
use crate::homes::Home;
use crate::listing::of_one;

/// The removal of a lock, by its name in the manifest.
const UNLOCK: &str = "unlock";

/// Ends the sessions of these permits, all of one home. One outcome each, in their
/// order.
pub fn end(homes: &[Home], permits: &[Permit]) -> Result<Vec<Outcome>, Error> {
    let Some(first) = permits.first() else { return Ok(Vec::new()) };
    let now = of_one(homes, &first.instance())?;
    let sessions: Vec<Session> = permits.iter().map(Permit::session).collect();
    let objections: Vec<Option<String>> =
        sessions.iter().map(|session| objection(session, &sessions, &now)).collect();
    let free = |at: &usize| objections[*at].is_none();
    let at: Vec<usize> = (0..permits.len()).filter(free).collect();
    let going: Vec<&Permit> = at.iter().map(|at| &permits[*at]).collect();
    let ended = if going.is_empty() { Vec::new() } else { terminate(&going, &[]) };
    let mut fates: Vec<Option<Fate>> = sessions.iter().map(|_| None).collect();
    for (at, answer) in at.iter().zip(ended) {
        fates[*at] = Some(Fate::of(answer));
    }
    unlock(permits, &sessions, &mut fates);
    let outcome = |(objection, fate): (Option<String>, Option<Fate>)| match (objection, fate) {
        (Some(why), _) => outcome(Verdict::Skipped(why), Vec::new(), Vec::new()),
        (None, Some(fate)) => fate.outcome(),
        (None, None) => outcome(Verdict::Failed(silence()), Vec::new(), Vec::new()),
    };
    Ok(objections.into_iter().zip(fates).map(outcome).collect())
}

/// Why a session is left alone after all: it is another by now, or its processes
/// serve one that is not being ended.
fn objection(session: &Session, going: &[Session], now: &Listing) -> Option<String> {
    if let Extent::Failed(error) = &now.extent {
        return Some(format!("its home cannot be looked at: {}", error.reason()));
    }
    let Some(there) = now.sessions.iter().find(|one| one.key == session.key) else {
        return Some("it changed at the last moment: it is gone".to_owned());
    };
    if there.incarnation != session.incarnation {
        return Some("it changed at the last moment: another process holds it now".to_owned());
    }
    let own: BTreeSet<(u32, u64)> = there.processes.iter().map(id).collect();
    let stays = |other: &&Session| !going.iter().any(|one| one.key == other.key);
    let shares = |other: &&Session| other.processes.iter().any(|process| own.contains(&id(process)));
    let others: Vec<&str> =
        now.sessions.iter().filter(stays).filter(shares).map(|other| other.key.as_str()).collect();
    (!others.is_empty()).then(|| {
        format!(
            "its process also holds {}, which would end with it; end all of them at once",
            others.join(", ")
        )
    })
}

fn id(process: &Process) -> (u32, u64) {
    (process.pid, process.started)
}

/// Removes the locks of those whose processes have ended.
fn unlock(permits: &[Permit], sessions: &[Session], fates: &mut [Option<Fate>]) {
    let locked = |at: &usize| {
        let fate = fates[*at].as_ref();
        fate.is_some_and(|fate| fate.may_unlock()) && sessions[*at].fact(facts::LOCK_SINCE).is_some()
    };
    let at: Vec<usize> = (0..permits.len()).filter(locked).collect();
    if at.is_empty() {
        return;
    }
    let group: Vec<&Permit> = at.iter().map(|at| &permits[*at]).collect();
    for (at, answer) in at.iter().zip(run(&group, UNLOCK)) {
        if let Some(fate) = &mut fates[*at] {
            fate.unlocked = Some(answer.map(|output: Output| output.stdout));
        }
    }
}

/// What became of one session.
struct Fate {
    ended: Result<Termination, Error>,
    /// What the host answered when its lock was to be removed.
    unlocked: Option<Result<Vec<u8>, Error>>,
}

impl Fate {
    fn of(ended: Result<Termination, Error>) -> Self {
        Self { ended, unlocked: None }
    }

    /// While a process lives the lock is right.
    fn may_unlock(&self) -> bool {
        self.ended.as_ref().is_ok_and(|done| done.survivors.is_empty())
    }

    fn outcome(self) -> Outcome {
        let done = match self.ended {
            Err(error) => return outcome(Verdict::Failed(error), Vec::new(), Vec::new()),
            Ok(done) => done,
        };
        if !done.survivors.is_empty() {
            let error = Error::Failed("processes of it live on".to_owned());
            return outcome(Verdict::Failed(error), done.survivors, Vec::new());
        }
        let count = done.ended.len() + done.terminated.len() + done.killed.len();
        let mut notes = Vec::new();
        if !done.killed.is_empty() {
            notes.push(format!("{} of {count} processes had to be killed", done.killed.len()));
        }
        match self.unlocked {
            Some(Err(error)) if count == 0 => {
                let error = error.reworded(|why| format!("its lock was not removed: {why}"));
                return outcome(Verdict::Failed(error), Vec::new(), Vec::new());
            }
            Some(Err(error)) => notes.push(format!(
                "its lock was not removed, so that kiro-cli may refuse to resume it: {}",
                error.reason()
            )),
            Some(Ok(said)) if said == b"removed\n" => notes.push("its lock was removed".to_owned()),
            Some(Ok(_)) | None => {}
        }
        outcome(Verdict::Ended, Vec::new(), notes)
    }
}

fn outcome(verdict: Verdict, survivors: Vec<Survivor>, notes: Vec<String>) -> Outcome {
    Outcome { verdict, survivors, notes }
}

/// The host owes an answer for each permit.
fn silence() -> Error {
    Error::Failed("the host gave no answer about this session".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::process;
    use reap_plugin::sample;

    fn session(key: &str, pids: &[u32]) -> Session {
        Session { processes: pids.iter().map(|pid| process(*pid)).collect(), ..sample::session(key) }
    }

    fn listing(extent: Extent, sessions: Vec<Session>) -> Listing {
        Listing {
            instance: "/k".to_owned(),
            label: "k".to_owned(),
            generation: Some("1".to_owned()),
            server: None,
            extent,
            sessions,
        }
    }

    #[test]
    fn who_is_left_alone() {
        let both = || vec![session("a", &[20, 21]), session("b", &[20, 21]), session("c", &[30])];
        let now = listing(Extent::Complete, both());
        let all = both();
        let why = |session: &Session, going: &[Session]| objection(session, going, &now).unwrap_or_default();
        assert!(why(&all[0], &all[..1]).starts_with("its process also holds b, which would end with it"));
        assert_eq!(why(&all[0], &all[..2]), "");
        assert_eq!(why(&all[2], &all[2..]), "");
        let other = Session { incarnation: "2".to_owned(), ..session("c", &[30]) };
        assert!(why(&other, &all).contains("another process holds it now"));
        assert!(why(&session("d", &[]), &all).contains("it is gone"));
        let failed = listing(Extent::Failed(Error::TimedOut("late".to_owned())), Vec::new());
        assert!(objection(&all[0], &all, &failed).is_some_and(|why| why.ends_with("late")));
    }

    #[test]
    fn what_became_of_it() {
        let done = |killed: &[u32], survivors: &[u32]| Termination {
            ended: Vec::new(),
            terminated: Vec::new(),
            killed: killed.iter().map(|pid| process(*pid)).collect(),
            survivors: survivors
                .iter()
                .map(|pid| Survivor { process: process(*pid), reason: "why".to_owned() })
                .collect(),
        };
        let refused = || Err(Error::Failed("it lives".to_owned()));
        let fate = |done, unlocked| Fate { ended: Ok(done), unlocked }.outcome();

        let ended = fate(done(&[20], &[]), Some(Ok(b"removed\n".to_vec())));
        assert_eq!(ended.verdict, Verdict::Ended);
        assert_eq!(ended.notes, ["1 of 1 processes had to be killed", "its lock was removed"]);
        let kept = fate(done(&[20], &[]), Some(refused()));
        assert!(
            kept.verdict == Verdict::Ended && kept.notes[1].contains("may refuse to resume it: it lives")
        );
        let stale = fate(done(&[], &[]), Some(refused()));
        let expected = Error::Failed("its lock was not removed: it lives".to_owned());
        assert_eq!(stale.verdict, Verdict::Failed(expected));
        let left = fate(done(&[20], &[21]), None);
        assert!(matches!(left.verdict, Verdict::Failed(_)) && left.survivors.len() == 1);
    }
}
