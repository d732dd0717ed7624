//! What policies say, and how their votes become one verdict.
//!
//! One `keep` beats any number of `orphan`; a fault of a policy counts as `keep`
//! for every session that it was asked about; shadow policies are recorded and
//! never count.

use serde::{Deserialize, Serialize};

use crate::ids::PluginName;

/// What a policy says of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "vote", content = "reason")]
pub enum Vote {
    /// It must not be ended.
    Keep(String),
    /// Nobody needs it any more.
    Orphan(String),
    /// Nothing to say.
    Abstain,
}

/// One policy's answer about all subjects of a pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ballot {
    /// Whose.
    pub policy: PluginName,
    /// Whether it is only recorded.
    pub shadow: bool,
    /// For each subject in order: nothing when the policy was not asked about
    /// it, else its vote or the fault that stands in for one.
    pub votes: Vec<Option<Result<Vote, Fault>>>,
}

/// Why a policy gave no vote, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fault(pub String);

/// The word of a combined verdict, and of a single vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Not to be ended.
    Keep,
    /// Nobody needs it any more.
    Orphan,
    /// No policy had anything to say.
    Abstain,
}

/// One policy's part in a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Which policy.
    pub policy: PluginName,
    /// What it said. A fault says `keep`.
    pub vote: Decision,
    /// Why.
    pub reason: String,
    /// Recorded only, not counted.
    #[serde(default)]
    pub shadow: bool,
    /// The policy failed, and this stands in for its vote.
    #[serde(default)]
    pub fault: bool,
}

/// What all policies together say of one session, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The outcome.
    pub vote: Decision,
    /// Every policy that did not abstain.
    pub reasons: Vec<Reason>,
}

impl Ballot {
    /// The ballot of a policy that gave no votes at all: a fault for each of
    /// the subjects that it was asked about, which are all `count` of them.
    pub fn fault(policy: PluginName, shadow: bool, count: usize, fault: &Fault) -> Self {
        Self { policy, shadow, votes: vec![Some(Err(fault.clone())); count] }
    }

    /// This policy's part in the verdict on one subject. Nothing when it was
    /// not asked or abstained.
    fn reason(&self, index: usize) -> Option<Reason> {
        let (vote, reason, fault) = match self.votes.get(index) {
            Some(None | Some(Ok(Vote::Abstain))) => return None,
            Some(Some(Ok(Vote::Keep(reason)))) => (Decision::Keep, reason.clone(), false),
            Some(Some(Ok(Vote::Orphan(reason)))) => (Decision::Orphan, reason.clone(), false),
            Some(Some(Err(Fault(fault)))) => (Decision::Keep, fault.clone(), true),
            None => (
                Decision::Keep,
                format!("it gave only {} votes, too few for this one", self.votes.len()),
                true,
            ),
        };
        Some(Reason { policy: self.policy.clone(), vote, reason, shadow: self.shadow, fault })
    }
}

/// What all ballots together say of the subject at `index`.
pub fn combine(ballots: &[Ballot], index: usize) -> Verdict {
    let reasons: Vec<Reason> = ballots.iter().filter_map(|ballot| ballot.reason(index)).collect();
    let says = |vote| reasons.iter().any(|reason| !reason.shadow && reason.vote == vote);
    let vote = if says(Decision::Keep) {
        Decision::Keep
    } else if says(Decision::Orphan) {
        Decision::Orphan
    } else {
        Decision::Abstain
    };
    Verdict { vote, reasons }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::name;

    fn ballot(shadow: bool, vote: Option<Result<Vote, Fault>>) -> Ballot {
        Ballot { policy: name("p"), shadow, votes: vec![vote] }
    }

    #[test]
    fn votes_combine() {
        let keep = || Some(Ok(Vote::Keep("in use".into())));
        let orphan = || Some(Ok(Vote::Orphan("idle".into())));
        let abstain = || Some(Ok(Vote::Abstain));
        let fault = || Some(Err(Fault("it trapped".into())));
        let cases = [
            ("nobody", vec![], Decision::Abstain),
            ("nobody was asked", vec![ballot(false, None)], Decision::Abstain),
            ("abstain", vec![ballot(false, abstain())], Decision::Abstain),
            ("orphan", vec![ballot(false, orphan()), ballot(false, abstain())], Decision::Orphan),
            ("keep beats", vec![ballot(false, orphan()), ballot(false, keep())], Decision::Keep),
            ("a fault keeps", vec![ballot(false, fault()), ballot(false, orphan())], Decision::Keep),
            ("shadow orphan", vec![ballot(true, orphan())], Decision::Abstain),
            ("shadow keep", vec![ballot(true, keep()), ballot(false, orphan())], Decision::Orphan),
            ("shadow fault", vec![ballot(true, fault()), ballot(false, orphan())], Decision::Orphan),
        ];
        for (what, ballots, decision) in cases {
            assert_eq!(combine(&ballots, 0).vote, decision, "{what}");
        }
    }

    #[test]
    fn all_but_abstentions_are_given_as_reasons() {
        let ballots = [
            ballot(false, Some(Ok(Vote::Abstain))),
            ballot(true, Some(Ok(Vote::Orphan("idle".into())))),
            ballot(false, Some(Err(Fault("it trapped".into())))),
        ];
        let reasons = combine(&ballots, 0).reasons;
        let told: Vec<_> = reasons.iter().map(|r| (r.vote, r.reason.as_str(), r.shadow, r.fault)).collect();
        assert_eq!(
            told,
            [(Decision::Orphan, "idle", true, false), (Decision::Keep, "it trapped", false, true)]
        );
    }

    #[test]
    fn a_short_ballot_is_a_fault() {
        let short = ballot(false, Some(Ok(Vote::Orphan("idle".into()))));
        let verdict = combine(&[short], 1);
        assert_eq!(verdict.vote, Decision::Keep);
        assert!(verdict.reasons[0].fault);
        assert_eq!(verdict.reasons[0].reason, "it gave only 1 votes, too few for this one");
    }
}
