//! What goes wrong for a client: a status, a word for programs, and what the
//! command line would say. Errors of the library become these here and nowhere
//! else.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reap_core::clean;
use reap_core::limits::ApproveError;
use reap_core::listing::Unknown;
use reap_core::locks::{BadDirectory, LockError};
use reap_core::plan::{Kept, PlanError};
use reap_core::resolve::ResolveError;
use reap_core::selector::SelectorError;
use reap_store::StoreError;

use super::wire::{Complaint, Named, Problem};
use crate::apply::ApplyError;
use crate::engine::TagError;
use crate::memory::MemoryError;
use crate::operator::{ApprovalError, LockingError};
use crate::pass::Pass;

/// An answer that is an error.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    problem: Problem,
}

impl ApiError {
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let problem = Problem {
            code: code.to_owned(),
            message: message.into(),
            hints: Vec::new(),
            candidates: Vec::new(),
        };
        Self { status, problem }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hints.push(hint.into());
        self
    }

    /// What was asked makes no sense.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    /// Whoever asks may not.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// A rule is against it.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "refused", message)
    }

    /// A part of Reap broke.
    pub fn broken(what: &dyn std::fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "fault", format!("a fault inside Reap: {what}"))
    }

    /// The daemon begins nothing any more.
    pub fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the daemon is being stopped")
    }

    /// Everything that was named and may not be ended.
    pub fn all_kept(kept: &[Kept]) -> Self {
        let lines: Vec<String> = kept.iter().map(in_words).collect();
        Self::refused(lines.join("\n"))
    }

    /// Names that were not resolved, all of them at once. `others` says whether
    /// there were good ones beside them.
    pub fn unresolved(wrong: Vec<ResolveError>, others: bool, pass: &Pass) -> Self {
        let missing = wrong.iter().any(|error| matches!(error, ResolveError::NotFound { .. }));
        let (status, code) = match missing {
            true => (StatusCode::NOT_FOUND, "not-found"),
            false => (StatusCode::CONFLICT, "ambiguous"),
        };
        let messages: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        let mut error = Self::new(status, code, messages.join("\n"));
        if others {
            error = error.hint("nothing was done to the other sessions that were named");
        }
        for unknown in pass.unknown.iter().filter(|_| missing) {
            error = error.hint(format!("it may be where Reap could not look: {}", doubt(unknown)));
        }
        error.problem.candidates = wrong.into_iter().flat_map(candidates).collect();
        error
    }

    #[cfg(test)]
    pub fn said(&self) -> (u16, &str, &str) {
        (self.status.as_u16(), &self.problem.code, &self.problem.message)
    }
}

fn in_words(kept: &Kept) -> String {
    let (title, reason) = (clean::line(&kept.title), clean::line(&kept.reason));
    format!("{title} ({}) is not ended: {reason}", kept.handle.short())
}

fn doubt(unknown: &Unknown) -> String {
    let instance = unknown.instance.as_ref().map(|instance| format!(" {}", clean::line(instance.as_str())));
    format!("{}{}: {}", unknown.backend, instance.unwrap_or_default(), clean::line(&unknown.reason))
}

fn candidates(error: ResolveError) -> Vec<Named> {
    match error {
        ResolveError::NotFound { .. } => Vec::new(),
        ResolveError::Ambiguous { candidates, .. } => {
            let named = |one: reap_core::resolve::Candidate| Named {
                handle: one.handle,
                address: one.address,
                title: one.title,
            };
            candidates.into_iter().map(named).collect()
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = super::answer::json(&Complaint { error: self.problem });
        *response.status_mut() = self.status;
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<SelectorError> for ApiError {
    fn from(error: SelectorError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-selector", error.to_string())
    }
}

impl From<BadDirectory> for ApiError {
    fn from(error: BadDirectory) -> Self {
        Self::bad(error.to_string())
    }
}

impl From<PlanError> for ApiError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Unreadable(_) | PlanError::Changed { .. } | PlanError::Embellished => {
                Self::new(StatusCode::BAD_REQUEST, "bad-plan", error.to_string())
            }
            PlanError::Expired { .. } | PlanError::FromTheFuture { .. } => {
                Self::new(StatusCode::CONFLICT, "plan-expired", error.to_string())
            }
        }
    }
}

impl From<MemoryError> for ApiError {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Broken(what) => Self::broken(&what),
            error => Self::new(StatusCode::SERVICE_UNAVAILABLE, "memory", error.to_string()),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        MemoryError::from(error).into()
    }
}

impl From<ApplyError> for ApiError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Plan(error) => error.into(),
            ApplyError::Memory(MemoryError::Broken(what)) => Self::broken(&what),
            error @ ApplyError::Memory(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "memory", error.to_string())
            }
        }
    }
}

impl From<ApprovalError> for ApiError {
    fn from(error: ApprovalError) -> Self {
        match error {
            ApprovalError::Refused(error @ ApproveError::NotHeld { .. }) => {
                Self::not_found(error.to_string())
            }
            ApprovalError::Refused(error @ ApproveError::Expired { .. }) => {
                Self::new(StatusCode::CONFLICT, "plan-expired", error.to_string())
            }
            ApprovalError::Apply(error) => error.into(),
        }
    }
}

impl From<LockingError> for ApiError {
    fn from(error: LockingError) -> Self {
        match error {
            LockingError::Refused(error @ LockError::Taken(_)) => {
                Self::new(StatusCode::CONFLICT, "locked", error.to_string())
            }
            LockingError::Refused(error @ (LockError::NotLocked(_) | LockError::NoSession(_))) => {
                Self::not_found(error.to_string())
            }
            LockingError::Memory(error) => error.into(),
        }
    }
}

impl From<TagError> for ApiError {
    fn from(error: TagError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "backend", error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use reap_core::ids::Handle;
    use reap_core::locks::Directory;
    use reap_core::selector::Selector;
    use reap_core::time::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::sample::pass;

    #[test]
    fn each_error_has_its_status() {
        let millis = Timestamp::from_millis;
        let selector = Selector::parse("kind:x").expect_err("there is no such kind");
        let directory = Directory::new("/src").expect("a directory");
        let handle: Handle = serde_json::from_value(json!("00112233445566ff")).expect("a handle");
        let expired = || PlanError::Expired { expires: millis(1), now: millis(2) };
        let not_held = ApproveError::NotHeld { id: "x".to_owned(), held: Vec::new() };
        let missing = || StoreError::Missing { path: "/x".into() };
        let cases: [(ApiError, u16, &str); 11] = [
            (selector.into(), 400, "bad-selector"),
            (PlanError::Embellished.into(), 400, "bad-plan"),
            (expired().into(), 409, "plan-expired"),
            (ApplyError::Plan(expired()).into(), 409, "plan-expired"),
            (ApplyError::Memory(missing().into()).into(), 503, "memory"),
            (missing().into(), 503, "memory"),
            (MemoryError::Broken("x".to_owned()).into(), 500, "fault"),
            (ApprovalError::Refused(not_held).into(), 404, "not-found"),
            (LockingError::Refused(LockError::NotLocked(directory)).into(), 404, "not-found"),
            (LockingError::Refused(LockError::NoSession(handle)).into(), 404, "not-found"),
            (ApiError::stopping(), 503, "stopping"),
        ];
        for (error, status, code) in cases {
            let said = error.said();
            assert_eq!((said.0, said.1), (status, code), "{error:?}");
        }
    }

    #[test]
    fn what_cannot_be_resolved_is_told_at_once() {
        let pass = pass();
        let not_found = |text: &str| ResolveError::NotFound { text: text.to_owned() };
        let error = ApiError::unresolved(vec![not_found("a"), not_found("b")], true, &pass);
        assert_eq!(error.problem.message.lines().count(), 2);
        assert_eq!(error.problem.hints[0], "nothing was done to the other sessions that were named");
        assert_eq!(error.problem.hints[1], "it may be where Reap could not look: kiro-cli: it is not loaded");
        let several = ResolveError::Ambiguous { text: "x".to_owned(), candidates: Vec::new() };
        let error = ApiError::unresolved(vec![several], false, &pass);
        assert_eq!((error.said().0, error.said().1), (409, "ambiguous"));
        assert_eq!(error.problem.hints, [""; 0]);
    }
}
