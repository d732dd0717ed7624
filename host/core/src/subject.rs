//! A session as the host sees it: what its backend says, and what the host
//! knows besides. Selectors choose among these, policies vote on them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::{Deserialize, Serialize};

use crate::hash::Quick;
use crate::ids::{Address, Generation, Handle, Instance, Key, Label, PluginName};
use crate::listing::{Answers, Listing, Observation};
use crate::load;
use crate::record::Record;
use crate::session::{Fact, Session, Shared};
use crate::state::State;
use crate::time::{Span, Timestamp};

/// The note that a session was voted an orphan before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Since when.
    pub since: Timestamp,
    /// How often in a row.
    pub times: u32,
}

/// What is known of the session that made this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParentState {
    /// It has none on record.
    None,
    /// It is listed.
    Alive,
    /// It is absent from a complete listing.
    Gone,
    /// Its instance could not be looked at, or is not known.
    Unknown,
}

/// A session as the host sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The short id that people type.
    pub handle: Handle,
    /// Where it is to be found.
    pub address: Address,
    /// The short name of its instance, for tables.
    pub label: Label,
    /// Which start of its server it was seen in, where known.
    pub generation: Option<Generation>,
    /// What its backend says of it.
    pub session: Shared,
    /// Time since it was made, where that is known.
    pub age: Option<Span>,
    /// Time since it was last active, where that is known.
    pub idle: Option<Span>,
    /// For how long this host has known it.
    pub seen_for: Span,
    /// How often this host has seen it.
    pub seen_times: u32,
    /// Whether it was voted an orphan before.
    pub mark: Option<Mark>,
    /// How its parent does.
    pub parent: ParentState,
    /// How many listed sessions name it as their parent.
    pub live_children: u32,
    /// What was found out besides.
    pub facts: Vec<Fact>,
}

/// The sessions of all listings, in their order, as the host sees them at the
/// moment of the observation. What is remembered of earlier passes (`seen_for`,
/// `seen_times`, `mark`) is that of a first sight.
///
/// A backend that claims one key for several sessions does not know which one
/// it would end. The first is shown, as protected; [`Observation::unknown`]
/// reports the backend.
pub fn survey(observation: &Observation) -> Vec<Subject> {
    survey_with(observation, None)
}

/// The same, with what is remembered of earlier passes. The state is the one
/// that this observation was reconciled into.
pub fn survey_with(observation: &Observation, state: Option<&State>) -> Vec<Subject> {
    survey_of(observation, state, true)
}

/// The same for a look that is not taken over into the state: what was seen just
/// now counts, wherever it differs from what is remembered.
pub fn survey_beside(observation: &Observation, state: &State) -> Vec<Subject> {
    survey_of(observation, Some(state), false)
}

fn survey_of(observation: &Observation, state: Option<&State>, reconciled: bool) -> Vec<Subject> {
    let answers = Answers::of(observation);
    let rows = rows(observation, &answers, state, reconciled);
    let family = Family::of(&rows, answers);
    rows.iter().map(|row| subject(row, &family, observation.at)).collect()
}

/// An [`Address`] that borrows.
type Place<'a> = (&'a PluginName, &'a Instance, &'a Key);

fn place(address: &Address) -> Place<'_> {
    (&address.backend, &address.instance, &address.key)
}

struct Row<'a> {
    listing: &'a Listing,
    session: &'a Session,
    doubled: bool,
    /// What is remembered of it.
    record: Option<&'a Record>,
    /// The record was renewed by this very listing: there is nothing to compare.
    renewed: bool,
}

impl<'a> Row<'a> {
    fn place(&self) -> Place<'a> {
        (&self.listing.backend, &self.listing.instance, &self.session.key)
    }

    fn address(&self) -> Address {
        let Listing { backend, instance, .. } = self.listing;
        Address { backend: backend.clone(), instance: instance.clone(), key: self.session.key.clone() }
    }
}

/// One row for each place, the first that claims it.
fn rows<'a>(
    observation: &'a Observation,
    answers: &Answers<'_>,
    state: Option<&'a State>,
    reconciled: bool,
) -> Vec<Row<'a>> {
    let count = observation.listings.iter().map(|listing| listing.seen().len()).sum();
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(count);
    let mut claimed = HashMap::new();
    for listing in &observation.listings {
        let mut known = state.map(|state| state.instance(&listing.backend, &listing.instance));
        let contested = answers.contradicts(listing);
        for session in listing.seen() {
            let record = known.as_mut().and_then(|known| known.record(&session.key));
            let renewed = |record: &Record| reconciled && !contested && record.last_seen == observation.at;
            let renewed = record.is_some_and(renewed);
            let same = |record: &&Record| renewed || record.session.incarnation == session.incarnation;
            let row = Row { listing, session, doubled: false, record: record.filter(same), renewed };
            if !contested {
                rows.push(row); // nobody else claims its place
                continue;
            }
            match claimed.entry(row.place()) {
                Entry::Vacant(free) => {
                    free.insert(rows.len());
                    rows.push(row);
                }
                Entry::Occupied(first) => rows[*first.get()].doubled = true,
            }
        }
    }
    rows
}

/// Who made whom.
struct Family<'a> {
    /// Of each session that some listed one names as its parent.
    parents: HashMap<Place<'a>, Parent, Quick>,
    answers: Answers<'a>,
}

#[derive(Default)]
struct Parent {
    listed: bool,
    /// How many others name it.
    children: u32,
}

impl<'a> Family<'a> {
    fn of(rows: &[Row<'a>], answers: Answers<'a>) -> Self {
        let mut parents: HashMap<Place<'a>, Parent, Quick> = HashMap::default();
        for row in rows {
            let Some(parent) = row.session.parent.as_ref().map(place) else { continue };
            let entry = parents.entry(parent).or_default();
            // One that names itself would keep itself alive for ever.
            entry.children += u32::from(parent != row.place());
        }
        if !parents.is_empty() {
            for row in rows {
                if let Some(parent) = parents.get_mut(&row.place()) {
                    parent.listed = true;
                }
            }
        }
        Self { parents, answers }
    }

    fn children_of(&self, row: &Row<'a>) -> u32 {
        if self.parents.is_empty() {
            return 0;
        }
        self.parents.get(&row.place()).map_or(0, |parent| parent.children)
    }

    fn parent_of(&self, session: &Session) -> ParentState {
        let Some(parent) = &session.parent else { return ParentState::None };
        if self.parents.get(&place(parent)).is_some_and(|parent| parent.listed) {
            ParentState::Alive
        } else if self.answers.doubt_absence(parent).is_none() {
            ParentState::Gone
        } else {
            ParentState::Unknown
        }
    }
}

fn subject<'a>(row: &Row<'a>, family: &Family<'a>, at: Timestamp) -> Subject {
    let Row { listing, session, doubled, record: remembered, renewed } = row;
    let (address, label, session) = match remembered {
        Some(Record { address, label, session, .. }) if *renewed && !doubled => {
            (address.clone(), label.clone(), session.clone())
        }
        _ => (row.address(), Label::new(listing.label.clone()), told(session, *doubled).into()),
    };
    let known = remembered.map(|record| record.handle.clone());
    // The record knows better than the session what the clock did since a time was told, but
    // only of times that are still told: those of a look may be news.
    let created = match remembered {
        Some(record) if record.session.created == session.created => record.created(),
        _ => session.created,
    };
    let last_active = match remembered {
        Some(record) if record.session.last_active == session.last_active => record.last_active(),
        _ => session.last_active,
    };
    let load = match remembered {
        Some(record) if *renewed => record.load,
        Some(record) => load::between(record.load, &record.session, &session, at.since(record.last_seen)),
        None => None,
    };
    let seen_for = remembered.map_or(Span::ZERO, |record| at.since(record.first_seen));
    Subject {
        handle: known.unwrap_or_else(|| Handle::of(&address, &session.incarnation)),
        label,
        generation: listing.generation.clone(),
        // A clock that was set back makes it look younger than it is known to be.
        age: created.map(|created| at.since(created).max(seen_for)),
        idle: last_active.map(|active| at.since(active)),
        seen_for,
        seen_times: remembered.map_or(1, |record| record.seen_times),
        mark: remembered.and_then(|record| record.tally).map(|tally| tally.mark(at)),
        parent: family.parent_of(&session),
        live_children: family.children_of(row),
        facts: load.map(load::fact).into_iter().collect(),
        address,
        session,
    }
}

/// The session as it is to be shown.
fn told(session: &Session, doubled: bool) -> Session {
    let mut session = session.clone();
    if doubled && session.protected.is_none() {
        session.protected = Some("its backend lists the key more than once".to_owned());
    }
    session
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use crate::ids::{BootId, Incarnation};
    use crate::proof::Proofs;
    use crate::reconcile::{RecordRules, reconcile};
    use crate::samples::NOW;
    use crate::session::Value;

    fn remembering(seen: &Observation) -> State {
        taken_in(State::default(), seen)
    }

    fn taken_in(state: State, seen: &Observation) -> State {
        let backend = seen.listings[0].backend.clone();
        let proofs = Proofs {
            boot: BootId::new("b"),
            // The clock was never set.
            uptime: seen.at.since(Timestamp::from_millis(0)),
            answered: BTreeSet::from([backend]),
            gone: BTreeSet::new(),
            alive: BTreeSet::new(),
        };
        reconcile(state, seen, &proofs, &RecordRules::default()).state
    }

    /// A memory of yesterday must not make a session idle that worked a second ago.
    #[test]
    fn a_look_believes_what_it_sees_and_not_what_is_remembered() {
        let old = observation(vec![session("$1")]);
        let state = remembering(&old);
        let working = Session { last_active: Some(NOW), attached: true, ..session("$1") };
        let new = observation(vec![working.clone()]); // at the same moment, by the clock
        let subject = &survey_beside(&new, &state)[0];
        assert_eq!((subject.idle, subject.session.attached), (Some(Span::ZERO), true));
        let later = Observation { at: NOW.plus(Span::from_secs(60)), ..new };
        let subject = &survey_beside(&later, &state)[0];
        assert_eq!(subject.idle, Some(Span::from_secs(60)));
        assert_eq!((subject.seen_for, subject.seen_times), (Span::from_secs(60), 1));
        let same = &survey_beside(&Observation { at: later.at, ..old }, &state)[0];
        assert_eq!(same.idle, Some(Span::from_secs(7260)));
    }

    fn used(seconds: u64) -> Session {
        let value = Value::Span { span: Span::from_secs(seconds) };
        Session { extra: vec![Fact { name: load::CPU.to_owned(), value }], ..session("$1") }
    }

    /// The second look says how much was used since the first, whoever takes it.
    #[test]
    fn what_was_used_between_two_looks() {
        let at = |seconds| NOW.plus(Span::from_secs(seconds));
        let seen = |seconds, cpu| Observation { at: at(seconds), ..observation(vec![used(cpu)]) };
        let state = remembering(&seen(0, 100));
        assert_eq!(survey_with(&seen(0, 100), Some(&state))[0].facts, [], "the first look");
        let beside = survey_beside(&seen(10, 105), &state);
        assert_eq!(beside[0].facts, [load::fact(50)]);
        let next = taken_in(state, &seen(20, 100));
        assert_eq!(survey_with(&seen(20, 100), Some(&next))[0].facts, [load::fact(0)]);
        let last = taken_in(next, &seen(40, 120));
        assert_eq!(survey_with(&seen(40, 120), Some(&last))[0].facts, [load::fact(100)]);
        assert_eq!(survey_beside(&seen(40, 120), &last)[0].facts, [load::fact(100)], "a moment later");
        let other = Session { incarnation: Incarnation::new("next"), ..used(500) };
        let other = Observation { at: at(50), ..observation(vec![other]) };
        assert_eq!(survey_beside(&other, &last)[0].facts, [], "another session");
        assert_eq!(survey(&seen(0, 100))[0].facts, [], "without a memory");
    }

    /// A state folder of before has records that do not know of this.
    #[test]
    fn records_of_before_can_be_read() {
        let state = taken_in(
            remembering(&observation(vec![used(1)])),
            &Observation { at: NOW.plus(Span::from_secs(10)), ..observation(vec![used(2)]) },
        );
        let record = state.records().next().expect("one").clone();
        let mut json = serde_json::to_value(&record).expect("JSON");
        assert_eq!(json["load"], 10);
        json.as_object_mut().expect("an object").remove("load");
        let before: Record = serde_json::from_value(json).expect("it reads well");
        assert_eq!(before, Record { load: None, ..record });
    }

    use crate::listing::Extent;
    use crate::samples::{address, listing, observation, session, subject};

    fn child_of(key: &str, parent: Address) -> Session {
        Session { parent: Some(parent), ..session(key) }
    }

    #[test]
    fn times_are_counted_from_the_observation() {
        let new = Session { created: None, last_active: None, ..session("$1") };
        assert_eq!((subject(new.clone()).age, subject(new).idle), (None, None));
        let old = subject(session("$1"));
        assert_eq!((old.age, old.idle), (Some(Span::from_secs(86_400)), Some(Span::from_secs(7200))));
        assert_eq!((old.seen_for, old.seen_times, old.mark), (Span::ZERO, 1, None));
        assert_eq!(old.handle, Handle::of(&old.address, &old.session.incarnation));
    }

    #[test]
    fn parents_are_alive_gone_or_unknown() {
        let elsewhere = Address { instance: Instance::new("/other"), ..address("$1") };
        let cases = [
            (Extent::Complete, address("$1"), ParentState::Alive),
            (Extent::Complete, address("$9"), ParentState::Gone),
            (Extent::Partial("cut".into()), address("$1"), ParentState::Alive),
            (Extent::Partial("cut".into()), address("$9"), ParentState::Unknown),
            (Extent::Complete, elsewhere, ParentState::Unknown),
        ];
        for (extent, parent, state) in cases {
            let sessions = vec![session("$1"), child_of("$2", parent.clone())];
            let mut pass = observation(Vec::new());
            pass.listings[0] = Listing { extent: extent.clone(), ..listing(sessions) };
            let subjects = survey(&pass);
            assert_eq!(subjects[0].parent, ParentState::None);
            assert_eq!(subjects[1].parent, state, "{extent:?} {parent}");
        }
    }

    #[test]
    fn children_are_counted_but_not_itself() {
        let sessions = vec![
            child_of("$1", address("$1")),
            child_of("$2", address("$1")),
            child_of("$3", address("$1")),
            child_of("$4", address("$9")),
        ];
        let children: Vec<u32> = survey(&observation(sessions)).iter().map(|s| s.live_children).collect();
        assert_eq!(children, [2, 0, 0, 0]);
    }

    #[test]
    fn a_key_listed_twice_is_shown_once_and_protected() {
        let second = Session { title: "second".into(), ..session("$1") };
        let subjects = survey(&observation(vec![session("$1"), session("$2"), second]));
        let shown: Vec<_> =
            subjects.iter().map(|s| (s.session.title.as_str(), s.session.protected.is_some())).collect();
        assert_eq!(shown, [("title of $1", true), ("title of $2", false)]);
    }

    #[test]
    fn what_a_failed_look_lists_is_not_there() {
        let mut pass = observation(vec![session("$1")]);
        pass.listings[0].extent = Extent::Failed("timed out".into());
        assert_eq!(survey(&pass), []);
    }
}
