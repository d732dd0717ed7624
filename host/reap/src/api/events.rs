//! Everything that changes, told as it happens.
//!
//! What a client heard last it says when it comes back, and the journal has what
//! came after: a connection that broke off loses nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use reap_core::notes;
use reap_store::journal::{Entry, Query};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::Api;
use super::error::ApiError;
use super::sse;
use crate::events::{Events, Heard, Noted};

/// How often a silent stream says that it is there.
const BEAT: Duration = Duration::from_secs(15);

/// Entries of the journal that are read at once.
const PAGE: u32 = 500;

pub(super) async fn listen(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, ApiError> {
    let place = api.listeners.clone().try_acquire_owned().map_err(|_| too_many())?;
    // Before the journal is read, or what happens in between would be lost.
    let events = api.service.reap.events();
    let heard = last_heard(&headers)?;
    if let Some(heard) = heard {
        ours(&api, heard).await?;
    }
    let (sender, response) = sse::stream();
    let stopped = api.stopped.clone();
    tokio::spawn(async move {
        let mut listener = Listener { sender, stopped, heard: heard.unwrap_or(0) };
        listener.tell_all(&api, events, heard.is_some()).await;
        drop(place);
    });
    Ok(response)
}

fn too_many() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too-many-listeners",
        "too many clients hear the events already",
    )
}

/// The number of the last event that the client heard.
fn last_heard(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.map(Some).ok_or_else(|| ApiError::bad("the header Last-Event-ID must be the `id` of an event"))
}

/// A number that the journal has not reached was told by another one.
async fn ours(api: &Api, heard: u64) -> Result<(), ApiError> {
    let head = api.service.reap.memory.read(|reader| reader.view().head()).await?;
    let last = head.map_or(0, |head| head.seq);
    if heard <= last {
        return Ok(());
    }
    let message = format!("the journal ends at {last}, so it is not the one in which {heard} was heard");
    Err(ApiError::new(StatusCode::CONFLICT, "other-journal", message)
        .hint("begin anew, without Last-Event-ID"))
}

struct Listener {
    sender: mpsc::Sender<Bytes>,
    stopped: watch::Receiver<bool>,
    /// The number of the last event that was told.
    heard: u64,
}

/// Nobody listens any more, or nothing is told any more.
struct Over;

impl Listener {
    async fn tell_all(&mut self, api: &Api, events: Events, replay: bool) {
        let told = async {
            self.send(sse::HELLO).await?;
            if replay {
                self.replay(api).await?;
            }
            self.go_on(api, events).await
        };
        let Err(Over) = told.await;
    }

    /// Tells what the journal has after the last one that was heard.
    async fn replay(&mut self, api: &Api) -> Result<(), Over> {
        let mut after = self.heard;
        loop {
            let query = Query { after, first: Some(PAGE), ..Query::default() };
            let page = api.service.reap.memory.read(move |reader| reader.view().journal(&query)).await;
            // Without the journal nothing can be made up for: the client comes back and tries again.
            let page = page.map_err(|_| Over)?.unwrap_or_default();
            let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(()) };
            if first.seq > after + 1 {
                self.send(&sse::missed(after, first.seq - after - 1)).await?; // let go since
            }
            for noted in page.iter().flat_map(noted) {
                self.tell(&noted).await?;
            }
            after = last.seq;
            self.heard = after;
        }
    }

    /// Tells what happens.
    async fn go_on(&mut self, api: &Api, mut events: Events) -> Result<std::convert::Infallible, Over> {
        let mut replayed = self.heard;
        loop {
            let heard = tokio::select! {
                heard = events.next() => Some(heard.ok_or(Over)?),
                () = sleep(BEAT) => None,
                () = self.sender.closed() => return Err(Over),
                _ = self.stopped.wait_for(|stopped| *stopped) => return Err(Over),
            };
            match heard {
                None => self.send(sse::BEAT).await?,
                Some(Heard::Event(noted)) if noted.seq > replayed => self.tell(&noted).await?,
                Some(Heard::Event(_)) => {} // told from the journal already
                // So much happened at once that not all of it could wait here. The journal has it.
                Some(Heard::Missed(_)) => {
                    self.replay(api).await?;
                    replayed = self.heard;
                }
            }
        }
    }

    async fn tell(&mut self, noted: &Noted) -> Result<(), Over> {
        let text = sse::event(noted).map_err(|_| Over)?; // numbers and texts can always be written
        self.send(&text).await?;
        if !noted.more {
            self.heard = noted.seq; // and not before all that its entry holds was told
        }
        Ok(())
    }

    async fn send(&mut self, text: &str) -> Result<(), Over> {
        tokio::select! {
            sent = self.sender.send(Bytes::copy_from_slice(text.as_bytes())) => sent.map_err(|_| Over),
            _ = self.stopped.wait_for(|stopped| *stopped) => Err(Over),
        }
    }
}

/// An entry as the events that it was, where it was any.
fn noted(entry: &Entry) -> Vec<Noted> {
    let events = notes::events(&entry.kind, &entry.payload);
    Noted::of(&vec![entry.seq; events.len()], entry.at, events).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_was_heard() {
        let heard = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("last-event-id", value.parse().expect("a value"));
            last_heard(&headers).ok()
        };
        assert_eq!(last_heard(&HeaderMap::new()).ok(), Some(None));
        assert_eq!(heard("17"), Some(Some(17)));
        for wrong in ["", "x", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(heard(wrong), None, "{wrong:?}");
        }
    }
}
