//! The plan: the exact list of what would be ended, and why.
//!
//! What a person reviewed is what is applied, so a plan carries an id made from
//! all that it says, and an expiry: a session that was idle yesterday says
//! little about today.

mod file;

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::file::PlanError;
use crate::clean;
use crate::guard;
pub use crate::guard::Lifts;
use crate::ids::{Address, Generation, Handle, Incarnation, PluginName, hex};
use crate::judge::Judged;
use crate::listing::Unknown;
use crate::selector::Selector;
use crate::time::{Span, Timestamp};
use crate::vote::{Decision, Reason};

/// What would be ended and what would not. Its JSON is the one of a dry run and
/// of a plan file alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Made from all that follows.
    #[serde(rename = "plan")]
    pub id: PlanId,
    /// When it was made.
    pub made: Timestamp,
    /// When it must no longer be applied.
    pub expires: Timestamp,
    /// Which sessions were looked at. Nothing when all were, or when they were
    /// named one by one.
    pub selector: Option<String>,
    /// What would be ended.
    pub items: Vec<Item>,
    /// What was looked at, or named, and would not be ended.
    pub kept: Vec<Kept>,
    /// What waits for the operator.
    pub held: Vec<Held>,
    /// What could not be looked at.
    pub unknown: Vec<Unknown>,
}

/// The name of a plan: hex digits of a hash over all that it says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(String);

impl PlanId {
    /// Digits of an id.
    pub const DIGITS: usize = 12;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One session that would be ended, as it was when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its handle.
    pub handle: Handle,
    /// Where it is to be found.
    #[serde(flatten)]
    pub address: Address,
    /// The short name of its instance.
    pub label: String,
    /// Which session of that key it is.
    pub incarnation: Incarnation,
    /// Which start of its server it was seen in, where known.
    pub generation: Option<Generation>,
    /// The name that people know it by.
    pub title: String,
    /// When it was last active, where known.
    pub last_active: Option<Timestamp>,
    /// Why it is on the list.
    pub cause: Cause,
    /// Which refusals do not count for it.
    pub lifts: Lifts,
    /// What the policies say of it.
    pub reasons: Vec<Reason>,
    /// The tokens that its context holds.
    pub tokens: Option<u64>,
}

/// Why a session is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The policies call it an orphan, and must still do so at the end.
    Orphan,
    /// An operator named it.
    Asked,
}

/// A session that would not be ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its handle.
    pub handle: Handle,
    /// Where it is to be found.
    #[serde(flatten)]
    pub address: Address,
    /// The name that people know it by.
    pub title: String,
    /// Why it is kept.
    pub reason: String,
    /// Some policy that counts calls it an orphan all the same.
    pub orphan: bool,
}

/// A backend of which nothing is ended before the operator approves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The backend.
    pub backend: PluginName,
    /// Why.
    pub reason: String,
    /// The plan to approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
}

impl Plan {
    /// Ends the selected sessions that the policies call orphans, and keeps the
    /// other selected ones.
    pub fn cleanup(
        judged: &[Judged],
        unknown: Vec<Unknown>,
        selector: &Selector,
        lifts: Lifts,
        now: Timestamp,
        lifetime: Span,
    ) -> Self {
        let mut plan = Self::empty(now, lifetime);
        plan.selector = (*selector != Selector::everything()).then(|| selector.to_string());
        plan.unknown = unknown;
        for judged in judged.iter().filter(|judged| selector.matches(judged)) {
            match reason_to_keep(judged, lifts) {
                None => plan.items.push(Item::of(judged, Cause::Orphan, lifts)),
                Some(reason) => plan.kept.push(Kept::of(judged, reason)),
            }
        }
        plan.sealed()
    }

    /// Ends the named sessions, whatever the policies say of them. Those that a
    /// rule refuses are in `kept`. A session that was named twice counts once.
    pub fn kill(named: &[&Judged], lifts: Lifts, now: Timestamp, lifetime: Span) -> Self {
        let mut plan = Self::empty(now, lifetime);
        let mut met = HashSet::new();
        for judged in named.iter().filter(|judged| met.insert(&judged.subject.address)) {
            match guard::in_words(judged.standing(lifts)) {
                None => plan.items.push(Item::of(judged, Cause::Asked, lifts)),
                Some(reason) => plan.kept.push(Kept::of(judged, reason)),
            }
        }
        plan.sealed()
    }

    /// The plan of a sweep, of which every part is settled.
    pub(crate) fn swept(
        items: Vec<Item>,
        kept: Vec<Kept>,
        held: Vec<Held>,
        unknown: Vec<Unknown>,
        now: Timestamp,
        lifetime: Span,
    ) -> Self {
        Self { items, kept, held, unknown, ..Self::empty(now, lifetime) }.sealed()
    }

    /// A plan of nothing but these.
    pub(crate) fn of_items(items: Vec<Item>, made: Timestamp, expires: Timestamp) -> Self {
        Self { items, expires, ..Self::empty(made, Span::ZERO) }.sealed()
    }

    /// A plan of nothing but those of the items.
    pub fn only(&self, which: impl Fn(&Item) -> bool) -> Self {
        let items = self.items.iter().filter(|item| which(item)).cloned().collect();
        Self::of_items(items, self.made, self.expires)
    }

    /// The plan without what is of a held backend, which it names instead.
    pub(crate) fn holding(mut self, held: Vec<Held>) -> Self {
        self.items.retain(|item| !held.iter().any(|held| held.backend == item.address.backend));
        self.held.extend(held);
        self.sealed()
    }

    fn empty(now: Timestamp, lifetime: Span) -> Self {
        Self {
            id: PlanId::default(),
            made: now,
            expires: now.plus(lifetime),
            selector: None,
            items: Vec::new(),
            kept: Vec::new(),
            held: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// The plan under the id that is made from all that it says besides.
    fn sealed(self) -> Self {
        let nameless = Self { id: PlanId::default(), ..self };
        let text = serde_json::to_vec(&nameless).expect("strings, numbers and lists can always be written");
        Self { id: PlanId(hex(&Sha256::digest(text), PlanId::DIGITS)), ..nameless }
    }
}

impl Item {
    pub(crate) fn of(judged: &Judged, cause: Cause, lifts: Lifts) -> Self {
        let subject = &judged.subject;
        Self {
            handle: subject.handle.clone(),
            address: subject.address.clone(),
            label: subject.label.to_string(),
            incarnation: subject.session.incarnation.clone(),
            generation: subject.generation.clone(),
            title: subject.session.title.clone(),
            last_active: subject.session.last_active,
            cause,
            lifts,
            reasons: judged.verdict.reasons.clone(),
            tokens: subject.session.tokens,
        }
    }
}

impl Kept {
    pub(crate) fn of(judged: &Judged, reason: String) -> Self {
        let orphan = |reason: &Reason| !reason.shadow && reason.vote == Decision::Orphan;
        Self {
            handle: judged.subject.handle.clone(),
            address: judged.subject.address.clone(),
            title: judged.subject.session.title.clone(),
            reason,
            orphan: judged.verdict.reasons.iter().any(orphan),
        }
    }
}

/// Why a cleanup keeps a session, where it does. What `--force` could lift is
/// told only of orphans: for others it would be a promise that fails.
fn reason_to_keep(judged: &Judged, lifts: Lifts) -> Option<String> {
    if judged.verdict.vote == Decision::Orphan {
        return guard::in_words(judged.standing(lifts));
    }
    guard::in_words(judged.standing(Lifts::force())).or_else(|| {
        // A fault is the same for all sessions, and is told once, with the pass.
        Some(kept_by(judged, |reason| match reason.fault {
            true => format!("{}: it failed", reason.policy),
            false => vote_in_words(reason),
        }))
    })
}

/// Why the policies do not call it an orphan.
pub(crate) fn no_orphan(judged: &Judged) -> String {
    kept_by(judged, vote_in_words)
}

fn vote_in_words(reason: &Reason) -> String {
    format!("{}: {}", reason.policy, clean::line(&reason.reason))
}

fn kept_by(judged: &Judged, words: impl Fn(&Reason) -> String) -> String {
    let counted =
        judged.verdict.reasons.iter().filter(|reason| !reason.shadow && reason.vote == Decision::Keep);
    let votes: Vec<String> = counted.map(words).collect();
    if votes.is_empty() { "no policy calls it an orphan".to_owned() } else { votes.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Refusal;
    use crate::samples::{NOW, judged, reason, session};

    const LIFETIME: Span = Span::from_secs(900);

    fn cleanup(judged: &[Judged], selector: &str, lifts: Lifts) -> Plan {
        let selector = Selector::parse(selector).expect("a selector");
        Plan::cleanup(judged, Vec::new(), &selector, lifts, NOW, LIFETIME)
    }

    fn young() -> Refusal {
        Refusal::TooYoung { age: Some(Span::from_secs(5)), grace: Span::from_secs(120) }
    }

    const TOO_YOUNG: &str = "its age of 5s is less than the start grace of 2m ([guard] start_grace)";
    const ATTACHED: &str = "somebody is attached; reap kill --force ends it anyway";

    #[test]
    fn a_cleanup_ends_orphans_and_says_why_it_keeps_the_rest() {
        use Decision::{Abstain, Keep, Orphan};
        let (none, force) = (Lifts::default(), Lifts::force());
        let attached = Refusal::Attached;
        let both = format!("{TOO_YOUNG}; somebody is attached");
        let cases: [(Decision, Vec<Refusal>, Lifts, Option<&str>); 9] = [
            (Orphan, vec![], none, None),
            (Orphan, vec![attached.clone()], none, Some(ATTACHED)),
            (Orphan, vec![attached.clone()], force, None),
            (Orphan, vec![young(), attached.clone()], none, Some(&both)),
            (Orphan, vec![young(), attached.clone()], force, Some(TOO_YOUNG)),
            (Keep, vec![], none, Some("idle-shell: because")),
            (Keep, vec![attached.clone()], force, Some("idle-shell: because")),
            (Abstain, vec![attached], none, Some("no policy calls it an orphan")),
            (Abstain, vec![young()], none, Some(TOO_YOUNG)),
        ];
        for (vote, refusals, lifts, kept) in cases {
            let plan = cleanup(&[judged(session("$1"), vote, &refusals)], "*", lifts);
            let told = plan.kept.first().map(|kept| kept.reason.as_str());
            assert_eq!(told, kept, "{vote:?} {refusals:?} {lifts:?}");
            assert_eq!(plan.items.len() + plan.kept.len(), 1);
        }
    }

    #[test]
    fn only_what_is_selected_is_in_the_plan() {
        let all = ["$1", "$2"].map(|key| judged(session(key), Decision::Orphan, &[]));
        let plan = cleanup(&all, "key:$2", Lifts::default());
        assert_eq!(plan.items.iter().map(|item| item.address.key.as_str()).collect::<Vec<_>>(), ["$2"]);
        assert_eq!(plan.kept, []);
        assert_eq!(plan.selector.as_deref(), Some("key:$2"));
        assert_eq!(cleanup(&all, "*", Lifts::default()).selector, None);
    }

    #[test]
    fn a_kept_session_says_when_some_policy_calls_it_an_orphan() {
        let mut disputed = judged(session("$1"), Decision::Keep, &[]);
        disputed.verdict.reasons.push(reason(Decision::Orphan, "idle"));
        let mut shadowed = judged(session("$2"), Decision::Keep, &[]);
        shadowed.verdict.reasons.push(Reason { shadow: true, ..reason(Decision::Orphan, "idle") });
        let plan = cleanup(&[disputed, shadowed], "*", Lifts::default());
        assert_eq!(plan.kept.iter().map(|kept| kept.orphan).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_fault_is_not_told_with_each_session_that_it_keeps() {
        let mut faulty = judged(session("$1"), Decision::Keep, &[]);
        faulty.verdict.reasons = vec![Reason { fault: true, ..reason(Decision::Keep, "it trapped") }];
        let plan = cleanup(std::slice::from_ref(&faulty), "*", Lifts::default());
        assert_eq!(plan.kept[0].reason, "idle-shell: it failed");
        assert_eq!(no_orphan(&faulty), "idle-shell: it trapped");
    }

    #[test]
    fn a_kill_ends_what_no_rule_refuses() {
        let free = judged(session("$1"), Decision::Keep, &[]);
        let held = judged(session("$2"), Decision::Orphan, &[Refusal::Main]);
        let used = judged(session("$3"), Decision::Abstain, &[Refusal::Attached]);
        let named = [&free, &held, &used, &free];
        let keys = |plan: &Plan| -> (Vec<String>, Vec<String>) {
            let ended = plan.items.iter().map(|item| item.address.key.to_string()).collect();
            (ended, plan.kept.iter().map(|kept| kept.address.key.to_string()).collect())
        };
        let plain = Plan::kill(&named, Lifts::default(), NOW, LIFETIME);
        assert_eq!(keys(&plain), (vec!["$1".into()], vec!["$2".into(), "$3".into()]));
        assert!(plain.items.iter().all(|item| item.cause == Cause::Asked));
        let forced = Plan::kill(&named, Lifts::force(), NOW, LIFETIME);
        assert_eq!(keys(&forced), (vec!["$1".into(), "$3".into()], vec!["$2".into()]));
    }

    #[test]
    fn the_json_is_the_one_of_the_contract() {
        let all =
            [judged(session("$1"), Decision::Orphan, &[]), judged(session("$2"), Decision::Abstain, &[])];
        let plan = cleanup(&all, "*", Lifts::default());
        let json = serde_json::to_value(&plan).expect("JSON");
        assert_eq!(json["plan"], plan.id.as_str());
        assert_eq!(json["expires"], 864_900_000);
        let item = &json["items"][0];
        assert_eq!(item["handle"], all[0].subject.handle.as_str());
        assert_eq!(item["backend"], "tmux");
        assert_eq!(item["key"], "$1");
        assert_eq!(item["title"], "title of $1");
        assert_eq!(item["reasons"][0]["policy"], "idle-shell");
        assert_eq!(json["kept"][0]["reason"], "no policy calls it an orphan");
        assert!(json["held"].is_array() && json["unknown"].is_array());
    }
}
