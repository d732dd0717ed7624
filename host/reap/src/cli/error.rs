//! What goes wrong on the command line, and the status that it exits with.
//! Errors of the library become these here and nowhere else.

use reap::client::ClientError;
use reap::config::ConfigError;
use reap::core::clean;
use reap::core::limits::ApproveError;
use reap::core::locks::LockError;
use reap::core::plan::PlanError;
use reap::core::resolve::ResolveError;
use reap::core::selector::SelectorError;
use reap::daemon::StartError;
use reap::plugins::PluginsError;
use reap::store::StoreError;
use reap::{ApplyError, ApprovalError, LockingError, MemoryError, NoHome, OpenError, TagError};

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
            Self::NotFound => "there is no such session, plugin, held plan or lock",
            Self::Refused => "a rule refuses it, or all of it is held for reap approve",
            Self::Partly => {
                "done in part: something was skipped, failed, refused or held; ls: not all could be looked at"
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
    PlanError => Exit::Error,
    TagError => Exit::Error,
}

/// What to do where another process writes to the state folder. A daemon that can
/// be asked is asked, so this one cannot.
const WRITER: &str = "if that is a daemon of another version or configuration: stop it, or leave out --config and \
                      --alone so that it is asked; if it is another command, wait for it";

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let locked = matches!(error, StoreError::Locked { .. });
        let error = Self::new(Exit::Error, error.to_string());
        if locked { error.hint(WRITER) } else { error }
    }
}

impl From<MemoryError> for CliError {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Store(error) => error.into(),
            error => Self::new(Exit::Error, error.to_string()),
        }
    }
}

impl From<ApplyError> for CliError {
    fn from(error: ApplyError) -> Self {
        let message = error.to_string();
        match error {
            ApplyError::Plan(error) => error.into(),
            ApplyError::Memory(error) => Self { message, ..error.into() },
        }
    }
}

impl From<ApprovalError> for CliError {
    fn from(error: ApprovalError) -> Self {
        match error {
            ApprovalError::Refused(error) => error.into(),
            ApprovalError::Apply(error) => error.into(),
        }
    }
}

impl From<ApproveError> for CliError {
    fn from(error: ApproveError) -> Self {
        let (exit, message) = match error {
            ApproveError::NotHeld { id, held } => {
                (Exit::NotFound, ApproveError::NotHeld { id: clean::line(&id), held }.to_string())
            }
            expired @ ApproveError::Expired { .. } => (Exit::Refused, expired.to_string()),
        };
        Self::new(exit, message)
    }
}

impl From<LockingError> for CliError {
    fn from(error: LockingError) -> Self {
        match error {
            LockingError::Refused(error) => error.into(),
            LockingError::Memory(error) => error.into(),
        }
    }
}

impl From<LockError> for CliError {
    fn from(error: LockError) -> Self {
        let exit = match error {
            LockError::Taken(_) => Exit::Refused,
            LockError::NotLocked(_) | LockError::NoSession(_) => Exit::NotFound,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Refused { status, hints, .. } => {
                let exit = match status {
                    404 => Exit::NotFound,
                    403 | 409 => Exit::Refused,
                    _ => Exit::Error,
                };
                Self { exit, message, hints }
            }
            ClientError::Broken(_) | ClientError::Late(_) => Self::new(Exit::Error, message)
                .hint("what was asked may be done all the same; `reap journal` shows what was"),
            ClientError::Connect { .. } | ClientError::Stranger { .. } | ClientError::Nonsense(_) => {
                Self::new(Exit::Error, message)
            }
        }
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        let locked = matches!(&error, StartError::Memory(MemoryError::Store(StoreError::Locked { .. })));
        let error = Self::new(Exit::Error, error.to_string());
        if locked { error.hint("`reap status` asks a daemon that runs how it is") } else { error }
    }
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

    #[test]
    fn what_the_daemon_refuses_has_the_status_that_it_has_alone() {
        let cases = [(404, Exit::NotFound), (403, Exit::Refused), (409, Exit::Refused), (503, Exit::Error)];
        for (status, exit) in cases {
            let (code, hints) = (String::new(), vec!["do this".to_owned()]);
            let error: CliError =
                ClientError::Refused { status, code, message: "no".to_owned(), hints }.into();
            assert_eq!((error.exit, error.message.as_str(), error.hints.len()), (exit, "no", 1));
        }
        let broken: CliError = ClientError::Broken("x".to_owned()).into();
        assert!(broken.hints[0].contains("may be done all the same"), "{:?}", broken.hints);
    }

    #[test]
    fn who_writes_to_the_state_folder_can_be_stopped() {
        let locked =
            || StoreError::Locked { path: "/s".into(), holder: reap::store::writer::Holder::Unknown };
        let error: CliError = ApplyError::Memory(locked().into()).into();
        assert!(error.message.starts_with("nothing was ended, since it could not be journalled: /s"));
        assert!(error.hints[0].contains("leave out --config"), "{:?}", error.hints);
        let error: CliError = StartError::Memory(locked().into()).into();
        assert_eq!((error.exit, error.hints.len()), (Exit::Error, 1));
        let missing: CliError = StoreError::Missing { path: "/s".into() }.into();
        assert_eq!(missing.hints, [""; 0]);
    }
}
