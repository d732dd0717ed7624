//! What goes wrong on the command line, and the status that it exits with.
//! Errors of the library become these here and nowhere else.

use reap::config::ConfigError;
use reap::core::plan::PlanError;
use reap::core::resolve::ResolveError;
use reap::core::selector::SelectorError;
use reap::plugins::PluginsError;
use reap::{NoHome, OpenError};

/// The exit statuses, for `--help`. The same as [`Exit`].
pub const EXIT_STATUS: &str = "\
Exit status:
  0  done
  1  an error
  2  the command line is not right, or --yes is needed
  3  there is no such session
  4  a rule refuses it
  5  done in part: something was skipped, failed, or could not be looked at";

/// The status to exit with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// An error.
    Error = 1,
    /// The command line is not right.
    Usage = 2,
    /// There is no such session.
    NotFound = 3,
    /// A rule refuses it.
    Refused = 4,
    /// Done in part.
    Partly = 5,
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
    PlanError => Exit::Error,
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
        let no_plan = reap::core::plan::Plan::read("{}").expect_err("no plan");
        let no_selector = reap::core::selector::Selector::parse("kind:x").expect_err("no selector");
        let several = ResolveError::Ambiguous { text: "x".into(), candidates: Vec::new() };
        let unknown_plugin = PluginsError::NotFound { name: "x".into(), known: Vec::new() };
        let cases: [(CliError, Exit); 6] = [
            (no_plan.into(), Exit::Error),
            (no_selector.into(), Exit::Usage),
            (ResolveError::NotFound { text: "x".into() }.into(), Exit::NotFound),
            (several.into(), Exit::Usage),
            (unknown_plugin.into(), Exit::NotFound),
            (NoHome { variable: "XDG_STATE_HOME" }.into(), Exit::Error),
        ];
        for (error, exit) in cases {
            assert_eq!(error.exit, exit, "{}", error.message);
        }
    }

    #[test]
    fn the_statuses_of_the_help_are_those_of_the_code() {
        let all = [Exit::Done, Exit::Error, Exit::Usage, Exit::NotFound, Exit::Refused, Exit::Partly];
        let told: Vec<&str> = EXIT_STATUS.lines().skip(1).map(|line| line.trim_start()).collect();
        assert_eq!(told.len(), all.len());
        for (exit, line) in all.into_iter().zip(told) {
            assert!(line.starts_with(&format!("{}  ", exit as u8)), "{line}");
        }
    }
}
