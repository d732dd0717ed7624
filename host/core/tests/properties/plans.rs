//! A plan ends nothing that a rule protects, whatever was voted or forced.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use proptest::sample::select;
use reap_core::guard::Refusal;
use reap_core::ids::Address;
use reap_core::judge::Judged;
use reap_core::plan::{Lifts, Plan};
use reap_core::selector::Selector;
use reap_core::session::{Activity, Kind};
use reap_core::vote::{Ballot, Vote};

use crate::world::{LIFETIME, NOW, REAP, World, config, lifts, worlds};

/// Whether the session may be ended, said once more and by other words.
pub fn may_end(judged: &Judged, world: &World, lifts: Lifts) -> bool {
    let subject = &judged.subject;
    let session = &subject.session;
    let age = session.created.map_or(0, |created| NOW.millis().saturating_sub(created.millis()));
    let idle = session.last_active.map_or(0, |active| NOW.millis().saturating_sub(active.millis()));
    session.kind != Kind::Main
        && session.protected.is_none()
        && !session.processes.contains(&REAP)
        && !world.rules.protect.iter().any(|selector| selector.matches(judged))
        && age >= 120_000
        && (lifts.attached || !session.attached)
        && (lifts.active || session.activity != Activity::Running || idle >= 60_000)
}

/// Whether some policy that counts calls it an orphan and none keeps it.
pub fn is_orphan(ballots: &[Ballot], index: usize, count: usize) -> bool {
    let mut counted = ballots.iter().filter(|ballot| !ballot.shadow);
    let calls = |ballot: &Ballot| matches!(ballot.votes.get(index), Some(Some(Ok(Vote::Orphan(_)))));
    let keeps = |ballot: &Ballot| {
        ballot.votes.len() != count || matches!(ballot.votes[index], Some(Ok(Vote::Keep(_)) | Err(_)))
    };
    counted.clone().any(calls) && !counted.any(keeps)
}

fn by_address(judged: &[Judged]) -> HashMap<&Address, (usize, &Judged)> {
    judged.iter().enumerate().map(|(index, judged)| (&judged.subject.address, (index, judged))).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_cleanup_ends_free_orphans_only(
        world in worlds(),
        lifts in lifts(),
        selector in select(&["*", "app-1", "orphaned", "inactive", "older:1h", "kind:worker attached:no"][..]),
    ) {
        let judged = world.judged();
        let selector = Selector::parse(selector).expect("a selector");
        let plan = Plan::cleanup(&judged, world.observation.unknown(), &selector, lifts, NOW, LIFETIME);
        let known = by_address(&judged);
        for item in &plan.items {
            let (index, judged_item) = known[&item.address];
            prop_assert!(selector.matches(judged_item));
            prop_assert!(is_orphan(&world.ballots, index, judged.len()));
            prop_assert!(may_end(judged_item, &world, lifts));
        }
        let listed = plan.items.iter().map(|i| &i.address).chain(plan.kept.iter().map(|k| &k.address));
        let selected = judged.iter().filter(|judged| selector.matches(judged)).map(|judged| &judged.subject.address);
        prop_assert_eq!(plan.items.len() + plan.kept.len(), selected.clone().count());
        prop_assert_eq!(listed.collect::<HashSet<_>>(), selected.collect::<HashSet<_>>());
    }

    #[test]
    fn force_ends_nothing_but_the_attached_and_the_active(world in worlds()) {
        let judged = world.judged();
        let named: Vec<&Judged> = judged.iter().collect();
        let plain = Plan::kill(&named, Lifts::default(), NOW, LIFETIME);
        let forced = Plan::kill(&named, Lifts::force(), NOW, LIFETIME);
        let known = by_address(&judged);
        for item in &forced.items {
            let (_, judged) = known[&item.address];
            prop_assert!(may_end(judged, &world, Lifts::force()));
            let more = !plain.items.iter().any(|plain| plain.address == item.address);
            prop_assert_eq!(more, judged.refusals.iter().any(Refusal::liftable));
        }
        prop_assert_eq!(forced.items.len() + forced.kept.len(), judged.len());
    }

    #[test]
    fn whoever_runs_reap_or_made_that_is_never_ended(world in worlds()) {
        let judged = world.judged();
        let named: Vec<&Judged> = judged.iter().collect();
        let plan = Plan::kill(&named, Lifts::force(), NOW, LIFETIME);
        let ended: HashSet<&Address> = plan.items.iter().map(|item| &item.address).collect();
        let known = by_address(&judged);
        for start in judged.iter().filter(|judged| judged.subject.session.processes.contains(&REAP)) {
            let mut next = Some(&start.subject.address);
            for _ in 0..=judged.len() {
                let Some(address) = next else { break };
                prop_assert!(!ended.contains(address));
                next = known.get(address).and_then(|(_, judged)| judged.subject.session.parent.as_ref());
            }
        }
    }

    #[test]
    fn a_plan_survives_its_file_and_no_change(world in worlds(), lifts in lifts()) {
        let everything = Selector::everything();
        let plan = Plan::cleanup(&world.judged(), world.observation.unknown(), &everything, lifts, NOW, LIFETIME);
        prop_assert_eq!(&Plan::read(&plan.json()).expect("an unchanged plan"), &plan);
        let mut changed = plan.clone();
        if changed.items.pop().is_some() || changed.kept.pop().is_some() {
            prop_assert!(changed.verify().is_err());
        }
        let later = Plan { expires: plan.expires.plus(LIFETIME), ..plan };
        prop_assert!(later.verify().is_err());
    }
}
