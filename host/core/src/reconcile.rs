//! What was seen now, held against what is remembered.
//!
//! The two ways to fail, and peers have failed both: to take an outage for an
//! end (400 of 400 live sessions marked stopped by one unanswered call), and to
//! never let go (394 dead sessions "active" for 26 hours, with their locks). So
//! nothing changes for a session about which nothing is known; and whatever is
//! known to be absent leaves, by count or at once by [proof](crate::proof).

use std::collections::HashMap;

use crate::event::{Absence, Event, Who};
use crate::ids::{Address, Handle, Incarnation, Instance, PluginName};
use crate::listing::{Answers, Listing, Observation};
use crate::proof::{Finding, Proof, Proofs, Word};
use crate::record::{Lag, Record, Standing};
use crate::session::Session;
use crate::state::{Reading, State, Step};
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
            see(&mut step, listing, observation.at, proofs);
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
    let Some(last) = step.state.clock.replace(reading) else { return };
    let rebooted = last.boot != proofs.boot;
    let passed = if rebooted {
        at.since(last.at).min(proofs.uptime)
    } else {
        Span::from_millis(proofs.uptime.millis().saturating_sub(last.uptime.millis()))
    };
    step.state.passed = passed;
    let shift = Shift::between(last.at, at, passed);
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

/// Takes over a listing's sessions. Nearly all of them are as they were, so
/// those are gone through first and by the shortest way.
fn see(step: &mut Step, listing: &Listing, at: Timestamp, proofs: &Proofs) {
    let mut others = Vec::new();
    let Step { state: State { records, sites, .. }, events, changes, .. } = step;
    let site = sites.get(&listing.backend).and_then(|sites| sites.get(&listing.instance));
    let present = |session: &Session| site.and_then(|site| site.present.get(&session.key));
    for session in listing.seen() {
        match present(session).and_then(|handle| records.get_mut(handle)) {
            Some(record) if record.session.incarnation == session.incarnation => {
                if see_again(record, listing, session, at, proofs, events) {
                    changes.records.insert(record.handle.clone());
                }
            }
            _ => others.push(session),
        }
    }
    for session in others {
        let known = step.state.instance(&listing.backend, &listing.instance).record(&session.key);
        let known = known.map(|record| (record.handle.clone(), record.session.incarnation.clone()));
        if let Some((handle, _)) = &known {
            stop(step, handle, Proof::Replaced { by: session.incarnation.clone() }, at);
        }
        arrive(step, listing, session, at, proofs, known.map(|(_, incarnation)| incarnation));
    }
    let sites = step.state.sites.get_mut(&listing.backend);
    if let Some(site) = sites.and_then(|sites| sites.get_mut(&listing.instance)) {
        site.seen = listing.seen().len();
    }
}

/// Renews the record of a session that was present before. Tells whether it is
/// to be written.
fn see_again(
    record: &mut Record,
    listing: &Listing,
    session: &Session,
    at: Timestamp,
    proofs: &Proofs,
    events: &mut Vec<Event>,
) -> bool {
    record.last_seen = at;
    record.seen_times = record.seen_times.saturating_add(1);
    let renewed = record.renew(session);
    let returned = record.standing != Standing::Live;
    if returned {
        record.standing = Standing::Live;
        events.push(Event::Returned { session: record.who(), was: Absence::Missing });
    }
    let elsewhere = is_elsewhere(record, listing, proofs);
    if elsewhere {
        // It lived on in another start of its server. What was thought of it
        // before is of another time.
        let restarted = |was| listing.generation.as_ref().is_some_and(|is| is != was);
        if record.generation.as_ref().is_some_and(restarted) {
            if record.tally.is_some() {
                let reason = "its server was started anew".to_owned();
                events.push(Event::MarkCleared { session: record.who(), reason });
            }
            crate::marks::clear(record);
        }
        settle_in(record, listing, proofs);
    }
    renewed || returned || elsewhere
}

fn is_elsewhere(record: &Record, listing: &Listing, proofs: &Proofs) -> bool {
    record.generation != listing.generation
        || record.server != listing.server
        || record.boot != proofs.boot
        || record.label != listing.label
}

fn settle_in(record: &mut Record, listing: &Listing, proofs: &Proofs) {
    record.generation.clone_from(&listing.generation);
    record.server = listing.server;
    record.boot = proofs.boot.clone();
    record.label.clone_from(&listing.label);
}

/// A session that was not present: a new one, or one that had left.
fn arrive(
    step: &mut Step,
    listing: &Listing,
    session: &Session,
    at: Timestamp,
    proofs: &Proofs,
    after: Option<Incarnation>,
) {
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
        label: String::new(),
        generation: None,
        server: None,
        boot: proofs.boot.clone(),
        session: session.clone(),
        first_seen: at,
        last_seen: at,
        seen_times: 0,
        standing: Standing::Live,
        tally: None,
        retry: None,
        lag: Lag::default(),
    });
    record.renew(session);
    record.standing = Standing::Live;
    record.last_seen = at;
    record.seen_times = record.seen_times.saturating_add(1);
    settle_in(&mut record, listing, proofs);
    let session = record.who();
    step.put(record);
    step.events.push(match was {
        Some(was) => Event::Returned { session, was },
        None => Event::Seen { session, after },
    });
}

fn stop(step: &mut Step, handle: &Handle, proof: Proof, at: Timestamp) {
    let Some(record) = step.state.record(handle) else { return };
    step.events.push(Event::Stopped { session: record.who(), proof: proof.clone() });
    step.leave(handle, Standing::Stopped { at, proof });
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
        for who in unseen(&step.state, &backend, &instance, observation.at) {
            let record = &step.state.record(&who.handle).expect("it was found a moment ago");
            match proofs.judge(record, word) {
                Finding::Gone(proof) => stop(step, &who.handle, proof, observation.at),
                Finding::Absent => {
                    let of = if word == Word::Unlisted {
                        rules.unlisted_confirmations
                    } else {
                        rules.confirmations
                    };
                    absent(step, who, of, rules.spacing, observation.at);
                }
                Finding::Unknown(reason) => unknown = unknown.or(Some(reason)),
            }
        }
        note_doubt(step, backend, instance, unknown);
    }
}

/// The sessions of an instance that were not seen in this pass, in the order of
/// their keys.
fn unseen(state: &State, backend: &PluginName, instance: &Instance, at: Timestamp) -> Vec<Who> {
    let site = state.sites.get(backend).and_then(|sites| sites.get(instance));
    let site = site.filter(|site| site.seen < site.present.len());
    let present = site.into_iter().flat_map(|site| site.present.values());
    let records = present.filter_map(|handle| state.record(handle));
    let mut unseen: Vec<Who> = records.filter(|record| record.last_seen != at).map(Record::who).collect();
    unseen.sort_by(|a, b| a.address.key.cmp(&b.address.key));
    unseen
}

/// Counts one more absence, and stops the session when that is enough.
fn absent(step: &mut Step, who: Who, of: u32, spacing: Span, at: Timestamp) {
    let Some(record) = step.state.record(&who.handle) else { return };
    let (misses, since) = match record.standing {
        Standing::Missing { counted, .. } if at.since(counted) < spacing => return,
        Standing::Missing { misses, since, .. } => (misses.saturating_add(1), since),
        _ => (1, at),
    };
    if misses >= of {
        return stop(step, &who.handle, Proof::Absent { misses }, at);
    }
    step.change(&who.handle, |record| record.standing = Standing::Missing { misses, since, counted: at });
    step.events.push(Event::Missing { session: who, misses, of });
}

/// Notes why it is not known what an instance holds, and forgets an instance
/// that holds nothing.
fn note_doubt(step: &mut Step, backend: PluginName, instance: Instance, doubt: Option<String>) {
    let Some(sites) = step.state.sites.get_mut(&backend) else { return };
    let Some(site) = sites.get_mut(&instance) else { return };
    let doubt = doubt.filter(|_| !site.present.is_empty());
    let empty = site.present.is_empty();
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
