//! The service manager: systemd, or whatever speaks its protocol. Without one
//! nothing is said to anybody.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Tells the service manager how it goes. What cannot be told is not worth
/// stopping for: the manager then does what it does with a silent service.
pub(super) struct Manager {
    /// How often it wants a sign of life.
    watchdog: Option<Duration>,
}

impl Manager {
    pub fn of_environment() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled() }
    }

    pub fn ready(&self) {
        let _ = sd_notify::notify(&[NotifyState::Ready]);
    }

    pub fn alive(&self) {
        let _ = sd_notify::notify(&[NotifyState::Watchdog]);
    }

    pub fn stopping(&self) {
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
    }

    /// When to give a sign of life: twice as often as is asked for.
    pub fn pulse(&self) -> Pulse {
        Pulse(self.watchdog.map(|within| {
            let half = (within / 2).max(Duration::from_millis(1));
            let mut beats = interval_at(Instant::now() + half, half);
            beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
            beats
        }))
    }
}

/// Beats as long as it is waited for.
pub(super) struct Pulse(Option<Interval>);

impl Pulse {
    pub async fn beat(&mut self) {
        match &mut self.0 {
            Some(beats) => drop(beats.tick().await),
            None => std::future::pending().await,
        }
    }
}
