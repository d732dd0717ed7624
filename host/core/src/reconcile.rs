//! What was seen now, held against what is remembered.
//!
//! The two ways to fail, and peers have failed both: to take an outage for an
//! end (400 of 400 live sessions marked stopped by one unanswered call), and to
//! never let go (394 dead sessions "active" for 26 hours, with their locks). So
//! nothing changes for a session about which nothing is known; and whatever is
//! known to be absent leaves, by count or at once by [proof](crate::proof).

use std::borrow::Cow;
use std::collections::HashMap;

use crate::event::{Absence, Event};
use crate::ids::{Address, BootId, Handle, Incarnation, Instance, Key, Label, PluginName};
use crate::listing::{Answers, Listing, Observation};
use crate::load;
use crate::proof::{Finding, Proof, Proofs, Word};
use crate::record::{Lag, Record, Standing};
use crate::records::{Place, Walk};
use crate::session::Session;
use crate::state::{Changes, Reading, State, Step};
use crate::time::{Shift, Span, Timestamp};

/// What the operator can set of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRules {
    /// A session that was absent so often is gone.
    pub confirmations: u32,
    /// The same where its whole instance is no longer listed by its backend: a
    /// weaker sign, since nobody says that nothing is there.
    pub unlisted_confirmations: u32,
    /// Absences closer to each other than this count as one: two looks within a
    /// second see the same hiccup.
    pub spacing: Span,
    /// How long the record of a session that left is kept.
    pub retention: Span,
    /// When the time of day moved by so much more or less than time has passed,
    /// the clock was set.
    pub clock_tolerance: Span,
}

impl Default for RecordRules {
    fn default() -> Self {
        Self {
            confirmations: 2,
            unlisted_confirmations: 4,
            spacing: Span::from_secs(10),
            retention: Span::from_secs(24 * 3600),
            clock_tolerance: Span::from_secs(10),
        }
    }
}

/// Takes over what was seen, and works out what became of the rest. Only for
/// observations in which the backends in `proofs.answered` were asked for all
/// that they have: a look at some keys shows nothing of the others.
pub fn reconcile(state: State, observation: &Observation, proofs: &Proofs, rules: &RecordRules) -> Step {
    let mut step = Step::of(state);
    advance(&mut step, observation.at, proofs, rules.clock_tolerance);
    for site in step.state.sites.values_mut().flat_map(HashMap::values_mut) {
        site.seen = 0;
    }
    let answers = Answers::of(observation);
    for listing in &observation.listings {
        if !answers.contradicts(listing) {
            let label = Label::new(listing.label.clone());
            see(&mut step, &Look { listing, label, at: observation.at, boot: &proofs.boot });
        }
    }
    miss(&mut step, observation, &answers, proofs, rules);
    step.free_departed("its session is gone");
    step.prune(observation.at.minus(rules.retention));
    step
}

/// Moves the clocks on.
///
/// The time of day may be set, by a person or by NTP, and a day's jump would
/// make every session a day idle and every mark a day old: a wave of ends. So
/// it is compared with a clock that nobody can set, and what Reap noted is
/// moved along: what was five minutes ago still is. The times that backends
/// tell are moved too, until they tell others.
///
/// Over a reboot there is no such clock. Then only the time since the start is
/// vouched for, and the time before it counts for nothing that Reap noted.
fn advance(step: &mut Step, at: Timestamp, proofs: &Proofs, tolerance: Span) {
    let reading = Reading { at, boot: proofs.boot.clone(), uptime: proofs.uptime };
    let Some(last) = step.state.clock.replace(reading.clone()) else { return };
    let Drift { passed, shift, rebooted } = Drift::between(&last, &reading);
    step.state.passed = passed;
    if rebooted {
        step.events.push(Event::Rebooted);
    }
    if shift.span() <= tolerance {
        return;
    }
    if !rebooted {
        step.events.push(Event::ClockJumped { by: shift.span(), forward: shift.is_forward() });
    }
    step.shift(shift, !rebooted);
}

/// What became of the time of day between two readings.
struct Drift {
    /// The time that is vouched for.
    passed: Span,
    /// How far the clock was set.
    shift: Shift,
    rebooted: bool,
}

impl Drift {
    fn between(last: &Reading, now: &Reading) -> Self {
        let rebooted = last.boot != now.boot;
        let passed = if rebooted {
            now.at.since(last.at).min(now.uptime)
        } else {
            Span::from_millis(now.uptime.millis().saturating_sub(last.uptime.millis()))
        };
        Self { passed, shift: Shift::between(last.at, now.at, passed), rebooted }
    }
}

/// The state as a look at this moment is to use it that is not taken over: with
/// all that was noted moved along, where the clock was set since the last pass. A
/// command right after a jump would else see every session a day idle.
pub fn caught_up<'a>(state: &'a State, now: &Reading, rules: &RecordRules) -> Cow<'a, State> {
    let Some(last) = &state.clock else { return Cow::Borrowed(state) };
    let Drift { shift, rebooted, .. } = Drift::between(last, now);
    if shift.span() <= rules.clock_tolerance {
        return Cow::Borrowed(state);
    }
    let mut step = Step::of(state.clone());
    step.shift(shift, !rebooted);
    Cow::Owned(step.state)
}

/// One listing, and what is noted of all that it shows.
struct Look<'a> {
    listing: &'a Listing,
    label: Label,
    at: Timestamp,
    boot: &'a BootId,
}

/// Takes over a listing's sessions. Nearly all of them are as they were, so
/// those are gone through first and by the shortest way.
fn see(step: &mut Step, look: &Look<'_>) {
    let mut others = Vec::new();
    let listing = look.listing;
    let Step { state: State { records, sites, .. }, events, changes, .. } = step;
    let site = sites.get_mut(&listing.backend).and_then(|sites| sites.get_mut(&listing.instance));
    let mut walk = site.as_deref().map(Walk::along);
    let mut order = Vec::with_capacity(listing.seen().len());
    for session in listing.seen() {
        let place = walk.as_mut().and_then(|walk| walk.find(records, &session.key));
        match place.and_then(|place| Some((place, records.at_mut(place)?))) {
            Some((place, record)) if record.session.incarnation == session.incarnation => {
                order.push(place);
                see_again(record, look, session, events, changes);
            }
            _ => others.push(session),
        }
    }
    if let Some(site) = site {
        site.reorder(order);
    }
    for session in others {
        let known = step.state.find(&listing.backend, &listing.instance, &session.key);
        let replaced = known.map(|(place, record)| (place, record.session.incarnation.clone()));
        if let Some((place, _)) = &replaced {
            stop(step, *place, Proof::Replaced { by: session.incarnation.clone() }, look.at);
        }
        arrive(step, look, session, replaced.map(|(_, incarnation)| incarnation));
    }
    let sites = step.state.sites.get_mut(&listing.backend);
    if let Some(site) = sites.and_then(|sites| sites.get_mut(&listing.instance)) {
        site.seen = listing.seen().len();
    }
}

/// Renews the record of a session that was present before.
fn see_again(
    record: &mut Record,
    look: &Look<'_>,
    session: &Session,
    events: &mut Vec<Event>,
    changes: &mut Changes,
) {
    let passed = look.at.since(record.last_seen);
    record.load = load::between(record.load, &record.session, session, passed);
    record.last_seen = look.at;
    record.seen_times = record.seen_times.saturating_add(1);
    let renewed = record.renew(session);
    if record.standing != Standing::Live {
        record.standing = Standing::Live;
        changes.courses.insert(record.handle.clone());
        events.push(Event::Returned { session: record.who(), was: Absence::Missing });
    }
    let elsewhere = is_elsewhere(record, look);
    if elsewhere {
        // It lived on in another start of its server. What was thought of it
        // before is of another time.
        let restarted = |was| look.listing.generation.as_ref().is_some_and(|is| is != was);
        if record.generation.as_ref().is_some_and(restarted) {
            if record.tally.is_some() {
                let reason = "its server was started anew".to_owned();
                events.push(Event::MarkCleared { session: record.who(), reason });
            }
            crate::marks::clear(record);
        }
        settle_in(record, look);
    }
    if renewed || elsewhere {
        changes.records.insert(record.handle.clone());
    }
}

fn is_elsewhere(record: &Record, look: &Look<'_>) -> bool {
    record.generation != look.listing.generation
        || record.server != look.listing.server
        || record.boot != *look.boot
        || record.label != look.label
}

fn settle_in(record: &mut Record, look: &Look<'_>) {
    record.generation.clone_from(&look.listing.generation);
    record.server = look.listing.server;
    record.boot = look.boot.clone();
    record.label = look.label.clone();
}

/// A session that was not present: a new one, or one that had left.
fn arrive(step: &mut Step, look: &Look<'_>, session: &Session, after: Option<Incarnation>) {
    let Look { listing, label, at, boot } = look;
    let address = Address {
        backend: listing.backend.clone(),
        instance: listing.instance.clone(),
        key: session.key.clone(),
    };
    let handle = Handle::of(&address, &session.incarnation);
    let known = step.state.record(&handle).cloned();
    let was = match known.as_ref().map(|record| &record.standing) {
        Some(Standing::Ended { .. }) => Some(Absence::Ended),
        Some(_) => Some(Absence::Stopped),
        None => None,
    };
    let mut record = known.unwrap_or_else(|| Record {
        handle,
        address,
        label: label.clone(),
        generation: None,
        server: None,
        boot: BootId::clone(boot),
        session: session.clone().into(),
        first_seen: *at,
        last_seen: *at,
        seen_times: 0,
        standing: Standing::Live,
        tally: None,
        retry: None,
        lag: Lag::default(),
        load: None,
    });
    record.renew(session);
    record.load = None;
    record.standing = Standing::Live;
    record.last_seen = *at;
    record.seen_times = record.seen_times.saturating_add(1);
    settle_in(&mut record, look);
    let session = record.who();
    step.put(record);
    step.events.push(match was {
        Some(was) => Event::Returned { session, was },
        None => Event::Seen { session, after },
    });
}

fn stop(step: &mut Step, place: Place, proof: Proof, at: Timestamp) {
    let Some(record) = step.state.records.at(place) else { return };
    step.events.push(Event::Stopped { session: record.who(), proof: proof.clone() });
    step.leave(place, Standing::Stopped { at, proof });
}

/// Works out what became of the sessions that were not seen.
fn miss(
    step: &mut Step,
    observation: &Observation,
    answers: &Answers<'_>,
    proofs: &Proofs,
    rules: &RecordRules,
) {
    let listings: HashMap<_, &Listing> =
        observation.listings.iter().map(|listing| ((&listing.backend, &listing.instance), listing)).collect();
    let mut sites: Vec<(PluginName, Instance)> = step
        .state
        .sites
        .iter()
        .flat_map(|(backend, sites)| sites.keys().map(|instance| (backend.clone(), instance.clone())))
        .collect();
    sites.sort(); // the events come in the same order in every run
    for (backend, instance) in sites {
        let listing = listings.get(&(&backend, &instance)).copied();
        let doubt = answers.doubt_instance(&backend, &instance);
        let answered = proofs.answered.contains(&backend) && !answers.concerned(&backend, &instance);
        let word = match (&doubt, listing) {
            (None, Some(listing)) => Word::of(listing),
            (Some(reason), Some(_)) => Word::Doubt(reason),
            (_, None) if answered => Word::Unlisted,
            (reason, None) => Word::Doubt(reason.as_deref().unwrap_or_default()),
        };
        let mut unknown = doubt.as_deref().filter(|_| word != Word::Unlisted).map(str::to_owned);
        for place in unseen(&step.state, &backend, &instance, observation.at) {
            let Some(record) = step.state.records.at(place) else { continue };
            match proofs.judge(record, word) {
                Finding::Gone(proof) => stop(step, place, proof, observation.at),
                Finding::Absent => {
                    let of = if word == Word::Unlisted {
                        rules.unlisted_confirmations
                    } else {
                        rules.confirmations
                    };
                    absent(step, place, of, rules.spacing, observation.at);
                }
                Finding::Unknown(reason) => unknown = unknown.or(Some(reason)),
            }
        }
        note_doubt(step, backend, instance, unknown);
    }
}

/// The sessions of an instance that were not seen in this pass, in the order of
/// their keys.
fn unseen(state: &State, backend: &PluginName, instance: &Instance, at: Timestamp) -> Vec<Place> {
    let site = state.sites.get(backend).and_then(|sites| sites.get(instance));
    let Some(site) = site.filter(|site| site.seen < site.places().len()) else { return Vec::new() };
    let known = site.places().filter_map(|place| Some((place, state.records.at(place)?)));
    let unseen = known.filter(|(_, record)| record.last_seen != at);
    let mut unseen: Vec<(&Key, Place)> = unseen.map(|(place, record)| (&record.address.key, place)).collect();
    unseen.sort_by_key(|(key, _)| *key);
    unseen.into_iter().map(|(_, place)| place).collect()
}

/// Counts one more absence, and stops the session when that is enough.
fn absent(step: &mut Step, place: Place, of: u32, spacing: Span, at: Timestamp) {
    let Some(record) = step.state.records.at(place) else { return };
    let (misses, since) = match record.standing {
        Standing::Missing { counted, .. } if at.since(counted) < spacing => return,
        Standing::Missing { misses, since, .. } => (misses.saturating_add(1), since),
        _ => (1, at),
    };
    if misses >= of {
        return stop(step, place, Proof::Absent { misses }, at);
    }
    step.events.push(Event::Missing { session: record.who(), misses, of });
    step.change_at(place, |record| record.standing = Standing::Missing { misses, since, counted: at });
}

/// Notes why it is not known what an instance holds, and forgets an instance
/// that holds nothing.
fn note_doubt(step: &mut Step, backend: PluginName, instance: Instance, doubt: Option<String>) {
    let Some(sites) = step.state.sites.get_mut(&backend) else { return };
    let Some(site) = sites.get_mut(&instance) else { return };
    let empty = site.is_empty();
    let doubt = doubt.filter(|_| !empty);
    let was = std::mem::replace(&mut site.doubt, doubt.clone());
    if empty {
        sites.remove(&instance);
    }
    match (was, doubt) {
        (None, Some(reason)) => step.events.push(Event::Doubted { backend, instance, reason }),
        (Some(_), None) => step.events.push(Event::Clear { backend, instance }),
        _ => {}
    }
}
