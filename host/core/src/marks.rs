//! Marks: votes that call a session an orphan, pass after pass.
//!
//! One vote is an opinion about one moment. A session is due only when it was
//! voted an orphan several times in a row and for a while, so that a policy
//! that was edited badly, or a backend that shows nonsense once, can be noticed
//! before it costs something.

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::judge::Judged;
use crate::plan::no_orphan;
use crate::record::Record;
use crate::state::Step;
use crate::subject::Mark;
use crate::time::{Span, Timestamp};
use crate::vote::Decision;

/// What the operator can set of marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkRules {
    /// So many votes in a row are needed.
    pub times: u32,
    /// And so much time from the first of them.
    pub grace: Span,
    /// More time than this between two votes is not counted towards the grace:
    /// nobody looked in between.
    pub longest_gap: Span,
}

impl Default for MarkRules {
    fn default() -> Self {
        Self { times: 2, grace: Span::from_secs(600), longest_gap: Span::from_secs(120) }
    }
}

/// The votes that call a session an orphan, as far as they follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many.
    pub times: u32,
    /// How long the session has been an orphan under observation. Time in which
    /// it was not known is not in it.
    pub waited: Span,
    /// When the last vote was.
    pub voted: Timestamp,
}

impl Tally {
    /// The mark as policies and people see it at this moment.
    pub fn mark(&self, now: Timestamp) -> Mark {
        Mark { since: now.minus(self.waited), times: self.times }
    }

    /// Whether the session may be ended.
    pub fn due(&self, rules: &MarkRules) -> bool {
        self.times >= rules.times && self.waited >= rules.grace
    }

    /// Why it may not be ended yet, for people.
    pub(crate) fn wait(&self, rules: &MarkRules) -> String {
        format!(
            "it is marked as an orphan for {}, {} in a row; it is due after {} and {} votes \
             ([marks] grace and times)",
            self.waited,
            if self.times == 1 { "1 vote".to_owned() } else { format!("{} votes", self.times) },
            rules.grace,
            rules.times
        )
    }

    fn first(now: Timestamp) -> Self {
        Self { times: 1, waited: Span::ZERO, voted: now }
    }

    /// One vote more. `passed` is the time since the last pass.
    fn vote(&mut self, now: Timestamp, passed: Span, rules: &MarkRules) {
        let credit = now.since(self.voted).min(passed).min(rules.longest_gap);
        *self = Self {
            times: self.times.saturating_add(1),
            waited: Span::from_millis(self.waited.millis().saturating_add(credit.millis())),
            voted: now,
        };
    }
}

/// Counts the votes of a pass. What was not seen is not judged, so its mark
/// neither grows nor goes. A session that a rule refuses to end has no mark:
/// the grace begins when nothing stands in the way any more.
///
/// Whether there is a mark to lose stands in the subject, so that of those that
/// are needed, which is nearly all, no record has to be looked up.
pub(crate) fn count(step: &mut Step, judged: &[Judged], rules: &MarkRules) {
    let now = step.state.now();
    let passed = step.state.passed();
    for judged in judged {
        let (handle, orphan) = (&judged.subject.handle, free_orphan(judged));
        if !orphan && judged.subject.mark.is_none() {
            continue;
        }
        let Some(record) = step.state.record(handle).filter(|record| record.last_seen == now) else {
            continue;
        };
        match (orphan, record.tally) {
            (true, Some(tally)) if tally.voted >= now => {} // this pass was counted before
            (true, tally) => {
                let mut next = tally.unwrap_or(Tally::first(now));
                let was_due = tally.is_some_and(|tally| tally.due(rules));
                match tally {
                    None => step.events.push(Event::MarkSet { session: record.who() }),
                    Some(_) => next.vote(now, passed, rules),
                }
                if next.due(rules) && !was_due {
                    step.events.push(Event::MarkDue { session: record.who() });
                }
                step.change(handle, |record| record.tally = Some(next));
            }
            (false, None) => {}
            (false, Some(_)) => {
                let reason = objection(judged);
                step.events.push(Event::MarkCleared { session: record.who(), reason });
                step.change(handle, clear);
            }
        }
    }
}

/// Whether the policies call it an orphan and nothing speaks against ending it.
pub(crate) fn free_orphan(judged: &Judged) -> bool {
    judged.verdict.vote == Decision::Orphan && judged.refusals.is_empty()
}

fn objection(judged: &Judged) -> String {
    let refusal = judged.refusals.first().filter(|_| judged.verdict.vote == Decision::Orphan);
    refusal.map_or_else(|| no_orphan(judged), ToString::to_string)
}

/// Takes away the mark, and with it what is left of earlier attempts.
pub(crate) fn clear(record: &mut Record) {
    record.tally = None;
    record.retry = None;
}
