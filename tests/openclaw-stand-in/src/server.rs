//! The server: connections, frames, and the misbehaviour of both.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::{Response as Plain, StatusCode};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

use crate::auth::{Challenge, Door};
use crate::failure::Failure;
use crate::json::{now, text, uuid};
use crate::methods::{self, METHODS, Scope};
use crate::state::State;
use crate::trap::Trap;

/// Answers that are to come in the opposite order wait so long for more questions.
const GATHERING: Duration = Duration::from_millis(30);

/// Methods that a gateway has and does not tell of.
const UNTOLD: [&str; 2] = ["sessions.usage", "sessions.resolve"];

/// A gateway that is none.
#[derive(Debug)]
pub struct StandIn {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<Accepting>,
}

#[derive(Debug)]
struct Accepting {
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    token: String,
    state: Mutex<State>,
    traps: Mutex<Vec<Trap>>,
    lines: Mutex<Vec<TcpStream>>,
    /// How often each method was asked.
    asked: Mutex<BTreeMap<String, u64>>,
    logins: AtomicU64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn traps(&self) -> MutexGuard<'_, Vec<Trap>> {
        self.traps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_old(&self) -> bool {
        self.traps().contains(&Trap::Old)
    }
}

impl StandIn {
    /// Starts one at a free port of the loopback.
    ///
    /// # Panics
    /// When no port is to be had.
    #[must_use]
    pub fn start() -> Self {
        let shared = Shared {
            token: format!("tok-{}", uuid()),
            state: Mutex::new(State::new()),
            traps: Mutex::default(),
            lines: Mutex::default(),
            asked: Mutex::default(),
            logins: AtomicU64::new(0),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let mut gateway = Self { shared: Arc::new(shared), address, accepting: None };
        gateway.accept(listener);
        gateway
    }

    fn accept(&mut self, listener: TcpListener) {
        let over = Arc::new(AtomicBool::new(false));
        let (shared, ended) = (Arc::clone(&self.shared), Arc::clone(&over));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&shared, stream));
            }
        });
        self.accepting = Some(Accepting { over, thread });
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// Its token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.shared.token
    }

    /// Lays a trap.
    pub fn lay(&self, trap: Trap) {
        match trap {
            Trap::Revenant(key, looks) => {
                self.shared.state().revenants.insert(key, looks);
            }
            trap => self.shared.traps().push(trap),
        }
    }

    /// Takes all traps away.
    pub fn behave(&self) {
        self.shared.traps().clear();
    }

    /// How often a method was asked.
    #[must_use]
    pub fn asked(&self, method: &str) -> u64 {
        self.shared.asked().get(method).copied().unwrap_or(0)
    }

    /// How often somebody logged in.
    #[must_use]
    pub fn logins(&self) -> u64 {
        self.shared.logins.load(Ordering::SeqCst)
    }

    /// Gives a session, with all that names it, another age: it was made and last
    /// touched so many milliseconds ago.
    pub fn age(&self, key: &str, by: u64) {
        let at = now().saturating_sub(by);
        if let Some(row) = self.shared.state().rows.get_mut(key) {
            (row.created_at, row.updated_at) = (at, at);
            row.started_at = row.started_at.map(|_| at);
            row.ended_at = row.ended_at.map(|_| at);
        }
    }

    /// Another session takes this key, as after a reset.
    pub fn replace(&self, key: &str) {
        if let Some(row) = self.shared.state().rows.get_mut(key) {
            row.session_id = uuid();
        }
    }

    /// Lets the present start of the gateway be that old.
    ///
    /// # Panics
    /// When this machine was not up for so long.
    pub fn up_for(&self, time: Duration) {
        let mut state = self.shared.state();
        state.started = std::time::Instant::now().checked_sub(time).expect("the machine is up for longer");
    }

    /// Stops it as a crash does. Nobody listens at its port any more.
    pub fn crash(&mut self) {
        if let Some(Accepting { over, thread }) = self.accepting.take() {
            over.store(true, Ordering::SeqCst);
            // Wakes up whoever waits for a connection.
            drop(TcpStream::connect(self.address));
            // Should it have panicked, the test shows that elsewhere.
            let _ = thread.join();
        }
        self.hang_up();
        self.shared.state().crash();
    }

    /// Starts it again at the same port, with what was left.
    ///
    /// # Panics
    /// When somebody has taken the port.
    pub fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).expect("its port is free");
        self.accept(listener);
    }

    /// Ends all connections.
    pub fn hang_up(&self) {
        for line in self.shared.lines().drain(..) {
            // It may have ended already.
            let _ = line.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.crash();
    }
}

/// One connection, from its first byte to its last.
fn serve(shared: &Shared, stream: TcpStream) {
    if let Ok(line) = stream.try_clone() {
        shared.lines().push(line);
    }
    // A line that breaks is the other side's affair.
    let _ = talk(shared, stream);
}

fn talk(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    if shared.traps().contains(&Trap::Deaf) {
        io::copy(&mut stream, &mut io::sink())?;
        return Ok(());
    }
    let (unauthorized, mut origin) = (shared.traps().contains(&Trap::Unauthorized), false);
    #[allow(clippy::result_large_err, reason = "the library says what the callback gives")]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        origin = request.headers().contains_key("origin");
        if !unauthorized {
            return Ok(response);
        }
        let mut refusal = Plain::new(None);
        *refusal.status_mut() = StatusCode::UNAUTHORIZED;
        Err(refusal)
    };
    let socket =
        tungstenite::accept_hdr(stream, look).map_err(|error| io::Error::other(error.to_string()))?;
    let challenge = Challenge { nonce: uuid(), at: now() };
    Line { shared, socket, challenge, origin, scope: None, known: false, held: Vec::new() }
        .run()
        .map_err(|error| io::Error::other(error.to_string()))
}

struct Line<'a> {
    shared: &'a Shared,
    socket: WebSocket<TcpStream>,
    challenge: Challenge,
    origin: bool,
    scope: Option<Scope>,
    known: bool,
    /// Answers that are to come in the opposite order.
    held: Vec<Message>,
}

/// What to do with a request.
enum Reaction {
    Say(Message),
    Nothing,
    HangUp,
}

impl Line<'_> {
    fn run(mut self) -> Result<(), tungstenite::Error> {
        if !self.shared.traps().contains(&Trap::NoChallenge) {
            let payload = json!({"nonce": self.challenge.nonce, "ts": self.challenge.at, "capabilities": []});
            let event = json!({"type": "event", "event": "connect.challenge", "payload": payload});
            self.socket.send(Message::text(event.to_string()))?;
        }
        loop {
            let backwards = self.known && self.shared.traps().contains(&Trap::Backwards);
            self.socket.get_ref().set_read_timeout(backwards.then_some(GATHERING))?;
            match self.socket.read() {
                Ok(Message::Text(frame)) => self.react(&frame, backwards)?,
                Ok(Message::Close(_)) => return Ok(()),
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if is_late(&error) => {
                    for answer in std::mem::take(&mut self.held).into_iter().rev() {
                        self.socket.send(answer)?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn react(&mut self, frame: &str, backwards: bool) -> Result<(), tungstenite::Error> {
        let request: Value = serde_json::from_str(frame).unwrap_or(Value::Null);
        let (Some(id), Some(method)) = (text(&request, "id"), text(&request, "method")) else {
            return self.close(1008, "invalid request frame");
        };
        let params = request.get("params").cloned().unwrap_or_else(|| json!({}));
        *self.shared.asked().entry(method.to_owned()).or_default() += 1;
        let answer = match self.trapped(id, method) {
            Some(Reaction::Say(answer)) => answer,
            Some(Reaction::Nothing) => return Ok(()),
            Some(Reaction::HangUp) => {
                self.socket.get_ref().shutdown(Shutdown::Both)?;
                return Err(tungstenite::Error::ConnectionClosed);
            }
            None if !self.known => return self.enter(id, method, &params),
            None => respond(id, self.answer(method, &params)),
        };
        if backwards {
            self.held.push(answer);
            return Ok(());
        }
        self.socket.send(answer)
    }

    fn enter(&mut self, id: &str, method: &str, params: &Value) -> Result<(), tungstenite::Error> {
        let entered = if method == "connect" { self.connect(params) } else { Err(unknown_caller()) };
        let close = entered.as_ref().err().and_then(|failure| failure.close);
        self.socket.send(respond(id, entered))?;
        match close {
            Some(code) => self.close(code, "connect failed"),
            None => Ok(()),
        }
    }

    fn close(&mut self, code: u16, reason: &str) -> Result<(), tungstenite::Error> {
        self.socket.close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
    }

    fn connect(&mut self, params: &Value) -> Result<Value, Failure> {
        if self.count_down(|trap| if let Trap::Starting(times) = trap { Some(times) } else { None }) {
            return Err(Failure::starting());
        }
        let old = self.shared.is_old();
        let protocol = if old { 3 } else { 4 };
        let door =
            Door { token: &self.shared.token, protocol, challenge: &self.challenge, origin: self.origin };
        let scopes = door.enter(params)?;
        self.known = true;
        self.shared.logins.fetch_add(1, Ordering::SeqCst);
        self.scope = scopes.iter().max().copied();
        let told = METHODS.iter().filter(|one| (one.old || !old) && !UNTOLD.contains(&one.name));
        let methods: Vec<&str> = told.map(|one| one.name).collect();
        let state = self.shared.state();
        let mut server = json!({"version": "2026.9.6", "connId": uuid()});
        if !old {
            server["bootId"] = state.boot.clone().into();
        }
        let scopes: Vec<&str> = scopes.into_iter().map(Scope::word).collect();
        let uptime = u64::try_from(state.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(json!({
            "type": "hello-ok", "protocol": protocol, "server": server,
            "features": {"methods": methods, "events": ["sessions.changed"]},
            "snapshot": {"uptimeMs": uptime}, "auth": {"role": "operator", "scopes": scopes},
            "policy": {"maxPayload": 25 << 20},
        }))
    }

    fn answer(&self, method: &str, params: &Value) -> Result<Value, Failure> {
        let mut state = self.shared.state();
        let stale = method == "sessions.usage" && self.shared.traps().contains(&Trap::StaleUsage);
        if let (true, Some(usage)) = (stale, &state.usage) {
            return Ok(usage.clone());
        }
        let answer = methods::call(&mut state, method, params, self.scope, self.shared.is_old());
        if let ("sessions.usage", Ok(usage)) = (method, &answer) {
            state.usage = Some(usage.clone());
        }
        answer
    }

    /// What a trap does to this request.
    fn trapped(&self, id: &str, method: &str) -> Option<Reaction> {
        let storm = |trap: &mut Trap| match trap {
            Trap::Storm(of, left) if *of == method && *left > 0 => {
                *left -= 1;
                Some(*left % 2 == 0)
            }
            _ => None,
        };
        if let Some(flagged) = self.shared.traps().iter_mut().find_map(storm) {
            return Some(Reaction::Say(respond(id, Err(Failure::unavailable(flagged)))));
        }
        let closes = |trap: &mut Trap| match trap {
            Trap::CloseAt(of, left) if *of == method => {
                *left = left.saturating_sub(1);
                (*left == 0).then_some(())
            }
            _ => None,
        };
        if self.shared.traps().iter_mut().find_map(closes).is_some() {
            return Some(Reaction::HangUp);
        }
        let plain = |trap: &Trap| match trap {
            Trap::Silent(of) if *of == method => Some(Reaction::Nothing),
            Trap::Garbage(of) if *of == method => {
                Some(Reaction::Say(Message::text("{\"type\":\"res\",\"id\"")))
            }
            Trap::Huge(of, bytes) if *of == method => {
                let filling = "x".repeat(*bytes);
                Some(Reaction::Say(respond(id, Ok(json!({"sessions": [], "filling": filling})))))
            }
            _ => None,
        };
        self.shared.traps().iter().find_map(plain)
    }

    /// Counts a trap down, and says whether it still held.
    fn count_down(&self, of: impl Fn(&mut Trap) -> Option<&mut u32>) -> bool {
        let mut traps = self.shared.traps();
        let Some(left) = traps.iter_mut().find_map(of).filter(|left| **left > 0) else { return false };
        *left -= 1;
        true
    }
}

fn unknown_caller() -> Failure {
    Failure::invalid("invalid handshake: first request must be connect").closing(1008)
}

fn respond(id: &str, answer: Result<Value, Failure>) -> Message {
    let frame = match answer {
        Ok(payload) => json!({"type": "res", "id": id, "ok": true, "payload": payload}),
        Err(failure) => json!({"type": "res", "id": id, "ok": false, "error": failure.to_json()}),
    };
    Message::text(frame.to_string())
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
