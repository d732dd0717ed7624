//! Made-up worlds: few keys, titles and times, so that they collide often.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use reap_core::guard::{GuardRules, Here};
use reap_core::ids::{Address, Generation, Incarnation, Instance, Key, PluginName};
use reap_core::judge::{Judged, judge};
use reap_core::listing::{Extent, Listing, Observation};
use reap_core::plan::Lifts;
use reap_core::selector::Selector;
use reap_core::session::{Activity, Kind, ProcessId, Session};
use reap_core::subject::survey;
use reap_core::time::{Span, Timestamp};
use reap_core::vote::{Ballot, Fault, Vote};

/// When everything takes place.
pub const NOW: Timestamp = Timestamp::from_millis(864_000_000);
/// How long plans are good for.
pub const LIFETIME: Span = Span::from_secs(900);
/// The process that Reap runs in.
pub const REAP: ProcessId = ProcessId { pid: 4, started: 1 };

/// The same cases in every run. `PROPTEST_RNG_SEED` and `PROPTEST_CASES` look further.
pub fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(20_260_801);
    }
    config
}

/// Some worlds, for a test that must see how lively they are.
pub fn sample(count: usize) -> Vec<World> {
    let mut runner = TestRunner::new(config());
    let world = |_| worlds().new_tree(&mut runner).expect("worlds reject nothing").current();
    (0..count).map(world).collect()
}

/// One pass from the look to the judgement.
#[derive(Debug, Clone)]
pub struct World {
    pub observation: Observation,
    pub ballots: Vec<Ballot>,
    pub rules: GuardRules,
}

impl World {
    pub fn judged(&self) -> Vec<Judged> {
        let here = Here { ancestors: vec![REAP] };
        judge(survey(&self.observation), &self.ballots, &self.rules, &here)
    }
}

pub fn worlds() -> impl Strategy<Value = World> {
    observations().prop_flat_map(|observation| {
        let count = survey(&observation).len();
        (Just(observation), ballots(count), rules()).prop_map(|(observation, ballots, rules)| World {
            observation,
            ballots,
            rules,
        })
    })
}

pub fn observations() -> impl Strategy<Value = Observation> {
    vec(listings(), 1..4).prop_map(|listings| Observation { at: NOW, listings, faults: Vec::new() })
}

fn listings() -> impl Strategy<Value = Listing> {
    let extent = prop_oneof![
        6 => Just(Extent::Complete),
        1 => Just(Extent::Partial("cut".to_owned())),
        1 => Just(Extent::Absent("no server".to_owned())),
        1 => Just(Extent::Failed("timed out".to_owned())),
    ];
    let generation = option::weighted(0.8, select(&["100-5", "200-9"][..]).prop_map(Generation::new));
    (instances(), generation, extent, vec(sessions(), 0..7)).prop_map(
        |(instance, generation, extent, sessions)| Listing {
            backend: backend(),
            instance,
            label: "label".to_owned(),
            generation,
            server: None,
            extent,
            sessions,
        },
    )
}

fn backend() -> PluginName {
    PluginName::new("tmux").expect("a plugin name")
}

fn instances() -> impl Strategy<Value = Instance> {
    select(&["/a", "/a/$1"][..]).prop_map(Instance::new)
}

fn keys() -> impl Strategy<Value = Key> {
    select(&["$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$1/$2"][..]).prop_map(Key::new)
}

/// Moments around those that the rules look at, some of them in the future;
/// most of them long ago, or there would be little to end.
fn moments() -> impl Strategy<Value = Option<Timestamp>> {
    let near = select(&[-500_000, 0, 59_999, 60_000, 119_999, 120_000_i64][..]);
    let ages = prop_oneof![2 => near, 3 => Just(7_200_000_i64)];
    option::weighted(
        0.8,
        ages.prop_map(|age| Timestamp::from_millis(NOW.millis().saturating_add_signed(-age))),
    )
}

fn sessions() -> impl Strategy<Value = Session> {
    let what = (
        keys(),
        select(&["first", "second"][..]),
        select(&["app-1", "app-10", "$1", "two words"][..]),
        prop_oneof![6 => Just(Kind::Worker), 1 => select(&Kind::ALL[..])],
        select(&Activity::ALL[..]),
    );
    let state = (
        moments(),
        moments(),
        prop::bool::weighted(0.2),
        option::weighted(0.5, (instances(), keys())),
        option::weighted(0.1, Just("pinned".to_owned())),
        prop::bool::weighted(0.05),
    );
    (what, state).prop_map(|(what, state)| {
        let (key, incarnation, title, kind, activity) = what;
        let (created, last_active, attached, parent, protected, runs_reap) = state;
        Session {
            key,
            incarnation: Incarnation::new(incarnation),
            title: title.to_owned(),
            kind,
            activity,
            created,
            last_active,
            attached,
            parent: parent.map(|(instance, key)| Address { backend: backend(), instance, key }),
            cwd: None,
            processes: if runs_reap { vec![REAP] } else { Vec::new() },
            tokens: None,
            protected,
            extra: Vec::new(),
        }
    })
}

pub fn votes() -> impl Strategy<Value = Option<Result<Vote, Fault>>> {
    prop_oneof![
        1 => Just(None),
        8 => Just(Some(Ok(Vote::Orphan("idle".to_owned())))),
        1 => Just(Some(Ok(Vote::Keep("in use".to_owned())))),
        2 => Just(Some(Ok(Vote::Abstain))),
        1 => Just(Some(Err(Fault("it trapped".to_owned())))),
    ]
}

/// Ballots on `count` subjects; now and then one of another length.
pub fn ballots(count: usize) -> impl Strategy<Value = Vec<Ballot>> {
    let length = prop_oneof![19 => Just(count), 1 => 0..count + 2];
    let ballot = (prop::bool::weighted(0.2), length.prop_flat_map(|length| vec(votes(), length)));
    let named = |(index, (shadow, votes))| Ballot {
        policy: PluginName::new(format!("policy-{index}")).expect("a plugin name"),
        shadow,
        votes,
    };
    vec(ballot, 1..4).prop_map(move |ballots| ballots.into_iter().enumerate().map(named).collect())
}

fn rules() -> impl Strategy<Value = GuardRules> {
    let protect = vec(select(&["title:two*", "kind:hook", "$4"][..]), 0..2);
    protect.prop_map(|protect| GuardRules {
        protect: protect.iter().map(|text| Selector::parse(text).expect("a selector")).collect(),
        ..GuardRules::default()
    })
}

pub fn lifts() -> impl Strategy<Value = Lifts> {
    (any::<bool>(), any::<bool>()).prop_map(|(attached, active)| Lifts { attached, active })
}
