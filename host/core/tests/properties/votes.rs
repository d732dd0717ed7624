//! Whatever the policies do, they end nothing that one of them keeps.

use proptest::prelude::*;
use reap_core::vote::{Ballot, Decision, Vote, combine};

use crate::world::{ballots, config};

fn counted(ballots: &[Ballot]) -> impl Iterator<Item = &Ballot> {
    ballots.iter().filter(|ballot| !ballot.shadow)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn one_keep_or_fault_beats_any_number_of_orphans(ballots in ballots(3), index in 0_usize..4) {
        let verdict = combine(&ballots, index);
        let keeps = |ballot: &Ballot| {
            matches!(ballot.votes.get(index), None | Some(Some(Ok(Vote::Keep(_)) | Err(_))))
        };
        if counted(&ballots).any(keeps) {
            prop_assert_eq!(verdict.vote, Decision::Keep);
        }
    }

    #[test]
    fn an_orphan_needs_a_vote_that_counts(ballots in ballots(3), index in 0_usize..4) {
        let calls = |ballot: &Ballot| matches!(ballot.votes.get(index), Some(Some(Ok(Vote::Orphan(_)))));
        if combine(&ballots, index).vote == Decision::Orphan {
            prop_assert!(counted(&ballots).any(calls));
        }
    }

    #[test]
    fn shadows_are_recorded_and_change_nothing(ballots in ballots(3), index in 0_usize..4) {
        let all = combine(&ballots, index);
        let lit: Vec<Ballot> = counted(&ballots).cloned().collect();
        let without = combine(&lit, index);
        prop_assert_eq!(all.vote, without.vote);
        let told: Vec<_> = all.reasons.into_iter().filter(|reason| !reason.shadow).collect();
        prop_assert_eq!(told, without.reasons);
    }
}
