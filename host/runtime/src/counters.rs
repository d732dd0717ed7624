//! What a plugin used up and ran into, counted over the life of the host.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// The counters of one plugin.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $($(#[$doc])* pub(crate) $name: Counter,)+ }

        impl Counters {
            /// Every counter by name.
            pub(crate) fn read(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get()),)+]
            }
        }
    };
}

counters! {
    /// Calls made.
    calls,
    /// Calls that trapped or panicked.
    traps,
    /// Calls that ran into a limit of time.
    timeouts,
    /// Calls that ran into another limit.
    limits,
    /// Answers that made no sense.
    nonsense,
    /// Calls of the plugin that the host refused.
    denials,
    /// The most linear memory that a call held, in bytes.
    memory_peak,
    /// The longest call, in milliseconds.
    longest_call_ms,
    /// Log lines kept.
    log_lines,
    /// Log lines dropped.
    log_dropped,
    /// Commands started.
    commands,
    /// Bytes of files read.
    file_bytes,
    /// Sessions listed.
    sessions,
    /// Permits given.
    permits,
    /// Signals sent.
    signals,
    /// Connections to gateways opened.
    connections,
    /// Connections that were not tried because an address did not answer just before.
    paused,
    /// Messages sent to gateways.
    messages,
    /// Bytes that came from gateways.
    received_bytes,
    /// Events of gateways that nobody took.
    events_dropped,
    /// Answers that nobody waited for, and messages of a kind that is not known.
    stray_answers,
}

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn at_least(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
