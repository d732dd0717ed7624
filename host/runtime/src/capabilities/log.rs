//! Log messages of plugins: bounded, cleaned, kept for the operator.

use reap_core::clean;
use reap_core::ids::PluginName;

use crate::bindings::log;
use crate::state::{Shared, State};

/// How important a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the author of the plugin.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something did not work.
    Error,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How important it is.
    pub level: Level,
    /// Whose it is.
    pub plugin: PluginName,
    /// What it says: one line, without anything that a terminal obeys.
    pub text: String,
}

/// The longest line, in characters.
const LONGEST_LINE: usize = 1_000;

/// The messages of one call.
#[derive(Debug)]
pub(crate) struct LogBook {
    plugin: PluginName,
    left: usize,
    lines: Vec<LogLine>,
    dropped: u64,
}

impl LogBook {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self { plugin: shared.name.clone(), left: shared.limits.log_bytes, lines: Vec::new(), dropped: 0 }
    }

    fn write(&mut self, level: Level, text: &str) {
        // A short line costs something too, or a flood of empty ones were free.
        let cost = text.len() + 16;
        if cost > self.left {
            self.dropped += 1;
            return;
        }
        self.left -= cost;
        self.lines.push(LogLine {
            level,
            plugin: self.plugin.clone(),
            text: clean::line_of(text, LONGEST_LINE),
        });
    }

    /// The messages, and how many were dropped.
    pub(crate) fn close(mut self) -> (Vec<LogLine>, u64) {
        if self.dropped > 0 {
            let text = format!("{} more messages were dropped (limit log_bytes)", self.dropped);
            self.lines.push(LogLine { level: Level::Warn, plugin: self.plugin, text });
        }
        (self.lines, self.dropped)
    }
}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.log.write(level, &message);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(left: usize) -> LogBook {
        LogBook { plugin: PluginName::new("x").expect("a name"), left, lines: Vec::new(), dropped: 0 }
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let mut book = book(100);
        for _ in 0..1_000_000 {
            book.write(Level::Info, "");
        }
        let (lines, dropped) = book.close();
        assert_eq!((lines.len(), dropped), (7, 999_994));
        assert!(lines[6].text.contains("999994 more messages were dropped"));
    }

    #[test]
    fn escapes_and_line_ends_become_visible() {
        let mut book = book(1000);
        book.write(Level::Warn, "a\u{1b}]0;x\u{7}\nerror: b");
        assert_eq!(book.close().0[0].text, "a\\u{1b}]0;x\\u{7}\\nerror: b");
    }
}
