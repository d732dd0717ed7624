//! The journal: its entries, and whether it is as it was written.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use reap_core::ids::Handle;
use reap_core::resolve::{ResolveError, resolve};
use reap_store::chain::Head;
use reap_store::journal::Query;
use reap_store::verify::Verdict;
use serde::Deserialize;
use serde::de::IntoDeserializer;

use super::ask::Asked;
use super::error::ApiError;
use super::wire::{BrokenAt, Verified};
use super::{Api, answer};

/// Entries in one answer, where no number is given and at most.
const MANY: u32 = 1000;
const MOST: u32 = 10_000;

/// Which entries.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Which {
    session: Option<String>,
    after: Option<u64>,
    newest: Option<u32>,
}

/// What to check against.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Against {
    head: Option<String>,
}

pub(super) async fn entries(
    State(api): State<Arc<Api>>,
    Asked(which): Asked<Which>,
) -> Result<Response, ApiError> {
    let handle = which.session.as_deref().map(|name| handle(&api, name)).transpose()?;
    let (first, newest) = how_many(&which)?;
    let after = which.after.unwrap_or(0);
    let entries =
        api.service.reap.memory.read(move |reader| {
            reader.view().journal(&Query { handle: handle.as_ref(), after, newest, first })
        });
    let entries = entries.await?.unwrap_or_default();
    answer::large(move || Ok(answer::json(&entries))).await
}

/// How many entries: the oldest of those after a number, so that page follows on
/// page, and else the newest.
fn how_many(which: &Which) -> Result<(Option<u32>, Option<u32>), ApiError> {
    let newest = which.newest.unwrap_or(MANY);
    if newest == 0 || newest > MOST {
        return Err(ApiError::bad(format!("`newest` must be from 1 to {MOST}")));
    }
    Ok(match (which.after, which.newest) {
        (Some(_), None) => (Some(MANY), None),
        _ => (None, Some(newest)),
    })
}

/// The handle of a session, whether it lives or is no more. Of one that is gone
/// nobody knows more than the handle.
fn handle(api: &Api, name: &str) -> Result<Handle, ApiError> {
    let whole = name.len() == Handle::DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if whole {
        let text: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = name.into_deserializer();
        return Handle::deserialize(text).map_err(|error| ApiError::bad(error.to_string()));
    }
    let not_found = || ResolveError::NotFound { text: name.to_owned() };
    let Some(pass) = api.service.last().pass else {
        return Err(ApiError::not_found(not_found().to_string()));
    };
    let found = resolve(name, &pass.judged).map(|judged| judged.subject.handle.clone());
    found.map_err(|error| {
        let gone = matches!(error, ResolveError::NotFound { .. });
        let error = ApiError::unresolved(vec![error], false, &pass);
        if gone { error.hint("of a session that is gone, give the whole handle") } else { error }
    })
}

pub(super) async fn verify(
    State(api): State<Arc<Api>>,
    Asked(against): Asked<Against>,
) -> Result<Response, ApiError> {
    let head = against.head.as_deref().map(str::parse::<Head>).transpose();
    let head = head.map_err(|error| ApiError::bad(error.to_string()))?;
    let verdict = api.service.reap.memory.read(move |reader| reader.verify(head.as_ref())).await?;
    let verdict = verdict.ok_or_else(|| ApiError::not_found("there is no journal yet"))?;
    Ok(answer::json(&verified(verdict)))
}

fn verified(verdict: Verdict) -> Verified {
    match verdict {
        Verdict::Sound(sound) => Verified {
            sound: true,
            entries: Some(sound.entries),
            head: Some(sound.head.to_string()),
            anchored: Some(sound.anchored),
            open_intents: Some(sound.open_intents),
            broken: None,
        },
        Verdict::Broken(broken) => Verified {
            sound: false,
            entries: None,
            head: None,
            anchored: None,
            open_intents: None,
            broken: Some(BrokenAt { seq: broken.seq, reason: broken.to_string() }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_on_each_other_and_are_never_endless() {
        let which = |after, newest| Which { session: None, after, newest };
        let cases = [
            (which(None, None), Some((None, Some(MANY)))),
            (which(Some(7), None), Some((Some(MANY), None))),
            (which(None, Some(3)), Some((None, Some(3)))),
            (which(Some(7), Some(3)), Some((None, Some(3)))),
            (which(None, Some(MOST)), Some((None, Some(MOST)))),
            (which(None, Some(MOST + 1)), None),
            (which(None, Some(0)), None),
        ];
        for (which, expected) in cases {
            assert_eq!(how_many(&which).ok(), expected, "{which:?}");
        }
    }
}
