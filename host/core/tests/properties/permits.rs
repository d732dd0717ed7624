//! A permit is for exactly the session that was planned, as it was planned.

use std::collections::HashMap;

use proptest::prelude::*;
use reap_core::ids::{Address, Generation, Incarnation};
use reap_core::judge::Judged;
use reap_core::listing::{Extent, Observation};
use reap_core::permit::{Fresh, Permit, Skip};
use reap_core::plan::{Cause, Item, Lifts, Plan};
use reap_core::selector::Selector;
use reap_core::session::Activity;
use reap_core::time::Span;
use reap_core::vote::Vote;

use crate::plans::{is_orphan, may_end};
use crate::world::{LIFETIME, NOW, World, config, lifts, sample, worlds};

/// What may happen between the plan and the act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Nothing,
    Replaced,
    Restarted,
    Attached,
    ActiveAgain,
    TouchedSince,
    KeptNow,
    FaultNow,
    Vanished,
    LookFailed,
}

/// Nothing happens as often as all the rest together.
fn events() -> impl Strategy<Value = Event> {
    use Event::*;
    let changes =
        [Replaced, Restarted, Attached, ActiveAgain, TouchedSince, KeptNow, FaultNow, Vanished, LookFailed];
    prop_oneof![Just(Nothing), prop::sample::select(changes.to_vec())]
}

/// The world after the event has happened to everything in it.
fn after(world: &World, event: Event) -> World {
    let mut world = world.clone();
    let Observation { listings, .. } = &mut world.observation;
    for listing in listings.iter_mut() {
        match event {
            Event::Restarted => listing.generation = Some(Generation::new("300-1")),
            Event::LookFailed => listing.extent = Extent::Failed("timed out".to_owned()),
            Event::Vanished => listing.sessions.clear(),
            _ => {}
        }
        for session in &mut listing.sessions {
            match event {
                Event::Replaced => session.incarnation = Incarnation::new("third"),
                Event::Attached => session.attached = true,
                Event::TouchedSince => session.last_active = Some(NOW.plus(Span::from_millis(1))),
                Event::ActiveAgain => {
                    session.activity = Activity::Running;
                    session.last_active = Some(NOW.plus(Span::from_millis(1)));
                }
                _ => {}
            }
        }
    }
    for vote in world.ballots.iter_mut().flat_map(|ballot| &mut ballot.votes) {
        match event {
            Event::KeptNow => *vote = Some(Ok(Vote::Keep("back in use".to_owned()))),
            Event::FaultNow => *vote = Some(Err(reap_core::vote::Fault("it trapped".to_owned()))),
            _ => {}
        }
    }
    world
}

fn cleanup(world: &World, lifts: Lifts) -> Plan {
    let everything = Selector::everything();
    Plan::cleanup(&world.judged(), world.observation.unknown(), &everything, lifts, NOW, LIFETIME)
}

fn kill(world: &World, lifts: Lifts) -> Plan {
    let judged = world.judged();
    Plan::kill(&judged.iter().collect::<Vec<_>>(), lifts, NOW, LIFETIME)
}

/// Whether the item still is what was planned, said by other words.
fn still(item: &Item, world: &World, judged: &HashMap<&Address, (usize, &Judged)>) -> bool {
    let Some((index, now)) = judged.get(&item.address) else { return false };
    let session = &now.subject.session;
    session.incarnation == item.incarnation
        && now.subject.generation == item.generation
        && may_end(now, world, item.lifts)
        && (item.cause == Cause::Asked || is_orphan(&world.ballots, *index, judged.len()))
        && (item.lifts.active
            || session.last_active == item.last_active
            || item.last_active.is_none() && session.last_active.is_some_and(|at| at <= NOW))
}

#[test]
fn the_worlds_hold_much_to_decide_about() {
    // Without this, properties of all items would hold of worlds without any.
    let worlds = sample(256);
    let items = |plan: fn(&World, Lifts) -> Plan, lifts| -> usize {
        worlds.iter().map(|world| plan(world, lifts).items.len()).sum()
    };
    let kept: usize = worlds.iter().map(|world| cleanup(world, Lifts::default()).kept.len()).sum();
    let orphans = items(cleanup, Lifts::default());
    assert!(orphans > 50, "{orphans}");
    assert!(items(cleanup, Lifts::force()) > orphans + 20);
    assert!(items(kill, Lifts::default()) > orphans + 50);
    assert!(kept > 200, "{kept}");
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_permit_is_for_what_was_planned(
        world in worlds(),
        later in worlds(),
        event in events(),
        unrelated in prop::bool::weighted(0.3),
        lifts in lifts(),
        asked in any::<bool>(),
    ) {
        let plan = if asked { kill(&world, lifts) } else { cleanup(&world, lifts) };
        let now = if unrelated { later } else { after(&world, event) };
        let judged = now.judged();
        let fresh = Fresh::new(&now.observation, &judged);
        let known = judged.iter().enumerate().map(|(index, judged)| (&judged.subject.address, (index, judged))).collect();
        for item in &plan.items {
            let permit = Permit::issue(item, plan.made, &fresh);
            prop_assert_eq!(permit.is_ok(), still(item, &now, &known), "{:?}", permit);
            if let Ok(permit) = permit {
                prop_assert_eq!(permit.address(), &item.address);
                prop_assert_eq!(&permit.session().incarnation, &item.incarnation);
                prop_assert_eq!(permit.handle(), &item.handle);
            }
        }
    }

    #[test]
    fn each_change_is_skipped_for_its_reason(world in worlds(), event in events(), asked in any::<bool>()) {
        let lifts = Lifts::default();
        let plan = if asked { kill(&world, lifts) } else { cleanup(&world, lifts) };
        let now = after(&world, event);
        let judged = now.judged();
        let fresh = Fresh::new(&now.observation, &judged);
        for item in &plan.items {
            let fits = match (event, Permit::issue(item, plan.made, &fresh)) {
                (Event::Nothing, answer) => answer.is_ok(),
                (Event::Replaced, Err(Skip::Replaced { restarted: false })) => true,
                (Event::Restarted, Err(Skip::Replaced { restarted: true })) => true,
                (Event::Restarted, Err(Skip::Unknown(_))) => item.generation.is_none(),
                (Event::Attached | Event::ActiveAgain, Err(Skip::Refused(refusal))) => refusal.liftable(),
                (Event::TouchedSince, Err(Skip::ActiveSince { .. } | Skip::Refused(_))) => true,
                (Event::KeptNow | Event::FaultNow, answer) if asked => answer.is_ok(),
                (Event::KeptNow | Event::FaultNow, Err(Skip::NoLongerOrphan(_))) => true,
                (Event::Vanished, Err(Skip::Gone | Skip::Unknown(_))) => true,
                (Event::LookFailed, Err(Skip::Unknown(_))) => true,
                _ => false,
            };
            prop_assert!(fits, "{:?}", Permit::issue(item, plan.made, &fresh));
        }
    }
}
