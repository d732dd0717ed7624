//! What goes wrong on the command line, and the status that it exits with.
//! Errors of the library become these here and nowhere else.

use reap::config::ConfigError;
use reap::core::clean;
use reap::core::resolve::ResolveError;
use reap::core::selector::SelectorError;
use reap::plugins::PluginsError;
use reap::{NoHome, OpenError};

/// The status to exit with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Error = 1,
    Usage = 2,
    NotFound = 3,
    Refused = 4,
    Partly = 5,
}

impl Exit {
    const ALL: [Self; 6] =
        [Self::Done, Self::Error, Self::Usage, Self::NotFound, Self::Refused, Self::Partly];

    /// The one text on it: for `--help`, and word for word in the guide.
    fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, also when you answered no or there was nothing to do",
            Self::Error => "an error",
            Self::Usage => "the command line is not right, a name fits several sessions, or --yes is needed",
            Self::NotFound => "there is no such session, or no such plugin",
            Self::Refused => "a rule refuses it",
            Self::Partly => {
                "done in part: something was skipped, failed or refused; ls: not all could be looked at"
            }
        }
    }
}

/// The exit statuses, for `--help`.
pub fn exit_statuses() -> String {
    Exit::ALL.iter().fold("Exit status:".to_owned(), |text, exit| {
        format!("{text}\n  {}  {}", *exit as u8, exit.meaning())
    })
}

/// What went wrong, and what could be done.
#[derive(Debug)]
pub struct CliError {
    /// The status to exit with.
    pub exit: Exit,
    /// What happened.
    pub message: String,
    /// What to do, a line each.
    pub hints: Vec<String>,
}

impl CliError {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hints: Vec::new() }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

macro_rules! exits_with {
    ($($error:ty => $exit:expr,)*) => {
        $(impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::new($exit, error.to_string())
            }
        })*
    };
}

exits_with! {
    NoHome => Exit::Error,
    ConfigError => Exit::Error,
    OpenError => Exit::Error,
    SelectorError => Exit::Usage,
}

impl From<PluginsError> for CliError {
    fn from(error: PluginsError) -> Self {
        let exit = match error {
            PluginsError::NotFound { .. } => Exit::NotFound,
            PluginsError::Config(_)
            | PluginsError::Folder { .. }
            | PluginsError::Approvals(_)
            | PluginsError::Host(_) => Exit::Error,
        };
        // A name is as it was typed, and a line end in it would imitate one of ours.
        let error = match error {
            PluginsError::NotFound { name, known } => {
                PluginsError::NotFound { name: clean::line(&name), known }
            }
            error => error,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<ResolveError> for CliError {
    fn from(error: ResolveError) -> Self {
        let exit = match error {
            ResolveError::NotFound { .. } => Exit::NotFound,
            ResolveError::Ambiguous { .. } => Exit::Usage,
        };
        Self::new(exit, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_status() {
        let no_selector = reap::core::selector::Selector::parse("kind:x").expect_err("no selector");
        let several = ResolveError::Ambiguous { text: "x".into(), candidates: Vec::new() };
        let unknown_plugin = PluginsError::NotFound { name: "x".into(), known: Vec::new() };
        let cases: [(CliError, Exit); 5] = [
            (no_selector.into(), Exit::Usage),
            (ResolveError::NotFound { text: "x".into() }.into(), Exit::NotFound),
            (several.into(), Exit::Usage),
            (unknown_plugin.into(), Exit::NotFound),
            (reap::Paths::from_lookup(|_| None).expect_err("no home").into(), Exit::Error),
        ];
        for (error, exit) in cases {
            assert_eq!(error.exit, exit, "{}", error.message);
        }
    }
}
