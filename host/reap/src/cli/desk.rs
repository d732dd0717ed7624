//! Where a command gets what it asks for: from the daemon, where one runs, and
//! else from Reap in this very process. Commands see no difference, and neither
//! do those who read their answers.

use reap::client::{Client, Found};
use reap::core::judge::Judged;
use reap::core::limits::{self, HeldPlan, Notice};
use reap::core::locks::{Directory, Lock};
use reap::core::plan::{Lifts, Plan};
use reap::core::selector::Selector;
use reap::core::subject::Subject;
use reap::view::Status;
use reap::{Applied, Caller, Config, LockFor, Pass, Paths, Reap, beside, now};

use super::error::CliError;
use super::output::Ui;

/// Whoever answers, with the configuration that both sides have.
pub struct Desk {
    config: Config,
    paths: Paths,
    clerk: Clerk,
}

enum Clerk {
    Alone(Box<Reap>),
    Daemon(Client),
}

impl Desk {
    /// Finds the daemon, or opens the plugins where there is none to ask.
    pub async fn open(config: Config, paths: Paths, alone: bool, ui: &mut Ui) -> Result<Self, CliError> {
        let found = if alone { Found::None } else { Client::find(&paths, &config).await };
        if let Found::Other { reason } = &found {
            ui.warn(&format!("the daemon is not asked: {reason}"));
        }
        let clerk = match found {
            Found::Ours(client) => Clerk::Daemon(client),
            Found::None | Found::Other { .. } => Clerk::alone(&config, &paths, ui).await?,
        };
        Ok(Self { config, paths, clerk })
    }

    /// The configuration, which is the daemon's too.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A new look at everything, judged for this process.
    pub async fn pass(&self, ui: &mut Ui) -> Result<Pass, CliError> {
        let work = async {
            match &self.clerk {
                Clerk::Alone(reap) => Ok(reap.look().await),
                Clerk::Daemon(client) => Ok(client.pass().await?),
            }
        };
        ui.during("looking", work).await
    }

    /// The plan that ends the orphans among the selected sessions.
    pub fn plan_cleanup(&self, pass: &Pass, selector: &Selector, lifts: Lifts) -> Plan {
        Plan::cleanup(&pass.judged, pass.unknown.clone(), selector, lifts, now(), self.config.lifetime)
    }

    /// The plan that ends the named sessions, but for those that a rule keeps.
    pub fn plan_kill(&self, named: &[&Judged], lifts: Lifts) -> Plan {
        Plan::kill(named, lifts, now(), self.config.lifetime)
    }

    /// Takes out of a plan what is over the limits of its backend.
    pub fn without_excess(&self, plan: Plan, pass: &Pass) -> Plan {
        limits::hold(plan, &pass.listed(), &self.config.sweep, Notice::Shown).0
    }

    /// The same, and keeps what was taken out for the operator's approval.
    pub async fn hold_back(&self, plan: Plan, pass: &Pass) -> Result<Plan, CliError> {
        Ok(match &self.clerk {
            Clerk::Alone(reap) => {
                let plan = reap.hold_back(plan, pass).await?;
                reap.let_go().await?; // a person may think for an hour, and a daemon want to start
                plan
            }
            Clerk::Daemon(client) => client.hold(&plan).await?,
        })
    }

    /// The plans that wait for the operator.
    pub fn held_plans(&self) -> Result<Vec<HeldPlan>, CliError> {
        Ok(beside::held_plans(&self.paths.state)?)
    }

    /// Carries out a plan.
    pub async fn apply(&self, plan: &Plan) -> Result<Applied, CliError> {
        Ok(match &self.clerk {
            Clerk::Alone(reap) => reap.apply(plan, &Caller::ourselves()).await?,
            Clerk::Daemon(client) => client.apply(plan).await?,
        })
    }

    /// Approves a held plan, and ends what of it still qualifies.
    pub async fn approve(&self, id: &str) -> Result<Applied, CliError> {
        Ok(match &self.clerk {
            Clerk::Alone(reap) => reap.approve(id, &Caller::ourselves()).await?,
            Clerk::Daemon(client) => client.approve(id).await?,
        })
    }

    /// Sets or clears the opt-out tag of a session.
    pub async fn tag(&self, subject: &Subject, protect: bool) -> Result<(), CliError> {
        match &self.clerk {
            Clerk::Alone(reap) => reap.tag(subject, protect).await?,
            Clerk::Daemon(client) => client.tag(subject, protect).await?,
        }
        Ok(())
    }

    /// How Reap is.
    pub async fn status(&self) -> Result<Status, CliError> {
        Ok(match &self.clerk {
            Clerk::Alone(reap) => reap.status(None).await?,
            Clerk::Daemon(client) => client.status().await?,
        })
    }

    /// Locks a directory.
    pub async fn lock(&self, directory: Directory, holder: LockFor) -> Result<Lock, CliError> {
        Ok(match &self.clerk {
            Clerk::Alone(reap) => reap.lock(directory, holder).await?,
            Clerk::Daemon(client) => client.lock(directory, holder).await?,
        })
    }

    /// Frees a directory.
    pub async fn unlock(&self, directory: Directory) -> Result<(), CliError> {
        match &self.clerk {
            Clerk::Alone(reap) => reap.unlock(directory).await?,
            Clerk::Daemon(client) => client.unlock(directory).await?,
        }
        Ok(())
    }

    /// The locked directories.
    pub async fn locks(&self) -> Result<Vec<Lock>, CliError> {
        Ok(match &self.clerk {
            Clerk::Alone(reap) => reap.locks().await?,
            Clerk::Daemon(client) => client.locks().await?,
        })
    }

    /// Shows what the plugins wrote to their logs. Those of a daemon write to its.
    pub fn show_log(&self, ui: &mut Ui) {
        if let Clerk::Alone(reap) = &self.clerk {
            reap.log().iter().for_each(|line| ui.log_line(line));
        }
    }

    /// Is done. The process ends with the command, and gives its memory back at
    /// once: taking the plugins apart first would take milliseconds of every `ls`.
    /// A store that was written to is closed in good order.
    pub fn close(self) {
        match self.clerk {
            Clerk::Alone(reap) if !reap.is_writer() => std::mem::forget(reap),
            Clerk::Alone(_) | Clerk::Daemon(_) => {}
        }
    }
}

impl Clerk {
    async fn alone(config: &Config, paths: &Paths, ui: &mut Ui) -> Result<Self, CliError> {
        let reap = ui.during("preparing the plugins", Reap::open_to_look_once(config.clone(), paths)).await?;
        for note in reap.plugins().notes() {
            ui.warn(&note);
        }
        Ok(Self::Alone(Box::new(reap)))
    }
}
