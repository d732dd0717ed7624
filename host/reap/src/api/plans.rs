//! Plans, and the acts that carry them out.
//!
//! Everything goes the way of the command line: a new look, a plan, the limits,
//! the act. Whoever asks over the socket has a place among the processes, and the
//! session it runs in is kept.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use reap_core::guard::Lifts;
use reap_core::plan::Plan;
use reap_core::selector::Selector;

use super::ask::{Name, Sent, SentPlan};
use super::door::Peer;
use super::error::ApiError;
use super::wire::{Approved, Cleanup, Done, Kill};
use super::{Api, answer, named};
use crate::apply::Applied;
use crate::view::{ItemView, SettledView};

pub(super) async fn last(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    let plan = api.service.last().plan;
    let plan = plan.ok_or_else(|| ApiError::not_found("no cycle has come to its end yet"))?;
    answer::large(move || Ok(answer::json(&*plan))).await
}

pub(super) async fn kill(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    Sent(ask): Sent<Kill>,
) -> Result<Response, ApiError> {
    let caller = peer.caller()?;
    if ask.sessions.is_empty() {
        return Err(ApiError::bad("`sessions` is empty; name those that are to be ended"));
    }
    api.act(move |service| async move {
        let reap = &service.reap;
        let pass = reap.look_for(&caller).await;
        let plan = reap.plan_kill(&named(&ask.sessions, &pass)?, lifts(ask.force));
        if plan.items.is_empty() {
            return Err(ApiError::all_kept(&plan.kept));
        }
        let applied = reap.apply(&plan, &caller).await?;
        Ok(done(&plan, &applied))
    })
    .await
}

pub(super) async fn cleanup(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    Sent(ask): Sent<Cleanup>,
) -> Result<Response, ApiError> {
    let selector = selector(&ask)?;
    let lifts = lifts(ask.force);
    if ask.dry_run {
        let pass = api.look(&peer.onlooker()).await?;
        let reap = &api.service.reap;
        let plan = reap.without_excess(reap.plan_cleanup(&pass, &selector, lifts), &pass);
        return answer::large(move || Ok(answer::json(&plan))).await;
    }
    let caller = peer.caller()?;
    api.act(move |service| async move {
        let reap = &service.reap;
        let pass = reap.look_for(&caller).await;
        let plan = reap.hold_back(reap.plan_cleanup(&pass, &selector, lifts), &pass).await?;
        let applied = match plan.items.is_empty() {
            true => Applied { settled: Vec::new(), unwritten: None },
            false => reap.apply(&plan, &caller).await?,
        };
        Ok(done(&plan, &applied))
    })
    .await
}

pub(super) async fn apply(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    SentPlan(plan): SentPlan,
) -> Result<Response, ApiError> {
    let caller = peer.caller()?;
    api.act(move |service| async move {
        let applied = service.reap.apply(&plan, &caller).await?;
        Ok(done(&plan, &applied))
    })
    .await
}

pub(super) async fn approve(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    Name(id): Name,
) -> Result<Response, ApiError> {
    let caller = peer.caller()?;
    api.act(move |service| async move {
        let applied = service.reap.approve(&id, &caller).await?;
        let items = applied.settled.iter().map(ItemView::from).collect();
        Ok(answer::json(&Approved { plan: &id, items, unwritten: applied.unwritten.as_deref() }))
    })
    .await
}

fn done(plan: &Plan, applied: &Applied) -> Response {
    let settled = SettledView::of(plan, &applied.settled);
    answer::json(&Done { settled, unwritten: applied.unwritten.as_deref() })
}

fn lifts(force: bool) -> Lifts {
    if force { Lifts::force() } else { Lifts::default() }
}

/// The selector and the age together, each read for itself first: an error is to
/// show what was written.
fn selector(ask: &Cleanup) -> Result<Selector, ApiError> {
    let older = ask.older_than.map(|span| format!("older:{}", span.exact()));
    let words = ask.selector.iter().chain(&older);
    let read: Vec<String> =
        words.map(|word| Selector::parse(word).map(|_| word.clone())).collect::<Result<_, _>>()?;
    match read.is_empty() {
        true => Ok(Selector::everything()),
        false => Ok(Selector::parse(&read.join(" "))?),
    }
}

#[cfg(test)]
mod tests {
    use reap_core::time::Span;

    use super::*;

    fn read(selector: Option<&str>, older_than: Option<u64>) -> Result<String, String> {
        let ask = Cleanup {
            selector: selector.map(str::to_owned),
            older_than: older_than.map(Span::from_millis),
            ..Cleanup::default()
        };
        super::selector(&ask).map(|read| read.to_string()).map_err(|error| error.said().2.to_owned())
    }

    #[test]
    fn selector_and_age_go_together() {
        let cases = [
            (None, None, "*"),
            (Some("*"), None, "*"),
            (Some("kind:cron title:\"my job\""), None, "kind:cron title:\"my job\""),
            (None, Some(1_800_000), "older:30m"),
            (Some("kind:cron"), Some(1_801_500), "kind:cron older:30m1s500ms"),
        ];
        for (selector, older, expected) in cases {
            assert_eq!(read(selector, older).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_selector_is_told_as_it_was_written() {
        for text in ["", "kind:x", "titel:x"] {
            let error = read(Some(text), Some(1)).expect_err("no selector");
            assert!(!error.contains("older"), "{error}");
        }
    }
}
