//! One request and its answer.

use std::io;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::ClientError;
use crate::api::wire::{Complaint, VERSION, VERSION_HEADER};

/// For a daemon that runs this takes no time at all.
const CONNECT: Duration = Duration::from_secs(3);

/// What is asked.
pub(super) struct Ask {
    method: Method,
    path: String,
    body: Vec<u8>,
    limit: Duration,
}

impl Ask {
    pub fn get(path: &str, limit: Duration) -> Self {
        Self { method: Method::GET, path: path.to_owned(), body: Vec::new(), limit }
    }

    pub fn delete(path: &str, limit: Duration) -> Self {
        Self { method: Method::DELETE, ..Self::get(path, limit) }
    }

    pub fn post(path: &str, body: &impl Serialize, limit: Duration) -> Result<Self, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::Nonsense(error.to_string()))?;
        Ok(Self { method: Method::POST, body, ..Self::get(path, limit) })
    }
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    /// The version of who answers, where it says one.
    pub version: Option<String>,
    body: Bytes,
}

impl Answer {
    /// What it says, if it is no error.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let good = self.good()?;
        serde_json::from_slice(&good.body).map_err(|error| ClientError::Nonsense(error.to_string()))
    }

    /// The same where it has nothing to say.
    pub fn done(self) -> Result<(), ClientError> {
        self.good().map(drop)
    }

    pub fn good(self) -> Result<Self, ClientError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let status = self.status;
        Err(match serde_json::from_slice::<Complaint>(&self.body) {
            Ok(Complaint { error }) => {
                ClientError::Refused { status, code: error.code, message: error.message, hints: error.hints }
            }
            Err(_) => ClientError::Nonsense(format!("its status is {status}, and it does not say why")),
        })
    }

    #[cfg(test)]
    pub fn for_test(status: u16, version: Option<&str>, body: &'static str) -> Self {
        Self { status, version: version.map(str::to_owned), body: Bytes::from_static(body.as_bytes()) }
    }
}

/// Asks, and waits for the whole answer.
pub(super) async fn send(socket: &Path, ask: Ask) -> Result<Answer, ClientError> {
    let limit = ask.limit;
    timeout(limit, exchange(socket, ask)).await.unwrap_or(Err(ClientError::Late(limit)))
}

async fn exchange(socket: &Path, ask: Ask) -> Result<Answer, ClientError> {
    let request = request(ask.method, &ask.path, ask.body)?;
    let (mut sender, connection) = connect(socket).await?;
    let answered = async move {
        let response = sender.send_request(request).await.map_err(broken)?;
        drop(sender); // nothing more is asked, and the connection ends with the answer
        whole(response).await
    };
    let (answer, _) = tokio::join!(answered, connection); // what breaks the one breaks the other
    answer
}

/// Reads an answer to its end.
pub(super) async fn whole(response: Response<Incoming>) -> Result<Answer, ClientError> {
    let version =
        response.headers().get(VERSION_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
    Ok(Answer { status, version, body })
}

pub(super) fn request(
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<Request<Full<Bytes>>, ClientError> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, HeaderValue::from_static("localhost"))
        .header(VERSION_HEADER, HeaderValue::from_static(VERSION));
    request.body(Full::new(body.into())).map_err(|error| ClientError::Nonsense(error.to_string()))
}

/// The two halves of a connection: what asks, and what must be run meanwhile.
pub(super) type Connected =
    (http1::SendRequest<Full<Bytes>>, http1::Connection<TokioIo<UnixStream>, Full<Bytes>>);

/// Connects to the daemon, if it is this user's.
pub(super) async fn connect(socket: &Path) -> Result<Connected, ClientError> {
    let failed = |error| ClientError::Connect { socket: socket.to_owned(), error };
    let late = |_| failed(io::ErrorKind::TimedOut.into());
    let stream = timeout(CONNECT, UnixStream::connect(socket)).await.map_err(late)?.map_err(failed)?;
    let owner = stream.peer_cred().map_err(failed)?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return Err(ClientError::Stranger { socket: socket.to_owned(), owner });
    }
    http1::handshake(TokioIo::new(stream)).await.map_err(broken)
}

pub(super) fn broken(error: hyper::Error) -> ClientError {
    let why = std::error::Error::source(&error).map(|source| format!(": {source}"));
    ClientError::Broken(format!("{error}{}", why.unwrap_or_default()))
}

/// A text as the value of a query.
pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}"); // a String takes everything
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_arrives_as_it_is() {
        assert_eq!(encoded("/a b/ü&c=d#e%+"), "/a%20b/%C3%BC%26c%3Dd%23e%25%2B");
    }

    #[test]
    fn an_error_is_the_daemons_own() {
        let body = r#"{"error": {"code": "refused", "message": "no", "hints": ["try"], "more": 1}}"#;
        let error = Answer::for_test(409, None, body).done().expect_err("an error");
        assert_eq!(error.to_string(), "no");
        assert!(
            matches!(error, ClientError::Refused { status: 409, code, hints, .. } if code == "refused" && hints == ["try"])
        );
        let odd = Answer::for_test(502, None, "<html>").done().expect_err("an error");
        assert!(odd.to_string().contains("its status is 502"), "{odd}");
        let odd = Answer::for_test(200, None, "{}").read::<Vec<u8>>().expect_err("no list");
        assert!(odd.to_string().contains("is not understood"), "{odd}");
    }

    #[tokio::test]
    async fn nobody_is_told_from_somebody() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("s");
        let ask = || Ask::get("/", Duration::from_millis(20));
        let missing = send(&socket, ask()).await.expect_err("there is none");
        assert!(matches!(&missing, ClientError::Connect { error, .. } if super::super::is_nobody(error)));
        let listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        let silent = send(&socket, ask()).await.expect_err("nobody answers");
        assert!(matches!(silent, ClientError::Late(_)), "{silent:?}");
        drop(listener);
        let dead = send(&socket, ask()).await.expect_err("nobody listens");
        assert!(matches!(&dead, ClientError::Connect { error, .. } if super::super::is_nobody(error)));
        std::fs::remove_file(&socket).and_then(|()| std::fs::write(&socket, "")).expect("a file");
        send(&socket, ask()).await.expect_err("no socket");
    }
}
