//! `reap protect` and `reap unprotect`: the opt-out tag.

use reap::core::clean;

use super::desk::Desk;
use super::error::{CliError, Exit};
use super::output::Ui;
use super::selection::named;

/// Tags sessions so that Reap never ends them.
#[derive(Debug, clap::Args)]
pub struct ProtectArgs {
    /// A handle, backend/instance/key, a key, or an exact title
    #[arg(value_name = "SESSION", required = true)]
    pub sessions: Vec<String>,
}

/// Takes the tag of `reap protect` away again.
#[derive(Debug, clap::Args)]
pub struct UnprotectArgs {
    /// A handle, backend/instance/key, a key, or an exact title
    #[arg(value_name = "SESSION", required = true)]
    pub sessions: Vec<String>,
}

pub async fn run(sessions: &[String], protect: bool, desk: &Desk, ui: &mut Ui) -> Result<Exit, CliError> {
    let pass = desk.pass(ui).await?;
    let sessions = named(sessions, &pass)?;
    let mut failed = 0;
    for judged in &sessions {
        let subject = &judged.subject;
        let name = format!("{} ({})", clean::line(&subject.session.title), subject.handle.short());
        match desk.tag(subject, protect).await {
            Ok(()) if protect => {
                ui.say(&format!("{name} is protected. To undo: reap unprotect {}\n", subject.handle.short()))
            }
            Ok(()) => ui.say(&format!("{name} is not protected any more.\n")),
            Err(error) => {
                failed += 1;
                let what = if protect { "protected" } else { "unprotected" };
                let message = format!("{name} could not be {what}: {}", error.message);
                ui.error(&CliError { message, ..error });
            }
        }
    }
    Ok(match failed {
        0 => Exit::Done,
        all if all == sessions.len() => Exit::Error,
        _ => Exit::Partly,
    })
}
