//! Directory locks.

use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use reap_core::locks::Directory;
use serde::Deserialize;

use super::ask::{Asked, Sent};
use super::error::ApiError;
use super::wire::LockAsk;
use super::{Api, answer, one};
use crate::operator::LockFor;

/// Which directory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    directory: String,
}

pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    Ok(answer::json(&api.service.reap.locks().await?))
}

pub(super) async fn lock(
    State(api): State<Arc<Api>>,
    Sent(ask): Sent<LockAsk>,
) -> Result<Response, ApiError> {
    let directory = canonical(Directory::new(&ask.directory)?).await?;
    let holder = match (ask.session, ask.name) {
        (Some(session), None) => Holder::Session(session),
        (None, Some(name)) if !name.trim().is_empty() => Holder::Person(name),
        _ => return Err(ApiError::bad("say for whom: either `session` or `name`")),
    };
    api.act(move |service| async move {
        let holder = match holder {
            Holder::Person(name) => LockFor::Person(name),
            Holder::Session(session) => {
                let pass = service.reap.look().await;
                LockFor::Session(one(&session, &pass)?.subject.handle.clone())
            }
        };
        Ok(answer::json(&service.reap.lock(directory, holder).await?))
    })
    .await
}

pub(super) async fn unlock(
    State(api): State<Arc<Api>>,
    Asked(ask): Asked<Which>,
) -> Result<Response, ApiError> {
    let written = Directory::new(&ask.directory)?;
    // A link may have come into the place of a directory that was locked.
    let locked = api.service.reap.locks().await?.iter().any(|lock| lock.directory == written);
    let directory = if locked { written } else { canonical(written).await? };
    api.act(move |service| async move {
        service.reap.unlock(directory).await?;
        Ok(answer::nothing())
    })
    .await
}

/// For whom a directory is to be locked, by name.
enum Holder {
    Session(String),
    Person(String),
}

/// The directory without links, where it is there: one directory has one lock,
/// whichever way leads to it.
async fn canonical(directory: Directory) -> Result<Directory, ApiError> {
    let resolved = tokio::task::spawn_blocking(move || resolve(directory)).await;
    resolved.map_err(|error| ApiError::broken(&error))
}

fn resolve(directory: Directory) -> Directory {
    let canonical = std::fs::canonicalize(Path::new(directory.as_str())).ok();
    let canonical = canonical.and_then(|path| Directory::new(path.to_str()?).ok());
    canonical.unwrap_or(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_what_it_leads_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        std::fs::create_dir(root.join("real")).expect("made");
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).expect("made");
        let directory =
            |name: &str| Directory::new(root.join(name).to_str().expect("text")).expect("a directory");
        assert_eq!(resolve(directory("link")), directory("real"));
        assert_eq!(resolve(directory("gone")), directory("gone"));
    }
}
