//! Ending sessions: look once more, cancel their commands, archive them, delete them
//! where that is wanted, and look whether they are gone.
//!
//! What is archived can be brought back; what is deleted is archived first, since a
//! gateway deletes what is archived for whoever may write, and anything else for
//! administrators only.

use reap_plugin::{Error, Outcome, Permit, Session, Verdict};

use crate::facts;
use crate::fate::{Answer, aftermath, archived, cancelled, deleted, objection};
use crate::gateways::{self, Gateway};
use crate::key;
use crate::line::{ACT, LOOK, Line};
use crate::patience::{Said, Wire};
use crate::scan;

/// How often a busy gateway is asked to end something.
const TRIES: u32 = 5;
/// The pause before it is asked again; each further one is twice as long.
const PAUSE: u64 = 200;
/// How long after the act it is looked whether a key is back.
const SETTLING: u64 = 300;

/// One session that is to be ended.
struct Case<'a> {
    permit: &'a Permit,
    session: Session,
    /// Whether it is deleted as well.
    hard: bool,
    /// What came of it, once that is known.
    verdict: Option<Verdict>,
    notes: Vec<String>,
}

/// Ends the sessions that the permits name, all of one gateway.
pub fn end(delete: bool, permits: &[Permit]) -> Result<Vec<Outcome>, Error> {
    let Some(first) = permits.first() else { return Ok(Vec::new()) };
    let line = Line::to(&gateways::one(&first.instance())?, ACT)?;
    let case = |permit| {
        let hard = delete || Permit::lifts_attached(permit);
        Case { permit, session: permit.session(), hard, verdict: None, notes: Vec::new() }
    };
    let mut work = Work { line, cases: permits.iter().map(case).collect() };
    work.look();
    work.cancel();
    work.archive();
    work.delete();
    work.verify();
    Ok(work.cases.into_iter().map(Case::outcome).collect())
}

struct Work<'a> {
    line: Line,
    cases: Vec<Case<'a>>,
}

impl Work<'_> {
    /// Those that are still to be ended, and are of that kind.
    fn open(&self, is: impl Fn(&Case<'_>) -> bool) -> Vec<usize> {
        let open = |place: &usize| self.cases[*place].verdict.is_none() && is(&self.cases[*place]);
        (0..self.cases.len()).filter(open).collect()
    }

    fn scene(&self, places: &[usize]) -> scan::Scene {
        let keys: Vec<String> = places.iter().map(|place| self.cases[*place].session.key.clone()).collect();
        scan::of_keys(&self.line, &self.line.hello, &keys)
    }

    fn look(&mut self) {
        let places = self.open(|_| true);
        let scene = self.scene(&places);
        for case in &mut self.cases {
            case.verdict = objection(&case.session, &scene, case.permit.lifts_attached());
        }
    }

    fn cancel(&mut self) {
        let places = self.open(|case| case.session.fact(facts::TASKS).is_some());
        for (place, said) in places.iter().zip(self.say(&places, "cancel-tasks")) {
            let case = &mut self.cases[*place];
            match cancelled(said) {
                Ok(0) => {}
                Ok(1) => case.notes.push("its background command was cancelled".to_owned()),
                Ok(count) => case.notes.push(format!("its {count} background commands were cancelled")),
                Err(answer) => case.verdict = answer.verdict(),
            }
            if key::task(&case.session.key).is_some() && case.verdict.is_none() {
                case.notes.clear();
                case.verdict = Some(Verdict::Ended);
            }
        }
    }

    fn archive(&mut self) {
        let mut places = self.open(|case| key::task(&case.session.key).is_none());
        let hello = &self.line.hello;
        let mut message = if hello.has("sessions.patchMany") { "archive" } else { "archive-one" };
        if !hello.has("sessions.patchMany") && !hello.has("sessions.patch") {
            let old =
                || Verdict::Failed(Error::Unsupported("this gateway cannot archive sessions".to_owned()));
            places.iter().for_each(|place| self.cases[*place].verdict = Some(old()));
            return;
        }
        for attempt in 1..=TRIES {
            let said = self.say(&places, message);
            let mut busy = Vec::new();
            for (place, said) in places.iter().zip(said) {
                // The line's answer about a session uses up its permit for this message.
                match archived(said) {
                    Answer::Done => {}
                    Answer::Busy(_) if attempt < TRIES => busy.push(*place),
                    answer => self.cases[*place].verdict = answer.verdict(),
                }
            }
            if busy.is_empty() {
                return;
            }
            places = busy;
            message = "archive-one";
            self.line.wait(PAUSE << (attempt - 1));
        }
    }

    fn delete(&mut self) {
        let mut places = self.open(|case| case.hard && key::task(&case.session.key).is_none());
        for attempt in 1..=TRIES {
            let said = self.say(&places, "delete");
            let mut busy = Vec::new();
            for (place, said) in places.iter().zip(said) {
                let case = &mut self.cases[*place];
                match deleted(said) {
                    Answer::Done => case.notes.push("it was deleted".to_owned()),
                    Answer::Busy(_) if attempt < TRIES => busy.push(*place),
                    answer => {
                        case.notes.push("it is archived".to_owned());
                        case.verdict = answer.verdict();
                    }
                }
            }
            if busy.is_empty() {
                return;
            }
            places = busy;
            self.line.wait(PAUSE << (attempt - 1));
        }
    }

    fn verify(&mut self) {
        let places = self.open(|_| true);
        if places.is_empty() {
            return;
        }
        self.line.wait(SETTLING);
        let scene = self.scene(&places);
        for place in places {
            let case = &mut self.cases[place];
            case.verdict = Some(aftermath(&case.session, &scene).unwrap_or(Verdict::Ended));
            if !case.hard && case.verdict == Some(Verdict::Ended) {
                case.notes.push("it was archived, and can be restored".to_owned());
            }
        }
    }

    fn say(&self, places: &[usize], message: &str) -> Vec<Result<Said, Error>> {
        if places.is_empty() {
            return Vec::new();
        }
        let permits: Vec<&Permit> = places.iter().map(|place| self.cases[*place].permit).collect();
        self.line.end(&permits, message)
    }
}

impl Answer {
    /// The verdict on a session about which this was the last word; nothing when it was
    /// done.
    fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Done => None,
            Self::Busy(why) => {
                Some(Verdict::Failed(Error::Unavailable(format!("the gateway is too busy: {why}"))))
            }
            Self::Not(verdict) => Some(verdict),
        }
    }
}

impl Case<'_> {
    fn outcome(self) -> Outcome {
        let lost = || Verdict::Failed(Error::Failed("nothing came of it".to_owned()));
        Outcome { verdict: self.verdict.unwrap_or_else(lost), survivors: Vec::new(), notes: self.notes }
    }
}

/// Brings an archived session back.
pub fn restore(gateway: &Gateway, session: &Session) -> Result<Session, Error> {
    let line = Line::to(gateway, LOOK)?;
    if let Said::Refused(refusal) = line.restore(&session.key, &session.incarnation)? {
        return Err(refusal.error().reworded(|why| format!("the gateway did not restore it: {why}")));
    }
    let listing = crate::listing::of_keys(gateway, std::slice::from_ref(&session.key))?;
    let found = listing.sessions.into_iter().find(|one| one.key == session.key);
    found.ok_or_else(|| Error::NotFound(format!("{} is not back; it may have been deleted", session.key)))
}
