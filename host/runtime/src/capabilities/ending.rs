//! The acts that end something. Each takes a permit, and every parameter is
//! filled from the session that the permit names.
//!
//! A permit is a row in a table that only the host can add to; what the guest
//! holds is a handle to it, good for the one call that it was given to. Each act
//! takes a permit once: a second time is refused, whatever became of the first.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use reap_core::permit::Permit;
use reap_core::session::{ProcessId, Value};
use tokio::sync::Semaphore;
use wasmtime::component::Resource;

use crate::backend::{Care, unproven};
use crate::bindings::{ending, types};
use crate::capabilities::commands::{Answer, Line, run};
use crate::capabilities::evidence::{Beyond, Environments, Proof};
use crate::capabilities::leftovers;
use crate::capabilities::removal::Removal;
use crate::capabilities::terminate::{Case, Report, terminate};
use crate::capabilities::websocket::acts::Said;
use crate::capabilities::{deny, in_manifest};
use crate::convert;
use crate::manifest::{FACT, Lift, RootProof, whole_regex};
use crate::process::{Owners, ProcessTable};
use crate::state::{Shared, State};
use crate::streams::Streams;

/// How many ending commands run at once. A tmux server does one at a time anyway.
const AT_ONCE: usize = 4;

/// Where ending commands wait for their turn. A call that is given up, because its
/// time is over, takes it along: what has not begun by then must never begin, since
/// its session is already told to have been left alone.
struct Gate(Arc<Semaphore>);

impl Drop for Gate {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A guest's handle to a permit.
#[derive(Debug)]
pub struct PermitHandle {
    slot: usize,
}

/// Everything about the sessions that one call may end.
#[derive(Debug, Default)]
pub(crate) struct EndingCall {
    slots: Vec<Slot>,
}

/// One permit and what has been done with it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) permit: Permit,
    ran: bool,
    terminated: bool,
    /// The messages that were sent with it.
    pub(crate) said: Said,
    /// How its processes are told; nothing when signals were not granted.
    proof: Option<Proof>,
    /// The session's processes, as the host found them just before the end.
    pub(crate) known: HashSet<ProcessId>,
    /// Processes that the plugin asked to leave alone.
    pub(crate) spared: HashSet<ProcessId>,
    /// Processes that have to do with it and are not ended with it.
    pub(crate) beyond: Beyond,
    /// Processes that never count, whosever they are.
    pub(crate) untouchable: Arc<HashSet<ProcessId>>,
}

impl EndingCall {
    /// Looks up, before anything is done, which processes each session has.
    pub(crate) fn prepare(
        shared: &Shared,
        server: Option<ProcessId>,
        permits: Vec<Permit>,
        care: &Care,
    ) -> Result<Self, String> {
        let table = ProcessTable::read(Owners::Exactly)
            .map_err(|error| format!("cannot read the process table: {error}"))?;
        let signals = shared.grants.signals.as_ref();
        let proves = signals.is_some_and(|asked| asked.root != RootProof::Listed);
        let mut untouchable = care.untouchable(&shared.name, proves);
        untouchable.extend(server);
        let untouchable = Arc::new(untouchable);
        let environments = Environments::read(&table, &shared.grants);
        let leftovers = leftovers::Found::look(&shared.grants, &table, &mut Streams::default()).ids();
        let mut slots = Vec::new();
        for permit in permits {
            let proof = match &shared.grants.signals {
                Some(asked) => Some(Proof::of(
                    permit.session(),
                    server,
                    &shared.grants,
                    asked,
                    &table,
                    &leftovers,
                    Arc::clone(&untouchable),
                )?),
                None => None,
            };
            let (known, beyond) = match &proof {
                Some(proof) => {
                    (proof.find(&table, &environments, &HashSet::new()), proof.beyond(&table, &environments))
                }
                None => Default::default(),
            };
            let spared = HashSet::new();
            let untouchable = Arc::clone(&untouchable);
            slots.push(Slot {
                permit,
                ran: false,
                terminated: false,
                said: Said::default(),
                proof,
                known,
                spared,
                beyond,
                untouchable,
            });
        }
        Ok(Self { slots })
    }

    pub(crate) fn handles(&self) -> impl Iterator<Item = PermitHandle> {
        (0..self.slots.len()).map(|slot| PermitHandle { slot })
    }

    pub(crate) fn into_slots(self) -> Vec<Slot> {
        self.slots
    }
}

impl State {
    pub(crate) fn slot(&mut self, permit: &Resource<PermitHandle>) -> wasmtime::Result<&mut Slot> {
        let at = self.resources.get(permit)?.slot;
        let slots = self.ending.as_mut().map(|ending| &mut ending.slots);
        slots
            .and_then(|slots| slots.get_mut(at))
            .ok_or_else(|| wasmtime::format_err!("there is no such permit"))
    }

    /// The permit behind a guest's handle.
    pub(crate) fn permit(&self, permit: &Resource<PermitHandle>) -> wasmtime::Result<&Permit> {
        let at = self.resources.get(permit)?.slot;
        let slot = self.ending.as_ref().and_then(|ending| ending.slots.get(at));
        slot.map(|slot| &slot.permit).ok_or_else(|| wasmtime::format_err!("there is no such permit"))
    }

    pub(crate) fn used(&self, act: &str) -> types::Error {
        let mend = "nothing allows it: a permit is for one use of each act".to_owned();
        deny(self, "ending", format!("`{act}` with a permit that was used for it before"), mend)
    }

    /// Uses a permit for the named command, and completes the command line.
    fn take_for_run(
        &mut self,
        permit: &Resource<PermitHandle>,
        name: &str,
    ) -> wasmtime::Result<Result<Line, types::Error>> {
        let shared = Arc::clone(&self.shared);
        let Some(command) = shared.grants.ending.get(name) else {
            let line = format!("[asks.ending.commands.{name}] with `run = [...]`");
            let mend = in_manifest(self, &line);
            return Ok(Err(deny(self, "ending", format!("the ending command {name:?}"), mend)));
        };
        let slot = self.slot(permit)?;
        if std::mem::replace(&mut slot.ran, true) {
            return Ok(Err(self.used("run")));
        }
        if command.lifts == Some(Lift::Attached) && !slot.permit.lifts().attached {
            let mend = "the operator's --force lifts it".to_owned();
            let asked = format!("the ending command {name:?}, with a permit that does not lift `attached`");
            return Ok(Err(deny(self, "ending", asked, mend)));
        }
        let address = slot.permit.address();
        let session = slot.permit.session();
        let filled = shared.grants.fill(command, &shared.settings, |hole| match hole {
            "instance" => Some(Cow::Borrowed(address.instance.as_str())),
            "key" => Some(Cow::Borrowed(address.key.as_str())),
            "incarnation" => Some(Cow::Borrowed(session.incarnation.as_str())),
            fact => session.fact(fact.strip_prefix(FACT)?).map(|value| Cow::Owned(as_word(value))),
        });
        Ok(match filled {
            Ok(words) => Ok(Line {
                words,
                timeout: command.timeout.min(self.watch.left()),
                output_bytes: shared.limits.output_bytes,
            }),
            Err(bad) => {
                let asked = format!("the ending command {name:?}: {{{}}} must be {}", bad.hole, bad.wanted);
                let mend = in_manifest(self, &format!("a wider [asks.placeholders.{}]", bad.hole));
                Err(deny(self, "ending", asked, mend))
            }
        })
    }

    /// What the other sessions of this call list. That another session uses a
    /// process is believed only of these: those that are not being ended at all
    /// were taken out before.
    fn listed_by_others(&mut self, permit: &Resource<PermitHandle>) -> wasmtime::Result<HashSet<ProcessId>> {
        let at = self.resources.get(permit)?.slot;
        let slots = self.ending.iter().flat_map(|ending| ending.slots.iter().enumerate());
        let others = slots.filter(|(other, _)| *other != at);
        Ok(others.flat_map(|(_, slot)| slot.permit.session().processes.iter().copied()).collect())
    }

    /// Uses a permit for signals, and takes its case out of its slot. What is in
    /// `spare` is left alone; only what is in `others` too may live on without
    /// the end being called a failure.
    fn take_for_terminate(
        &mut self,
        permit: &Resource<PermitHandle>,
        spare: &HashSet<ProcessId>,
        others: &HashSet<ProcessId>,
    ) -> wasmtime::Result<Result<Case, types::Error>> {
        let slot = self.slot(permit)?;
        if std::mem::replace(&mut slot.terminated, true) {
            return Ok(Err(self.used("terminate")));
        }
        slot.spared.extend(slot.known.intersection(others).filter(|id| spare.contains(id)));
        let known: HashSet<ProcessId> = slot.known.difference(spare).copied().collect();
        let strangers: Vec<String> = unproven(slot).map(|id| format!("pid {}", id.pid)).collect();
        match slot.proof.take() {
            Some(mut proof) => {
                proof.leave_alone(spare);
                if !strangers.is_empty() {
                    let nothing_else = slot.known.is_empty();
                    let refused = self.deny_signals(&strangers);
                    if nothing_else {
                        return Ok(Err(refused));
                    }
                }
                Ok(Ok(Case { proof, known }))
            }
            None => {
                let mend = in_manifest(self, "[asks.ending.signals] with `root = ...`");
                Ok(Err(deny(self, "ending", "signals to a session's processes".to_owned(), mend)))
            }
        }
    }
}

impl State {
    /// The plugin says that these are of the session, and the host finds that they are not.
    fn deny_signals(&self, strangers: &[String]) -> types::Error {
        let asked = format!("signals to {}: nothing proves that it may be ended", strangers.join(", "));
        let mend = "nothing allows it: the host ends only what [asks.ending.signals] proves".to_owned();
        deny(self, "ending", asked, mend)
    }
}

/// A fact in a command line.
fn as_word(value: &Value) -> String {
    match value {
        Value::Texts(texts) => texts.join(" "),
        other => other.to_string(),
    }
}

impl ending::Host for State {
    async fn run(
        &mut self,
        permits: Vec<Resource<PermitHandle>>,
        command: String,
    ) -> wasmtime::Result<Vec<Answer>> {
        let since = Instant::now();
        let gate = Gate(Arc::new(Semaphore::new(AT_ONCE)));
        let mut tasks = Vec::new();
        for permit in &permits {
            let line = self.take_for_run(permit, &command)?;
            if self.shared.grants.removals.contains_key(&command) {
                let (shared, name) = (Arc::clone(&self.shared), command.clone());
                let line = line.and_then(|line| self.may_remove(line));
                tasks.push(tokio::task::spawn_blocking(move || removal(&shared, &name)?.carry_out(&line?)));
                continue;
            }
            let gate = Arc::clone(&gate.0);
            tasks.push(tokio::spawn(async move {
                let Ok(_turn) = gate.acquire().await else {
                    return Err(types::Error::TimedOut(
                        "the call was over before it was its turn".to_owned(),
                    ));
                };
                run(line?).await
            }));
        }
        self.shared.counters.commands.add(tasks.len() as u64);
        let mut answers = Vec::new();
        for task in tasks {
            let lost = |error| Err(types::Error::Failed(format!("the command was lost: {error}")));
            answers.push(task.await.unwrap_or_else(lost));
        }
        self.watch.was_in_host(since);
        Ok(answers)
    }

    async fn terminate(
        &mut self,
        permits: Vec<Resource<PermitHandle>>,
        spare: Vec<types::Process>,
    ) -> wasmtime::Result<Vec<Result<ending::Termination, types::Error>>> {
        let since = Instant::now();
        let spare: HashSet<ProcessId> = spare.iter().map(convert::process_id).collect();
        let mut cases = Vec::new();
        let mut answers: Vec<Option<types::Error>> = Vec::new();
        for permit in &permits {
            let others = if spare.is_empty() { HashSet::new() } else { self.listed_by_others(permit)? };
            match self.take_for_terminate(permit, &spare, &others)? {
                Ok(case) => {
                    cases.push(case);
                    answers.push(None);
                }
                Err(error) => answers.push(Some(error)),
            }
        }
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || {
            let reports = terminate(&mut cases, &shared.grants);
            (reports, cases)
        })
        .await;
        self.watch.was_in_host(since);
        let (reports, cases) = match done {
            Ok((Ok((reports, signals)), cases)) => {
                self.shared.counters.signals.add(signals);
                (Ok(reports), cases)
            }
            Ok((Err(error), cases)) => (Err(format!("the processes could not be looked at: {error}")), cases),
            Err(error) => (Err(format!("the processes could not be ended: {error}")), Vec::new()),
        };
        self.remember(&permits, &answers, cases)?;
        let mut reports = reports.map(Vec::into_iter);
        Ok(answers
            .into_iter()
            .map(|refused| match (refused, &mut reports) {
                (Some(error), _) => Err(error),
                (None, Err(error)) => Err(types::Error::Failed(error.clone())),
                (None, Ok(reports)) => reports
                    .next()
                    .map(termination)
                    .ok_or_else(|| types::Error::Failed("there is no report about it".to_owned())),
            })
            .collect())
    }
}

impl State {
    /// Refuses a file that lies elsewhere than the plugin may read.
    fn may_remove(&self, line: Line) -> Result<Line, types::Error> {
        if Removal::covers(&self.shared.grants.paths, &line) {
            return Ok(line);
        }
        let asked = format!("removing {}", line.words.join(" "));
        Err(deny(self, "ending", asked, in_manifest(self, "a wider `paths` under [asks.files]")))
    }

    /// Puts what was found out about the processes back into the slots, for the
    /// host's own look at them after the call.
    fn remember(
        &mut self,
        permits: &[Resource<PermitHandle>],
        answers: &[Option<types::Error>],
        cases: Vec<Case>,
    ) -> wasmtime::Result<()> {
        let taken = permits.iter().zip(answers).filter(|(_, refused)| refused.is_none());
        for ((permit, _), case) in taken.zip(cases) {
            let slot = self.slot(permit)?;
            slot.known.extend(case.known);
        }
        Ok(())
    }
}

/// The removal of that name.
fn removal<'a>(shared: &'a Shared, name: &str) -> Result<Removal<'a>, types::Error> {
    let pattern = shared.grants.removals.get(name);
    let pattern = pattern.ok_or_else(|| types::Error::Failed(format!("there is no removal {name:?}")))?;
    let holder = whole_regex(pattern).map_err(|error| types::Error::Failed(error.to_string()))?;
    Ok(Removal { holder, paths: &shared.grants.paths })
}

fn termination(report: Report) -> ending::Termination {
    let processes = |ids: Vec<ProcessId>| ids.into_iter().map(convert::process).collect();
    ending::Termination {
        ended: processes(report.ended),
        terminated: processes(report.terminated),
        killed: processes(report.killed),
        survivors: report
            .survivors
            .into_iter()
            .map(|(id, reason)| ending::Survivor { process: convert::process(id), reason })
            .collect(),
    }
}

impl ending::HostPermit for State {
    fn session(&mut self, permit: Resource<PermitHandle>) -> wasmtime::Result<types::Session> {
        Ok(convert::session_out(self.slot(&permit)?.permit.session()))
    }

    fn instance(&mut self, permit: Resource<PermitHandle>) -> wasmtime::Result<String> {
        Ok(self.slot(&permit)?.permit.address().instance.as_str().to_owned())
    }

    fn lifts_attached(&mut self, permit: Resource<PermitHandle>) -> wasmtime::Result<bool> {
        Ok(self.slot(&permit)?.permit.lifts().attached)
    }

    fn drop(&mut self, permit: Resource<PermitHandle>) -> wasmtime::Result<()> {
        self.resources.delete(permit)?;
        Ok(())
    }
}
