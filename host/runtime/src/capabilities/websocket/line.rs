//! One line to a gateway: a task that owns the websocket, and the handle to it.
//!
//! The task reads all the time, so that pings are answered and an end is noticed while
//! nobody asks. Answers go to whoever waits for their id, events into a bounded buffer.
//! Whatever the other side does wrong ends the line with a reason.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use reap_core::clean;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::connect::Socket;
use super::frame::{Frame, Reply, read};
use super::secrets::{Mask, Wiped, renew, without};
use crate::counters::Counters;

/// How long the other side may leave what is sent to it unread.
const WRITING: Duration = Duration::from_secs(10);

/// How long a goodbye may take.
const PARTING: Duration = Duration::from_secs(1);

/// Pings and pongs between two messages. A gateway sends one every few seconds.
const PINGS: u32 = 1_000;

/// Requests that wait for their turn to be written.
const QUEUE: usize = 64;

/// Why something on a line did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may not go there.
    Forbidden(String),
    /// It cannot be reached, or went away.
    Unavailable(String),
    /// No answer in time.
    TimedOut(String),
    /// A limit was reached.
    Limited(String),
    /// The other side does not speak the protocol.
    Nonsense(String),
}

/// How a line ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: Option<u16>,
    pub(crate) reason: String,
    pub(crate) failure: Failure,
}

/// What a line may take in.
#[derive(Debug, Clone)]
pub(crate) struct Allowance {
    /// Events that wait to be taken.
    pub(crate) events: usize,
    /// Bytes of one message.
    pub(crate) message_bytes: usize,
    /// Bytes in all, for one call.
    pub(crate) received_bytes: u64,
}

/// The handle to a line. Dropped, it says goodbye and closes the line.
#[derive(Debug)]
pub(crate) struct Line {
    to: mpsc::Sender<Outgoing>,
    shared: Arc<Shared>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Outgoing {
    id: u64,
    text: Utf8Bytes,
    written: Arc<AtomicBool>,
    answer: oneshot::Sender<Reply>,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Whether it may have reached the other side.
    pub(crate) sent: bool,
    pub(crate) reply: Result<Reply, Failure>,
}

#[derive(Debug)]
struct Shared {
    address: String,
    allowance: Allowance,
    counters: Arc<Counters>,
    inner: Mutex<Inner>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    masks: Vec<Mask>,
    events: VecDeque<(String, String)>,
    event_bytes: usize,
    /// What the current call took in, over all its lines.
    received: Arc<AtomicU64>,
    pings: u32,
    ended: Option<Ended>,
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Takes over a websocket that was opened.
    pub(crate) fn start(
        address: &str,
        socket: Socket,
        allowance: Allowance,
        counters: Arc<Counters>,
        received: Arc<AtomicU64>,
    ) -> Self {
        let inner = Mutex::new(Inner { received, ..Inner::default() });
        let address = address.to_owned();
        let shared = Arc::new(Shared { address, allowance, counters, inner, news: Notify::new() });
        let (to, from) = mpsc::channel(QUEUE);
        tokio::spawn(Task { socket, from, waiting: HashMap::new(), shared: Arc::clone(&shared) }.run());
        Self { to, shared, next: AtomicU64::new(1) }
    }

    /// Begins to count for another call.
    pub(crate) fn count_for(&self, received: Arc<AtomicU64>) {
        let mut inner = self.shared.inner();
        (inner.received, inner.pings) = (received, 0);
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&self) -> Option<Ended> {
        self.shared.inner().ended.clone()
    }

    /// From now on these are taken out of what comes in.
    pub(crate) fn conceal(&self, masks: Vec<Mask>) {
        renew(&mut self.shared.inner().masks, masks);
    }

    /// The number of the next request.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends a request of that number and waits for its answer. Given up, it is not
    /// sent any more if it was not yet.
    pub(crate) async fn ask(&self, id: u64, text: Wiped, within: Duration) -> Answer {
        let written = Arc::new(AtomicBool::new(false));
        let (answer, coming) = oneshot::channel();
        // The bytes are wiped once the websocket has them under its own mask.
        let text = match Utf8Bytes::try_from(Bytes::from_owner(text)) {
            Ok(text) => text,
            Err(error) => return Answer { sent: false, reply: Err(Failure::Nonsense(error.to_string())) },
        };
        let out = Outgoing { id, text, written: Arc::clone(&written), answer };
        let asked = async {
            // What refuses it is the end of the line, and that is told below.
            if self.to.send(out).await.is_ok() { coming.await.ok() } else { None }
        };
        let reply = match timeout(within, asked).await {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(self.why_ended()),
            Err(_) => Err(Failure::TimedOut(format!(
                "{} gave no answer within {} ms",
                self.shared.address,
                within.as_millis()
            ))),
        };
        Answer { sent: written.load(Ordering::Acquire), reply }
    }

    fn why_ended(&self) -> Failure {
        let gone = || Failure::Unavailable(format!("the line to {} is closed", self.shared.address));
        self.ended().map_or_else(gone, |ended| ended.failure)
    }

    /// The oldest event; waits for one.
    pub(crate) async fn event(&self, within: Duration) -> Result<Option<(String, String)>, Failure> {
        let until = Instant::now() + within;
        loop {
            let news = self.shared.news.notified();
            tokio::pin!(news);
            // Before the look, so that what comes right after it is not missed.
            news.as_mut().enable();
            {
                let mut inner = self.shared.inner();
                if let Some((name, payload)) = inner.events.pop_front() {
                    inner.event_bytes -= name.len() + payload.len();
                    return Ok(Some((name, payload)));
                }
                if let Some(ended) = &inner.ended {
                    return Err(ended.failure.clone());
                }
            }
            if timeout_at(until, news).await.is_err() {
                return Ok(None);
            }
        }
    }
}

/// What owns the websocket.
struct Task {
    socket: Socket,
    from: mpsc::Receiver<Outgoing>,
    waiting: HashMap<u64, oneshot::Sender<Reply>>,
    shared: Arc<Shared>,
}

impl Task {
    async fn run(mut self) {
        let ended = loop {
            let step = tokio::select! {
                out = self.from.recv() => match out {
                    Some(out) => self.write(out).await,
                    None => break None, // nobody holds the handle any more
                },
                came = self.socket.next() => self.take(came),
            };
            if let Err(ended) = step {
                break Some(ended);
            }
        };
        if let Some(ended) = ended {
            self.shared.inner().ended = Some(ended);
            self.shared.news.notify_waiters();
        }
        // The order matters: whoever waits looks for the reason when this is gone.
        self.from.close();
        self.waiting.clear();
        while self.from.try_recv().is_ok() {}
        // It is closed in any case, with or without the other side's goodbye.
        let _ = timeout(PARTING, self.socket.close(None)).await;
    }

    async fn write(&mut self, out: Outgoing) -> Result<(), Ended> {
        if out.answer.is_closed() {
            return Ok(()); // whoever wanted it has given up
        }
        out.written.store(true, Ordering::Release);
        self.waiting.retain(|_, answer| !answer.is_closed());
        self.waiting.insert(out.id, out.answer);
        match timeout(WRITING, self.socket.send(Message::Text(out.text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(_) => Err(self.unavailable("does not take what is sent to it")),
        }
    }

    fn take(&mut self, came: Option<Result<Message, Error>>) -> Result<(), Ended> {
        let message = match came {
            None => return Err(self.unavailable("closed the connection")),
            Some(Err(error)) => return Err(self.broken(&error)),
            Some(Ok(message)) => message,
        };
        self.count(&message)?;
        match message {
            Message::Text(text) => self.read(&text),
            Message::Close(frame) => {
                let (code, words) = frame.map_or((None, String::new()), |frame| {
                    (Some(frame.code), frame.reason.as_str().to_owned())
                });
                Err(self.closed(code, &words))
            }
            Message::Binary(_) => Err(self.nonsense("a binary frame")),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn count(&self, message: &Message) -> Result<(), Ended> {
        let bytes = message.len() as u64;
        self.shared.counters.received_bytes.add(bytes);
        let mut inner = self.shared.inner();
        inner.pings = if message.is_text() { 0 } else { inner.pings + 1 };
        let received = inner.received.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let (pings, most) = (inner.pings, self.shared.allowance.received_bytes);
        drop(inner);
        if received > most {
            return Err(self.limited(&format!("sent more than {most} bytes in one call (received_bytes)")));
        }
        if pings > PINGS {
            return Err(self.limited(&format!("sent {pings} pings without a message between them")));
        }
        Ok(())
    }

    fn read(&mut self, text: &str) -> Result<(), Ended> {
        let masks = self.shared.inner().masks.clone();
        match read(text, &masks) {
            Ok(Frame::Answer { id, reply }) => {
                let taken = self.waiting.remove(&id).is_some_and(|answer| answer.send(reply).is_ok());
                if !taken {
                    self.shared.counters.stray_answers.one();
                }
            }
            Ok(Frame::Event { name, payload }) => self.keep_event(name, payload),
            Ok(Frame::Other) => self.shared.counters.stray_answers.one(),
            Err(why) => return Err(self.nonsense(&why)),
        }
        Ok(())
    }

    fn keep_event(&self, name: String, payload: String) {
        let Allowance { events, message_bytes, .. } = self.shared.allowance;
        let mut inner = self.shared.inner();
        inner.event_bytes += name.len() + payload.len();
        inner.events.push_back((name, payload));
        while inner.events.len() > events || inner.event_bytes > message_bytes {
            let Some((name, payload)) = inner.events.pop_front() else { break };
            inner.event_bytes -= name.len() + payload.len();
            self.shared.counters.events_dropped.one();
        }
        drop(inner);
        self.shared.news.notify_waiters();
    }

    fn broken(&self, error: &Error) -> Ended {
        match error {
            Error::Capacity(_) => self.limited(&format!(
                "sent a frame of more than {} bytes (message_bytes)",
                self.shared.allowance.message_bytes
            )),
            Error::ConnectionClosed | Error::AlreadyClosed => self.unavailable("closed the connection"),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                self.unavailable("broke the connection without a goodbye")
            }
            Error::Io(error) => self.unavailable(&format!("broke the connection: {error}")),
            Error::Utf8(_) => self.nonsense("a text that is no UTF-8"),
            other => self.nonsense(&format!("what is no websocket ({other})")),
        }
    }

    fn closed(&self, code: Option<CloseCode>, words: &str) -> Ended {
        let words = without(&self.shared.inner().masks, words).unwrap_or_else(|| words.to_owned());
        let words = clean::line_of(&words, 200);
        let code = code.map(u16::from);
        let told = match code {
            Some(code) if words.is_empty() => format!("closed the connection ({code})"),
            Some(code) => format!("closed the connection ({code}: {words})"),
            None => "closed the connection".to_owned(),
        };
        Ended { code, reason: words, ..self.unavailable(&told) }
    }

    fn unavailable(&self, what: &str) -> Ended {
        self.ended(what, Failure::Unavailable)
    }

    fn limited(&self, what: &str) -> Ended {
        self.ended(what, Failure::Limited)
    }

    fn nonsense(&self, what: &str) -> Ended {
        self.ended(&format!("sent {what}"), Failure::Nonsense)
    }

    fn ended(&self, what: &str, failure: fn(String) -> Failure) -> Ended {
        Ended {
            code: None,
            reason: what.to_owned(),
            failure: failure(format!("{} {what}", self.shared.address)),
        }
    }
}
