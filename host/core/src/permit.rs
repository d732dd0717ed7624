//! The last look before the act, and the leave to end one session.
//!
//! Between a plan and its end lie minutes in which a server is restarted and
//! `$3` becomes another session, somebody attaches, an agent goes back to work.
//! So each item is looked at again, and only one that is still what was planned
//! becomes a permit. There is no other way to make one.

use std::collections::HashMap;
use std::fmt;

use crate::clean;
use crate::guard::Refusal;
use crate::ids::{Address, Generation, Handle};
use crate::judge::Judged;
use crate::listing::{Answers, Observation};
use crate::plan::{Cause, Item, Lifts, no_orphan};
use crate::session::{Session, Shared};
use crate::subject::Subject;
use crate::time::Timestamp;
use crate::vote::Decision;

/// The sessions as they are now, looked up by address.
#[derive(Debug)]
pub struct Fresh<'a> {
    judged: HashMap<&'a Address, &'a Judged>,
    answers: Answers<'a>,
}

impl<'a> Fresh<'a> {
    /// A new look: what was observed, and how that was judged. Both by the same
    /// rules as for the plan, and both made after it.
    pub fn new(observation: &'a Observation, judged: &'a [Judged]) -> Self {
        Self {
            judged: judged.iter().map(|judged| (&judged.subject.address, judged)).collect(),
            answers: Answers::of(observation),
        }
    }
}

/// Leave to end the one session that it names, as it was seen just before.
///
/// It cannot be copied, so that one look gives one end:
///
/// ```compile_fail,E0599
/// fn twice(permit: reap_core::permit::Permit) {
///     let again = permit.clone();
/// }
/// ```
///
/// and nobody can make one up:
///
/// ```compile_fail,E0451
/// fn forge(from: reap_core::permit::Permit, other: reap_core::ids::Address) -> reap_core::permit::Permit {
///     reap_core::permit::Permit { address: other, ..from }
/// }
/// ```
#[derive(Debug, PartialEq)]
#[must_use = "a permit that is dropped ends nothing"]
pub struct Permit {
    session: Shared,
    address: Address,
    handle: Handle,
    generation: Option<Generation>,
    lifts: Lifts,
}

impl Permit {
    /// Leave to end this item of a plan made at `made`, if it is still what was
    /// planned; else why it is to be left alone.
    pub fn issue(item: &Item, made: Timestamp, fresh: &Fresh<'_>) -> Result<Self, Skip> {
        let Some(judged) = fresh.judged.get(&item.address) else {
            return Err(fresh.answers.doubt_absence(&item.address).map_or(Skip::Gone, Skip::Unknown));
        };
        same_session(item, &judged.subject)?;
        if let Some(refusal) = judged.standing(item.lifts).next() {
            return Err(Skip::Refused(refusal.clone()));
        }
        if item.cause == Cause::Orphan && judged.verdict.vote != Decision::Orphan {
            return Err(Skip::NoLongerOrphan(no_orphan(judged)));
        }
        not_active_since(item, made, &judged.subject.session)?;
        Ok(Self {
            session: judged.subject.session.clone(),
            address: item.address.clone(),
            handle: item.handle.clone(),
            generation: judged.subject.generation.clone(),
            lifts: item.lifts,
        })
    }

    /// The session as it was seen just before.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Where it is to be found.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Its handle.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The start of its server that it was seen in, where known.
    pub fn generation(&self) -> Option<&Generation> {
        self.generation.as_ref()
    }

    /// Which refusals were lifted for it.
    pub fn lifts(&self) -> Lifts {
        self.lifts
    }
}

fn same_session(item: &Item, now: &Subject) -> Result<(), Skip> {
    // A plan that was put together elsewhere may carry another session's handle, under which
    // the outcome would be noted.
    if item.handle != Handle::of(&item.address, &item.incarnation) {
        return Err(Skip::Unknown("its handle in the plan is that of another session".to_owned()));
    }
    match (&item.generation, &now.generation) {
        (Some(was), Some(is)) if was != is => Err(Skip::Replaced { restarted: true }),
        // Which of two starts a key belongs to decides which session it is.
        (Some(_), None) | (None, Some(_)) => Err(Skip::Unknown(
            "its backend does not say each time which start of its server answers".to_owned(),
        )),
        _ if item.incarnation != now.session.incarnation => Err(Skip::Replaced { restarted: false }),
        _ => Ok(()),
    }
}

/// Any other moment than the planned one is news, an earlier one too: it was
/// told by another window, or by another clock.
fn not_active_since(item: &Item, made: Timestamp, session: &Session) -> Result<(), Skip> {
    let (was, is) = (item.last_active, session.last_active);
    let news = match (was, is) {
        (None, Some(is)) => is > made,
        (was, is) => was != is,
    };
    if news && !item.lifts.active { Err(Skip::ActiveSince { was, is }) } else { Ok(()) }
}

/// Why an item of a plan is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skip {
    /// It is not there any more.
    Gone,
    /// Its key means another session now.
    Replaced {
        /// Because its server was started anew.
        restarted: bool,
    },
    /// It could not be looked at, for this reason.
    Unknown(String),
    /// A rule refuses it now.
    Refused(Refusal),
    /// The policies no longer call it an orphan, for this reason.
    NoLongerOrphan(String),
    /// It was active since the plan was made.
    ActiveSince {
        /// When it was last active by the plan, where known.
        was: Option<Timestamp>,
        /// When it was last active by now, where known.
        is: Option<Timestamp>,
    },
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("it is already gone"),
            Self::Replaced { restarted: true } => f.write_str(
                "the server was restarted since the plan was made: its key means another session now",
            ),
            Self::Replaced { restarted: false } => {
                f.write_str("it was replaced since the plan was made: its key means another session now")
            }
            Self::Unknown(reason) => write!(f, "it could not be looked at again: {}", clean::line(reason)),
            Self::Refused(refusal) => write!(f, "it must not be ended now: {refusal}"),
            Self::NoLongerOrphan(why) => write!(f, "it is no longer an orphan: {}", clean::line(why)),
            Self::ActiveSince { was: Some(was), is: Some(is) } if is > was => {
                write!(f, "it was active since the plan was made, at {is}")
            }
            Self::ActiveSince { was: None, is: Some(is) } => {
                write!(f, "it was active since the plan was made, at {is}")
            }
            Self::ActiveSince { was: Some(was), is: Some(is) } => {
                write!(f, "it is said to have been active last at {is}, and the plan knew of {was}")
            }
            Self::ActiveSince { is: None, .. } => {
                f.write_str("it is no longer known when it was last active")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Extent;
    use crate::plan::Plan;
    use crate::samples::{NOW, ago, judged, listing, session};
    use crate::selector::Selector;
    use crate::session::Activity;
    use crate::time::Span;

    const LIFETIME: Span = Span::from_secs(900);

    fn planned(cause: Cause, lifts: Lifts, session: Session) -> (Item, Timestamp) {
        let judged = judged(session, Decision::Orphan, &[]);
        let mut plan = match cause {
            Cause::Orphan => {
                Plan::cleanup(&[judged], Vec::new(), &Selector::everything(), lifts, NOW, LIFETIME)
            }
            Cause::Asked => Plan::kill(&[&judged], lifts, NOW, LIFETIME),
        };
        (plan.items.remove(0), plan.made)
    }

    fn look(item: &(Item, Timestamp), extent: Extent, judged: &[Judged]) -> Result<Permit, Skip> {
        let sessions = judged.iter().map(|judged| Session::clone(&judged.subject.session)).collect();
        let listings = vec![crate::listing::Listing { extent, ..listing(sessions) }];
        let observation = Observation { at: NOW, listings, faults: Vec::new() };
        Permit::issue(&item.0, item.1, &Fresh::new(&observation, judged))
    }

    fn orphan(session: Session) -> Judged {
        judged(session, Decision::Orphan, &[])
    }

    #[test]
    fn what_is_unchanged_may_be_ended() {
        let item = planned(Cause::Orphan, Lifts::default(), session("$1"));
        let permit = look(&item, Extent::Complete, &[orphan(session("$1"))]).expect("nothing changed");
        assert_eq!(permit.session(), &session("$1"));
        assert_eq!((permit.address(), permit.handle()), (&item.0.address, &item.0.handle));
        assert_eq!(permit.generation().map(Generation::as_str), Some("100-5"));
        assert_eq!(permit.lifts(), Lifts::default());
    }

    #[test]
    fn what_is_not_listed_is_gone_only_where_that_shows() {
        let item = planned(Cause::Orphan, Lifts::default(), session("$1"));
        let cases = [
            (Extent::Complete, Skip::Gone),
            (Extent::Absent("no server".into()), Skip::Gone),
            (Extent::Partial("cut".into()), Skip::Unknown("cut".into())),
            (Extent::Failed("timed out".into()), Skip::Unknown("timed out".into())),
        ];
        for (extent, skip) in cases {
            assert_eq!(look(&item, extent, &[]), Err(skip));
        }
        let silent = Observation { at: NOW, listings: Vec::new(), faults: Vec::new() };
        let skip = Permit::issue(&item.0, item.1, &Fresh::new(&silent, &[])).expect_err("nobody answered");
        assert_eq!(skip.to_string(), "it could not be looked at again: its instance gave no answer");
    }

    #[test]
    fn what_changed_is_left_alone() {
        use Activity::Running;
        let base = || session("$1");
        let other = crate::ids::Incarnation::new("second");
        let moved = Session { last_active: Some(ago(7199)), ..base() };
        let mut restarted = orphan(base());
        restarted.subject.generation = Some(Generation::new("200-9"));
        let mut nameless = orphan(base());
        nameless.subject.generation = None;
        let active = Refusal::Active { idle: None };
        let cases = [
            (orphan(Session { incarnation: other, ..base() }), "it was replaced since the plan was made"),
            (restarted, "the server was restarted since the plan was made"),
            (nameless, "does not say each time which start of its server"),
            (judged(base(), Decision::Orphan, &[Refusal::Attached]), "somebody is attached"),
            (
                judged(Session { activity: Running, ..base() }, Decision::Orphan, &[active]),
                "something runs in it",
            ),
            (judged(base(), Decision::Orphan, &[Refusal::RunsReap]), "Reap itself runs in it"),
            (judged(base(), Decision::Keep, &[]), "it is no longer an orphan: idle-shell: because"),
            (judged(base(), Decision::Abstain, &[]), "it is no longer an orphan: no policy calls it"),
            (orphan(moved), "it was active since the plan was made, at 1970-01-10T22:00:01Z"),
            (orphan(Session { last_active: Some(ago(7201)), ..base() }), "and the plan knew of"),
            (orphan(Session { last_active: None, ..base() }), "no longer known when it was last active"),
        ];
        let item = planned(Cause::Orphan, Lifts::default(), base());
        for (now, words) in cases {
            let skip = look(&item, Extent::Complete, &[now]).expect_err(words).to_string();
            assert!(skip.contains(words), "{skip}");
        }
    }

    #[test]
    fn activity_that_becomes_known_counts_from_the_plan_on() {
        let unknown = Session { last_active: None, ..session("$1") };
        let item = planned(Cause::Orphan, Lifts::default(), unknown.clone());
        let at = |last_active| Session { last_active, ..session("$1") };
        let later = Some(NOW.plus(Span::from_millis(1)));
        for (now, ends) in [(unknown, true), (at(Some(NOW)), true), (at(later), false)] {
            assert_eq!(look(&item, Extent::Complete, &[orphan(now)]).is_ok(), ends);
        }
    }

    #[test]
    fn who_was_asked_for_need_not_be_an_orphan() {
        let item = planned(Cause::Asked, Lifts::default(), session("$1"));
        assert!(look(&item, Extent::Complete, &[judged(session("$1"), Decision::Keep, &[])]).is_ok());
    }

    #[test]
    fn force_lifts_attachment_and_activity_only() {
        let item = planned(Cause::Asked, Lifts::force(), session("$1"));
        let busy = || Session { attached: true, last_active: Some(NOW), ..session("$1") };
        let both = [Refusal::Attached, Refusal::Active { idle: None }];
        assert!(look(&item, Extent::Complete, &[judged(busy(), Decision::Keep, &both)]).is_ok());
        let protected = [Refusal::Protected("core".into()), Refusal::Attached];
        assert_eq!(
            look(&item, Extent::Complete, &[judged(busy(), Decision::Keep, &protected)]),
            Err(Skip::Refused(Refusal::Protected("core".into())))
        );
    }
}
