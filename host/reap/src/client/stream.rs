//! Events as they come: the text of the stream, made into what it tells.

use std::path::Path;

use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::task::JoinHandle;

use super::ClientError;
use super::call::{broken, connect, request, whole};
use crate::events::{Heard, Noted};

/// Hears what happens, until it is dropped.
#[derive(Debug)]
pub struct EventStream {
    body: Incoming,
    text: Frames,
    connection: JoinHandle<()>,
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl EventStream {
    pub(super) async fn open(socket: &Path, after: Option<u64>) -> Result<Self, ClientError> {
        let mut request = request(Method::GET, "/v1/events", Vec::new())?;
        if let Some(after) = after {
            request.headers_mut().insert("last-event-id", after.into());
        }
        let (mut sender, connection) = connect(socket).await?;
        let connection = tokio::spawn(async move { connection.await.unwrap_or(()) }); // the body tells of it too
        let response = sender.send_request(request).await.map_err(broken)?;
        if !response.status().is_success() {
            whole(response).await?.done()?;
            return Err(ClientError::Nonsense("an error without one".to_owned()));
        }
        Ok(Self { body: response.into_body(), text: Frames::default(), connection })
    }

    /// Waits for what happens next. Nothing when the daemon stops.
    pub async fn next(&mut self) -> Result<Option<Heard>, ClientError> {
        loop {
            while let Some(frame) = self.text.next() {
                if let Some(heard) = heard(&frame)? {
                    return Ok(Some(heard));
                }
            }
            let Some(piece) = self.body.frame().await else { return Ok(None) };
            if let Ok(bytes) = piece.map_err(broken)?.into_data() {
                self.text.add(&bytes);
            }
        }
    }
}

/// What a frame tells. Nothing of one that only says that somebody is there.
fn heard(frame: &str) -> Result<Option<Heard>, ClientError> {
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
    let nonsense = |error: serde_json::Error| ClientError::Nonsense(error.to_string());
    match (field("event: "), field("data: ")) {
        (Some("missed"), Some(data)) => {
            let Missed { missed } = serde_json::from_str(data).map_err(nonsense)?;
            Ok(Some(Heard::Missed(missed)))
        }
        (Some(_), Some(data)) => {
            let noted: Noted = serde_json::from_str(data).map_err(nonsense)?;
            Ok(Some(Heard::Event(Box::new(noted))))
        }
        _ => Ok(None),
    }
}

#[derive(Deserialize)]
struct Missed {
    missed: u64,
}

/// Cuts a stream of bytes into frames. A blank line ends each.
#[derive(Debug, Default)]
struct Frames(Vec<u8>);

impl Frames {
    fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<String> {
        let end = self.0.windows(2).position(|pair| pair == b"\n\n")?;
        let frame: Vec<u8> = self.0.drain(..end + 2).collect();
        Some(String::from_utf8_lossy(&frame).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_in_any_pieces() {
        let text = b"retry: 2000\n\n: nothing new\n\nid: 7\nevent: machine.rebooted\ndata: \
                     {\"seq\":7,\"at\":9,\"event\":\"machine.rebooted\"}\n\nevent: missed\ndata: {\"after\":7,\"missed\":2}\n\n";
        for size in [1, 2, 3, 7, text.len()] {
            let mut frames = Frames::default();
            let mut told = Vec::new();
            for piece in text.chunks(size) {
                frames.add(piece);
                while let Some(frame) = frames.next() {
                    told.extend(heard(&frame).expect("good"));
                }
            }
            let [Heard::Event(noted), Heard::Missed(2)] = &told[..] else { panic!("{told:?}") };
            assert_eq!((noted.seq, noted.event.name()), (7, "machine.rebooted"));
            assert_eq!(frames.0, b"");
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        heard("event: session.seen\ndata: {}\n\n").expect_err("no event");
        heard("event: missed\ndata: many\n\n").expect_err("no number");
    }
}
