//! Whatever the backends answer, doubt ends nothing.

use std::collections::HashSet;

use proptest::prelude::*;
use reap_core::ids::Address;
use reap_core::listing::{Extent, Listing, Observation};
use reap_core::subject::{ParentState, survey};

use crate::world::{config, observations};

fn claims(observation: &Observation, address: &Address) -> usize {
    let of = |listing: &Listing| {
        let same = listing.instance == address.instance && !listing.seen().is_empty();
        listing.sessions.iter().filter(|session| same && session.key == address.key).count()
    };
    observation.listings.iter().map(of).sum()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn each_session_is_shown_once(observation in observations()) {
        let subjects = survey(&observation);
        let addresses: HashSet<&Address> = subjects.iter().map(|subject| &subject.address).collect();
        prop_assert_eq!(addresses.len(), subjects.len());
        for subject in &subjects {
            let claims = claims(&observation, &subject.address);
            prop_assert!(claims > 0);
            if claims > 1 {
                prop_assert!(subject.session.protected.is_some());
                let concerns = |instance| instance == Some(&subject.address.instance);
                prop_assert!(observation.unknown().iter().any(|unknown| concerns(unknown.instance.as_ref())));
            }
        }
    }

    #[test]
    fn a_parent_is_gone_only_by_a_single_whole_answer(observation in observations()) {
        let subjects = survey(&observation);
        for subject in subjects.iter().filter(|subject| subject.parent == ParentState::Gone) {
            let parent = subject.session.parent.as_ref().expect("one that is gone is on record");
            prop_assert!(!subjects.iter().any(|other| other.address == *parent));
            let answers: Vec<&Listing> =
                observation.listings.iter().filter(|listing| listing.instance == parent.instance).collect();
            let [answer] = answers[..] else { panic!("{} answers", answers.len()) };
            match answer.extent {
                Extent::Complete => prop_assert!(answer.generation.is_some()),
                Extent::Absent(_) => prop_assert!(answer.sessions.is_empty()),
                Extent::Partial(_) | Extent::Failed(_) => prop_assert!(false, "nothing follows from that"),
            }
        }
    }

    #[test]
    fn children_are_those_that_name_their_parent(observation in observations()) {
        let subjects = survey(&observation);
        for subject in &subjects {
            let child = |other: &&_| {
                let other: &reap_core::subject::Subject = other;
                other.address != subject.address && other.session.parent.as_ref() == Some(&subject.address)
            };
            prop_assert_eq!(subject.live_children as usize, subjects.iter().filter(child).count());
        }
    }
}
