//! Sessions: the list, one with all that is known of it, and the opt-out tag.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use reap_core::judge::Judged;
use reap_core::selector::Selector;
use serde::Deserialize;

use super::answer;
use super::ask::{Asked, Name};
use super::door::Peer;
use super::error::ApiError;
use super::wire::SEEN_HEADER;
use super::{Api, one};
use crate::pass::Pass;
use crate::view::{DetailView, SessionView};

/// Which sessions, and how new the answer must be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Which {
    selector: Option<String>,
    look: Look,
}

/// How new the answer must be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct How {
    look: Look,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Look {
    /// What the last cycle saw.
    #[default]
    Last,
    /// Another look.
    Now,
}

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    Asked(which): Asked<Which>,
) -> Result<Response, ApiError> {
    let selector = which.selector.as_deref().map_or_else(|| Ok(Selector::everything()), Selector::parse)?;
    let pass = seen(&api, &peer, which.look).await?;
    answer::large(move || Ok(listed(&pass, &selector))).await
}

pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    Name(name): Name,
    Asked(how): Asked<How>,
) -> Result<Response, ApiError> {
    let pass = seen(&api, &peer, how.look).await?;
    let view = DetailView::of(&pass, one(&name, &pass)?);
    Ok(stamped(answer::json(&view), &pass))
}

pub(super) async fn protect(State(api): State<Arc<Api>>, Name(name): Name) -> Result<Response, ApiError> {
    tag(&api, name, true).await
}

pub(super) async fn unprotect(State(api): State<Arc<Api>>, Name(name): Name) -> Result<Response, ApiError> {
    tag(&api, name, false).await
}

async fn tag(api: &Api, name: String, protect: bool) -> Result<Response, ApiError> {
    api.act(move |service| async move {
        let pass = service.reap.look().await;
        let subject = one(&name, &pass)?.subject.clone();
        service.reap.tag(&subject, protect).await?;
        Ok(answer::nothing())
    })
    .await
}

async fn seen(api: &Api, peer: &Peer, look: Look) -> Result<Arc<Pass>, ApiError> {
    let caller = peer.onlooker();
    match look {
        Look::Last => api.last_pass(&caller).await,
        Look::Now => api.look(&caller).await,
    }
}

/// As `reap ls --json`: newest activity first.
fn listed(pass: &Pass, selector: &Selector) -> Response {
    let mut sessions: Vec<&Judged> = pass.judged.iter().filter(|judged| selector.matches(judged)).collect();
    sessions.sort_by_key(|judged| (Reverse(judged.subject.session.last_active), &judged.subject.address));
    let views: Vec<SessionView<'_>> = sessions.into_iter().map(SessionView::from).collect();
    stamped(answer::json(&views), pass)
}

/// The answer, with the time of the look that it came from.
fn stamped(mut answer: Response, pass: &Pass) -> Response {
    let at = HeaderValue::from(pass.at.millis());
    answer.headers_mut().insert(HeaderName::from_static(SEEN_HEADER), at);
    answer
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::Value;

    use super::*;
    use crate::sample::pass;

    async fn titles(selector: &str) -> Vec<String> {
        let answer = listed(&pass(), &Selector::parse(selector).expect("a selector"));
        assert_eq!(answer.headers()[SEEN_HEADER], "1700000000000");
        let body = to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
        let sessions: Vec<Value> = serde_json::from_slice(&body).expect("an array");
        sessions.iter().map(|session| session["key"].as_str().expect("a key").to_owned()).collect()
    }

    #[tokio::test]
    async fn the_list_is_the_one_of_the_command_line() {
        assert_eq!(titles("*").await, ["$1", "$2"], "one that was never seen active comes last");
        assert_eq!(titles("kind:worker").await, ["$2"]);
        assert_eq!(titles("orphaned").await.len() + titles("key:$9").await.len(), 1);
    }
}
