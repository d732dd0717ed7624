//! What is wrong with a selector, shown where it is wrong.

use std::fmt;
use std::ops::Range;

use crate::clean;

/// Why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorError {
    /// The whole text.
    pub text: String,
    /// The bytes of the bad term.
    pub range: Range<usize>,
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl std::error::Error for SelectorError {}

impl fmt::Display for SelectorError {
    /// The message, the text with the bad term underlined, and the help.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Cleaned piece by piece, so that the underline fits what is shown.
        let before = clean::line(&self.text[..self.range.start]);
        let term = clean::line(&self.text[self.range.clone()]);
        let after = clean::line(&self.text[self.range.end..]);
        let indent = " ".repeat(before.chars().count());
        let carets = "^".repeat(term.chars().count().max(1));
        writeln!(f, "{}", self.message)?;
        writeln!(f, "  {before}{term}{after}")?;
        writeln!(f, "  {indent}{carets}")?;
        write!(f, "help: {}", self.help)
    }
}
