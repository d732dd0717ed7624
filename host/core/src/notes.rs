//! What the journal keeps of the events of a step.
//!
//! Each event is a note of its own, but for long runs that say the same of one
//! session after the other. When a server with ten thousand sessions dies, that
//! is one fact and not ten thousand, and as many entries cost more than all the
//! rest of the cycle. So such a run becomes a few notes that name every session
//! in it. Nothing is lost: [`Many::events`] are the events again.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::event::{Event, Who};
use crate::ids::{Address, Handle, Key};

/// Shorter runs stay as they are: easier to read, and to find by session.
pub const SHORTEST: usize = 16;
/// So many sessions stand in one note at most.
pub const LONGEST: usize = 1000;

/// What the names of notes about many sessions end in, after that of the event.
pub const MANY: &str = ".many";

/// One entry for the journal: an event, or a run of events that differ in
/// nothing but the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note<'a> {
    first: &'a Event,
    others: &'a [Event],
}

/// A run of events as it is written, under the name of the event with [`MANY`]
/// behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Many {
    /// The first of the events, as it would be written alone.
    pub first: Event,
    /// All sessions of the run, in order. They are at the same instance.
    pub sessions: Vec<(Handle, Key)>,
}

/// The notes of these events, in their order.
pub fn notes(events: &[Event]) -> impl Iterator<Item = Note<'_>> {
    events.chunk_by(alike).flat_map(|run| {
        let most = if run.len() < SHORTEST { 1 } else { LONGEST };
        run.chunks(most).filter_map(<[Event]>::split_first).map(|(first, others)| Note { first, others })
    })
}

/// The events that an entry of this kind holds. None where it is something else.
pub fn events(kind: &str, payload: &Value) -> Vec<Event> {
    let (name, events): (_, Vec<Event>) = match kind.strip_suffix(MANY) {
        None => (kind, Event::deserialize(payload).into_iter().collect()),
        Some(name) => (name, Many::deserialize(payload).iter().flat_map(Many::events).collect()),
    };
    // Another writer's entry may look like an event, and be called otherwise.
    if events.iter().all(|event| event.name() == name) { events } else { Vec::new() }
}

/// Whether the second event says the same as the first, of another session of
/// the same instance.
fn alike(first: &Event, second: &Event) -> bool {
    let (Some(one), Some(other)) = (first.session(), second.session()) else { return false };
    (&one.address.backend, &one.address.instance) == (&other.address.backend, &other.address.instance)
        && of_another(first, other.clone()).as_ref() == Some(second)
}

/// The same event of another session, for the kinds that come in runs.
fn of_another(event: &Event, session: Who) -> Option<Event> {
    use Event::{MarkCleared, MarkDue, MarkSet, Missing, Pruned, Returned, Seen, Stopped};
    Some(match event {
        Seen { after: None, .. } => Seen { session, after: None },
        Missing { misses, of, .. } => Missing { session, misses: *misses, of: *of },
        Stopped { proof, .. } => Stopped { session, proof: proof.clone() },
        Returned { was, .. } => Returned { session, was: *was },
        MarkSet { .. } => MarkSet { session },
        MarkDue { .. } => MarkDue { session },
        MarkCleared { reason, .. } => MarkCleared { session, reason: reason.clone() },
        Pruned { .. } => Pruned { session },
        _ => return None,
    })
}

impl<'a> Note<'a> {
    /// The name of the entry: that of the event, or that with [`MANY`].
    pub fn kind(&self) -> String {
        let many = if self.others.is_empty() { "" } else { MANY };
        format!("{}{many}", self.first.name())
    }

    /// How many events it is made of.
    #[allow(clippy::len_without_is_empty, reason = "there is no empty note")]
    pub fn len(&self) -> usize {
        1 + self.others.len()
    }

    /// The session that it is about, where it is about one.
    pub fn session(&self) -> Option<&'a Handle> {
        self.first.session().filter(|_| self.others.is_empty()).map(|who| &who.handle)
    }
}

impl Serialize for Note<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.others.is_empty() {
            return self.first.serialize(serializer);
        }
        let all = std::iter::once(self.first).chain(self.others).filter_map(Event::session);
        let sessions = all.map(|who| (who.handle.clone(), who.address.key.clone())).collect();
        Many { first: self.first.clone(), sessions }.serialize(serializer)
    }
}

impl Many {
    /// The events that it was made of. None where the first is of a kind that
    /// comes in no runs: somebody else wrote this.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        self.sessions.iter().filter_map(|(handle, key)| {
            let Address { backend, instance, .. } = self.first.session()?.address.clone();
            let address = Address { backend, instance, key: key.clone() };
            of_another(&self.first, Who { handle: handle.clone(), address })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Absence;
    use crate::ids::{Incarnation, Instance};
    use crate::proof::Proof;
    use crate::samples::address;

    fn who(instance: &str, number: usize) -> Who {
        let address = Address { instance: Instance::new(instance), ..address(&format!("${number}")) };
        Who { handle: Handle::of(&address, &Incarnation::new("first")), address }
    }

    fn missing(instance: &str, numbers: std::ops::Range<usize>, misses: u32) -> Vec<Event> {
        numbers.map(|number| Event::Missing { session: who(instance, number), misses, of: 2 }).collect()
    }

    /// The notes as they are in the journal, and the events that come of them.
    fn written(events: &[Event]) -> (Vec<(String, bool)>, Vec<Event>) {
        let (mut heads, mut again) = (Vec::new(), Vec::new());
        for note in notes(events) {
            let (kind, payload) = (note.kind(), serde_json::to_value(note).expect("JSON"));
            let read = super::events(&kind, &payload);
            assert_eq!(read.len(), note.len());
            assert!(super::events("another.kind", &payload).is_empty());
            again.extend(read);
            heads.push((kind, note.session().is_some()));
        }
        (heads, again)
    }

    #[test]
    fn long_runs_become_a_few_notes_and_nothing_is_lost() {
        let one = |name: &str| (name.to_owned(), true);
        let many = |name: &str| (format!("{name}{MANY}"), false);
        let stopped =
            |number, misses| Event::Stopped { session: who("a", number), proof: Proof::Absent { misses } };
        let seen = |number, after: Option<&str>| Event::Seen {
            session: who("a", number),
            after: after.map(Incarnation::new),
        };
        let cases = [
            ("none", vec![], vec![]),
            ("a short run", missing("a", 0..SHORTEST - 1, 1), vec![one("session.missing"); SHORTEST - 1]),
            ("a long one", missing("a", 0..SHORTEST, 1), vec![many("session.missing")]),
            (
                "of two instances",
                [missing("a", 0..20, 1), missing("b", 0..20, 1)].concat(),
                vec![many("session.missing"); 2],
            ),
            (
                "of two meanings",
                [missing("a", 0..20, 1), missing("a", 20..40, 2)].concat(),
                vec![many("session.missing"); 2],
            ),
            (
                "too long for one",
                missing("a", 0..2 * LONGEST + 1, 1),
                vec![many("session.missing"), many("session.missing"), one("session.missing")],
            ),
            (
                "something in between",
                [missing("a", 0..20, 1), vec![Event::Rebooted], (0..20).map(|n| stopped(n, 2)).collect()]
                    .concat(),
                vec![
                    many("session.missing"),
                    ("machine.rebooted".to_owned(), false),
                    many("session.stopped"),
                ],
            ),
            (
                "each with a proof of its own",
                (0..20).map(|number| stopped(number, number as u32)).collect(),
                vec![one("session.stopped"); 20],
            ),
            ("first sights", (0..20).map(|number| seen(number, None)).collect(), vec![many("session.seen")]),
            (
                "each in the place of another",
                (0..20).map(|number| seen(number, Some("before"))).collect(),
                vec![one("session.seen"); 20],
            ),
            (
                "returned from two places",
                [Absence::Missing, Absence::Stopped]
                    .map(|was| {
                        (0..20)
                            .map(|number| Event::Returned { session: who("a", number), was })
                            .collect::<Vec<_>>()
                    })
                    .concat(),
                vec![many("session.returned"); 2],
            ),
        ];
        for (what, events, expected) in cases {
            assert_eq!(written(&events), (expected, events), "{what}");
        }
    }
}
