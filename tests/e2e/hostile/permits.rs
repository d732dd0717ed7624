//! A permit is leave to end one session, in one call. It is good for no other
//! session, not later, and nobody can make one up. In each run a session of tmux
//! is ended too, which shows that the run goes on.

use super::{VICTIM, reap_with, world};
use crate::support::{Json, Process, Ran, World};

/// The variable that names the processes of a session beside the victim.
const OTHER: &str = "HOSTILE_OTHER_PIDS";

/// The same of a session of another instance.
const FAR: &str = "HOSTILE_FAR_PIDS";

/// Ends these sessions and one of tmux, while the attacker lists these.
#[track_caller]
fn kill(world: &World, listed: &[(&str, &[Process])], names: &[&str]) -> Items {
    let tmux = world.server("main").sleeper("of-tmux");
    let words = [&["-v", "kill", "--yes", "--json", "of-tmux"], names].concat();
    let ran = reap_with(world, listed, &words);
    let items = Items { all: ran.json().at("/items"), ran };
    items.is("of-tmux", "ended");
    assert!(!tmux.lives());
    items
}

/// What became of the sessions.
struct Items {
    all: Json,
    ran: Ran,
}

impl Items {
    #[track_caller]
    fn is(&self, title: &str, outcome: &str) {
        let item = self.all.find("/title", title);
        assert_eq!(item.at("/outcome").text(), outcome, "{title}: {}", self.ran);
    }
}

/// Without an attack each session ends: else the tests below would show nothing.
#[test]
fn each_session_ends_by_its_own_permit() {
    let world = world("");
    let all = [(); 3].map(|()| world.bystander());
    let listed: [(&str, &[Process]); 3] = [(VICTIM, &all[..1]), (OTHER, &all[1..2]), (FAR, &all[2..])];
    let items = kill(&world, &listed, &["victim", "other", "far"]);
    items.ran.exits(0);
    assert!(!all.iter().any(|process| process.lives()));
}

/// The attack is made instead of the end. Both sessions fail, with this said, and
/// both live.
#[track_caller]
fn both_live(attack: &str, said: &[&str]) {
    let world = world(attack);
    let both = [(); 2].map(|()| world.bystander());
    let items = kill(&world, &[(VICTIM, &both[..1]), (OTHER, &both[1..])], &["victim", "other"]);
    items.is("victim", "failed");
    items.is("other", "failed");
    let ran = items.ran.exits(5).says(said);
    assert!(both.iter().all(|process| process.lives()), "{ran}");
}

#[test]
fn a_permit_that_was_made_up() {
    both_live("made-up", &["the plugin failed in end", "unknown handle index 1000"]);
}

#[test]
fn another_resource_in_place_of_a_permit() {
    both_live("another-resource", &["the plugin failed in end", "wrong type"]);
}

#[test]
fn a_permit_that_was_given_back() {
    both_live("dropped", &["the plugin failed in end", "unknown handle index"]);
}

/// It uses the victim's permit for each of the sessions, and says that all ended.
#[test]
fn a_permit_for_another_session() {
    let world = world("victims-for-all");
    let [victim, other] = [(); 2].map(|()| world.bystander());
    let items = kill(&world, &[(VICTIM, &[victim]), (OTHER, &[other])], &["victim", "other"]);
    items.is("victim", "ended");
    items.is("other", "failed");
    let ran = items.ran.exits(5).says(&[
        "the host did it: victim",
        "`run` with a permit that was used for it before",
        "`terminate` with a permit that was used for it before",
        "processes of it live on",
    ]);
    assert!(!ran.stderr.contains("the host did it: other"), "{ran}");
    assert!(!victim.lives() && other.lives(), "{ran}");
}

/// It keeps its permits where the next call would find them, of this instance or
/// of another, if that were made in the same memory.
#[test]
fn a_permit_that_was_kept() {
    let world = world("keep");
    let [victim, far] = [(); 2].map(|()| world.bystander());
    // Of a session without processes its word is believed, so that it is asked again.
    let items =
        kill(&world, &[(VICTIM, &[victim]), (OTHER, &[]), (FAR, &[far])], &["victim", "other", "far"]);
    items.is("victim", "failed");
    items.is("far", "failed");
    items.is("other", "ended");
    let ran = items.ran.exits(5).says(&["the permit for victim has the number"]);
    let found = ran.stderr.matches("permits of another call: ").count();
    let none = ran.stderr.matches("permits of another call: 0").count();
    assert_eq!((found, none), (3, 3), "two calls of `end` and one of `inspect`: {ran}");
    assert!(victim.lives() && far.lives(), "{ran}");
}

/// Without the permit it still has its number.
#[test]
fn the_number_of_a_permit_that_was_kept() {
    let world = world("keep-number");
    let victim = world.bystander();
    let items = kill(&world, &[(VICTIM, &[victim]), (OTHER, &[])], &["victim", "other"]);
    items.is("victim", "failed");
    items.is("other", "failed");
    let ran = items.ran.exits(5).says(&[
        "has the number 1",
        "could not be verified",
        "the plugin failed in inspect",
        "unknown handle index 1",
    ]);
    assert!(victim.lives(), "{ran}");
}

/// It lists what is another session's, so that the permit for one seems to name
/// the other's processes.
#[test]
fn processes_that_another_session_lists_too() {
    let world = world("");
    let [own, others, far] = [(); 3].map(|()| world.bystander());
    let listed: [(&str, &[Process]); 3] = [(VICTIM, &[own, others, far]), (OTHER, &[others]), (FAR, &[far])];
    let ran = kill(&world, &listed, &["victim"]).ran;
    assert!(!own.lives(), "{ran}");
    assert!(others.lives() && far.lives(), "{ran}");
}
