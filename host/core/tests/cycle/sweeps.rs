//! Marks, limits, held plans and failed ends.

use std::collections::BTreeMap;

use reap_core::backoff::settle;
use reap_core::ids::PluginName;
use reap_core::limits::{ApproveError, Limits, Notice, approve, hold};
use reap_core::listing::{Extent, Listing};
use reap_core::offers::offer;
use reap_core::outcome::Outcome;
use reap_core::plan::{Lifts, Plan};
use reap_core::selector::Selector;
use reap_core::session::Session;
use reap_core::state::Refused;
use reap_core::sweep::SweepRules;
use reap_core::time::Span;

use crate::desk::{Desk, backend, keys, listing, names, session, sessions};

/// Votes half a minute apart until the grace of ten minutes is over.
const GRACE: usize = 21;

fn all_orphans() -> Desk {
    Desk { orphans: Box::new(|_| true), ..Desk::new() }
}

#[test]
fn an_orphan_is_due_after_votes_and_a_while() {
    let mut desk = all_orphans();
    let plan = desk.cycles(GRACE - 1, &sessions(1));
    assert_eq!(keys(&plan), Vec::<&str>::new());
    assert!(
        plan.kept[0].reason.contains("marked as an orphan for 9m30s, 20 votes in a row"),
        "{:?}",
        plan.kept
    );
    let (events, plan) = desk.cycle(vec![listing(sessions(1))]);
    assert_eq!((names(&events), keys(&plan)), (vec!["mark.due".to_owned()], vec!["$0"]));
}

#[test]
fn a_vote_or_a_rule_against_it_begins_the_mark_anew() {
    let mut desk = all_orphans();
    desk.cycles(GRACE - 1, &sessions(1));
    let attached = Session { attached: true, ..session("$0") };
    assert_eq!(names(&desk.cycle(vec![listing(vec![attached])]).0), ["mark.cleared"]);
    assert_eq!(keys(&desk.cycles(GRACE - 1, &sessions(1))), Vec::<&str>::new());
    desk.orphans = Box::new(|_| false);
    assert_eq!(names(&desk.cycle(vec![listing(sessions(1))]).0), ["mark.cleared"]);
    desk.orphans = Box::new(|_| true);
    assert_eq!(keys(&desk.cycles(GRACE - 1, &sessions(1))), Vec::<&str>::new());
    assert_eq!(keys(&desk.cycles(1, &sessions(1))), ["$0"]);
}

#[test]
fn time_in_which_nobody_looked_does_not_count() {
    let mut desk = all_orphans();
    desk.cycles(2, &sessions(1));
    for _ in 0..100 {
        desk.cycle(vec![Listing { extent: Extent::Failed("timed out".into()), ..listing(vec![]) }]);
    }
    desk.wait(86_400);
    desk.skew += 86_400_000;
    desk.cycles(1, &sessions(1));
    let tally = desk.record("$0").tally.expect("the mark is still there");
    assert_eq!(tally.times, 3);
    assert!(tally.waited.millis() <= 150_000, "{tally:?}");
}

#[test]
fn a_jump_of_the_clock_makes_nothing_due() {
    let mut desk = all_orphans();
    desk.cycles(2, &sessions(3));
    desk.skew = 86_400_000;
    assert_eq!(keys(&desk.cycles(GRACE - 3, &sessions(3))), Vec::<&str>::new());
    assert_eq!(keys(&desk.cycles(1, &sessions(3))).len(), 3);
}

/// Of 20 sessions, the first so many are orphans.
fn over(count: usize) -> Desk {
    let orphan = move |key: &str| key[1..].parse::<usize>().is_ok_and(|number| number < count);
    Desk { orphans: Box::new(orphan), ..Desk::new() }
}

#[test]
fn too_many_at_once_are_held_until_approved() {
    let mut desk = over(12);
    let plan = desk.cycles(GRACE, &sessions(20));
    assert_eq!(keys(&plan), Vec::<&str>::new());
    assert!(
        plan.held[0].reason.starts_with("12 of its 20 listed sessions are due, and at most 6"),
        "{:?}",
        plan.held
    );
    let id = plan.held[0].plan.clone().expect("an id to approve");
    let again = desk.cycles(3, &sessions(20));
    assert_eq!(again.held[0].plan.as_ref(), Some(&id), "the id stays while people think");

    let state = std::mem::take(&mut desk.state);
    let Refused { state, error } = approve(state, "0123456789ab", desk.now()).expect_err("no such plan");
    assert!(matches!(&error, ApproveError::NotHeld { held, .. } if *held == [id.clone()]));
    assert!(error.to_string().contains(id.as_str()));
    let (step, approved) = approve(*state, id.as_str(), desk.now()).expect("it is held");
    assert_eq!((names(&step.events), keys(&approved).len()), (vec!["plan.approved".to_owned()], 12));
    assert_eq!(approved.id, id, "the plan that was shown, and no other");
    assert!(step.changes.held && step.state.held().is_empty(), "an approval is used up");
    let error = approve(step.state, id.as_str(), desk.now()).expect_err("it is used up").error;
    assert!(matches!(error, ApproveError::NotHeld { .. }));
}

#[test]
fn what_a_command_held_back_waits_beside_the_sweeps() {
    let mut desk = over(12);
    let judged = desk.judged(sessions(20));
    let (made, everything) = (desk.now(), Selector::everything());
    let plan = Plan::cleanup(&judged, Vec::new(), &everything, Lifts::default(), made, Span::from_secs(900));
    let (rules, listed) = (SweepRules::default(), BTreeMap::from([(backend(), 20)]));
    let (_, held) = hold(plan, &listed, &rules, Notice::Approve);
    let id = held[0].plan.id.clone();
    let step = offer(std::mem::take(&mut desk.state), held.clone(), &listed, &rules);
    assert_eq!(names(&step.events), ["plan.held"]);
    desk.state = step.state;
    desk.cycles(3, &sessions(20));
    assert_eq!(desk.state.offered()[&backend()].plan.id, id, "no sweep touches it");

    let (step, approved) = approve(desk.state.clone(), id.as_str(), desk.now()).expect("it is offered");
    assert_eq!((approved.id, step.state.offered().len()), (id.clone(), 0));
    let later = hold(
        Plan::cleanup(&judged, Vec::new(), &everything, Lifts::default(), desk.now(), Span::from_secs(60)),
        &listed,
        &rules,
        Notice::Approve,
    );
    let step = offer(desk.state.clone(), later.1, &listed, &rules);
    assert_eq!(names(&step.events), ["plan.held", "plan.withdrawn"], "of each backend the latest counts");
    desk.wait(900);
    let (events, _) = desk.cycle(vec![listing(sessions(20))]);
    assert!(names(&events).contains(&"plan.withdrawn".to_owned()), "it waited too long: {events:?}");
    assert!(desk.state.offered().is_empty());
}

#[test]
fn a_backend_may_have_limits_of_its_own() {
    let own =
        |name: PluginName, per_cycle| BTreeMap::from([(name, Limits { per_cycle, ..Limits::default() })]);
    let other = PluginName::new("other").expect("a name");
    let cases = [(own(backend(), 3), 3), (own(backend(), 4), 4), (own(other, 3), 6)];
    for (limits_of, allowed) in cases {
        for due in [allowed, allowed + 1] {
            let mut desk = over(due);
            desk.rules.limits_of = limits_of.clone();
            let (ended, held) = if due > allowed { (0, 1) } else { (due, 0) };
            let plan = desk.cycles(GRACE, &sessions(20));
            assert_eq!((plan.items.len(), plan.held.len()), (ended, held), "{due} by {limits_of:?}");
            let said = format!("at most {allowed} may be ended at once");
            assert!(plan.held.iter().all(|held| held.reason.contains(&said)), "{:?}", plan.held);
        }
    }
}

#[test]
fn a_hold_is_lifted_only_when_it_is_calm() {
    let mut desk = over(7);
    let held = desk.cycles(GRACE, &sessions(20)).held;
    assert_eq!(held.len(), 1);
    let orphans = |count: usize| -> Box<dyn Fn(&str) -> bool> {
        Box::new(move |key| key[1..].parse::<usize>().is_ok_and(|number| number < count))
    };
    desk.orphans = orphans(6);
    assert_eq!(keys(&desk.cycles(1, &sessions(20))), Vec::<&str>::new(), "at the limit it stays");
    desk.orphans = orphans(3);
    let (events, plan) = desk.cycle(vec![listing(sessions(20))]);
    assert!(names(&events).contains(&"plan.withdrawn".to_owned()));
    assert_eq!(keys(&plan).len(), 3);
}

#[test]
fn a_held_plan_expires() {
    let mut desk = over(12);
    let id = desk.cycles(GRACE, &sessions(20)).held[0].plan.clone().expect("an id");
    desk.wait(86_400);
    let state = std::mem::take(&mut desk.state);
    let Refused { state, error } = approve(state, id.as_str(), desk.now()).expect_err("too late");
    assert!(matches!(error, ApproveError::Expired { .. }));
    desk.state = *state;
    let plan = desk.cycles(1, &sessions(20));
    assert_ne!(plan.held[0].plan, Some(id));
    assert!(desk.state.held().contains_key(&backend()));
}

#[test]
fn a_failed_end_is_tried_again_after_a_pause() {
    let mut desk = all_orphans();
    assert_eq!(keys(&desk.cycles(GRACE, &sessions(1))), ["$0"]);
    let failed = Outcome::Failed { reason: "it would not go".into(), survivors: Vec::new() };
    let mut waits = Vec::new();
    for _ in 0..4 {
        let (state, now, handle) = (std::mem::take(&mut desk.state), desk.now(), desk_handle());
        let step = settle(state, &handle, &failed, now, &desk.rules.backoff);
        assert_eq!(names(&step.events), ["end.failed"]);
        desk.state = step.state;
        let mut cycles = 1;
        while desk.cycles(1, &sessions(1)).items.is_empty() {
            cycles += 1;
        }
        waits.push(cycles);
    }
    assert_eq!(waits, [2, 4, 8, 16], "in half minutes");
}

fn desk_handle() -> reap_core::ids::Handle {
    reap_core::ids::Handle::of(&crate::desk::address("$0"), &session("$0").incarnation)
}

#[test]
fn an_ended_session_leaves_and_may_be_seen_again() {
    let mut desk = all_orphans();
    desk.cycles(GRACE, &sessions(1));
    let (state, now) = (std::mem::take(&mut desk.state), desk.now());
    let step = settle(state, &desk_handle(), &Outcome::Ended { notes: Vec::new() }, now, &desk.rules.backoff);
    assert_eq!(names(&step.events), ["session.ended"]);
    desk.state = step.state;
    assert_eq!(desk.counts(), (0, 1));
    let (events, plan) = desk.cycle(vec![listing(sessions(1))]);
    assert_eq!(
        (names(&events), keys(&plan)),
        (vec!["session.returned".into(), "mark.set".to_owned()], vec![])
    );
}

#[test]
fn a_plan_by_hand_is_held_backend_by_backend() {
    let desk = over(12);
    let judged = desk.judged(sessions(20));
    let now = desk.now();
    let everything = Selector::everything();
    let plan = Plan::cleanup(&judged, Vec::new(), &everything, Lifts::default(), now, Span::from_secs(900));
    let rules = SweepRules::default();
    let listed = |count| BTreeMap::from([(backend(), count)]);
    let (free, held) = hold(plan.clone(), &listed(40), &rules, Notice::Approve);
    assert_eq!((free.items.len(), held.len()), (12, 0), "12 of 40 are 30 percent");
    let (rest, held) = hold(plan, &listed(20), &rules, Notice::Approve);
    assert_eq!((rest.items.len(), rest.held.len(), held.len()), (0, 1, 1));
    assert_eq!(rest.held[0].plan.as_ref(), Some(&held[0].plan.id));
    assert_eq!(keys(&held[0].plan).len(), 12);
    for plan in [&rest, &held[0].plan] {
        plan.verify().expect("sealed");
    }
}
