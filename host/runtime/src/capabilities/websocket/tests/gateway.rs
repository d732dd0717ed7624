//! A gateway in this process, which does with each connection what the test says.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::capabilities::websocket::address::Address;
use crate::capabilities::websocket::frame::{Reply, begin_request};
use crate::capabilities::websocket::line::{Answer, Failure, Line};
use crate::capabilities::websocket::pool::{Held, Pool};
use crate::capabilities::websocket::secrets::Wiped;
use crate::counters::Counters;
use crate::limits::Limits;
use crate::network::Network;

/// More than anything here takes.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// Enough for what never comes.
pub(super) const SHORT: Duration = Duration::from_millis(150);

/// The gateway's end of a connection.
pub(super) struct Peer(pub(super) WebSocketStream<TcpStream>);

impl Peer {
    /// The next request, as it was sent.
    pub(super) async fn request(&mut self) -> Value {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).expect("JSON"),
                Some(Ok(_)) => {}
                // The test is over for this one.
                Some(Err(_)) | None => std::future::pending().await,
            }
        }
    }

    pub(super) async fn say(&mut self, text: impl Into<String>) {
        self.send(Message::text(text.into())).await;
    }

    pub(super) async fn send(&mut self, message: Message) {
        // The other end may have had enough.
        let _ = self.0.send(message).await;
    }

    pub(super) async fn answer(&mut self, request: &Value, payload: Value) {
        self.say(json!({ "type": "res", "id": request["id"], "ok": true, "payload": payload }).to_string())
            .await;
    }

    /// Answers everything with what was asked.
    pub(super) async fn echo(mut self) {
        loop {
            let request = self.request().await;
            self.answer(&request, request["params"].clone()).await;
        }
    }
}

/// Starts a gateway that treats each connection so, and counts them.
pub(super) async fn gateway<F: Future<Output = ()> + Send>(
    treat: impl Fn(Peer) -> F + Clone + Send + Sync + 'static,
) -> (Address, Arc<AtomicUsize>) {
    raw(move |stream| {
        let treat = treat.clone();
        async move {
            if let Ok(socket) = accept_async(stream).await {
                treat(Peer(socket)).await;
            }
        }
    })
    .await
}

/// The same without the handshake.
pub(super) async fn raw<F: Future<Output = ()> + Send>(
    treat: impl Fn(TcpStream) -> F + Clone + Send + Sync + 'static,
) -> (Address, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = address(&listener);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let treat = treat.clone();
            tokio::spawn(async move { treat(stream).await });
        }
    });
    (address, count)
}

pub(super) fn address(listener: &TcpListener) -> Address {
    let port = listener.local_addr().expect("it listens").port();
    Address::parse(&format!("ws://127.0.0.1:{port}")).expect("an address")
}

/// Limits that a test reaches soon.
pub(super) fn limits() -> Limits {
    Limits {
        connections: 2,
        events: 3,
        message_bytes: 100_000,
        received_bytes: 1_000_000,
        connect_ms: 300,
        ..Limits::for_backend()
    }
}

pub(super) fn pool(limits: &Limits) -> (Arc<Pool>, Arc<Counters>) {
    let counters = Arc::new(Counters::default());
    (Arc::new(Pool::new(limits, Network::default(), Arc::clone(&counters))), counters)
}

pub(super) async fn take(pool: &Pool, address: &Address) -> Result<(Held, Option<String>), Failure> {
    pool.take(address, Arc::default(), LONG).await
}

/// A line to a gateway that treats it so.
pub(super) async fn line<F: Future<Output = ()> + Send>(
    treat: impl Fn(Peer) -> F + Clone + Send + Sync + 'static,
) -> (Held, Arc<Counters>) {
    let (address, _) = gateway(treat).await;
    let (pool, counters) = pool(&limits());
    let (held, note) = take(&pool, &address).await.expect("it answers");
    assert_eq!(note, None);
    (held, counters)
}

pub(super) fn text(id: u64, params: &Value) -> Wiped {
    let mut text = begin_request(id, "m");
    text.push(&params.to_string());
    text.push("}");
    text
}

/// Asks for this, and waits so long.
pub(super) async fn ask(line: &Line, params: &Value, within: Duration) -> Answer {
    let id = line.number();
    line.ask(id, text(id, params), within).await
}

/// What is asked comes back.
pub(super) async fn works(line: &Line) {
    let answer = ask(line, &json!({ "n": 1 }), LONG).await;
    assert_eq!(answer.reply, Ok(Reply::Done("{\"n\":1}".to_owned())));
}

/// Waits until something holds.
pub(super) async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(LONG, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never: {what}"));
}
