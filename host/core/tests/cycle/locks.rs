//! Locks come and go with those who hold them.

use reap_core::listing::{Extent, Listing};
use reap_core::locks::{Directory, Holder, LockError, LockRules, free, take_by_hand, take_for};
use reap_core::selector::Selector;
use reap_core::session::{Activity, Session};
use reap_core::state::Refused;

use crate::desk::{Desk, listing, names, session};

fn desk() -> Desk {
    Desk { locks: LockRules { automatic: vec![Selector::everything()] }, ..Desk::new() }
}

fn directory(path: &str) -> Directory {
    Directory::new(path).expect("a directory")
}

fn holder(desk: &Desk) -> Option<String> {
    let lock = desk.state.locks().get(&directory("/srv/app"))?;
    lock.holder.session().map(|who| who.address.key.to_string())
}

#[test]
fn a_directory_is_written_in_one_way() {
    let cases = [("/", "/"), ("//a/./b/", "/a/b"), ("/a b", "/a b")];
    for (path, written) in cases {
        assert_eq!(directory(path).as_str(), written);
    }
    for path in ["", "a", "./a", "/a/../b", "/a\0"] {
        assert!(Directory::new(path).is_err(), "{path:?}");
    }
}

#[test]
fn a_live_session_locks_where_it_works() {
    let mut desk = desk();
    let elsewhere = Session { cwd: Some("/srv/other".into()), ..session("$1") };
    let ended = Session { activity: Activity::Stopped, cwd: Some("/srv/ended".into()), ..session("$2") };
    let (events, _) = desk.cycle(vec![listing(vec![session("$1"), ended])]);
    assert_eq!(names(&events), ["session.seen", "session.seen", "lock.taken"]);
    assert_eq!(holder(&desk).as_deref(), Some("$1"));
    assert_eq!(names(&desk.cycle(vec![listing(vec![elsewhere])]).0)[1..], ["lock.freed", "lock.taken"]);
    assert_eq!(holder(&desk), None);
}

#[test]
fn a_lock_stays_while_its_session_is_unknown_and_goes_when_it_is_gone() {
    let mut desk = desk();
    desk.cycle(vec![listing(vec![session("$1")])]);
    for _ in 0..5 {
        desk.cycle(vec![Listing { extent: Extent::Failed("timed out".into()), ..listing(vec![]) }]);
        assert!(holder(&desk).is_some());
    }
    assert_eq!(names(&desk.cycle(vec![listing(vec![])]).0).len(), 2, "missing, and clear again");
    assert!(holder(&desk).is_some(), "one absence proves nothing");
    assert_eq!(names(&desk.cycle(vec![listing(vec![])]).0), ["session.stopped", "lock.freed"]);
    assert_eq!(desk.state.locks().iter().count(), 0);
}

#[test]
fn who_comes_second_is_shown_and_comes_next() {
    let mut desk = desk();
    desk.cycle(vec![listing(vec![session("$2")])]);
    let (events, _) = desk.cycle(vec![listing(vec![session("$1"), session("$2")])]);
    assert_eq!(names(&events), ["session.seen", "lock.contested"]);
    assert_eq!(holder(&desk).as_deref(), Some("$2"));
    desk.cycle(vec![listing(vec![session("$1")])]);
    let (events, _) = desk.cycle(vec![listing(vec![session("$1")])]);
    assert_eq!(names(&events), ["session.stopped", "lock.freed", "lock.taken"]);
    assert_eq!(holder(&desk).as_deref(), Some("$1"));
}

#[test]
fn locks_by_hand_exclude_others() {
    let mut desk = desk();
    let app = || directory("/srv/app");
    let take = |desk: &mut Desk, name: &str| {
        let now = desk.state.now();
        let state = std::mem::take(&mut desk.state);
        let (state, told) = match take_by_hand(state, app(), name, now) {
            Ok(step) => (step.state, Ok(names(&step.events))),
            Err(Refused { state, error }) => (*state, Err(error)),
        };
        desk.state = state;
        told
    };
    assert_eq!(take(&mut desk, "ann"), Ok(vec!["lock.taken".to_owned()]));
    assert_eq!(take(&mut desk, "ann"), Ok(vec![]));
    let error = take(&mut desk, "bob").expect_err("ann has it");
    assert!(error.to_string().contains("for ann"), "{error}");
    desk.cycle(vec![listing(vec![session("$1")])]);
    let lock = desk.state.locks().get(&app()).expect("it is locked");
    assert_eq!(lock.holder, Holder::Person { name: "ann".into() });
    assert_eq!(lock.contenders.len(), 1, "the session is there all the same");

    let state = std::mem::take(&mut desk.state);
    let step = free(state, &app()).expect("it is locked");
    assert_eq!(names(&step.events), ["lock.freed"]);
    let Refused { state, error } = free(step.state, &app()).expect_err("it is free");
    assert_eq!(error, LockError::NotLocked(app()));

    let handle = desk_handle(&state);
    let now = state.now();
    let step = take_for(*state, app(), &handle, now).expect("the session lives");
    desk.state = step.state;
    desk.cycle(vec![listing(vec![])]);
    assert_eq!(names(&desk.cycle(vec![listing(vec![])]).0), ["session.stopped", "lock.freed"]);
    let Refused { error, .. } =
        take_for(std::mem::take(&mut desk.state), app(), &handle, now).expect_err("it is gone");
    assert_eq!(error, LockError::NoSession(handle));
}

fn desk_handle(state: &reap_core::state::State) -> reap_core::ids::Handle {
    state.records().next().expect("one record").handle.clone()
}
