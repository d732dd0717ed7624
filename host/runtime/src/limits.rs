//! What a plugin may use up. Each limit has a name, a default and a counter
//! that tells how near a plugin came, or how often it ran into it.

use std::time::Duration;

use reap_core::time::Span;
use serde::{Deserialize, Serialize};

/// The limits of one plugin. In `reap.toml`:
/// `[backends.NAME.limits]` or `[policies.NAME.limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Milliseconds that the plugin's own code may run in one call. Waiting in
    /// the host does not count.
    pub run_ms: u64,
    /// Milliseconds that one call may take in all.
    pub call_ms: u64,
    /// Milliseconds that a call which ends sessions may take in all. It has to
    /// hold the grace that processes get.
    pub end_ms: u64,
    /// Bytes of linear memory, all memories together.
    pub memory_bytes: usize,
    /// Elements of tables, all tables together.
    pub table_elements: usize,
    /// Core instances, memories and tables of a component, each.
    pub instances: usize,
    /// Bytes that may cross from the plugin into the host in one call.
    pub transfer_bytes: usize,
    /// Handles that may be open at once.
    pub handles: usize,
    /// Sessions that one answer may hold.
    pub sessions: usize,
    /// Bytes of log messages in one call.
    pub log_bytes: usize,
    /// Commands that may run at once.
    pub commands: usize,
    /// Bytes that are kept of what one command prints.
    pub output_bytes: usize,
    /// Bytes of files that may be read in one call.
    pub file_bytes: u64,
    /// Connections to gateways that may be open at once, those that are kept included.
    pub connections: usize,
    /// Messages that may be sent to gateways in one call.
    pub messages: usize,
    /// Bytes of one message of a gateway.
    pub message_bytes: usize,
    /// Bytes that may come from gateways in one call.
    pub received_bytes: u64,
    /// Events of a gateway that wait to be taken.
    pub events: usize,
    /// Milliseconds that reaching a gateway may take.
    pub connect_ms: u64,
    /// Milliseconds that a gateway may take to answer.
    pub answer_ms: u64,
}

/// One line of the table of limits: name, value, meaning.
pub type LimitLine = (&'static str, u64, &'static str);

impl Limits {
    /// The default for a backend: it talks to programs that may be slow.
    pub fn for_backend() -> Self {
        Self {
            run_ms: 5_000,
            call_ms: 30_000,
            end_ms: 180_000,
            memory_bytes: 128 << 20,
            table_elements: 100_000,
            instances: 50,
            transfer_bytes: 128 << 20,
            handles: 20_000,
            sessions: 100_000,
            log_bytes: 64 << 10,
            commands: 64,
            output_bytes: 64 << 20,
            file_bytes: 256 << 20,
            connections: 16,
            messages: 20_000,
            message_bytes: 8 << 20,
            received_bytes: 128 << 20,
            events: 1_000,
            connect_ms: 5_000,
            answer_ms: 20_000,
        }
    }

    /// The default for a policy: it only computes.
    pub fn for_policy() -> Self {
        Self { run_ms: 2_000, call_ms: 5_000, transfer_bytes: 32 << 20, ..Self::for_backend() }
    }

    /// These limits with those that the operator wrote put over them. Unknown
    /// names and bad values are errors that say which.
    pub fn overridden(&self, by: &toml::Table) -> Result<Self, toml::de::Error> {
        let mut all = match toml::Value::try_from(self) {
            Ok(toml::Value::Table(all)) => all,
            // Plain numbers always make a table; were it not so, the operator's
            // own words are still checked below.
            _ => toml::Table::new(),
        };
        all.extend(by.iter().map(|(name, value)| (name.clone(), value.clone())));
        let limits: Self = all.try_into()?;
        match limits.table().iter().find(|(_, value, _)| *value == 0) {
            Some((name, ..)) => Err(serde::de::Error::custom(format!("{name} must be more than 0"))),
            None => Ok(limits),
        }
    }

    /// Every limit with its value and meaning.
    pub fn table(&self) -> Vec<LimitLine> {
        vec![
            ("run_ms", self.run_ms, "milliseconds of the plugin's own code in one call"),
            ("call_ms", self.call_ms, "milliseconds of one call in all"),
            ("end_ms", self.end_ms, "milliseconds of a call that ends sessions"),
            ("memory_bytes", self.memory_bytes as u64, "bytes of linear memory, all memories together"),
            ("table_elements", self.table_elements as u64, "elements of tables, all together"),
            ("instances", self.instances as u64, "core instances, memories and tables, each"),
            ("transfer_bytes", self.transfer_bytes as u64, "bytes from the plugin into the host in one call"),
            ("handles", self.handles as u64, "handles open at once"),
            ("sessions", self.sessions as u64, "sessions in one answer"),
            ("log_bytes", self.log_bytes as u64, "bytes of log messages in one call"),
            ("commands", self.commands as u64, "commands running at once"),
            ("output_bytes", self.output_bytes as u64, "bytes kept of what one command prints"),
            ("file_bytes", self.file_bytes, "bytes of files read in one call"),
            ("connections", self.connections as u64, "connections to gateways open at once"),
            ("messages", self.messages as u64, "messages sent to gateways in one call"),
            ("message_bytes", self.message_bytes as u64, "bytes of one message of a gateway"),
            ("received_bytes", self.received_bytes, "bytes from gateways in one call"),
            ("events", self.events as u64, "events of a gateway waiting to be taken"),
            ("connect_ms", self.connect_ms, "milliseconds to reach a gateway"),
            ("answer_ms", self.answer_ms, "milliseconds for a gateway to answer"),
        ]
    }

    pub(crate) fn run(&self) -> Duration {
        Duration::from_millis(self.run_ms)
    }

    pub(crate) fn call(&self) -> Duration {
        Duration::from_millis(self.call_ms)
    }

    pub(crate) fn end(&self) -> Duration {
        Duration::from_millis(self.end_ms)
    }
}

/// A backend's.
impl Default for Limits {
    fn default() -> Self {
        Self::for_backend()
    }
}

/// How long a process gets after TERM before KILL.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long processes get to end by themselves once their session was ended.
/// A shell that gets SIGHUP needs a few milliseconds.
pub const SETTLE: Duration = Duration::from_millis(400);

/// How long the kernel gets to carry out KILL.
pub const AFTER_KILL: Duration = Duration::from_secs(2);

/// How long a connection to a gateway is kept that nobody uses. A daemon looks twice a
/// minute.
pub const IDLE_LINE: Duration = Duration::from_secs(300);

/// The longest that a plugin may wait in one go.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The longest note that is kept with a connection, in bytes.
pub const LONGEST_NOTE: usize = 16 << 10;

/// The longest time limit of a command that a manifest may ask for.
pub const LONGEST_COMMAND: Span = Span::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_writes_is_put_over_the_defaults() {
        let over = |text: &str| {
            let table: toml::Table = toml::from_str(text).expect("a table");
            Limits::for_policy().overridden(&table).map_err(|error| error.to_string())
        };
        let limits = over("run_ms = 7").expect("good");
        assert_eq!((limits.run_ms, limits.call_ms), (7, Limits::for_policy().call_ms));
        for (text, said) in [
            ("run_ms = 0", "run_ms must be more than 0"),
            ("ruin_ms = 1", "unknown field `ruin_ms`, expected one of `run_ms`"),
            ("run_ms = \"1s\"", "invalid type"),
            ("run_ms = -1", "-1"),
        ] {
            let error = over(text).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
