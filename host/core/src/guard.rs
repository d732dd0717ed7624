//! What is never ended, whatever was voted.
//!
//! Votes say what nobody needs; this says what nobody may touch. Every peer
//! that went wrong in public ended a session it should have left alone on sight:
//! the one it ran in itself, one that was just being started, one that somebody
//! was looking at. An operator may lift the last two kinds and no other.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clean;
use crate::ids::Address;
use crate::selector::Selector;
use crate::session::{Activity, Kind, ProcessId, Session};
use crate::subject::Subject;
use crate::time::Span;

/// What the operator can set of the guard: `[guard]` in `reap.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardRules {
    /// Nothing younger is ended. Zero lifts the rule.
    pub start_grace: Span,
    /// A running session that was active within this time is in use.
    pub active_within: Span,
    /// Nothing that one of these selects is ended.
    pub protect: Vec<Selector>,
}

impl Default for GuardRules {
    fn default() -> Self {
        Self {
            // Peers ended sessions between their start and their first sign of life.
            start_grace: Span::from_secs(120),
            active_within: Span::from_secs(60),
            protect: Vec::new(),
        }
    }
}

/// Where Reap itself runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// Reap's own process and all that it descends from.
    pub ancestors: Vec<ProcessId>,
}

/// The sessions that must outlive this very run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnSessions {
    running_reap: HashSet<Address>,
    above_reap: HashSet<Address>,
}

impl OwnSessions {
    /// The sessions that hold one of Reap's ancestors, and all that those
    /// descend from by the parents on record.
    pub fn find(subjects: &[Subject], here: &Here) -> Self {
        // They are few: to compare with each is quicker than any table.
        let runs_reap =
            |session: &Session| session.processes.iter().any(|process| here.ancestors.contains(process));
        let own: Vec<&Subject> = subjects.iter().filter(|subject| runs_reap(&subject.session)).collect();
        Self {
            running_reap: own.iter().map(|subject| subject.address.clone()).collect(),
            above_reap: if own.is_empty() { HashSet::new() } else { parents_above(&own, subjects) },
        }
    }
}

/// All sessions that `below` descend from. Recorded parents may form a circle:
/// each is followed once.
fn parents_above(below: &[&Subject], subjects: &[Subject]) -> HashSet<Address> {
    let parent_of: HashMap<&Address, &Address> = subjects
        .iter()
        .filter_map(|s| s.session.parent.as_ref().map(|parent| (&s.address, parent)))
        .collect();
    let mut above = HashSet::new();
    for subject in below {
        let mut next = subject.session.parent.as_ref();
        while let Some(parent) = next
            && above.insert(parent.clone())
        {
            next = parent_of.get(parent).copied();
        }
    }
    above
}

/// Why a session must not be ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "refusal", content = "what")]
pub enum Refusal {
    /// It is the one that its owner is built around.
    Main,
    /// Its backend protects it, for this reason: core, system, pinned, or the
    /// opt-out tag.
    Protected(String),
    /// The operator protects it, with this selector.
    Operator(String),
    /// Reap runs in it.
    RunsReap,
    /// The session that Reap runs in descends from it.
    AncestorOfReap,
    /// It is younger than the start grace, or nobody knows how old it is.
    TooYoung {
        /// How old it is, where that is known.
        age: Option<Span>,
        /// How old it must be.
        grace: Span,
    },
    /// Somebody is looking at it.
    Attached,
    /// It is at work.
    Active {
        /// For how long it has done nothing, where that is known.
        idle: Option<Span>,
    },
}

impl Refusal {
    /// Whether an operator may end the session all the same, with `--force`.
    pub fn liftable(&self) -> bool {
        matches!(self, Self::Attached | Self::Active { .. })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main => f.write_str("it is a main session, and those are never ended"),
            Self::Protected(why) => write!(f, "it is protected: {}", clean::line(why)),
            Self::Operator(selector) => {
                write!(f, "the operator protects it with `{}` ([guard] protect)", clean::line(selector))
            }
            Self::RunsReap => f.write_str("Reap itself runs in it"),
            Self::AncestorOfReap => f.write_str("the session that Reap runs in descends from it"),
            Self::TooYoung { age: Some(age), grace } => {
                write!(f, "its age of {age} is less than the start grace of {grace} ([guard] start_grace)")
            }
            Self::TooYoung { age: None, grace } => write!(
                f,
                "it is not known when it was made, so it counts as younger than the start grace of {grace} \
                 ([guard] start_grace)"
            ),
            Self::Attached => f.write_str("somebody is attached"),
            Self::Active { idle: Some(idle) } => write!(f, "it was active {idle} ago"),
            Self::Active { idle: None } => {
                f.write_str("something runs in it and it is not known when it was last active")
            }
        }
    }
}

/// What to type where nothing but liftable refusals stands. Beside one that
/// nobody can lift it would be a promise that fails.
pub const WITH_FORCE: &str = "reap kill --force ends it anyway";

/// The refusals in one line, with the way round them where there is one.
/// Nothing where there are none.
pub fn in_words<'a>(refusals: impl IntoIterator<Item = &'a Refusal>) -> Option<String> {
    let (mut words, mut liftable) = (Vec::new(), true);
    for refusal in refusals {
        words.push(refusal.to_string());
        liftable &= refusal.liftable();
    }
    if words.is_empty() {
        return None;
    }
    words.extend(liftable.then(|| WITH_FORCE.to_owned()));
    Some(words.join("; "))
}

/// Which refusals an operator lifts. There is no way to lift any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lifts {
    /// End it although somebody is attached.
    pub attached: bool,
    /// End it although it is, or was just now, at work.
    pub active: bool,
}

impl Lifts {
    /// What `--force` lifts.
    pub fn force() -> Self {
        Self { attached: true, active: true }
    }

    /// Whether this refusal is lifted.
    pub fn lift(self, refusal: &Refusal) -> bool {
        match refusal {
            Refusal::Attached => self.attached,
            Refusal::Active { .. } => self.active,
            Refusal::Main
            | Refusal::Protected(_)
            | Refusal::Operator(_)
            | Refusal::RunsReap
            | Refusal::AncestorOfReap
            | Refusal::TooYoung { .. } => false,
        }
    }
}

/// Everything that speaks against ending the session; what nobody can lift
/// comes first.
pub fn refusals(subject: &Subject, rules: &GuardRules, own: &OwnSessions) -> Vec<Refusal> {
    let session = &subject.session;
    let operator = rules.protect.iter().find(|selector| covers(selector, subject));
    [
        (session.kind == Kind::Main).then_some(Refusal::Main),
        session.protected.clone().map(Refusal::Protected),
        operator.map(|selector| Refusal::Operator(selector.to_string())),
        own.running_reap.contains(&subject.address).then_some(Refusal::RunsReap),
        own.above_reap.contains(&subject.address).then_some(Refusal::AncestorOfReap),
        too_young(subject, rules.start_grace),
        session.attached.then_some(Refusal::Attached),
        active(subject, rules.active_within),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A selector that cannot be decided before the votes are in protects.
fn covers(selector: &Selector, subject: &Subject) -> bool {
    selector.matches_subject(subject).unwrap_or(true)
}

fn too_young(subject: &Subject, grace: Span) -> Option<Refusal> {
    let young = subject.age.unwrap_or(Span::ZERO) < grace;
    young.then_some(Refusal::TooYoung { age: subject.age, grace })
}

fn active(subject: &Subject, within: Span) -> Option<Refusal> {
    let recently = subject.idle.is_none_or(|idle| idle < within);
    let active = subject.session.activity == Activity::Running && recently;
    active.then_some(Refusal::Active { idle: subject.idle })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{address, ago, observation, session, subject};
    use crate::subject::survey;

    const SHELL: ProcessId = ProcessId { pid: 20, started: 7 };

    fn check(session: Session, rules: &GuardRules) -> Vec<Refusal> {
        refusals(&subject(session), rules, &OwnSessions::default())
    }

    #[test]
    fn each_rule_refuses() {
        let grace = Span::from_secs(120);
        let plain = || session("$1");
        let running = |last_active| Session { activity: Activity::Running, last_active, ..plain() };
        let cases = [
            ("nothing", plain(), vec![]),
            ("main", Session { kind: Kind::Main, ..plain() }, vec![Refusal::Main]),
            (
                "protected",
                Session { protected: Some("core".into()), ..plain() },
                vec![Refusal::Protected("core".into())],
            ),
            (
                "young",
                Session { created: Some(ago(119)), ..plain() },
                vec![Refusal::TooYoung { age: Some(Span::from_secs(119)), grace }],
            ),
            ("old enough", Session { created: Some(ago(120)), ..plain() }, vec![]),
            (
                "age unknown",
                Session { created: None, ..plain() },
                vec![Refusal::TooYoung { age: None, grace }],
            ),
            ("attached", Session { attached: true, ..plain() }, vec![Refusal::Attached]),
            ("active", running(Some(ago(59))), vec![Refusal::Active { idle: Some(Span::from_secs(59)) }]),
            ("running, long idle", running(Some(ago(60))), vec![]),
            ("running, idle unknown", running(None), vec![Refusal::Active { idle: None }]),
            ("waiting, idle unknown", Session { last_active: None, ..plain() }, vec![]),
        ];
        for (what, session, expected) in cases {
            assert_eq!(check(session, &GuardRules::default()), expected, "{what}");
        }
    }

    #[test]
    fn what_cannot_be_lifted_comes_first() {
        let all = Session {
            kind: Kind::Main,
            protected: Some("core".into()),
            attached: true,
            activity: Activity::Running,
            created: None,
            last_active: None,
            ..session("$1")
        };
        let protect = vec![Selector::everything()];
        let refusals = check(all, &GuardRules { protect, ..GuardRules::default() });
        let liftable: Vec<bool> = refusals.iter().map(Refusal::liftable).collect();
        assert_eq!(liftable, [false, false, false, false, true, true]);
    }

    #[test]
    fn the_operator_protects_by_selector() {
        let protecting = |text| GuardRules {
            protect: vec![Selector::parse(text).expect("a selector")],
            ..GuardRules::default()
        };
        let refused = |text: &str| vec![Refusal::Operator(text.to_owned())];
        assert_eq!(check(session("$1"), &protecting("kind:worker")), refused("kind:worker"));
        assert_eq!(check(session("$1"), &protecting("kind:cron")), []);
        // Not allowed there by its parser; should it come all the same, it protects.
        assert_eq!(check(session("$1"), &protecting("orphaned")), refused("orphaned"));
        assert_eq!(check(session("$1"), &protecting("kind:cron orphaned")), []);
    }

    #[test]
    fn no_start_grace_is_a_choice() {
        let rules = GuardRules { start_grace: Span::ZERO, ..GuardRules::default() };
        assert_eq!(check(Session { created: None, ..session("$1") }, &rules), []);
    }

    #[test]
    fn the_sessions_around_reap_are_refused() {
        let child_of = |key: &str, parent: &str| Session { parent: Some(address(parent)), ..session(key) };
        // $3, where Reap runs, was made by $2, and that by $1, which names $3 as its parent.
        let sessions = vec![
            child_of("$1", "$3"),
            child_of("$2", "$1"),
            Session { processes: vec![SHELL], ..child_of("$3", "$2") },
            Session { processes: vec![ProcessId { started: 8, ..SHELL }], ..child_of("$4", "$1") },
        ];
        let subjects = survey(&observation(sessions));
        let own =
            OwnSessions::find(&subjects, &Here { ancestors: vec![ProcessId { pid: 30, started: 9 }, SHELL] });
        let refused: Vec<_> = subjects.iter().map(|s| refusals(s, &GuardRules::default(), &own)).collect();
        let above = Refusal::AncestorOfReap;
        let expected =
            [vec![above.clone()], vec![above.clone()], vec![Refusal::RunsReap, above.clone()], vec![]];
        assert_eq!(refused, expected);
    }

    #[test]
    fn refusals_read_well() {
        let cases = [
            (
                Refusal::TooYoung { age: Some(Span::from_secs(45)), grace: Span::from_secs(120) },
                "its age of 45s is less than the start grace of 2m ([guard] start_grace)",
            ),
            (Refusal::Protected("pinned\u{1b}[2J".into()), "it is protected: pinned\\u{1b}[2J"),
            (Refusal::Attached, "somebody is attached"),
        ];
        for (refusal, text) in cases {
            assert_eq!(refusal.to_string(), text);
        }
    }

    #[test]
    fn force_is_promised_only_where_it_would_do() {
        let active = || Refusal::Active { idle: Some(Span::from_secs(5)) };
        let cases: [(&[Refusal], Option<&str>); 5] = [
            (&[], None),
            (&[Refusal::Main], Some("it is a main session, and those are never ended")),
            (&[Refusal::Attached], Some("somebody is attached; reap kill --force ends it anyway")),
            (
                &[Refusal::Attached, active()],
                Some("somebody is attached; it was active 5s ago; reap kill --force ends it anyway"),
            ),
            (&[Refusal::RunsReap, active()], Some("Reap itself runs in it; it was active 5s ago")),
        ];
        for (refusals, words) in cases {
            assert_eq!(in_words(refusals).as_deref(), words, "{refusals:?}");
        }
    }
}
