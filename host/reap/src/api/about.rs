//! The daemon itself: which one it is, how it is, and a cycle before its time.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::error::ApiError;
use super::wire::{About, CycleDone, VERSION};
use super::{Api, answer};

/// What can be asked, for programs: OpenAPI 3.1.
pub(super) const DOCUMENT: &str = include_str!("openapi.json");

pub(super) async fn document() -> Response {
    answer::of(StatusCode::OK, "application/json", DOCUMENT.into())
}

pub(super) async fn about(State(api): State<Arc<Api>>) -> Response {
    let service = &api.service;
    let config = service.reap.config();
    answer::json(&About {
        version: VERSION.to_owned(),
        process: service.process,
        since: service.since,
        mode: config.daemon.mode.word().to_owned(),
        every: config.daemon.every,
        socket: api.socket.clone(),
        listen: api.port.map(|address| address.to_string()),
        state: service.reap.memory.folder().to_owned(),
        config: config.file.clone(),
        config_digest: config.digest.clone(),
        surroundings: service.reap.plugins().surroundings(),
    })
}

pub(super) async fn status(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    Ok(answer::json(&api.status().await?))
}

pub(super) async fn cycle(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    let mut stopped = api.stopped.clone();
    let last = tokio::select! {
        last = api.service.cycle_now() => last,
        _ = stopped.wait_for(|stopped| *stopped) => return Err(ApiError::stopping()),
    };
    if let Some(error) = last.error {
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "memory", error));
    }
    let (Some(at), Some(pass), Some(plan)) = (last.at, last.pass, last.plan) else {
        return Err(ApiError::broken(&"a cycle that came to nothing and has no error"));
    };
    Ok(answer::json(&CycleDone {
        number: last.number,
        at,
        cost: last.cost,
        sessions: pass.judged.len(),
        unknown: pass.unknown.len(),
        plan: (!plan.items.is_empty()).then(|| plan.id.clone()),
        due: plan.items.len(),
        kept: plan.kept.len(),
        held: plan.held.len(),
    }))
}
