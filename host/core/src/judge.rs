//! Votes and guard rails put together: what is to be said of each session.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::guard::{GuardRules, Here, Lifts, OwnSessions, Refusal, refusals};
use crate::subject::Subject;
use crate::vote::{Ballot, Fault, Verdict, combine};

/// A session, what the policies say of it, and what speaks against ending it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The session.
    pub subject: Subject,
    /// What the policies say.
    pub verdict: Verdict,
    /// What speaks against ending it; what nobody can lift comes first.
    pub refusals: Vec<Refusal>,
}

impl Judged {
    /// What speaks against ending it once the lifted refusals are taken away.
    pub fn standing(&self, lifts: Lifts) -> impl Iterator<Item = &Refusal> {
        self.refusals.iter().filter(move |refusal| !lifts.lift(refusal))
    }
}

/// Judges each subject by all ballots and rules.
///
/// A ballot of another length than the subjects is nonsense: nobody can say
/// which vote was meant for whom. It counts as one fault for all of them.
pub fn judge(subjects: Vec<Subject>, ballots: &[Ballot], rules: &GuardRules, here: &Here) -> Vec<Judged> {
    let own = OwnSessions::find(&subjects, here);
    let ballots = fitting(ballots, subjects.len());
    let judged = |(index, subject): (usize, Subject)| Judged {
        verdict: combine(&ballots, index),
        refusals: refusals(&subject, rules, &own),
        subject,
    };
    subjects.into_iter().enumerate().map(judged).collect()
}

fn fitting(ballots: &[Ballot], count: usize) -> Cow<'_, [Ballot]> {
    if ballots.iter().all(|ballot| ballot.votes.len() == count) {
        return Cow::Borrowed(ballots);
    }
    let fit = |ballot: &Ballot| match ballot.votes.len() {
        votes if votes == count => ballot.clone(),
        votes => {
            let fault = Fault(format!("it gave {votes} votes on {count} sessions"));
            Ballot::fault(ballot.policy.clone(), ballot.shadow, count, &fault)
        }
    };
    Cow::Owned(ballots.iter().map(fit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{name, observation, session};
    use crate::session::Session;
    use crate::subject::survey;
    use crate::vote::{Decision, Vote};

    fn decide(votes: usize) -> Vec<(Decision, usize)> {
        let sessions = vec![session("$1"), Session { attached: true, ..session("$2") }];
        let votes = vec![Some(Ok(Vote::Orphan("idle".into()))); votes];
        let ballot = Ballot { policy: name("p"), shadow: false, votes };
        let here = Here { ancestors: Vec::new() };
        let judged = judge(survey(&observation(sessions)), &[ballot], &GuardRules::default(), &here);
        judged.iter().map(|judged| (judged.verdict.vote, judged.refusals.len())).collect()
    }

    #[test]
    fn votes_and_refusals_come_together() {
        assert_eq!(decide(2), [(Decision::Orphan, 0), (Decision::Orphan, 1)]);
    }

    #[test]
    fn a_ballot_of_another_length_keeps_everything() {
        for votes in [0, 1, 3] {
            assert_eq!(decide(votes), [(Decision::Keep, 0), (Decision::Keep, 1)], "{votes} votes");
        }
    }
}
