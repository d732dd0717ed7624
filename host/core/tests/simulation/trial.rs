//! One random history, and what must hold in it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use reap_core::event::Event;
use reap_core::ids::{Address, Generation, Incarnation, Instance, Key, PluginName};
use reap_core::judge::Judged;
use reap_core::outcome::Outcome;
use reap_core::permit::{Fresh, Permit};
use reap_core::plan::{Item, Plan};
use reap_core::record::Standing;
use reap_core::subject::Subject;
use reap_core::vote::{Ballot, Fault, Vote};

use crate::pass::Pass;
use crate::reaper::Reaper;
use crate::seen::Seen;
use crate::world::{Alive, DAY, MAKES, Make, Trouble, World};

/// How long a history is: stretches of trouble, each with a calm one after it.
#[derive(Clone, Copy)]
pub struct Length {
    pub stretches: usize,
    /// Passes in which things go wrong, in each.
    pub troubled: usize,
}

/// Long enough for a grace, a restart of it, and the pauses after failed ends.
const CALM: usize = 120;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

type Id = (Instance, Key, Incarnation);

/// The votes for one session, counted by the test itself in real time.
#[derive(Clone, Copy)]
struct Streak {
    votes: u32,
    since: u64,
}

/// What was tried on one session under one start of its server.
#[derive(Default)]
struct Failures {
    generation: Option<Generation>,
    times: u32,
    last: u64,
}

struct Trial<'a> {
    world: World,
    reaper: Reaper,
    streaks: HashMap<Id, Streak>,
    failures: HashMap<Id, Failures>,
    approved: Vec<Plan>,
    seen: &'a mut Seen,
}

pub fn play(seed: u64, length: Length, seen: &mut Seen) {
    let mut trial = Trial {
        world: World::new(seed),
        reaper: Reaper::new(),
        streaks: HashMap::new(),
        failures: HashMap::new(),
        approved: Vec::new(),
        seen,
    };
    for _ in 0..length.stretches {
        for _ in 0..length.troubled {
            let pause =
                [5_000, 30_000, 30_000, 30_000, 10 * MINUTE, HOUR][trial.world.dice.below(6) as usize];
            trial.world.time += pause;
            trial.trouble();
            trial.step(true);
        }
        trial.calm();
    }
}

impl Trial<'_> {
    /// Something happens in the world, or goes wrong with looking at it.
    fn trouble(&mut self) {
        let world = &mut self.world;
        for _ in 0..world.dice.below(8) {
            let instance = world.any_instance();
            let session = world.any_session(&instance);
            match world.dice.below(100) {
                0..40 => world.spawn(&instance),
                40..50 => {
                    if let Some(key) = session {
                        world.kill(&instance, &key);
                    }
                }
                50..78 => touch(world, &instance),
                78..81 => world.stop(&instance),
                81..89 => {
                    if !world.places[&instance].up {
                        world.start(&instance);
                    }
                }
                89..99 => {
                    let troubles = [
                        Trouble::None,
                        Trouble::None,
                        Trouble::Failed,
                        Trouble::Partial,
                        Trouble::Nameless,
                        Trouble::Hidden,
                        Trouble::Lie,
                    ];
                    let trouble = troubles[world.dice.below(7) as usize];
                    world.places.get_mut(&instance).expect("a place").trouble = trouble;
                }
                _ => {
                    // Everybody loses interest at once.
                    let place = world.places.get_mut(&instance).expect("a place");
                    place.sessions.values_mut().for_each(|alive| alive.unneeded = true);
                }
            }
        }
        self.rarities();
    }

    fn rarities(&mut self) {
        let world = &mut self.world;
        match world.dice.below(100) {
            0..2 => world.set_clock(DAY as i64),
            2..3 => world.set_clock(-(DAY as i64)),
            3..4 => world.reboot(),
            4..8 => {
                world.silent.insert(MAKES[world.dice.below(3) as usize].backend());
            }
            8..30 => world.silent.clear(),
            30..35 => self.restart(),
            35..40 => self.approve_all(),
            _ => {}
        }
    }

    fn approve_all(&mut self) {
        let held: Vec<_> = self.reaper.state.held().values().cloned().collect();
        let now = self.reaper.state.now();
        for held in held.iter().filter(|held| now < held.plan.expires) {
            self.approved.push(self.reaper.approve(held.plan.id.as_str()));
        }
    }

    /// One cycle, which may be cut short between any two of its steps.
    fn step(&mut self, troubled: bool) {
        let (observation, proofs) = self.world.observe(&self.reaper.state);
        let fault = troubled && self.world.dice.chance(2);
        let world = &mut self.world;
        let votes = |subjects: &[Subject]| vec![vote(world, subjects, fault, troubled)];
        let observation = Arc::new(observation);
        let pass = self.reaper.pass(&observation, &proofs, votes);
        if self.crashes(troubled, "crash before the write") {
            self.world.unsee();
            return self.restart();
        }
        self.reaper.write();
        self.check_departures(&pass.events);
        self.count(&pass.judged);
        self.check_plan(&pass);
        let mut done = HashSet::new();
        for plan in std::mem::take(&mut self.approved) {
            let fresh = Fresh::new(&observation, &pass.judged);
            let released = plan.only(|item| Permit::issue(item, plan.made, &fresh).is_ok());
            self.check_items(&released);
            if !released.items.is_empty() {
                self.seen.count("approved");
            }
            done.extend(released.items.iter().map(|item| item.handle.clone()));
            if !self.act(&released, troubled) {
                return;
            }
        }
        if !self.act(&pass.plan.only(|item| !done.contains(&item.handle)), troubled) {
            return;
        }
        self.check_locks();
        self.reaper.check();
        pass.events.iter().for_each(|event| self.seen.note(event));
    }

    fn crashes(&mut self, troubled: bool, when: &'static str) -> bool {
        let crashes = troubled && self.world.dice.chance(2);
        if crashes {
            self.seen.count(when);
        }
        crashes
    }

    /// A new start. What was going to be ended when the old one was cut short is
    /// looked at, as far as it can be.
    fn restart(&mut self) {
        let world = &self.world;
        let look = |address: &Address, incarnation: &Incarnation| {
            let place = &world.places[&address.instance];
            let visible =
                place.up && place.trouble == Trouble::None && !world.silent.contains(&address.backend);
            match world.alive(&address.instance, &address.key, incarnation) {
                None if visible => Outcome::Ended { notes: Vec::new() },
                _ => Outcome::Failed { reason: "Reap was stopped".into(), survivors: Vec::new() },
            }
        };
        for event in self.reaper.restart(look) {
            self.seen.note(&event);
        }
        self.check_locks();
        self.reaper.check();
    }

    /// Nothing that truly lives is taken for gone.
    fn check_departures(&self, events: &[Event]) {
        for event in events {
            let Event::Stopped { session, proof } = event else { continue };
            let record = self.reaper.state.record(&session.handle).expect("it is kept for a while");
            let truth = self.world.alive(
                &session.address.instance,
                &session.address.key,
                &record.session.incarnation,
            );
            assert!(truth.is_none(), "{} lives, and was taken for gone: {proof:?}", session.address);
        }
    }

    /// Counts the votes in real time, by the rules as written.
    fn count(&mut self, judged: &[Judged]) {
        for judged in judged {
            let id = id(&judged.subject);
            let alive = self.world.alive(&id.0, &id.1, &id.2).expect("what is listed lives");
            let orphan =
                judged.verdict.reasons.iter().any(|reason| !reason.fault && reason.reason == "orphan")
                    && !judged.verdict.reasons.iter().any(|reason| reason.fault || reason.reason == "keep");
            if orphan && may_end(alive, self.world.time) {
                let new = Streak { votes: 0, since: self.world.time };
                self.streaks.entry(id).or_insert(new).votes += 1;
            } else {
                self.failures.remove(&id);
                self.streaks.remove(&id);
            }
        }
    }

    fn check_plan(&mut self, pass: &Pass) {
        let time = self.world.time;
        let mut counted: BTreeMap<&PluginName, usize> = BTreeMap::new();
        for item in &pass.plan.items {
            let id = (item.address.instance.clone(), item.address.key.clone(), item.incarnation.clone());
            let alive = self.world.alive(&id.0, &id.1, &id.2).expect("what is to be ended lives");
            assert!(may_end(alive, time), "{} must not be ended: {alive:?}", item.address);
            let idle = time - alive.active >= HOUR;
            assert!(alive.unneeded || idle || alive.tainted, "{} is needed: {alive:?}", item.address);
            let streak = self.streaks.get(&id).expect("it was voted an orphan");
            assert!(streak.votes >= 2 && time - streak.since >= 10 * MINUTE, "{} is not due", item.address);
            let failures = self.failures.get(&id).filter(|f| f.generation == item.generation);
            if let Some(Failures { times, last, .. }) = failures {
                assert!(time - last >= MINUTE << (times - 1), "{} is tried again too soon", item.address);
            }
            *counted.entry(&item.address.backend).or_default() += 1;
        }
        for (backend, count) in counted {
            let listed =
                pass.judged.iter().filter(|judged| judged.subject.address.backend == *backend).count();
            let allowed = (listed * 30 / 100).clamp(5, 20);
            assert!(count <= allowed, "{count} of {listed} sessions of {backend} at once");
        }
    }

    /// Whoever approved them: nothing is ended that is needed.
    fn check_items(&self, plan: &Plan) {
        let time = self.world.time;
        for item in &plan.items {
            let alive = self.world.alive(&item.address.instance, &item.address.key, &item.incarnation);
            let alive = alive.expect("what is to be ended lives");
            assert!(may_end(alive, time), "{} must not be ended: {alive:?}", item.address);
            let idle = time - alive.active >= HOUR;
            assert!(alive.unneeded || idle || alive.tainted, "{} is needed: {alive:?}", item.address);
        }
    }

    /// Whether nothing crashed.
    fn act(&mut self, plan: &Plan, troubled: bool) -> bool {
        if self.crashes(troubled, "crash before the intents") {
            self.restart();
            return false;
        }
        self.reaper.intend(plan);
        let mut outcomes = Vec::new();
        for item in &plan.items {
            if self.crashes(troubled, "crash before an act") {
                self.restart();
                return false;
            }
            outcomes.push((item.handle.clone(), self.end(item, troubled)));
        }
        if self.crashes(troubled, "crash before the outcomes") {
            self.restart();
            return false;
        }
        self.reaper.settle(&outcomes);
        if self.crashes(troubled, "crash before they are noted") {
            self.restart();
            return false;
        }
        for event in self.reaper.note(&outcomes) {
            self.seen.note(&event);
        }
        for (item, (_, outcome)) in plan.items.iter().zip(&outcomes) {
            if matches!(outcome, Outcome::Failed { .. }) {
                self.count_failure(item);
            }
        }
        true
    }

    fn end(&mut self, item: &Item, troubled: bool) -> Outcome {
        match self.world.dice.below(100) {
            0..15 if troubled => Outcome::Failed { reason: "it would not go".into(), survivors: Vec::new() },
            15..25 if troubled => Outcome::Skipped { reason: "it is active again".into() },
            _ => {
                self.reaper.kills(&item.handle);
                self.world.kill(&item.address.instance, &item.address.key);
                Outcome::Ended { notes: Vec::new() }
            }
        }
    }

    fn count_failure(&mut self, item: &Item) {
        let id = (item.address.instance.clone(), item.address.key.clone(), item.incarnation.clone());
        let failures = self.failures.entry(id).or_default();
        if failures.generation != item.generation {
            *failures = Failures { generation: item.generation.clone(), ..Failures::default() };
        }
        (failures.times, failures.last) = (failures.times + 1, self.world.time);
    }

    /// Every lock of a session belongs to one that is not known to be gone.
    fn check_locks(&self) {
        let state = &self.reaper.state;
        for lock in state.locks().iter() {
            let who = lock.holder.session().expect("all are automatic");
            assert!(state.record(&who.handle).is_some_and(|r| r.present()), "{} is stale", lock.directory);
        }
    }

    /// All works again and nothing new happens: records and truth must meet, and
    /// every orphan leave.
    fn calm(&mut self) {
        self.world.silent.clear();
        for instance in self.world.instances() {
            if !self.world.places[&instance].up {
                self.world.start(&instance);
            }
            let place = self.world.places.get_mut(&instance).expect("a place");
            place.trouble = Trouble::None;
            place.sessions.values_mut().for_each(|alive| alive.session.attached = false);
        }
        let orphans: BTreeSet<Id> = self
            .world
            .everything_alive()
            .into_iter()
            .filter(|(instance, key, incarnation)| {
                let alive = self.world.alive(instance, key, incarnation).expect("it lives");
                alive.unneeded && alive.session.protected.is_none()
            })
            .collect();
        for _ in 0..CALM {
            self.world.time += 30_000;
            self.approve_all();
            self.step(false);
        }
        let alive = self.world.everything_alive();
        assert_eq!(alive.intersection(&orphans).next(), None, "an orphan never left");
        // What was ended in the last pass is known to be gone without another look.
        let state = &self.reaper.state;
        let live = state.records().filter(|record| record.standing == Standing::Live);
        let live: BTreeSet<Id> = live
            .map(|r| (r.address.instance.clone(), r.address.key.clone(), r.session.incarnation.clone()))
            .collect();
        assert_eq!(live, alive, "the records are not the truth");
        assert_eq!(state.records().filter(|record| record.present()).count(), alive.len(), "stale records");
        assert_eq!(state.doubts().count(), 0, "doubts without a reason");
    }
}

fn id(subject: &Subject) -> Id {
    let address = &subject.address;
    (address.instance.clone(), address.key.clone(), subject.session.incarnation.clone())
}

/// Whether a session may be ended at all, by the truth.
fn may_end(alive: &Alive, time: u64) -> bool {
    alive.session.protected.is_none()
        && !alive.session.attached
        && (alive.made_tainted || time - alive.made >= 2 * MINUTE)
}

/// Agents vote on what they no longer need; a policy on what is idle.
fn vote(world: &mut World, subjects: &[Subject], fault: bool, fickle: bool) -> Ballot {
    let policy = PluginName::new("votes").expect("a plugin name");
    if fault {
        return Ballot::fault(policy, false, subjects.len(), &Fault("it trapped".into()));
    }
    let mut vote = |subject: &Subject| {
        let (instance, key, incarnation) = id(subject);
        let unneeded = world.alive(&instance, &key, &incarnation).is_some_and(|alive| alive.unneeded);
        let idle = subject.idle.is_some_and(|idle| idle.millis() >= HOUR);
        match fickle && world.dice.chance(2) {
            true => Vote::Keep("keep".into()),
            false if unneeded || idle => Vote::Orphan("orphan".into()),
            false => Vote::Abstain,
        }
    };
    let votes = subjects.iter().map(|subject| Some(Ok(vote(subject)))).collect();
    Ballot { policy, shadow: false, votes }
}

/// A session does something: it works, somebody comes or goes, it is given up.
fn touch(world: &mut World, instance: &Instance) {
    let Some(key) = world.any_session(instance) else { return };
    let (roll, wall, time) = (world.dice.below(10), world.wall(), world.time);
    let directory = format!("/srv/{}", world.dice.below(8));
    let pane = world.places[instance].make == Make::Server && roll == 9;
    let alive = world.places.get_mut(instance).and_then(|place| place.sessions.get_mut(&key));
    let alive = alive.expect("it was there a moment ago");
    match roll {
        0..4 => {
            alive.session.last_active = Some(wall);
            (alive.active, alive.unneeded) = (time, false);
            // What is told anew is told by the clock as it goes now.
            (alive.tainted, alive.shown) = (false, false);
        }
        4..6 => alive.session.attached = !alive.session.attached,
        6 => alive.session.cwd = Some(directory),
        7..9 => alive.unneeded = true,
        // The last process in it ends, and the server keeps it.
        _ if pane => {
            for process in &alive.session.processes {
                world.processes.remove(process);
            }
        }
        _ => {}
    }
}
