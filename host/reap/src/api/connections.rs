//! Connections: accepted, held to limits, and let go in good order.
//!
//! Each listener has places of its own, so that strangers who hold on to a port
//! take none from the command line.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::door::{Peer, admit};
use super::stall::Stall;
use super::token::{Tcp, Token};
use super::wire::{VERSION, VERSION_HEADER};

/// What one listener lets happen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once. Further ones wait to be accepted.
    pub connections: usize,
    /// How long a client may take to say what it wants, and to take more of the
    /// answer.
    pub patience: Duration,
    /// How long what is under way may go on after a stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 128, patience: Duration::from_secs(15), grace: Duration::from_secs(10) }
    }
}

/// After a failure to accept, mostly for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Where clients come from.
pub(super) trait Door: Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Waits for the next client.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Who it is. Nothing for one that must not come in.
    fn peer(stream: &Self::Stream) -> Option<Peer>;

    /// What it has to show.
    fn token(&self) -> Option<Token>;
}

/// The socket, for this user alone.
impl Door for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        Ok(UnixListener::accept(self).await?.0)
    }

    fn peer(stream: &UnixStream) -> Option<Peer> {
        let cred = stream.peer_cred().ok()?;
        let ours = cred.uid() == rustix::process::geteuid().as_raw();
        ours.then(|| Peer::local(cred.pid()))
    }

    fn token(&self) -> Option<Token> {
        None
    }
}

/// A port, for whoever shows the token.
impl Door for Tcp {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn peer(stream: &TcpStream) -> Option<Peer> {
        let (from, to): (SocketAddr, SocketAddr) = (stream.peer_addr().ok()?, stream.local_addr().ok()?);
        Some(Peer::Remote { from, to: to.ip() })
    }

    fn token(&self) -> Option<Token> {
        Some(self.token.clone())
    }
}

/// What clients asked to be done, and is under way.
#[derive(Clone)]
pub(super) struct Acts {
    pub places: Arc<Semaphore>,
    /// So many places there are.
    pub all: u32,
}

impl Acts {
    /// Waits until nothing is under way.
    async fn done(&self) {
        // Whoever closes it has waited for the same.
        drop(self.places.acquire_many(self.all).await);
    }
}

/// Serves all who come until `stopped`, and then lets those finish who are being
/// answered, as long as the limits allow.
pub(super) async fn serve<D: Door>(
    door: D,
    router: Router,
    limits: Limits,
    stopped: watch::Receiver<bool>,
    acts: Acts,
) {
    let (token, places) = (door.token(), Arc::new(Semaphore::new(limits.connections)));
    let mut over = stopped.clone();
    let mut clients = JoinSet::new();
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.ok();
            (place, door.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = over.wait_for(|over| *over) => break,
        };
        match accepted {
            Ok(stream) => {
                let client = talk::<D>(stream, token.clone(), router.clone(), limits, stopped.clone());
                clients.spawn(async move {
                    client.await;
                    drop(place);
                });
            }
            Err(_) => sleep(PAUSE).await, // the client has gone, or descriptors have run out
        }
        while clients.try_join_next().is_some() {}
    }
    drop(door); // nobody else is to wait for an answer
    acts.done().await; // each takes the time that it needs, and its client is told how it went
    let finish = async { while clients.join_next().await.is_some() {} };
    let _ = timeout(limits.grace, finish).await; // those that are left are cut off
}

/// Answers one client for as long as it asks.
async fn talk<D: Door>(
    stream: D::Stream,
    token: Option<Token>,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
) {
    let Some(peer) = D::peer(&stream) else { return };
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request| answer(token.clone(), peer.clone(), router.clone(), request));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.patience);
    let connection = builder.serve_connection(TokioIo::new(Stall::new(stream, limits.patience)), service);
    tokio::pin!(connection);
    // How a connection ends is the client's business: one that broke off has nobody to be told.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn answer(
    token: Option<Token>,
    peer: Peer,
    router: TowerToHyperService<Router>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let mut response = match admit(&peer, token.as_ref(), request.uri(), request.headers()) {
        Ok(()) => {
            request.extensions_mut().insert(peer);
            router.call(request).await?
        }
        Err(error) => error.into_response(),
    };
    let version = HeaderName::from_static(VERSION_HEADER);
    response.headers_mut().insert(version, HeaderValue::from_static(VERSION));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener as Bound;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

    use super::*;

    fn nothing() -> Acts {
        Acts { places: Arc::new(Semaphore::new(1)), all: 1 }
    }

    struct Served {
        folder: tempfile::TempDir,
        stop: watch::Sender<bool>,
        /// Lets the slow answer go on.
        go: Arc<Notify>,
        /// The slow answer was asked for.
        begun: Arc<Notify>,
        serving: JoinHandle<()>,
    }

    impl Served {
        fn new(limits: Limits) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let bound = Bound::bind(folder.path().join("s")).expect("a socket");
            bound.set_nonblocking(true).expect("our own socket");
            let listener = UnixListener::from_std(bound).expect("a listener");
            let (go, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (stop, stopped) = watch::channel(false);
            let slow = {
                let (go, begun) = (go.clone(), begun.clone());
                async move || {
                    begun.notify_one();
                    go.notified().await;
                    "slow"
                }
            };
            let router = Router::new().route("/quick", get(async || "quick")).route("/slow", get(slow));
            let serving = tokio::spawn(serve(listener, router, limits, stopped, nothing()));
            Self { folder, stop, go, begun, serving }
        }

        async fn connect(&self) -> UnixStream {
            UnixStream::connect(self.folder.path().join("s")).await.expect("it listens")
        }

        async fn ask(&self, path: &str) -> UnixStream {
            let mut stream = self.connect().await;
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("sent");
            stream
        }
    }

    async fn read(mut stream: UnixStream) -> String {
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await; // cut off is an answer as well
        text
    }

    fn limits() -> Limits {
        Limits { connections: 2, patience: Duration::from_secs(20), grace: Duration::from_secs(20) }
    }

    #[tokio::test]
    async fn every_answer_tells_the_version() {
        let served = Served::new(limits());
        for path in ["/quick", "/none"] {
            let answer = read(served.ask(path).await).await;
            assert!(answer.contains(&format!("{VERSION_HEADER}: {VERSION}\r\n")), "{answer}");
        }
    }

    #[tokio::test]
    async fn who_says_nothing_is_sent_away() {
        let served = Served::new(Limits { patience: Duration::from_millis(20), ..limits() });
        let silent = served.connect().await;
        let mut halting = served.connect().await;
        halting.write_all(b"GET /quick HTTP/1.1\r\nho").await.expect("sent");
        assert_eq!(read(silent).await, "");
        read(halting).await;
        assert!(read(served.ask("/quick").await).await.ends_with("quick"), "there is room again");
    }

    #[tokio::test]
    async fn a_slow_answer_holds_up_no_other() {
        let served = Served::new(limits());
        let slow = served.ask("/slow").await;
        served.begun.notified().await;
        assert!(read(served.ask("/quick").await).await.ends_with("quick"));
        served.go.notify_one();
        assert!(read(slow).await.ends_with("slow"));
    }

    #[tokio::test]
    async fn more_clients_than_places_wait() {
        let served = Served::new(Limits { connections: 1, ..limits() });
        let slow = served.ask("/slow").await;
        served.begun.notified().await;
        let waiting = tokio::spawn(read(served.ask("/quick").await));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        served.go.notify_one();
        assert!(read(slow).await.ends_with("slow"));
        assert!(waiting.await.expect("it ran").ends_with("quick"));
    }

    #[tokio::test]
    async fn a_stop_lets_answers_finish_and_nobody_else_in() {
        let served = Served::new(limits());
        let (idle, slow) = (served.connect().await, served.ask("/slow").await);
        served.begun.notified().await;
        served.stop.send(true).expect("it serves");
        assert_eq!(read(idle).await, "", "one that asked nothing is let go");
        let refused = UnixStream::connect(served.folder.path().join("s")).await;
        assert!(refused.is_err(), "nobody listens any more");
        assert!(!served.serving.is_finished());
        served.go.notify_one();
        assert!(read(slow).await.ends_with("slow"));
        served.serving.await.expect("it ended");
    }

    #[tokio::test]
    async fn a_stop_does_not_wait_for_ever() {
        let served = Served::new(Limits { grace: Duration::from_millis(20), ..limits() });
        let slow = served.ask("/slow").await;
        served.begun.notified().await;
        served.stop.send(true).expect("it serves");
        served.serving.await.expect("it ended");
        assert_eq!(read(slow).await, "", "cut off");
    }
}
