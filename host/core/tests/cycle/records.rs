//! Unknown is not gone, and gone converges.

use reap_core::backoff::settle;
use reap_core::event::Event;
use reap_core::ids::{BootId, Generation, Incarnation};
use reap_core::listing::{Extent, Listing, Observation};
use reap_core::outcome::Outcome;
use reap_core::proof::Proof;
use reap_core::reconcile::caught_up;
use reap_core::record::Standing;
use reap_core::session::{ProcessId, Session};
use reap_core::state::{Reading, State};
use reap_core::subject::survey_beside;
use reap_core::time::{Span, Timestamp};

use crate::desk::{Desk, SERVER, listing, names, session, sessions};

fn served(sessions: Vec<Session>) -> Listing {
    Listing { server: Some(SERVER), ..listing(sessions) }
}

fn restarted(sessions: Vec<Session>) -> Listing {
    Listing { generation: Some(Generation::new("2")), ..listing(sessions) }
}

#[test]
fn nothing_changes_for_what_is_not_known() {
    let cases: [(&str, Vec<Listing>); 5] = [
        ("failed", vec![Listing { extent: Extent::Failed("timed out".into()), ..listing(vec![]) }]),
        ("partial", vec![Listing { extent: Extent::Partial("cut".into()), ..listing(vec![]) }]),
        ("nameless", vec![Listing { generation: None, ..listing(vec![]) }]),
        ("twice", vec![listing(vec![]), listing(vec![])]),
        ("doubled", vec![listing(vec![session("$1"), session("$1")])]),
    ];
    for (what, answer) in cases {
        let mut desk = Desk::new();
        desk.see(vec![listing(sessions(400))]);
        let before = desk.state.memory().records;
        for pass in 0..5 {
            let events = desk.see(answer.clone());
            let told = if pass == 0 { vec!["instance.doubted"] } else { vec![] };
            assert_eq!(names(&events), told, "{what}");
        }
        assert_eq!(desk.state.memory().records, before, "{what}");
        assert_eq!(desk.state.doubts().count(), 1, "{what}: the reason is shown");
        assert_eq!(names(&desk.see(vec![listing(sessions(400))])), ["instance.clear"], "{what}");
    }
}

#[test]
fn a_backend_without_an_answer_changes_nothing() {
    let mut desk = Desk::new();
    desk.see(vec![listing(sessions(400))]);
    desk.answered = false;
    for _ in 0..10 {
        desk.see(vec![]);
    }
    assert_eq!(desk.counts(), (400, 0));
    assert_eq!(desk.state.doubts().next().map(|(_, _, reason)| reason), Some("it trapped"));
}

#[test]
fn one_empty_answer_is_one_miss_and_a_second_confirms() {
    let mut desk = Desk::new();
    desk.see(vec![listing(sessions(400))]);
    assert_eq!(names(&desk.see(vec![listing(vec![])])), vec!["session.missing"; 400]);
    assert_eq!(desk.counts(), (400, 0));
    assert_eq!(names(&desk.see(vec![listing(sessions(400))])), vec!["session.returned"; 400]);
    desk.see(vec![listing(vec![])]);
    assert_eq!(names(&desk.see(vec![listing(vec![])])), vec!["session.stopped"; 400]);
    assert_eq!(desk.counts(), (0, 400));
    assert!(matches!(
        desk.record("$7").standing,
        Standing::Stopped { proof: Proof::Absent { misses: 2 }, .. }
    ));
}

#[test]
fn what_is_unknown_in_between_neither_counts_nor_clears() {
    let mut desk = Desk::new();
    desk.see(vec![listing(sessions(2))]);
    desk.see(vec![listing(sessions(1))]);
    desk.see(vec![Listing { extent: Extent::Failed("timed out".into()), ..listing(vec![]) }]);
    assert!(matches!(desk.record("$1").standing, Standing::Missing { misses: 1, .. }));
    assert_eq!(names(&desk.see(vec![listing(sessions(1))])), ["session.stopped", "instance.clear"]);
}

#[test]
fn two_looks_within_a_moment_are_one() {
    let mut desk = Desk::new();
    desk.see(vec![listing(sessions(1))]);
    desk.see(vec![listing(vec![])]);
    desk.records.spacing = Span::from_secs(31);
    assert_eq!(desk.see(vec![listing(vec![])]), []);
    desk.records.spacing = Span::from_secs(30);
    assert_eq!(names(&desk.see(vec![listing(vec![])])), ["session.stopped"]);
}

#[test]
fn another_start_of_the_server_ends_its_sessions_at_once() {
    let mut desk = Desk::new();
    desk.see(vec![listing(sessions(3))]);
    let events = desk.see(vec![restarted(vec![session("$7")])]);
    assert_eq!(names(&events), ["session.seen", "session.stopped", "session.stopped", "session.stopped"]);

    // An empty answer without a server process may come from a gateway that has
    // not read its sessions yet.
    let mut desk = Desk::new();
    desk.see(vec![listing(sessions(3))]);
    assert_eq!(names(&desk.see(vec![restarted(vec![])])), vec!["session.missing"; 3]);

    let other = Some(ProcessId { pid: 200, started: 9 });
    let mut desk = Desk::new();
    desk.see(vec![served(sessions(3))]);
    let events = desk.see(vec![Listing { server: other, ..restarted(vec![]) }]);
    assert_eq!(names(&events), vec!["session.stopped"; 3]);

    // The old server lives on, out of reach, and its sessions with it.
    let mut desk = Desk::new();
    desk.see(vec![served(sessions(3))]);
    desk.alive.insert(SERVER);
    for _ in 0..10 {
        desk.see(vec![Listing { server: other, ..restarted(vec![]) }]);
    }
    assert_eq!(desk.counts(), (3, 0));
    assert_eq!(desk.state.doubts().count(), 1);
}

#[test]
fn a_session_that_outlives_its_server_stays_the_same() {
    let mut desk = Desk::new();
    desk.see(vec![listing(sessions(1))]);
    assert_eq!(desk.see(vec![restarted(sessions(1))]), []);
    assert_eq!(desk.record("$0").seen_times, 2);
    assert_eq!(desk.record("$0").generation, Some(Generation::new("2")));
}

#[test]
fn a_key_that_means_another_session_stops_the_first() {
    let mut desk = Desk::new();
    desk.see(vec![listing(sessions(1))]);
    let second = Session { incarnation: Incarnation::new("second"), ..session("$0") };
    let events = desk.see(vec![listing(vec![second])]);
    assert_eq!(names(&events), ["session.stopped", "session.seen"]);
    assert!(matches!(&events[1], Event::Seen { after: Some(first), .. } if first.as_str() == "first"));
    assert_eq!(desk.counts(), (1, 1));
    assert_eq!(names(&desk.see(vec![listing(sessions(1))])), ["session.stopped", "session.returned"]);
    assert_eq!(desk.counts(), (1, 1));
}

#[test]
fn proofs_count_while_nobody_answers() {
    let failed = || vec![Listing { extent: Extent::Failed("refused".into()), ..listing(vec![]) }];
    let process = ProcessId { pid: 7, started: 7 };
    let working = || Session { processes: vec![process], ..session("$0") };

    let mut desk = Desk::new();
    desk.see(vec![served(vec![working()])]);
    desk.gone.insert(process);
    desk.see(failed());
    assert_eq!(desk.counts(), (1, 0), "its server may keep a session without a process");
    desk.gone.insert(SERVER);
    assert_eq!(names(&desk.see(failed()))[0], "session.stopped");

    let mut desk = Desk::new();
    desk.see(vec![listing(vec![working()])]);
    desk.gone.insert(process);
    assert_eq!(names(&desk.see(failed()))[0], "session.stopped", "the process was the session");
}

#[test]
fn a_reboot_ends_what_lived_on_this_machine() {
    let failed = || vec![Listing { extent: Extent::Failed("refused".into()), ..listing(vec![]) }];
    for (first, gone) in [(served(sessions(2)), true), (listing(sessions(2)), false)] {
        let mut desk = Desk::new();
        desk.see(vec![first]);
        (desk.boot, desk.uptime) = ("boot 2".to_owned(), 20_000);
        // The pid and its start tick have come again.
        desk.alive.insert(SERVER);
        let events = names(&desk.see(failed()));
        assert_eq!(events[0], "machine.rebooted");
        assert_eq!(desk.counts(), if gone { (0, 2) } else { (2, 0) });
        desk.see(vec![listing(vec![])]);
        desk.see(vec![listing(vec![])]);
        assert_eq!(desk.counts(), (0, 2), "either way they converge");
    }
}

#[test]
fn an_instance_that_is_not_listed_any_more_converges() {
    let mut desk = Desk::new();
    desk.see(vec![listing(sessions(2))]);
    for _ in 0..3 {
        desk.see(vec![]);
        assert_eq!(desk.counts(), (2, 0));
    }
    desk.see(vec![]);
    assert_eq!(desk.counts(), (0, 2));

    let mut desk = Desk::new();
    desk.see(vec![served(sessions(2))]);
    desk.alive.insert(SERVER);
    for _ in 0..10 {
        desk.see(vec![]);
    }
    assert_eq!(desk.counts(), (2, 0), "its socket is gone, and the server lives");
    (desk.alive, desk.gone) = (Default::default(), [SERVER].into());
    desk.see(vec![]);
    assert_eq!(desk.counts(), (0, 2));
}

#[test]
fn records_are_pruned_while_it_runs_and_not_by_a_jump() {
    let mut desk = Desk::new();
    desk.see(vec![listing(sessions(1))]);
    desk.see(vec![listing(vec![])]);
    desk.see(vec![listing(vec![])]);
    desk.skew = 30 * 86_400_000;
    assert_eq!(names(&desk.see(vec![])), ["clock.jumped"]);
    desk.wait(86_400 - 60);
    assert_eq!(desk.see(vec![]), []);
    desk.wait(60);
    assert_eq!(names(&desk.see(vec![])), ["record.pruned"]);
    assert_eq!(desk.state.records().count(), 0);
}

#[test]
fn a_clock_that_was_set_moves_what_was_noted() {
    let mut desk = Desk::new();
    desk.see(vec![listing(sessions(1))]);
    let (seen, active) = (desk.record("$0").first_seen, desk.record("$0").last_active());
    let day = Span::from_secs(86_400);
    desk.skew = 86_400_000;
    desk.see(vec![listing(sessions(1))]);
    assert_eq!(desk.record("$0").first_seen, seen.plus(day));
    assert_eq!(desk.record("$0").last_active(), active.map(|active| active.plus(day)));
    // What the backend tells after it is told by the new clock.
    let told = Timestamp::from_millis(desk.now().millis() - 5000);
    desk.see(vec![listing(vec![Session { last_active: Some(told), ..session("$0") }])]);
    assert_eq!(desk.record("$0").last_active(), Some(told));
    // And back again.
    desk.skew = 0;
    desk.see(vec![listing(vec![Session { last_active: Some(told), ..session("$0") }])]);
    assert_eq!(desk.record("$0").first_seen, seen);
    assert_eq!(desk.record("$0").created(), session("$0").created);
}

#[test]
fn a_memory_that_contradicts_itself_is_refused() {
    let mut desk = Desk::new();
    desk.see(vec![listing(sessions(2))]);
    let memory = desk.state.memory();
    assert_eq!(State::try_from(memory.clone()).expect("the same again").memory(), memory);
    let mut doubled = memory.clone();
    doubled.records.push(memory.records[0].clone());
    assert!(State::try_from(doubled).is_err());
    let mut shared = memory;
    shared.records[0].address = shared.records[1].address.clone();
    assert!(State::try_from(shared).is_err());
}

#[test]
fn a_steady_pass_changes_no_record() {
    let mut desk = Desk::new();
    desk.see(vec![listing(sessions(2))]);
    let before = desk.record("$0").clone();
    assert_eq!(desk.see(vec![listing(sessions(2))]), []);
    let after = desk.record("$0").clone();
    assert_eq!(after.seen_times, 2);
    assert_eq!(reap_core::record::Record { last_seen: before.last_seen, seen_times: 1, ..after }, before);
}

#[test]
fn one_that_was_ended_and_is_listed_all_the_same_is_watched_again() {
    let mut desk = Desk::new();
    for _ in 0..3 {
        desk.see(vec![listing(sessions(2))]);
    }
    let (handle, state) = (desk.record("$0").handle.clone(), std::mem::take(&mut desk.state));
    let ended = Outcome::Ended { notes: Vec::new() };
    desk.state = settle(state, &handle, &ended, desk.now(), &desk.rules.backoff).state;
    assert_eq!(desk.counts(), (1, 1));
    assert_eq!(names(&desk.see(vec![listing(sessions(2))])), ["session.returned"]);
    assert_eq!(desk.counts(), (2, 0));
    for _ in 0..2 {
        desk.see(vec![listing(vec![])]);
    }
    assert_eq!(desk.counts(), (0, 2));
}

/// A command looks between a jump of the clock and the next cycle.
#[test]
fn a_look_after_a_jump_makes_nobody_older() {
    let mut desk = Desk::new();
    desk.see(vec![listing(vec![session("$1")])]);
    let idle = |desk: &Desk| {
        let reading = Reading {
            at: desk.now(),
            boot: BootId::new(desk.boot.clone()),
            uptime: Span::from_millis(desk.uptime),
        };
        let seen =
            Observation { at: desk.now(), listings: vec![listing(vec![session("$1")])], faults: Vec::new() };
        survey_beside(&seen, &caught_up(&desk.state, &reading, &desk.records))[0].idle
    };
    let before = idle(&desk).expect("it is known");
    desk.skew = 86_400_000;
    assert_eq!(idle(&desk), Some(before));
    desk.wait(60);
    assert_eq!(idle(&desk), Some(Span::from_millis(before.millis() + 60_000)));
}
