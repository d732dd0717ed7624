//! The whole of Reap in one value: what an embedder opens, looks with, plans
//! with and acts with. Nothing here prints, ends the process, or keeps state
//! between two calls.

use std::io;
use std::sync::Arc;

use reap_core::guard::Here;
use reap_core::judge::{Judged, judge};
use reap_core::listing::{Observation, Unknown};
use reap_core::plan::{Lifts, Plan};
use reap_core::selector::Selector;
use reap_core::subject::{Subject, survey};
use reap_core::vote::{Ballot, Fault};
use reap_runtime::{Backend, CallError, LogLine, process};

use crate::clock::now;
use crate::config::Config;
use crate::pass::Pass;
use crate::paths::Paths;
use crate::plugins::{Plugins, PluginsError};
use crate::side_by_side::side_by_side;
use crate::voter::Voter;

/// Reap, ready to look.
pub struct Reap {
    pub(crate) backends: Vec<Backend>,
    pub(crate) here: Here,
    voters: Vec<Voter>,
    plugins: Plugins,
    config: Config,
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
        // A process that loses its parent gets another, but what was an
        // ancestor once is best left alone; so once is enough.
        let here = process::here().map_err(OpenError::Here)?;
        let plugins = Plugins::load(&config, paths).await?;
        Ok(Self { backends: plugins.backends(), voters: plugins.voters(&config), here, plugins, config })
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
    pub async fn look(&self) -> Pass {
        let observation = self.observe().await;
        self.judge(observation).await
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

    /// Asks all policies at once about what was observed, and puts their votes
    /// and the guard rules together.
    pub async fn judge(&self, observation: Observation) -> Pass {
        let subjects: Arc<Vec<Subject>> = Arc::new(survey(&observation));
        let at = observation.at;
        let work = self.voters.iter().cloned().map(|voter| {
            let subjects = subjects.clone();
            async move { voter.ballot(at, &subjects).await }
        });
        let answers = side_by_side(work.collect()).await;
        let ballots: Vec<Ballot> = self
            .voters
            .iter()
            .zip(answers)
            .map(|(voter, answer)| {
                answer.unwrap_or_else(|panic| {
                    Ballot::fault(voter.name.clone(), voter.shadow, subjects.len(), &Fault(panic.to_string()))
                })
            })
            .collect();
        let subjects = Arc::unwrap_or_clone(subjects);
        let judged = judge(subjects, &ballots, &self.config.guard, &self.here);
        let faults = self.voters.iter().zip(&ballots).filter_map(|(voter, ballot)| voter.fault_in(ballot));
        Pass { faults: faults.collect(), observation, ballots, judged }
    }

    /// The plan that ends the selected sessions which the policies call orphans.
    pub fn plan_cleanup(&self, pass: &Pass, selector: &Selector, lifts: Lifts) -> Plan {
        Plan::cleanup(&pass.judged, pass.unknown(), selector, lifts, now(), self.config.lifetime)
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
