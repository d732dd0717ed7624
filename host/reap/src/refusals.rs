//! What plugins were refused, for the journal.
//!
//! A cycle tells it once for each plugin and capability, with how often: a plugin that
//! asks without end must not fill the journal. What is refused while a cycle ends
//! something is told by the next one.

use reap_core::event::Event;
use reap_core::state::Step;

use crate::apply::Applied;
use crate::clock::now;
use crate::engine::Reap;

impl Reap {
    /// What was refused since this was last asked, as events.
    pub(crate) fn refusals(&self) -> Vec<Event> {
        let of = |backend: &reap_runtime::Backend| {
            let plugin = backend.name().clone();
            let refused = backend.refusals().into_iter();
            refused.map(move |one| Event::Refused {
                plugin: plugin.clone(),
                capability: one.capability.to_owned(),
                asked: one.asked,
                times: one.times,
            })
        };
        self.backends.iter().flat_map(of).collect()
    }

    /// Journals what was refused on the way to these outcomes.
    pub(crate) async fn with_refusals(&self, mut applied: Applied) -> Applied {
        let events = self.refusals();
        if events.is_empty() {
            return applied;
        }
        let written = self.memory.keep(move |keeper| {
            keeper.step(|state| Step::telling(state, events));
            keeper.flush(now(), None).map_err(|error| error.to_string())
        });
        let failed = match written.await {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(error) => Some(error.to_string()),
        };
        applied.unwritten = applied.unwritten.or(failed);
        applied
    }
}
