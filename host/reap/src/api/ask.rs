//! What a request asks, read with errors that say what would be right. An unknown
//! field is an error: a slip in `dry_run` must not end sessions.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use reap_core::plan::Plan;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::ApiError;

/// No request but a plan is as large as this.
const LARGEST: usize = 64 << 10;

/// A plan of a hundred thousand sessions is smaller.
const LARGEST_PLAN: usize = 64 << 20;

/// How long a client may take to send it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The words after the `?`.
pub(super) struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let asked = Query::<T>::from_request_parts(parts, state).await;
        let Query(asked) = asked.map_err(|error: QueryRejection| ApiError::bad(error.body_text()))?;
        Ok(Self(asked))
    }
}

/// The one part of the path that is not fixed.
pub(super) struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        let Path(name) = name.map_err(|error: PathRejection| ApiError::bad(error.body_text()))?;
        Ok(Self(name))
    }
}

/// A body of JSON, whatever it calls itself.
pub(super) struct Sent<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read(request.into_body(), LARGEST).await?;
        let wrong = |error| ApiError::bad(format!("the body is not what is expected here: {error}"));
        serde_json::from_slice(&bytes).map(Self).map_err(wrong)
    }
}

/// A plan that was not changed since it was made.
pub(super) struct SentPlan(pub Plan);

impl<S: Send + Sync> FromRequest<S> for SentPlan {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read(request.into_body(), LARGEST_PLAN).await?;
        let text = String::from_utf8(bytes).map_err(|_| ApiError::bad("the body is no UTF-8 text"))?;
        Ok(Self(Plan::read(&text)?))
    }
}

async fn read(body: Body, most: usize) -> Result<Vec<u8>, ApiError> {
    let late = |_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the body did not come in time");
    let bytes = timeout(PATIENCE, to_bytes(body, most)).await.map_err(late)?;
    match bytes {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if is_too_large(&error) => Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            format!("the body is larger than {most} bytes"),
        )),
        Err(error) => Err(ApiError::bad(format!("the body did not come whole: {error}"))),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::wire::{Cleanup, Kill};

    async fn sent<T: DeserializeOwned>(body: impl Into<Body>) -> Result<T, (u16, String)> {
        let request = Request::new(body.into());
        let sent = Sent::<T>::from_request(request, &()).await;
        sent.map(|Sent(sent)| sent).map_err(|error| (error.said().0, error.said().2.to_owned()))
    }

    #[tokio::test]
    async fn a_slip_is_an_error_and_nothing_is_guessed() {
        let cleanup: Cleanup = sent(r#"{"older_than": 1800000, "dry_run": true}"#).await.expect("good");
        assert_eq!(cleanup.older_than.map(|span| span.millis()), Some(1_800_000));
        assert!(cleanup.dry_run && !cleanup.force && cleanup.selector.is_none());
        let cases = [
            (r#"{"dryrun": true}"#, "unknown field `dryrun`, expected one of `selector`, `older_than`"),
            (r#"{"dry_run": "yes"}"#, "invalid type: string \"yes\", expected a boolean"),
            (r#"{"older_than": "30m"}"#, "expected u64"),
            ("", "EOF while parsing"),
            ("{} {}", "trailing characters"),
        ];
        for (body, words) in cases {
            let (status, message) =
                sent::<Cleanup>(body).await.err().unwrap_or_else(|| panic!("{body} is bad"));
            assert!(status == 400 && message.contains(words), "{message}");
        }
        let none = sent::<Kill>("{}").await.expect_err("nobody is named");
        assert!(none.1.contains("missing field `sessions`"), "{none:?}");
    }

    #[tokio::test]
    async fn what_is_too_large_is_not_read() {
        let most = format!("{{\"sessions\": [], \"force\":{}false}}", " ".repeat(LARGEST - 32));
        assert!(most.len() <= LARGEST);
        sent::<Kill>(most).await.expect("it fits");
        let (status, message) = sent::<Kill>(vec![b' '; LARGEST + 1]).await.expect_err("too large");
        assert_eq!((status, message.as_str()), (413, "the body is larger than 65536 bytes"));
    }

    #[tokio::test]
    async fn a_plan_is_as_it_was_made() {
        for text in ["{}", "[]", "\u{0}", ""] {
            let error = SentPlan::from_request(Request::new(Body::from(text)), &()).await.err();
            let error = error.unwrap_or_else(|| panic!("{text:?} is no plan"));
            assert_eq!((error.said().0, error.said().1), (400, "bad-plan"));
        }
    }
}
