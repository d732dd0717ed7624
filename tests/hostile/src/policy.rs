//! The attacking policy. Without an attack it votes orphan on everything, so
//! that a test sees at once when its fault did not count as keep.

use std::hash::{BuildHasher, RandomState};
use std::time::{Instant, SystemTime};

use reap_plugin::{Description, Error, Policy, Settings, Subject, Timestamp, Vote};

use crate::attack;

struct Hostile {
    attack: String,
}

impl Policy for Hostile {
    fn describe() -> Description {
        attack::description("hostile-policy")
    }

    fn configure(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { attack: attack::chosen(settings) })
    }

    fn vote(&self, _now: Timestamp, _subject: &Subject) -> Vote {
        Vote::Orphan("hostile".to_owned())
    }

    fn evaluate(&self, now: Timestamp, subjects: &[Subject]) -> Result<Vec<Vote>, Error> {
        attack::make(&self.attack);
        let mut votes: Vec<Vote> = subjects.iter().map(|subject| self.vote(now, subject)).collect();
        match self.attack.as_str() {
            "fewer" => votes.truncate(votes.len() - 1),
            "more" => votes.push(Vote::Abstain),
            "keep" => votes.fill(Vote::Keep("needed".to_owned())),
            "huge" => votes.fill(Vote::Orphan("x".repeat(20 << 20))),
            "clock" => votes.fill(Vote::Orphan(surroundings(now))),
            "error" => return Err(Error::Failed("it does not want to".to_owned())),
            _ => {}
        }
        Ok(votes)
    }
}

/// What differs from run to run elsewhere: the time that it is asked about and the
/// time of day, in milliseconds; how much goes by; and luck.
fn surroundings(now: Timestamp) -> String {
    let since = Instant::now();
    let clock = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_millis());
    let work: u64 = (0..1_000_000).map(std::hint::black_box).sum();
    let passed = since.elapsed().as_nanos();
    format!("{now} {clock} {passed} {}", RandomState::new().hash_one(work))
}

reap_plugin::export_policy!(Hostile);
