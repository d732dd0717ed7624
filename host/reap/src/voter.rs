//! Asking one policy for its votes.

use reap_core::ids::PluginName;
use reap_core::selector::Selector;
use reap_core::subject::Subject;
use reap_core::time::Timestamp;
use reap_core::vote::{Ballot, Fault, Vote};
use reap_runtime::Policy;

use crate::pass::PolicyFault;

/// A policy with what the configuration says of it.
#[derive(Clone)]
pub struct Voter {
    /// Its name.
    pub name: PluginName,
    /// Whether its votes are only recorded.
    pub shadow: bool,
    /// The only sessions that it is asked about; nothing for all.
    pub select: Option<Selector>,
    /// The policy, or why it cannot be asked. A fault votes keep, so one that
    /// could not be loaded still has its place here.
    pub voice: Result<Policy, Fault>,
}

impl Voter {
    /// Its votes on these subjects.
    pub async fn ballot(&self, now: Timestamp, subjects: &[Subject]) -> Ballot {
        let asked: Vec<bool> = subjects.iter().map(|subject| self.asks_about(subject)).collect();
        let answers = self.ask(now, subjects, &asked).await;
        Ballot { policy: self.name.clone(), shadow: self.shadow, votes: spread(&asked, answers) }
    }

    /// How it failed on this ballot, if it did. One that could not be loaded
    /// has not failed here.
    pub(crate) fn fault_in(&self, ballot: &Ballot) -> Option<PolicyFault> {
        let Fault(reason) = ballot.votes.iter().flatten().find_map(|vote| vote.as_ref().err())?;
        self.voice.is_ok().then(|| PolicyFault { policy: self.name.clone(), reason: reason.clone() })
    }

    /// Where the selector cannot tell, the policy is asked: it may say keep.
    fn asks_about(&self, subject: &Subject) -> bool {
        self.select.as_ref().is_none_or(|select| select.matches_subject(subject).unwrap_or(true))
    }

    async fn ask(&self, now: Timestamp, subjects: &[Subject], asked: &[bool]) -> Result<Vec<Vote>, Fault> {
        let policy = self.voice.as_ref().map_err(Fault::clone)?;
        let count = asked.iter().filter(|asked| **asked).count();
        if count == 0 {
            return Ok(Vec::new());
        }
        let votes = if count == subjects.len() {
            policy.evaluate(now, subjects).await
        } else {
            let chosen: Vec<Subject> = subjects
                .iter()
                .zip(asked)
                .filter(|(_, asked)| **asked)
                .map(|(subject, _)| subject.clone())
                .collect();
            policy.evaluate(now, &chosen).await
        };
        let votes = votes.map_err(|error| Fault(error.to_string()))?;
        if votes.len() == count {
            Ok(votes)
        } else {
            Err(Fault(format!("it was asked about {count} sessions and gave {} votes", votes.len())))
        }
    }
}

/// The answers at the places of those that were asked about.
fn spread(asked: &[bool], answers: Result<Vec<Vote>, Fault>) -> Vec<Option<Result<Vote, Fault>>> {
    match answers {
        Ok(votes) => {
            let mut votes = votes.into_iter();
            // Were there too few votes, the gap is a fault and not a silence.
            let missing = || Err(Fault("a vote is missing".to_owned()));
            asked.iter().map(|asked| asked.then(|| votes.next().map_or_else(missing, Ok))).collect()
        }
        Err(fault) => asked.iter().map(|asked| asked.then(|| Err(fault.clone()))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orphan(text: &str) -> Vote {
        Vote::Orphan(text.into())
    }

    #[test]
    fn votes_land_on_those_that_were_asked_about() {
        let votes = spread(&[true, false, true], Ok(vec![orphan("a"), orphan("c")]));
        assert_eq!(votes, [Some(Ok(orphan("a"))), None, Some(Ok(orphan("c")))]);
    }

    #[test]
    fn a_fault_is_for_all_that_were_asked_about() {
        let fault = Fault("it trapped".into());
        assert_eq!(spread(&[true, false], Err(fault.clone())), [Some(Err(fault)), None]);
    }

    #[test]
    fn a_missing_vote_is_a_fault() {
        let votes = spread(&[true, true], Ok(vec![orphan("a")]));
        assert!(matches!(votes[1], Some(Err(_))));
    }
}
