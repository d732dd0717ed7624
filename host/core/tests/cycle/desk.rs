//! A small world by hand: what a test says is what the reaper sees.

use std::collections::BTreeSet;

use reap_core::event::Event;
use reap_core::guard::{GuardRules, Here};
use reap_core::ids::{Address, BootId, Generation, Incarnation, Instance, Key, PluginName};
use reap_core::judge::{Judged, judge};
use reap_core::listing::{Extent, Listing, Observation, Unknown};
use reap_core::locks::{LockRules, refresh};
use reap_core::plan::Plan;
use reap_core::proof::Proofs;
use reap_core::reconcile::{RecordRules, reconcile};
use reap_core::record::Record;
use reap_core::session::{Activity, Kind, ProcessId, Session};
use reap_core::state::{State, Step};
use reap_core::subject::survey_with;
use reap_core::sweep::{SweepRules, sweep};
use reap_core::time::{Span, Timestamp};
use reap_core::vote::{Ballot, Vote};

pub const START: u64 = 1_785_576_600_000;
pub const SERVER: ProcessId = ProcessId { pid: 100, started: 5 };

pub fn backend() -> PluginName {
    PluginName::new("tmux").expect("a plugin name")
}

pub fn instance() -> Instance {
    Instance::new("/tmp/tmux-1000/default")
}

pub fn address(key: &str) -> Address {
    Address { backend: backend(), instance: instance(), key: Key::new(key) }
}

pub fn session(key: &str) -> Session {
    Session {
        key: Key::new(key),
        incarnation: Incarnation::new("first"),
        title: format!("title of {key}"),
        kind: Kind::Worker,
        activity: Activity::Idle,
        created: Some(Timestamp::from_millis(START - 86_400_000)),
        last_active: Some(Timestamp::from_millis(START - 7_200_000)),
        attached: false,
        parent: None,
        cwd: Some("/srv/app".to_owned()),
        processes: Vec::new(),
        tokens: None,
        protected: None,
        extra: Vec::new(),
    }
}

/// So many sessions, `$0` and on.
pub fn sessions(count: usize) -> Vec<Session> {
    (0..count).map(|number| session(&format!("${number}"))).collect()
}

/// A complete listing of the one instance, without a server process.
pub fn listing(sessions: Vec<Session>) -> Listing {
    Listing {
        backend: backend(),
        instance: instance(),
        label: "default".to_owned(),
        generation: Some(Generation::new("1")),
        server: None,
        extent: Extent::Complete,
        sessions,
    }
}

pub struct Desk {
    pub state: State,
    /// Real time since the start, and how far the clock is off.
    pub time: u64,
    pub skew: i64,
    pub boot: String,
    pub uptime: u64,
    pub gone: BTreeSet<ProcessId>,
    pub alive: BTreeSet<ProcessId>,
    pub answered: bool,
    pub records: RecordRules,
    pub rules: SweepRules,
    pub locks: LockRules,
    /// Every session that a policy calls an orphan.
    pub orphans: Box<dyn Fn(&str) -> bool>,
}

impl Desk {
    pub fn new() -> Self {
        Self {
            state: State::default(),
            time: 0,
            skew: 0,
            boot: "boot 1".to_owned(),
            uptime: 1_000_000,
            gone: BTreeSet::new(),
            alive: BTreeSet::new(),
            answered: true,
            records: RecordRules::default(),
            rules: SweepRules::default(),
            locks: LockRules::default(),
            orphans: Box::new(|_| false),
        }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis((START + self.time).saturating_add_signed(self.skew))
    }

    pub fn wait(&mut self, seconds: u64) {
        self.time += seconds * 1000;
        self.uptime += seconds * 1000;
    }

    fn observation(&self, listings: Vec<Listing>) -> Observation {
        let fault = Unknown { backend: backend(), instance: None, reason: "it trapped".to_owned() };
        let faults = if self.answered { Vec::new() } else { vec![fault] };
        Observation { at: self.now(), listings, faults }
    }

    fn look(&mut self, observation: &Observation) -> Step {
        let proofs = Proofs {
            boot: BootId::new(self.boot.clone()),
            uptime: Span::from_millis(self.uptime),
            answered: if self.answered { BTreeSet::from([backend()]) } else { BTreeSet::new() },
            gone: self.gone.clone(),
            alive: self.alive.clone(),
        };
        reconcile(std::mem::take(&mut self.state), observation, &proofs, &self.records)
    }

    /// Half a minute later these listings come in. What happened?
    pub fn see(&mut self, listings: Vec<Listing>) -> Vec<Event> {
        self.wait(30);
        let observation = self.observation(listings);
        let step = self.look(&observation);
        self.state = step.state;
        step.events
    }

    /// A whole cycle up to the plan.
    pub fn cycle(&mut self, listings: Vec<Listing>) -> (Vec<Event>, Plan) {
        self.wait(30);
        let observation = self.observation(listings);
        let step = self.look(&observation);
        let subjects = survey_with(&observation, Some(&step.state));
        let step = step.then(|state| refresh(state, &subjects, &self.locks));
        let judged = self.judge(subjects);
        let (swept, plan) = sweep(step.state.clone(), &judged, observation.unknown(), &self.rules);
        let step = step.then(|_| swept);
        self.state = step.state;
        (step.events, plan)
    }

    fn judge(&self, subjects: Vec<reap_core::subject::Subject>) -> Vec<Judged> {
        let vote = |key: &str| if (self.orphans)(key) { Vote::Orphan("idle".into()) } else { Vote::Abstain };
        let votes = subjects.iter().map(|s| Some(Ok(vote(s.address.key.as_str())))).collect();
        let policy = PluginName::new("idle-shell").expect("a plugin name");
        let ballot = Ballot { policy, shadow: false, votes };
        judge(subjects, &[ballot], &GuardRules::default(), &Here { ancestors: Vec::new() })
    }

    /// These sessions as a command line sees them, which remembers nothing.
    pub fn judged(&self, sessions: Vec<Session>) -> Vec<Judged> {
        self.judge(survey_with(&self.observation(vec![listing(sessions)]), None))
    }

    /// So many cycles alike; the last one's plan.
    pub fn cycles(&mut self, count: usize, sessions: &[Session]) -> Plan {
        let mut plan = self.cycle(vec![listing(sessions.to_vec())]).1;
        for _ in 1..count {
            plan = self.cycle(vec![listing(sessions.to_vec())]).1;
        }
        plan
    }

    pub fn record(&self, key: &str) -> &Record {
        let all = self.state.records();
        let mut of_key = all.filter(|record| record.address.key.as_str() == key);
        of_key.next().unwrap_or_else(|| panic!("no record of {key}"))
    }

    /// How many sessions are present, and how many have left.
    pub fn counts(&self) -> (usize, usize) {
        let present = self.state.records().filter(|record| record.present()).count();
        (present, self.state.records().count() - present)
    }
}

pub fn keys(plan: &Plan) -> Vec<&str> {
    plan.items.iter().map(|item| item.address.key.as_str()).collect()
}

/// The names of events, as other programs read them.
pub fn names(events: &[Event]) -> Vec<String> {
    let name =
        |event| serde_json::to_value(event).expect("JSON")["event"].as_str().expect("a name").to_owned();
    events.iter().map(name).collect()
}
