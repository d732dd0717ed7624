//! Server-sent events: the text that goes out, and a body that can be added to.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::events::Noted;

/// What is said while nothing happens, so that both sides notice when the other
/// has gone.
pub(super) const BEAT: &str = ": nothing new\n\n";

/// What is said first: when to come back after the connection broke off, in
/// milliseconds.
pub(super) const HELLO: &str = "retry: 2000\n\n";

/// Pieces that wait for a client that reads slowly.
const WAITING: usize = 16;

/// An event. A client that has heard it and comes back says its number.
pub(super) fn event(noted: &Noted) -> Result<String, serde_json::Error> {
    let (seq, name, data) = (noted.seq, noted.event.name(), serde_json::to_string(noted)?);
    let id = if noted.more { String::new() } else { format!("id: {seq}\n") };
    Ok(format!("{id}event: {name}\ndata: {data}\n\n"))
}

/// Some events after this number were not told.
pub(super) fn missed(after: u64, missed: u64) -> String {
    format!("event: missed\ndata: {{\"after\":{after},\"missed\":{missed}}}\n\n")
}

/// An answer that goes on for as long as there is something to tell.
pub(super) fn stream() -> (mpsc::Sender<Bytes>, Response) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let mut response = Response::new(Body::new(Pieces(receiver)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    (sender, response)
}

struct Pieces(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use reap_core::event::Event;
    use reap_core::time::Timestamp;

    use super::*;

    #[test]
    fn an_event_is_three_lines_whatever_it_says() {
        let backend = reap_core::ids::PluginName::new("tmux").expect("a name");
        let instance = reap_core::ids::Instance::new("/tmp/a\nid: 9\r\n\ndata: b");
        let event = Event::Doubted { backend, instance, reason: "it\u{2028}hangs".to_owned() };
        let text =
            super::event(&Noted { seq: 7, at: Timestamp::from_millis(9), event, more: false }).expect("JSON");
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(lines[..2], ["id: 7", "event: instance.doubted"]);
        assert!(lines[2].starts_with("data: {") && lines[2].ends_with('}') && !lines[2].contains('\r'));
        assert_eq!(lines[3..], ["", ""], "a blank line ends it");
        let data: serde_json::Value = serde_json::from_str(&lines[2]["data: ".len()..]).expect("JSON");
        assert_eq!(
            (&data["seq"], &data["at"], &data["event"]),
            (&7.into(), &9.into(), &"instance.doubted".into())
        );
        assert_eq!(data["instance"], "/tmp/a\nid: 9\r\n\ndata: b");
    }

    #[test]
    fn an_entry_was_heard_with_the_last_of_its_events() {
        let noted = Noted::of(&[7, 7, 8], Timestamp::from_millis(9), vec![Event::Rebooted; 3]);
        let ids = noted.map(|noted| super::event(&noted).expect("JSON").starts_with("id: "));
        assert_eq!(ids.collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn what_was_missed_has_no_number_of_its_own() {
        assert_eq!(missed(5, 2), "event: missed\ndata: {\"after\":5,\"missed\":2}\n\n");
        assert!(BEAT.starts_with(':') && BEAT.ends_with("\n\n"));
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_sender() {
        let (sender, response) = stream();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        tokio::spawn(async move {
            for _ in 0..100 {
                sender.send(Bytes::from_static(BEAT.as_bytes())).await.expect("somebody reads");
            }
        });
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        assert_eq!(body.len(), 100 * BEAT.len());
    }
}
