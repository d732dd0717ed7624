//! Whose turn it is to reconcile, plan and act. Two at once would each act on
//! what the other is changing.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Gives the turn to one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<()>>);

/// The turn. It is over when nobody has it any more: each end under way has a
/// part of it, so that it lasts until the last act is done, also when whoever
/// asked for the acts has gone away.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    _until_all_is_done: Arc<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for the turn.
    pub async fn take(&self) -> Turn {
        Turn { _until_all_is_done: Arc::new(self.0.clone().lock_owned().await) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_lasts_until_its_last_part_is_gone() {
        let turns = Turns::default();
        let turn = turns.take().await;
        let part = turn.clone();
        drop(turn);
        assert!(turns.0.try_lock().is_err(), "an end is still under way");
        drop(part);
        assert!(turns.0.try_lock().is_ok());
    }
}
