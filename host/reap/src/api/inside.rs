//! What the command line of the same version asks, so that it works the same with
//! a daemon and without: whole passes and plans, as the library has them. Other
//! programs have the rest of the API, which stays as it is.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use super::ask::{Sent, SentPlan};
use super::door::Peer;
use super::error::ApiError;
use super::wire::{ApproveAsk, TagAsk};
use super::{Api, answer};

pub(super) async fn pass(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
) -> Result<Response, ApiError> {
    // What it shows is what may be ended, so it must not show the client's own session as free.
    let pass = api.look(&peer.caller()?).await?;
    answer::large(move || Ok(answer::json(&*pass))).await
}

pub(super) async fn hold(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    SentPlan(plan): SentPlan,
) -> Result<Response, ApiError> {
    let pass = api.last_pass(&peer.caller()?).await?;
    api.act(move |service| async move { Ok(answer::json(&service.reap.hold_back(plan, &pass).await?)) }).await
}

pub(super) async fn apply(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    SentPlan(plan): SentPlan,
) -> Result<Response, ApiError> {
    let caller = peer.caller()?;
    api.act(move |service| async move { Ok(answer::json(&service.reap.apply(&plan, &caller).await?)) }).await
}

pub(super) async fn approve(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    Sent(ask): Sent<ApproveAsk>,
) -> Result<Response, ApiError> {
    let caller = peer.caller()?;
    api.act(move |service| async move { Ok(answer::json(&service.reap.approve(&ask.plan, &caller).await?)) })
        .await
}

pub(super) async fn tag(State(api): State<Arc<Api>>, Sent(ask): Sent<TagAsk>) -> Result<Response, ApiError> {
    api.act(move |service| async move {
        service.reap.tag(&ask.subject, ask.protect).await?;
        Ok(answer::nothing())
    })
    .await
}
