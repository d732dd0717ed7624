//! What is wrong with a script, and where.

use std::fmt;

use reap_plugin::Error;
use starlark::codemap::FileSpan;
use starlark::errors::Frame;

/// A mistake in a script: the place, what is wrong, and the line as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slip {
    file: String,
    place: Option<Place>,
    message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
    source: String,
}

impl Slip {
    /// One that belongs to no line.
    pub(crate) fn of(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: None, message: message.into() }
    }

    /// One at this place.
    pub(crate) fn at(span: &FileSpan, message: impl Into<String>) -> Self {
        let begin = span.resolve_span().begin;
        let source = span.file.source_line(begin.line).trim().to_owned();
        let place = Place { line: begin.line + 1, column: begin.column + 1, source };
        Self { file: span.filename().to_owned(), place: Some(place), message: message.into() }
    }

    /// The same, said of the session that was being voted on.
    pub(crate) fn about(mut self, session: &str) -> Self {
        self.message = format!("{} (voting on {session})", self.message);
        self
    }

    /// What the interpreter complained about.
    pub(crate) fn from_starlark(file: &str, error: &starlark::Error) -> Self {
        let message = in_our_words(&error.without_diagnostic().to_string());
        match error.span().or_else(|| innermost(error)) {
            Some(span) => Self::at(span, message),
            None => Self::of(file, message),
        }
    }
}

/// Where it was when a function of ours failed, which has no place of its own.
fn innermost(error: &starlark::Error) -> Option<&FileSpan> {
    error.call_stack().frames.iter().rev().find_map(|frame: &Frame| frame.location.as_ref())
}

/// Adds what is to be done where the interpreter's own words do not say it.
fn in_our_words(message: &str) -> String {
    let message = message.trim_end().replace('\n', " ");
    // `fail("...")` of the script itself.
    let message = message.strip_prefix("fail:").map_or(message.clone(), |own| own.trim().to_owned());
    if message.contains("NoneType") {
        return format!(
            "{message}; what is not known is None, so ask for it first, as in `s.idle and s.idle > hours(1)`"
        );
    }
    message
}

impl fmt::Display for Slip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(Place { line, column, source }) => {
                write!(f, "{}, line {line}, column {column}: {}, in `{source}`", self.file, self.message)
            }
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl From<Slip> for Error {
    fn from(slip: Slip) -> Self {
        Self::Failed(slip.to_string())
    }
}
