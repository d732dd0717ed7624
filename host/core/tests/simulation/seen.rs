//! How often what happened, over all histories: a simulation in which nothing
//! happens proves nothing.

use std::collections::BTreeMap;

use reap_core::event::Event;
use reap_core::proof::Proof;

#[derive(Default)]
pub struct Seen(BTreeMap<&'static str, usize>);

impl Seen {
    pub fn note(&mut self, event: &Event) {
        let name = match event {
            Event::Seen { after: Some(_), .. } => "replaced",
            Event::Missing { .. } => "missing",
            Event::Stopped { proof, .. } => match proof {
                Proof::Absent { .. } => "by absence",
                Proof::Generation { .. } => "by generation",
                Proof::Server { .. } => "by server",
                Proof::Processes => "by processes",
                Proof::Boot => "by boot",
                Proof::Replaced { .. } => "by replacement",
            },
            Event::Returned { .. } => "returned",
            Event::Ended { .. } => "ended",
            Event::EndFailed { .. } => "failed",
            Event::Doubted { .. } => "doubted",
            Event::Clear { .. } => "clear",
            Event::MarkCleared { .. } => "unmarked",
            Event::PlanHeld { .. } => "held",
            Event::PlanWithdrawn { .. } => "withdrawn",
            Event::LockFreed { .. } => "freed",
            Event::LockContested { .. } => "contested",
            Event::Pruned { .. } => "pruned",
            Event::ClockJumped { forward: true, .. } => "forward",
            Event::ClockJumped { .. } => "back",
            Event::Rebooted => "rebooted",
            _ => return,
        };
        self.count(name);
    }

    pub fn count(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }

    /// What happened in other histories.
    pub fn add(&mut self, others: &Self) {
        others.0.iter().for_each(|(name, times)| *self.0.entry(name).or_default() += times);
    }

    pub fn is_lively(&self, least: usize) {
        let all = [
            "replaced",
            "missing",
            "by absence",
            "by generation",
            "by server",
            "by processes",
            "by boot",
            "by replacement",
            "returned",
            "ended",
            "failed",
            "doubted",
            "clear",
            "unmarked",
            "held",
            "approved",
            "withdrawn",
            "freed",
            "contested",
            "pruned",
            "forward",
            "back",
            "rebooted",
            "crash before the write",
            "crash before the intents",
            "crash before an act",
            "crash before the outcomes",
            "crash before they are noted",
        ];
        for name in all {
            assert!(
                self.0.get(name).is_some_and(|times| *times >= least),
                "too little happened: {name} of {:?}",
                self.0
            );
        }
    }
}
