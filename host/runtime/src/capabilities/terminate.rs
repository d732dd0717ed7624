//! Ending the processes that outlived their sessions, all sessions side by side:
//! a moment to end by themselves, TERM, the grace, KILL.
//!
//! Between the steps the process table is read again, since what is being ended
//! may still fork. A process is signalled through a descriptor that holds exactly
//! it, and counts as ended only when it was seen to be gone.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Duration;

use reap_core::session::ProcessId;
use rustix::process::Signal;

use crate::capabilities::evidence::{Environments, Proof};
use crate::capabilities::grants::Grants;
use crate::limits::{AFTER_KILL, GRACE, SETTLE};
use crate::process::{Held, NotHeld, Owners, ProcessTable, alive, wait_for_end};

/// How often what is still being forked is hunted after. KILL leaves no time to
/// fork, so a second round is rare; one that needs more is told as surviving.
const KILL_ROUNDS: usize = 5;

/// One session whose processes are to end.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) proof: Proof,
    pub(crate) known: HashSet<ProcessId>,
}

/// What became of a session's processes.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) ended: Vec<ProcessId>,
    pub(crate) terminated: Vec<ProcessId>,
    pub(crate) killed: Vec<ProcessId>,
    pub(crate) survivors: Vec<(ProcessId, String)>,
}

/// Ends the processes of all cases, and counts the signals sent. Blocks for as
/// long as the slowest takes.
pub(crate) fn terminate(cases: &mut [Case], grants: &Grants) -> io::Result<(Vec<Report>, u64)> {
    let mut work =
        Work { refused: HashMap::new(), termed: HashSet::new(), killed: HashSet::new(), signals: 0 };
    let known: HashSet<ProcessId> = cases.iter().flat_map(|case| &case.known).copied().collect();
    work.wait(&known, SETTLE);
    let left = look(cases, grants)?;
    if !left.is_empty() {
        work.send(&left, Signal::TERM);
        // A stopped process only acts on TERM once it goes on.
        work.send(&left, Signal::CONT);
        work.wait(&left, GRACE);
    }
    for _ in 0..KILL_ROUNDS {
        let left: HashSet<ProcessId> = look(cases, grants)?.difference(&work.hopeless()).copied().collect();
        if left.is_empty() {
            break;
        }
        work.send(&left, Signal::KILL);
        work.wait(&left, AFTER_KILL);
    }
    Ok((cases.iter().map(|case| work.report(case)).collect(), work.signals))
}

/// Looks again: adds to each case what joined it, and gives back all that live.
fn look(cases: &mut [Case], grants: &Grants) -> io::Result<HashSet<ProcessId>> {
    let table = ProcessTable::read(Owners::Exactly)?;
    let environments = Environments::read(&table, grants);
    let mut all = HashSet::new();
    for case in cases {
        let found = case.proof.find(&table, &environments, &case.known);
        case.known.extend(&found);
        all.extend(found);
    }
    Ok(all)
}

struct Work {
    refused: HashMap<ProcessId, String>,
    termed: HashSet<ProcessId>,
    killed: HashSet<ProcessId>,
    signals: u64,
}

impl Work {
    /// Waits until all have ended or the time is over.
    fn wait(&self, ids: &HashSet<ProcessId>, time: Duration) {
        let held =
            ids.iter().filter(|id| !self.refused.contains_key(id)).filter_map(|id| Held::take(*id).ok());
        wait_for_end(held.collect(), time);
    }

    fn send(&mut self, ids: &HashSet<ProcessId>, signal: Signal) {
        for &id in ids {
            let sent = match Held::take(id) {
                Ok(held) => held.signal(signal),
                Err(NotHeld::Ended) => continue,
                Err(NotHeld::Refused(error)) => Err(error),
            };
            match sent {
                Ok(()) => {
                    self.signals += 1;
                    match signal {
                        Signal::TERM => self.termed.insert(id),
                        Signal::KILL => self.killed.insert(id),
                        _ => false,
                    };
                }
                Err(error) => {
                    self.refused
                        .insert(id, format!("the system refused the signal: {}", io::Error::from(error)));
                }
            }
        }
    }

    /// What no further signal will end.
    fn hopeless(&self) -> HashSet<ProcessId> {
        self.refused.keys().copied().collect()
    }

    fn report(&self, case: &Case) -> Report {
        let mut report = Report::default();
        for &id in &case.known {
            if let Some(why) = self.refused.get(&id).filter(|_| alive(id)) {
                report.survivors.push((id, why.clone()));
            } else if alive(id) {
                let why = if self.killed.contains(&id) {
                    format!(
                        "it did not end within {} s after KILL; the kernel may be holding it",
                        AFTER_KILL.as_secs()
                    )
                } else {
                    "it kept starting others faster than they could be ended".to_owned()
                };
                report.survivors.push((id, why));
            } else if self.killed.contains(&id) {
                report.killed.push(id);
            } else if self.termed.contains(&id) {
                report.terminated.push(id);
            } else {
                report.ended.push(id);
            }
        }
        report.ended.sort_unstable();
        report.terminated.sort_unstable();
        report.killed.sort_unstable();
        report.survivors.sort_unstable();
        report
    }
}
