//! The attacking policy. Without an attack it votes orphan on everything, so
//! that a test sees at once when its fault did not count as keep.

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
            "error" => return Err(Error::Failed("it does not want to".to_owned())),
            _ => {}
        }
        Ok(votes)
    }
}

reap_plugin::export_policy!(Hostile);
