//! `kill -9` at every step of a cycle, and of a command that ends something. The
//! crash is put there from outside: by a `tmux` that waits, and by the database's
//! write lock, for which Reap waits. After it nothing is ended twice, and what may
//! have happened is settled by looking, once.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{
    Daemon, Gate, Intent, Json, Process, Session, Step, Wire, World, WriteLock, holds, until,
};

/// A cycle begins when the test asks for it, and an orphan is due at the third.
const RULES: &str = "[policies.idle-shell]\nafter = \"0s\"\n[marks]\ntimes = 3\ngrace = \"0s\"\n\
    [retry]\nfirst = \"1s\"\n[records]\nspacing = \"0s\"\n[daemon]\nmode = \"enforce\"\nevery = \"1h\"\n";

/// A step of the cycle that ends an orphan.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Before the first look.
    Look,
    /// At the write of what the cycle found, before anything is done.
    StateWrite,
    /// Before the look that comes just before the act.
    SecondLook,
    /// At the write of the intents.
    Intend,
    /// Before tmux ends the session.
    BeforeEnd,
    /// When tmux has ended it, and Reap does not know yet.
    AfterEnd,
    /// At the write of the outcome.
    Settle,
}

impl Place {
    /// Which command waits, how many of its kind go first, and whether the next
    /// write after it is meant.
    fn reached_by(self) -> (Step, usize, bool) {
        match self {
            Self::Look => (Step::Look, 0, false),
            Self::StateWrite => (Step::Look, 0, true),
            Self::SecondLook => (Step::Look, 1, false),
            Self::Intend => (Step::Look, 1, true),
            Self::BeforeEnd => (Step::BeforeEnd, 0, false),
            Self::AfterEnd => (Step::AfterEnd, 0, false),
            Self::Settle => (Step::AfterEnd, 0, true),
        }
    }
}

/// An orphan and one that is none, with a tmux that can be made to wait.
struct Stage<'w> {
    world: &'w World,
    gate: Gate<'w>,
    work: Session<'w>,
    leader: Process,
    stays: Session<'w>,
    /// How many orphans there are.
    orphans: usize,
}

impl<'w> Stage<'w> {
    fn in_world(world: &'w World) -> Self {
        let server = world.server("main");
        let (work, stays) = (server.shell("work"), server.sleeper("stays"));
        Self { world, gate: Gate::in_world(world), leader: work.leader(), work, stays, orphans: 1 }
    }

    #[track_caller]
    fn daemon(&self) -> Daemon<'w> {
        self.world.daemon_as(&mut self.gate.command(&["daemon"]))
    }

    /// A daemon that has gone through its first cycle.
    #[track_caller]
    fn daemon_with_a_cycle(&self) -> Daemon<'w> {
        let daemon = self.daemon();
        holds("the first cycle", || !api_status(&daemon).at("/cycle").is_null());
        daemon
    }

    /// Kills a daemon at this place of the cycle that ends the orphan. The command
    /// that waits there is killed too, as when the machine's user session ends.
    #[track_caller]
    fn crash_at(&self, place: Place) {
        let daemon = self.daemon_with_a_cycle();
        daemon.cycle();
        assert!(self.work.lives(), "it is not due yet");
        let _asked = self.goes_into(&daemon, place.reached_by());
        self.crash(daemon, place);
    }

    /// Asks for a cycle, and waits until it has come to this step.
    #[track_caller]
    fn goes_into(&self, daemon: &Daemon<'_>, (step, passes, _): (Step, usize, bool)) -> Box<dyn Wire> {
        self.gate.shut(step, passes);
        let asked = daemon.http().send("POST", "/v1/cycle", "").expect("the daemon answers");
        self.waiting(step);
        asked
    }

    /// The commands that wait at this step: one look, or an end for each orphan.
    #[track_caller]
    fn waiting(&self, step: Step) -> Vec<Process> {
        self.gate.reached(step, if step == Step::Look { 1 } else { self.orphans })
    }

    #[track_caller]
    fn crash(&self, daemon: Daemon<'_>, place: Place) {
        let (step, _, at_write) = place.reached_by();
        let waiting = self.waiting(step);
        let lock: Option<WriteLock> = at_write.then(|| self.world.lock_database());
        if at_write {
            self.gate.open(step);
            waits_for_the_disk(&daemon);
        }
        daemon.crash();
        waiting.iter().for_each(|process| process.signal(Signal::KILL));
        drop(lock);
        if !at_write {
            self.gate.open(step);
        }
    }

    /// Goes on until each intent has an outcome. One look is not enough to take a
    /// session for gone.
    #[track_caller]
    fn settles(&self, daemon: &Daemon<'_>) {
        holds("an outcome for each intent", || {
            daemon.cycle();
            self.world.intents().iter().all(|intent| !intent.outcomes.is_empty())
        });
    }

    /// Each intent has this outcome and no other, and what should live does.
    #[track_caller]
    fn is_settled(&self, outcomes: &[&str]) {
        let expected: Vec<Intent> = outcomes.iter().map(|outcome| Intent::new("work", &[*outcome])).collect();
        assert_eq!(self.world.intents(), expected);
        self.world.journal_is_sound();
        assert!(!self.work.lives() && !self.leader.lives());
        assert!(self.stays.lives() && self.stays.leader().lives());
    }
}

/// How the daemon is, asked by hand.
#[track_caller]
fn api_status(daemon: &Daemon<'_>) -> Json {
    daemon.http().get("/v1/status").is(200).json()
}

/// Waits until the daemon waits for the write lock: then it holds its memory, and
/// who asks how it is gets no answer. Should it be slow for another reason, it has
/// not come to the write yet, and the crash is the same.
#[track_caller]
fn waits_for_the_disk(daemon: &Daemon<'_>) {
    holds("no answer", || {
        let http = daemon.http().within(Duration::from_millis(300));
        let mut wire = http.send("GET", "/v1/status", "").expect("the daemon listens");
        let read = wire.read(&mut [0]);
        read.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    });
}

/// Before the intent is on the disk nothing is begun. The marks were kept: the
/// first cycle after the start has the third vote.
#[track_caller]
fn dies_before_the_intent(place: Place) {
    let world = World::with(RULES);
    let stage = Stage::in_world(&world);
    stage.crash_at(place);
    assert!(stage.work.lives() && stage.leader.lives());
    assert_eq!((stage.gate.ends(), world.intents()), (0, Vec::new()));
    world.journal_is_sound();
    let daemon = stage.daemon_with_a_cycle();
    assert!(!stage.work.lives(), "the first cycle ends it");
    assert_eq!(daemon.stop(), 0);
    stage.is_settled(&["ended"]);
    assert_eq!(stage.gate.ends(), 1);
}

#[test]
fn before_a_look() {
    dies_before_the_intent(Place::Look);
}

#[test]
fn at_the_write_of_what_was_found() {
    dies_before_the_intent(Place::StateWrite);
}

#[test]
fn before_the_second_look() {
    dies_before_the_intent(Place::SecondLook);
}

#[test]
fn at_the_write_of_the_intent() {
    dies_before_the_intent(Place::Intend);
}

/// The command died with the daemon, so the session lives. That is seen, and it is
/// tried again after the pause of one that failed.
#[test]
fn before_tmux_ends_the_session() {
    let world = World::with(RULES);
    let stage = Stage::in_world(&world);
    stage.crash_at(Place::BeforeEnd);
    assert!(stage.work.lives() && stage.leader.lives());
    assert_eq!(world.intents(), [Intent::new("work", &[])]);
    world.journal_is_sound();
    let daemon = stage.daemon_with_a_cycle();
    assert!(stage.work.lives(), "not before the pause is over");
    assert_eq!(world.intents(), [Intent::new("work", &["failed"])]);
    assert_eq!(stage.gate.ends(), 1);
    holds("the end of the session", || {
        daemon.cycle();
        !stage.work.lives()
    });
    assert_eq!(daemon.stop(), 0);
    stage.is_settled(&["failed", "ended"]);
    assert_eq!(stage.gate.ends(), 2);
}

/// The command lives on without the daemon and ends the session later. The new
/// daemon sees what is there when it looks, and begins nothing of its own meanwhile.
#[test]
fn a_command_that_outlives_its_daemon() {
    let world = World::with(RULES);
    let stage = Stage::in_world(&world);
    let daemon = stage.daemon_with_a_cycle();
    daemon.cycle();
    let _asked = stage.goes_into(&daemon, Place::BeforeEnd.reached_by());
    daemon.crash();
    let daemon = stage.daemon_with_a_cycle();
    assert_eq!(world.intents(), [Intent::new("work", &["failed"])]);
    stage.gate.open(Step::BeforeEnd);
    holds("the end that comes late", || !stage.work.lives());
    daemon.cycle();
    daemon.cycle();
    assert_eq!(standing(&api_status(&daemon), "stopped"), 1);
    assert_eq!(daemon.stop(), 0);
    stage.is_settled(&["failed"]);
    assert_eq!(stage.gate.ends(), 1);
}

/// How many sessions of tmux stand so.
fn standing(status: &Json, word: &str) -> u64 {
    let records = status.at("/backends").find("/name", "tmux").at("/records");
    if records.fields().contains(&word) { records.at(&format!("/{word}")).number() } else { 0 }
}

/// The session is gone. That is seen, and tmux is not told again.
#[track_caller]
fn dies_after_the_end(place: Place) {
    let world = World::with(RULES);
    let stage = Stage::in_world(&world);
    stage.crash_at(place);
    assert!(!stage.work.lives());
    assert_eq!(world.intents(), [Intent::new("work", &[])]);
    world.journal_is_sound();
    world.reap(&["journal", "verify"]).exits(0).says(&["1 end was begun and not settled"]);
    let daemon = stage.daemon_with_a_cycle();
    stage.settles(&daemon);
    daemon.cycle();
    let status = api_status(&daemon);
    assert_eq!(["live", "missing"].map(|word| standing(&status, word)), [1, 0], "{status}");
    assert_eq!(daemon.stop(), 0);
    stage.is_settled(&["ended"]);
    assert_eq!(stage.gate.ends(), 1);
}

#[test]
fn when_tmux_has_ended_the_session() {
    dies_after_the_end(Place::AfterEnd);
}

#[test]
fn at_the_write_of_the_outcome() {
    dies_after_the_end(Place::Settle);
}

/// The daemon that would have settled it crashes too, before it has looked, and
/// when it has looked and not written.
#[test]
fn again_while_it_settles_what_the_first_crash_left() {
    let world = World::with(RULES);
    let stage = Stage::in_world(&world);
    stage.crash_at(Place::AfterEnd);
    for at_write in [false, true] {
        stage.gate.shut(Step::Look, 0);
        let daemon = stage.daemon();
        stage.waiting(Step::Look);
        stage.crash(daemon, if at_write { Place::StateWrite } else { Place::Look });
        assert_eq!(world.intents(), [Intent::new("work", &[])]);
        world.journal_is_sound();
    }
    let daemon = stage.daemon_with_a_cycle();
    stage.settles(&daemon);
    assert_eq!(daemon.stop(), 0);
    stage.is_settled(&["ended"]);
    assert_eq!(stage.gate.ends(), 1);
}

/// Of two sessions in one plan one was ended and one was not: each is settled by
/// what is there.
#[test]
fn half_way_through_a_plan() {
    let world = World::with(RULES);
    let mut stage = Stage::in_world(&world);
    let more = stage.work.server.shell("more");
    stage.orphans = 2;
    stage.crash_at(Place::BeforeEnd);
    assert!(more.lives() && stage.work.lives());
    // To whoever looks afterwards this is the same as an end by the daemon.
    more.server.tmux(&["kill-session", "-t", &more.id]);
    holds("the end of it", || !more.lives());
    let daemon = stage.daemon_with_a_cycle();
    stage.settles(&daemon);
    let (ended, failed) = (Intent::new("more", &["ended"]), Intent::new("work", &["failed"]));
    assert_eq!(sorted(world.intents())[..2], [ended.clone(), failed.clone()]);
    holds("the end of the other", || {
        daemon.cycle();
        !stage.work.lives()
    });
    assert_eq!(daemon.stop(), 0);
    assert!(stage.stays.lives());
    assert_eq!(sorted(world.intents()), [ended, failed, Intent::new("work", &["ended"])]);
    world.journal_is_sound();
}

fn sorted(mut intents: Vec<Intent>) -> Vec<Intent> {
    // Failed before ended, as it goes.
    intents.sort_by(|one, other| (&one.title, &other.outcomes).cmp(&(&other.title, &one.outcomes)));
    intents
}

/// What waits for the operator waits over a crash, with the same id.
#[test]
fn a_held_plan_waits_on_and_is_approved_once() {
    let world = World::with(&format!("{RULES}[limits]\nper_cycle = 1\nfloor = 0\n"));
    let mut stage = Stage::in_world(&world);
    let more = stage.work.server.shell("more");
    stage.orphans = 2;
    let daemon = stage.daemon_with_a_cycle();
    daemon.cycle();
    daemon.cycle();
    let held = api_status(&daemon).at("/held/0");
    assert_eq!(held.at("/items").number(), 2);
    let _asked = stage.goes_into(&daemon, Place::Look.reached_by());
    stage.crash(daemon, Place::Look);
    let same = world.reap(&["status", "--json"]).exits(0).json().at("/held/0");
    assert_eq!(same, held);
    let daemon = stage.daemon_with_a_cycle();
    assert_eq!(api_status(&daemon).at("/held/0"), held);
    assert!(more.lives() && stage.work.lives());

    // A crash in the middle of what was approved: the approval is used up.
    let approve = format!("/v1/plans/{}/approve", held.at("/plan").text());
    stage.gate.shut(Step::AfterEnd, 0);
    let asked = daemon.http().send("POST", &approve, "").expect("the daemon answers");
    let waiting = stage.waiting(Step::AfterEnd);
    daemon.crash();
    drop(asked);
    waiting.iter().for_each(|process| process.signal(Signal::KILL));
    stage.gate.open(Step::AfterEnd);
    let daemon = stage.daemon_with_a_cycle();
    daemon.http().post(&approve, "").fails(404, "not-found");
    stage.settles(&daemon);
    assert!(world.intents().iter().all(|intent| intent.outcomes.len() == 1), "{:?}", world.intents());
    // One that is left is no wave any more, and is ended like any other.
    holds("the end of both", || {
        daemon.cycle();
        !more.lives() && !stage.work.lives()
    });
    assert_eq!(daemon.stop(), 0);
    assert!(stage.stays.lives());
    assert!(world.intents().iter().all(|intent| intent.outcomes.len() == 1), "{:?}", world.intents());
    world.journal_is_sound();
}

/// A command that ends something, without a daemon, killed in the middle. Which
/// intents are open is shown, and the next command that ends something settles them.
#[track_caller]
fn a_command_dies(step: Step, outcome: &str) {
    let world = World::with(RULES);
    let stage = Stage::in_world(&world);
    stage.gate.shut(step, 0);
    let mut child = stage.gate.command(&["kill", "--yes", "work"]).spawn().expect("it can be started");
    let waiting = stage.waiting(step);
    Process::of(child.id()).expect("it waits").signal(Signal::KILL);
    until("its end", || child.try_wait().expect("it is our child"));
    waiting.iter().for_each(|process| process.signal(Signal::KILL));
    stage.gate.open(step);

    let lives = stage.work.lives();
    assert_eq!(lives, step == Step::BeforeEnd);
    assert_eq!(world.intents(), [Intent::new("work", &[])]);
    let status = world.reap(&["status", "--json"]).exits(0).json();
    assert_eq!(status.at("/journal/open_intents").number(), 1);
    assert_eq!(world.reap(&["ls", "--json"]).exits(0).json().list().len(), 1 + usize::from(lives));
    assert_eq!(world.intents(), [Intent::new("work", &[])], "a look settles nothing");

    world.reap(&["kill", "--yes", "stays"]).exits(0);
    let first = Intent::new("work", &[outcome]);
    assert_eq!(world.intents(), [first.clone(), Intent::new("stays", &["ended"])]);
    world.journal_is_sound();
    if lives {
        world.reap(&["kill", "--yes", "work"]).exits(0);
        assert!(!stage.work.lives() && !stage.leader.lives());
        assert_eq!(world.intents()[2], Intent::new("work", &["ended"]));
    }
    assert!(world.intents().iter().all(|intent| intent.outcomes.len() == 1));
    world.journal_is_sound();
}

#[test]
fn a_command_dies_before_tmux_ends_the_session() {
    a_command_dies(Step::BeforeEnd, "failed");
}

#[test]
fn a_command_dies_when_tmux_has_ended_the_session() {
    a_command_dies(Step::AfterEnd, "ended");
}
