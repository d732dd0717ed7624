//! Every way that an end can go.

use reap_plugin::ending::Survivor;
use reap_plugin::fact;

use super::*;
use crate::listing::failed as failed_listing;
use crate::testing::{complete, listed, process};

fn output(status: Option<i32>, stdout: &str, stderr: &str) -> Result<Output, Error> {
    Ok(Output { status, stdout: stdout.as_bytes().to_vec(), stderr: stderr.to_owned(), truncated: false })
}

fn with_extent(extent: Extent) -> Listing {
    Listing { extent, ..complete(Vec::new()) }
}

fn grouped(key: &str, pids: &[u32]) -> Session {
    Session { extra: vec![fact("group", "g1")], ..listed(key, pids) }
}

fn invisible(key: &str) -> Session {
    Session { extra: vec![fact(VISIBLE, false)], ..listed(key, &[]) }
}

fn outcome(fate: Fate) -> Outcome {
    match fate {
        Fate::Settled(outcome) => outcome,
        Fate::Gone { .. } => panic!("not settled"),
    }
}

fn skipped(fate: Fate) -> String {
    match outcome(fate).verdict {
        Verdict::Skipped(why) => why,
        other => panic!("{other:?}"),
    }
}

fn failure(fate: Fate) -> String {
    match outcome(fate).verdict {
        Verdict::Failed(error) => error.reason(),
        other => panic!("{other:?}"),
    }
}

fn notes(fate: Fate) -> Vec<String> {
    match fate {
        Fate::Gone { notes } => notes,
        Fate::Settled(outcome) => panic!("settled: {outcome:?}"),
    }
}

#[test]
fn answers_of_the_guarded_command() {
    assert_eq!(Act::of(output(Some(0), "", "")), Act::Accepted);
    assert_eq!(Act::of(output(Some(0), "REFUSED\n", "")), Act::Refused);
    let failed = [
        output(Some(0), "REFUSED REFUSED\n", ""),
        output(Some(0), "something else\n", ""),
        output(Some(1), "", "server exited unexpectedly\n"),
        output(Some(1), "REFUSED\n", ""),
        output(None, "", ""),
        Err(Error::TimedOut("tmux gave no answer within 5 s".to_owned())),
    ];
    for answer in failed {
        assert!(matches!(Act::of(answer.clone()), Act::Failed(_)), "{answer:?}");
    }
}

#[test]
fn a_session_that_is_listed_no_more_is_gone() {
    let session = listed("$1", &[20, 21]);
    for after in [
        complete(Vec::new()),
        complete(vec![listed("$2", &[30])]),
        with_extent(Extent::Absent("no server".into())),
    ] {
        assert_eq!(notes(Fate::of(&session, Act::Accepted, &after)), [""; 0]);
    }
    let reused = complete(vec![Session { incarnation: "2".to_owned(), ..listed("$1", &[40]) }]);
    assert_eq!(notes(Fate::of(&session, Act::Accepted, &reused)), [""; 0], "another server's $1");
}

#[test]
fn what_was_not_seen_to_end_did_not_end() {
    let session = listed("$1", &[20]);
    let there = complete(vec![session.clone()]);
    assert!(failure(Fate::of(&session, Act::Accepted, &there)).contains("still there"));
    let unreadable = failed_listing("/s", Error::TimedOut("no answer".to_owned()));
    assert!(failure(Fate::of(&session, Act::Accepted, &unreadable)).ends_with("afterwards: no answer"));
    let partial = with_extent(Extent::Partial("a row is odd".to_owned()));
    assert!(failure(Fate::of(&session, Act::Accepted, &partial)).ends_with("afterwards: a row is odd"));
}

#[test]
fn a_refusal_says_what_changed() {
    let session = listed("$1", &[20]);
    let attached = Session { attached: true, ..session.clone() };
    let other = Session { incarnation: "2".to_owned(), ..session.clone() };
    let cases = [
        (complete(vec![attached]), "somebody is attached to it"),
        (complete(vec![session.clone()]), "somebody was attached to it"),
        (complete(vec![other]), "its id belongs to another session now"),
        (complete(Vec::new()), "it has ended by itself"),
        (
            with_extent(Extent::Partial("x".into())),
            "tmux refused, and the server could not be looked at afterwards",
        ),
    ];
    for (after, what) in cases {
        let said = skipped(Fate::of(&session, Act::Refused, &after));
        assert_eq!(said, format!("it changed at the last moment: {what}"));
    }
}

#[test]
fn a_command_that_failed_fails_unless_the_server_has_ended() {
    let session = listed("$1", &[20]);
    let act = Act::Failed(Error::Unavailable("tmux failed".to_owned()));
    assert_eq!(failure(Fate::of(&session, act.clone(), &complete(vec![session.clone()]))), "tmux failed");
    let absent = with_extent(Extent::Absent("no server".to_owned()));
    assert_eq!(skipped(Fate::of(&session, act, &absent)), "its server has ended");
}

#[test]
fn windows_that_live_on_are_named() {
    let cases = [
        (
            grouped("$1", &[20, 21]),
            vec![grouped("$2", &[20, 21])],
            Some("no process ended: its windows live on in session $2 (group g1)"),
        ),
        (
            grouped("$1", &[]),
            vec![grouped("$2", &[]), grouped("$3", &[])],
            Some("no process ended: its windows live on in sessions $2, $3 (group g1)"),
        ),
        (
            listed("$1", &[20, 21, 22]),
            vec![listed("$2", &[20, 21]), listed("$3", &[30])],
            Some("2 of its 3 processes live on with windows in session $2"),
        ),
        (listed("$1", &[]), vec![listed("$2", &[20])], None),
    ];
    for (session, others, note) in cases {
        let fate = Fate::of(&session, Act::Accepted, &complete(others));
        assert_eq!(notes(fate), note.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn nothing_is_ended_blindly() {
    let after = complete(vec![invisible("$2")]);
    let why = failure(Fate::of(&listed("$1", &[20]), Act::Accepted, &after));
    assert!(why.contains("could not be seen, so none was ended"), "{why}");
    let why = failure(Fate::of(&invisible("$1"), Act::Accepted, &after));
    assert!(why.contains("nobody knows whether they live"), "{why}");
}

#[test]
fn survivors_are_no_success() {
    let termination = |terminated: &[u32], killed: &[u32], survivors: &[u32]| Termination {
        ended: vec![process(20)],
        terminated: terminated.iter().copied().map(process).collect(),
        killed: killed.iter().copied().map(process).collect(),
        survivors: survivors
            .iter()
            .map(|pid| Survivor { process: process(*pid), reason: "the kernel holds it".to_owned() })
            .collect(),
    };
    let done = finished(vec!["first".to_owned()], Ok(termination(&[21, 22], &[23], &[])));
    assert_eq!(done.verdict, Verdict::Ended);
    let expected =
        ["first", "2 processes had to be asked to end (TERM)", "1 process had to be killed (KILL)"];
    assert_eq!(done.notes, expected);

    let left = finished(Vec::new(), Ok(termination(&[], &[], &[24])));
    assert!(matches!(left.verdict, Verdict::Failed(_)), "{left:?}");
    assert_eq!(left.survivors.len(), 1);

    let denied = finished(Vec::new(), Err(Error::Failed("no".to_owned())));
    assert!(matches!(denied.verdict, Verdict::Failed(_)), "{denied:?}");
}
