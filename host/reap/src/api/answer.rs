//! Answers in JSON.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::error::ApiError;

/// This value. Where it cannot be written, that is the answer.
pub(super) fn json<T: Serialize>(value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => of(StatusCode::OK, "application/json", bytes),
        Err(error) => {
            let said = json!({ "code": "fault", "message": error.to_string(), "hints": [] });
            let text = json!({ "error": said }).to_string();
            of(StatusCode::INTERNAL_SERVER_ERROR, "application/json", text.into_bytes())
        }
    }
}

/// Makes an answer that takes long to write: thousands of sessions are megabytes,
/// and whoever else asks must not wait for them.
pub(super) async fn large(
    work: impl FnOnce() -> Result<Response, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(ApiError::broken(&error)))
}

/// Bytes of this type.
pub(super) fn of(status: StatusCode, kind: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Done, with nothing to say.
pub(super) fn nothing() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
