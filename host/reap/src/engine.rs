//! The whole of Reap in one value: what an embedder opens, looks with, plans
//! with and acts with. Nothing here prints or ends the process. What it remembers
//! is in the state folder, which comes into being with the first act.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reap_core::cycle::Rules;
use reap_core::guard::Here;
use reap_core::ids::PluginName;
use reap_core::judge::{Judged, judge};
use reap_core::listing::{Observation, Unknown};
use reap_core::plan::{Lifts, Plan};
use reap_core::reconcile::caught_up;
use reap_core::selector::Selector;
use reap_core::state::Reading;
use reap_core::subject::{Subject, survey, survey_beside};
use reap_core::time::Timestamp;
use reap_core::vote::{Ballot, Fault};
use reap_runtime::{Backend, CallError, LogLine, process};

use tokio::sync::broadcast;

use crate::apply::EndCounts;
use crate::caller::Caller;
use crate::clock::{now, uptime};
use crate::config::Config;
use crate::events::{BACKLOG, Events, Noted};
use crate::memory::{Memory, MemoryError};
use crate::pass::Pass;
use crate::paths::Paths;
use crate::plugins::{Loading, Plugins, PluginsError};
use crate::side_by_side::side_by_side;
use crate::turn::Turns;
use crate::voter::Voter;

/// Reap, ready to look.
pub struct Reap {
    pub(crate) backends: Vec<Backend>,
    pub(crate) here: Here,
    pub(crate) memory: Memory,
    pub(crate) turns: Turns,
    pub(crate) rules: Rules,
    pub(crate) config: Config,
    /// When the store was last pruned.
    pub(crate) pruned: Mutex<Option<Instant>>,
    /// What became of all that was to be ended.
    pub(crate) ends: Mutex<EndCounts>,
    voters: Vec<Voter>,
    plugins: Plugins,
    events: broadcast::Sender<Noted>,
}

/// Reap could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The plugins could not be put together.
    #[error(transparent)]
    Plugins(#[from] PluginsError),
    /// Without knowing where it runs, Reap could end its own session.
    #[error("it cannot be told which session Reap itself runs in: {0}. Is /proc mounted?")]
    Here(io::Error),
    /// Without knowing the boot, a pid of an earlier one could be taken for one of this.
    #[error("it cannot be told which start of the machine this is: {0}")]
    Boot(io::Error),
}

/// A session could not be tagged.
#[derive(Debug, thiserror::Error)]
pub enum TagError {
    /// Its backend does not run.
    #[error("the backend {0} is not loaded")]
    NoBackend(String),
    /// The backend could not do it.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Reap {
    /// Finds and loads the plugins. Needs a tokio runtime with time and I/O.
    pub async fn open(config: Config, paths: &Paths) -> Result<Self, OpenError> {
        Self::open_loading(Loading::Now, config, paths).await
    }

    /// The same for a program that looks once: what an earlier run found to be good
    /// is loaded only when it is asked something.
    pub async fn open_to_look_once(config: Config, paths: &Paths) -> Result<Self, OpenError> {
        Self::open_loading(Loading::WhenNeeded, config, paths).await
    }

    async fn open_loading(loading: Loading, config: Config, paths: &Paths) -> Result<Self, OpenError> {
        // A process that loses its parent gets another, but what was an
        // ancestor once is best left alone; so once is enough.
        let here = process::here().map_err(OpenError::Here)?;
        let plugins = Plugins::load(&config, paths, loading).await?;
        let (events, _) = broadcast::channel(BACKLOG);
        Ok(Self {
            backends: plugins.backends(),
            memory: Memory::new(paths, events.clone()).map_err(OpenError::Boot)?,
            turns: Turns::default(),
            rules: config.rules(),
            pruned: Mutex::new(None),
            ends: Mutex::default(),
            voters: plugins.voters(&config),
            here,
            plugins,
            config,
            events,
        })
    }

    /// Becomes the one that writes to the state folder, for as long as this lives.
    /// Whatever ends something does so by itself; a daemon does it at its start.
    ///
    /// # Errors
    /// When another writes to it, and says who; and when the folder cannot be used.
    pub async fn hold(&self, wait: Duration) -> Result<(), MemoryError> {
        self.memory.hold(wait).await
    }

    /// Whether this process is the one that writes to the state folder.
    pub fn is_writer(&self) -> bool {
        self.memory.is_held()
    }

    /// Gives the state folder back for others to write to, where nothing waits to be
    /// written. For a command that asks a person before it goes on.
    ///
    /// # Errors
    /// When a part of Reap broke.
    pub async fn let_go(&self) -> Result<(), MemoryError> {
        self.memory.let_go().await
    }

    /// Everything that happens from now on, once it is in the journal.
    pub fn events(&self) -> Events {
        Events(self.events.subscribe())
    }

    /// The configuration that it was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All plugins, and what became of each.
    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// The policies that are asked, and about what.
    pub fn voters(&self) -> &[Voter] {
        &self.voters
    }

    /// Looks once: asks every backend, then every policy about what they saw.
    /// Changes nothing.
    pub async fn look(&self) -> Pass {
        self.look_for(&Caller::ourselves()).await
    }

    /// The same, for somebody whose own session must not be ended either.
    pub async fn look_for(&self, caller: &Caller) -> Pass {
        self.look_closely(caller).await.1
    }

    /// The same, with all that was seen.
    pub(crate) async fn look_closely(&self, caller: &Caller) -> (Arc<Observation>, Pass) {
        let (boot, uptime) = (self.memory.boot().clone(), uptime());
        // Until the backends answer, there is time to load what will vote.
        let (observation, ()) = tokio::join!(self.observe(), self.warm_up());
        let observation = Arc::new(observation);
        let (seen, rules) = (observation.clone(), self.rules.records);
        let reading = Reading { at: observation.at, boot, uptime };
        let surveyed =
            self.memory.recall(move |state| survey_beside(&seen, &caught_up(state, &reading, &rules))).await;
        let (subjects, forgotten) = match surveyed {
            Ok(subjects) => (subjects, None),
            Err(error) => (survey(&observation), Some(error.to_string())),
        };
        let subjects = Arc::new(subjects);
        let ballots = self.ballots(observation.at, &subjects).await;
        let subjects = Arc::unwrap_or_clone(subjects);
        let judged = judge(subjects, &ballots, &self.config.guard, &caller.here(&self.here));
        let pass = self.pass(&observation, ballots, judged, forgotten);
        (observation, pass)
    }

    /// Asks all backends at once. One that fails is a fault of the observation
    /// and stops no other.
    pub async fn observe(&self) -> Observation {
        let at = now(); // before the answers: idle times come out shorter rather than longer
        let work =
            self.backends.iter().cloned().map(|backend| async move { backend.discover().await }).collect();
        let answers = side_by_side(work).await;
        let mut observation =
            Observation { at, listings: Vec::new(), faults: self.plugins.missing_backends() };
        for (backend, answer) in self.backends.iter().zip(answers) {
            let fault = match answer {
                Ok(Ok(listings)) => {
                    observation.listings.extend(listings);
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(panic) => panic.to_string(),
            };
            observation.faults.push(Unknown {
                backend: backend.name().clone(),
                instance: None,
                reason: fault,
            });
        }
        observation
    }

    /// Loads the policies that may have a vote on what the backends will tell. The
    /// backends come first: they are waited for.
    async fn warm_up(&self) {
        let mut telling: Vec<PluginName> = Vec::new();
        for backend in &self.backends {
            backend.warm_up().await;
            if !backend.has_nothing() {
                telling.push(backend.name().clone());
            }
        }
        for voter in &self.voters {
            let select = voter.select.as_ref();
            if let Ok(policy) = &voter.voice
                && select.is_none_or(|select| select.strangers(&telling).is_empty())
            {
                policy.warm_up().await;
            }
        }
    }

    /// Asks all policies at once for their votes on these.
    pub(crate) async fn ballots(&self, at: Timestamp, subjects: &Arc<Vec<Subject>>) -> Vec<Ballot> {
        let work = self.voters.iter().cloned().map(|voter| {
            let subjects = subjects.clone();
            async move { voter.ballot(at, &subjects).await }
        });
        let answers = side_by_side(work.collect()).await;
        self.voters
            .iter()
            .zip(answers)
            .map(|(voter, answer)| {
                answer.unwrap_or_else(|panic| {
                    Ballot::fault(voter.name.clone(), voter.shadow, subjects.len(), &Fault(panic.to_string()))
                })
            })
            .collect()
    }

    /// The plan that ends the selected sessions which the policies call orphans.
    pub fn plan_cleanup(&self, pass: &Pass, selector: &Selector, lifts: Lifts) -> Plan {
        Plan::cleanup(&pass.judged, pass.unknown.clone(), selector, lifts, now(), self.config.lifetime)
    }

    /// The plan that ends the named sessions, but for those that a rule keeps.
    pub fn plan_kill(&self, named: &[&Judged], lifts: Lifts) -> Plan {
        Plan::kill(named, lifts, now(), self.config.lifetime)
    }

    /// Sets or clears the opt-out tag of a session.
    pub async fn tag(&self, subject: &Subject, protect: bool) -> Result<(), TagError> {
        let name = &subject.address.backend;
        let backend = self.backend(name.as_str()).ok_or_else(|| TagError::NoBackend(name.to_string()))?;
        Ok(backend.tag(&subject.address.instance, &subject.session, protect).await?)
    }

    /// What the plugins wrote to their logs since this was last asked.
    pub fn log(&self) -> Vec<LogLine> {
        self.plugins.running().flat_map(|running| running.log()).collect()
    }

    pub(crate) fn backend(&self, name: &str) -> Option<&Backend> {
        self.backends.iter().find(|backend| backend.name().as_str() == name)
    }
}
