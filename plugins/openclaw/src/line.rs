//! A line to a gateway: logging in, and asking.

use std::time::{SystemTime, UNIX_EPOCH};

use reap_plugin::websocket::{Connection, Reply, argument, open, request, wait};
use reap_plugin::{Duration, Error, Permit, Timestamp};
use serde_json::Value;

use crate::gateways::Gateway;
use crate::hello::Hello;
use crate::patience::{Question, Refusal, Said, Wire};

/// For how long a gateway may think about one question.
const ANSWER: Duration = 10_000;
/// For how long it may take to begin, and to let us in.
const GREETING: Duration = 5_000;
/// For how long it may take to end a session: it stops what runs there first.
const ENDING: Duration = 60_000;

/// For how long a gateway is asked while it is looked at: less than the host gives a call
/// (`call_ms`), so that what was answered by then is told.
pub const LOOK: Duration = 20_000;
/// The same for ending sessions (`end_ms`).
pub const ACT: Duration = 150_000;

/// A line on which somebody is logged in.
pub struct Line {
    connection: Connection,
    /// When there is no time left to ask.
    until: Timestamp,
    /// What the gateway said of itself.
    pub hello: Hello,
}

impl Line {
    /// The line to this gateway, which is asked for so long.
    pub fn to(gateway: &Gateway, time: Duration) -> Result<Self, Error> {
        let until = now().saturating_add(time);
        let connection = open(&gateway.address)?;
        if let Some(note) = connection.note() {
            return Ok(Self { connection, until, hello: Hello::from_note(&note)? });
        }
        let challenge = challenge(&connection)?;
        let hello = enter(&connection, gateway, &challenge)?;
        connection.keep(&hello.to_note()?)?;
        Ok(Self { connection, until, hello })
    }

    /// Sends an ending message, for each of these permits.
    pub fn end(&self, permits: &[&Permit], message: &str) -> Vec<Result<Said, Error>> {
        self.connection.end(permits, message, ENDING).into_iter().map(|reply| reply.map(said)).collect()
    }

    /// Takes back the end of an archived session.
    pub fn restore(&self, key: &str, session_id: &str) -> Result<Said, Error> {
        let about = [argument("key", key), argument("incarnation", session_id)];
        self.connection.send("restore", &about, ANSWER).map(said)
    }
}

impl Wire for Line {
    fn ask(&self, questions: &[Question]) -> Vec<Result<Said, Error>> {
        let requests: Vec<_> =
            questions.iter().map(|one| request(one.method, one.params.to_string())).collect();
        self.connection.ask(&requests, ANSWER).into_iter().map(|reply| reply.map(said)).collect()
    }

    fn wait(&self, time: Duration) {
        wait(time);
    }

    fn is_late(&self) -> bool {
        now() >= self.until
    }
}

fn said(reply: Reply) -> Said {
    match reply {
        Reply::Done(payload) => Said::Done(payload),
        Reply::Refused(error) => Said::Refused(Refusal::read(&error)),
    }
}

/// What the gateway wants signed.
struct Challenge {
    nonce: String,
    at: u64,
}

fn challenge(connection: &Connection) -> Result<Challenge, Error> {
    loop {
        let Some(event) = connection.next_event(GREETING)? else {
            return Err(Error::TimedOut("it takes connections and says nothing".to_owned()));
        };
        if event.name != "connect.challenge" {
            continue;
        }
        let payload: Value = serde_json::from_str(&event.payload).unwrap_or_default();
        let nonce = payload.get("nonce").and_then(Value::as_str).unwrap_or_default().to_owned();
        return Ok(Challenge { nonce, at: payload.get("ts").and_then(Value::as_u64).unwrap_or(0) });
    }
}

fn enter(connection: &Connection, gateway: &Gateway, challenge: &Challenge) -> Result<Hello, Error> {
    let (login, arguments) = match (gateway.token, gateway.is_near()) {
        (false, _) => ("open", Vec::new()),
        (true, true) => ("token", Vec::new()),
        (true, false) => (
            "device",
            vec![argument("nonce", &challenge.nonce), argument("signed-at", &challenge.at.to_string())],
        ),
    };
    match connection.send(login, &arguments, GREETING)? {
        Reply::Done(payload) => Hello::read(&payload, now()),
        Reply::Refused(error) => Err(not_let_in(&Refusal::read(&error), gateway)),
    }
}

/// Why we are left outside, and what helps.
fn not_let_in(refusal: &Refusal, gateway: &Gateway) -> Error {
    let address = &gateway.address;
    let why = match refusal.detail.as_str() {
        "AUTH_TOKEN_MISMATCH" => format!("the token for {address} is not the gateway's"),
        "DEVICE_IDENTITY_REQUIRED" if !gateway.token => format!(
            "the gateway at {address} wants a token: set OPENCLAW_GATEWAY_TOKEN, or token in [backends.openclaw.secrets]"
        ),
        "PROTOCOL_MISMATCH" => format!("the gateway at {address} speaks another protocol than 3 and 4"),
        _ if refusal.code == "NOT_PAIRED" => {
            format!("the gateway at {address} has to approve this machine: openclaw devices approve")
        }
        _ => format!("the gateway at {address} does not let us in: {}", refusal.words()),
    };
    if refusal.is_busy() { Error::Unavailable(why) } else { Error::Failed(why) }
}

/// The time of day.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
