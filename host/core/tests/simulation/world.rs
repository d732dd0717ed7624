//! A made-up world and the truth about it: servers, sessions, processes, clocks.
//!
//! What the reaper gets to see of it is often less than the truth and never the
//! opposite, with one exception: an instance may once answer that it is empty.

use std::collections::{BTreeMap, BTreeSet};

use reap_core::ids::{BootId, Generation, Incarnation, Instance, Key, PluginName};
use reap_core::listing::{Extent, Listing, Observation, Unknown};
use reap_core::proof::{Proofs, questions};
use reap_core::session::{Activity, Kind, ProcessId, Session};
use reap_core::state::State;
use reap_core::time::{Span, Timestamp};

/// Random numbers that come the same for the same seed everywhere (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// How a backend's instances work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Make {
    /// Like tmux: a server process that holds the sessions.
    Server,
    /// Like kiro-cli: a folder; each session is a process.
    Folder,
    /// Like a gateway on another machine: no process to look at, and a restart
    /// keeps its sessions.
    Gateway,
}

pub const MAKES: [Make; 3] = [Make::Server, Make::Folder, Make::Gateway];

impl Make {
    pub fn backend(self) -> PluginName {
        let name = match self {
            Self::Server => "tmux",
            Self::Folder => "kiro-cli",
            Self::Gateway => "openclaw",
        };
        PluginName::new(name).expect("a plugin name")
    }
}

/// What goes wrong with looking at an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// It cannot be looked at.
    Failed,
    /// Half of it is shown.
    Partial,
    /// It does not say which start of it answers.
    Nameless,
    /// Its socket file is not to be found, though its server lives.
    Hidden,
    /// It answers once that it is empty, and complete.
    Lie,
}

/// A session that truly lives.
#[derive(Debug, Clone)]
pub struct Alive {
    pub session: Session,
    /// When it was really made and last active, by the clock that nobody sets.
    pub made: u64,
    pub active: u64,
    /// Nobody needs it, says its agent.
    pub unneeded: bool,
    /// The clock was set after the time of the last activity was told and before
    /// anybody saw it.
    pub tainted: bool,
    /// The same of the time when it was made.
    pub made_tainted: bool,
    /// The times were seen.
    pub shown: bool,
    pub made_shown: bool,
}

#[derive(Debug, Clone)]
pub struct Place {
    pub make: Make,
    pub up: bool,
    pub start: u64,
    pub server: Option<ProcessId>,
    pub trouble: Trouble,
    /// It told a lie, and not the truth since.
    pub lied: bool,
    pub sessions: BTreeMap<Key, Alive>,
}

pub struct World {
    pub dice: Dice,
    /// Real time, which nobody can set.
    pub time: u64,
    pub skew: i64,
    pub boot: u64,
    pub booted: u64,
    pub places: BTreeMap<Instance, Place>,
    /// Backends that give no answer at all.
    pub silent: BTreeSet<PluginName>,
    pub processes: BTreeSet<ProcessId>,
    /// How it was before the last look.
    before: Vec<Before>,
    /// What happened since the last look, and since the one before it.
    since: Since,
    since_before: Since,
    next_pid: u32,
    next: u64,
}

/// What, when both happened between two looks, nobody can tell apart: whether the
/// clock was set or the machine was off for so long. A gateway's sessions outlive
/// the boot, and are then as idle as the clock says.
#[derive(Debug, Clone, Copy, Default)]
struct Since {
    set: bool,
    rebooted: bool,
}

/// What a look changes of an instance: whether it told a lie, and of each session
/// whether its times were seen.
struct Before {
    instance: Instance,
    lied: bool,
    shown: Vec<(Key, bool, bool)>,
}

pub const DAY: u64 = 86_400_000;

impl World {
    pub fn new(seed: u64) -> Self {
        let mut world = Self {
            dice: Dice(seed),
            time: 30 * DAY,
            skew: 0,
            boot: 1,
            booted: 29 * DAY,
            places: BTreeMap::new(),
            silent: BTreeSet::new(),
            processes: BTreeSet::new(),
            before: Vec::new(),
            since: Since::default(),
            since_before: Since::default(),
            next_pid: 100,
            next: 0,
        };
        for make in MAKES {
            for number in 0..2 {
                let place = Place {
                    make,
                    up: false,
                    start: 0,
                    server: None,
                    trouble: Trouble::None,
                    lied: false,
                    sessions: BTreeMap::new(),
                };
                let instance = Instance::new(format!("/{}/{number}", make.backend()));
                world.places.insert(instance.clone(), place);
                world.start(&instance);
            }
        }
        world
    }

    pub fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.time.saturating_add_signed(self.skew))
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Pids and start ticks begin anew with each boot, so they come again.
    fn process(&mut self) -> ProcessId {
        self.next_pid += 1;
        let process = ProcessId { pid: self.next_pid, started: u64::from(self.next_pid) * 10 };
        self.processes.insert(process);
        process
    }

    pub fn instances(&self) -> Vec<Instance> {
        self.places.keys().cloned().collect()
    }

    pub fn any_instance(&mut self) -> Instance {
        let all = self.instances();
        all[self.dice.below(all.len() as u64) as usize].clone()
    }

    pub fn start(&mut self, instance: &Instance) {
        let make = self.places[instance].make;
        let server = (make == Make::Server).then(|| self.process());
        let start = if make == Make::Folder { 1 } else { self.number() };
        let place = self.places.get_mut(instance).expect("a place");
        (place.up, place.server, place.start) = (true, server, start);
    }

    /// The server dies. Only a gateway's sessions outlive that.
    pub fn stop(&mut self, instance: &Instance) {
        let place = self.places.get_mut(instance).expect("a place");
        place.up = false;
        let server = place.server.take();
        let dead =
            if place.make == Make::Server { std::mem::take(&mut place.sessions) } else { BTreeMap::new() };
        let dead = dead.into_values().flat_map(|alive| alive.session.processes);
        for process in dead.chain(server) {
            self.processes.remove(&process);
        }
    }

    pub fn spawn(&mut self, instance: &Instance) {
        if !self.places[instance].up {
            return;
        }
        let place = &self.places[instance];
        let (make, wall) = (place.make, self.wall());
        // Few keys, so that they come to mean other sessions.
        let key = Key::new(format!("${}", self.dice.below(12)));
        if place.sessions.contains_key(&key) {
            return;
        }
        let processes = if make == Make::Gateway { Vec::new() } else { vec![self.process()] };
        let session = Session {
            incarnation: Incarnation::new(self.number().to_string()),
            title: format!("title of {key}"),
            key: key.clone(),
            kind: Kind::Worker,
            activity: Activity::Idle,
            created: Some(wall),
            last_active: Some(wall),
            attached: false,
            parent: None,
            cwd: Some(format!("/srv/{}", self.dice.below(8))),
            processes,
            tokens: None,
            protected: self.dice.chance(5).then(|| "pinned".to_owned()),
            extra: Vec::new(),
        };
        let alive = Alive {
            session,
            made: self.time,
            active: self.time,
            unneeded: false,
            tainted: false,
            made_tainted: false,
            shown: false,
            made_shown: false,
        };
        self.places.get_mut(instance).expect("a place").sessions.insert(key, alive);
    }

    pub fn kill(&mut self, instance: &Instance, key: &Key) {
        if let Some(dead) = self.places.get_mut(instance).and_then(|place| place.sessions.remove(key)) {
            for process in &dead.session.processes {
                self.processes.remove(process);
            }
        }
    }

    pub fn any_session(&mut self, instance: &Instance) -> Option<Key> {
        let keys: Vec<Key> = self.places[instance].sessions.keys().cloned().collect();
        (!keys.is_empty()).then(|| keys[self.dice.below(keys.len() as u64) as usize].clone())
    }

    pub fn alive(&self, instance: &Instance, key: &Key, incarnation: &Incarnation) -> Option<&Alive> {
        let alive = self.places.get(instance)?.sessions.get(key)?;
        (alive.session.incarnation == *incarnation).then_some(alive)
    }

    pub fn everything_alive(&self) -> BTreeSet<(Instance, Key, Incarnation)> {
        let rows = |(instance, place): (&Instance, &Place)| {
            let instance = instance.clone();
            let row = move |alive: &Alive| {
                (instance.clone(), alive.session.key.clone(), alive.session.incarnation.clone())
            };
            place.sessions.values().map(row).collect::<Vec<_>>()
        };
        self.places.iter().flat_map(rows).collect()
    }

    pub fn set_clock(&mut self, by: i64) {
        self.skew += by;
        for alive in self.places.values_mut().flat_map(|place| place.sessions.values_mut()) {
            alive.tainted |= !alive.shown;
            alive.made_tainted |= !alive.made_shown;
        }
        self.since.set = true;
        self.blur();
    }

    /// Taints what nobody can tell apart any more.
    fn blur(&mut self) {
        if self.since.set && self.since.rebooted {
            for alive in self.places.values_mut().flat_map(|place| place.sessions.values_mut()) {
                (alive.tainted, alive.made_tainted) = (true, true);
            }
        }
    }

    pub fn reboot(&mut self) {
        for instance in self.instances() {
            let place = self.places.get_mut(&instance).expect("a place");
            match place.make {
                Make::Server => self.stop(&instance),
                Make::Folder => place.sessions.clear(),
                Make::Gateway => {}
            }
        }
        self.processes.clear();
        self.next_pid = 100;
        self.boot += 1;
        self.time += 60_000;
        self.booted = self.time - 20_000;
        self.since.rebooted = true;
        self.blur();
    }

    /// What the reaper sees: half of what there is, sometimes.
    pub fn observe(&mut self, state: &State) -> (Observation, Proofs) {
        let at = self.wall();
        let mut listings = Vec::new();
        self.before.clear();
        self.since_before = std::mem::take(&mut self.since);
        for instance in self.instances() {
            self.remember(&instance);
            if !self.silent.contains(&self.places[&instance].make.backend()) {
                listings.extend(self.list(&instance));
            }
        }
        let silent = self.silent.iter().cloned();
        let fault = |backend| Unknown { backend, instance: None, reason: "it trapped".to_owned() };
        let observation = Observation { at, listings, faults: silent.map(fault).collect() };
        let asked = questions(state, &observation);
        let (alive, dead): (BTreeSet<_>, BTreeSet<_>) =
            asked.into_iter().partition(|process| self.processes.contains(process));
        // Now and then nobody can say of a process that it is gone.
        let gone = dead.into_iter().filter(|_| !self.dice.chance(20)).collect();
        let answered = MAKES.map(Make::backend).into_iter().filter(|b| !self.silent.contains(b)).collect();
        let uptime = Span::from_millis(self.time - self.booted);
        let boot = BootId::new(format!("boot {}", self.boot));
        (observation, Proofs { boot, uptime, answered, gone, alive })
    }

    fn remember(&mut self, instance: &Instance) {
        let place = &self.places[instance];
        let shown = |(key, alive): (&Key, &Alive)| (key.clone(), alive.shown, alive.made_shown);
        let shown = place.sessions.iter().map(shown).collect();
        self.before.push(Before { instance: instance.clone(), lied: place.lied, shown });
    }

    /// The reaper forgot what it saw in the last look.
    pub fn unsee(&mut self) {
        for Before { instance, lied, shown } in self.before.drain(..) {
            let place = self.places.get_mut(&instance).expect("a place");
            place.lied = lied;
            for (key, shown, made_shown) in shown {
                let alive = place.sessions.get_mut(&key).expect("nothing happened since");
                (alive.shown, alive.made_shown) = (shown, made_shown);
            }
        }
        let Since { set, rebooted } = self.since_before;
        self.since = Since { set: self.since.set || set, rebooted: self.since.rebooted || rebooted };
        self.blur();
    }

    fn list(&mut self, instance: &Instance) -> Option<Listing> {
        let place = self.places.get_mut(instance).expect("a place");
        let listing = |extent, sessions| Listing {
            backend: place.make.backend(),
            instance: instance.clone(),
            label: instance.to_string(),
            generation: Some(Generation::new(match place.server {
                Some(server) => format!("{}-{}", server.pid, server.started),
                None => place.start.to_string(),
            })),
            server: place.server,
            extent,
            sessions,
        };
        if place.trouble == Trouble::Failed {
            return Some(listing(Extent::Failed("timed out".into()), Vec::new()));
        }
        if !place.up {
            // A gateway that is down says nothing; a socket without a server does.
            let down =
                Listing { generation: None, ..listing(Extent::Absent("no server".into()), Vec::new()) };
            let silent = Listing { extent: Extent::Failed("refused".into()), ..down.clone() };
            return Some(if place.make == Make::Server { down } else { silent });
        }
        match place.trouble {
            Trouble::Hidden if place.make == Make::Server => return None,
            Trouble::Lie if !place.lied => {
                let lie = listing(Extent::Complete, Vec::new());
                place.lied = true;
                return Some(lie);
            }
            _ => {}
        }
        let all: Vec<Session> = place.sessions.values().map(|alive| alive.session.clone()).collect();
        let half = all.len() / 2;
        let listing = match place.trouble {
            Trouble::Partial => listing(Extent::Partial("cut".into()), all[half..].to_vec()),
            Trouble::Nameless => Listing { generation: None, ..listing(Extent::Complete, all) },
            _ => listing(Extent::Complete, all),
        };
        for session in &listing.sessions {
            let alive = place.sessions.get_mut(&session.key).expect("it is listed");
            (alive.shown, alive.made_shown) = (true, true);
        }
        if place.trouble != Trouble::Partial && place.trouble != Trouble::Nameless {
            place.lied = false;
        }
        Some(listing)
    }
}
