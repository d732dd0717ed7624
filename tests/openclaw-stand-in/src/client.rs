//! A plain client of either gateway, for tests that have to make sessions first.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use crate::json::text;

/// After so long without a word a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How somebody logs in.
#[derive(Debug, Clone)]
pub struct Login<'a> {
    /// The token; nothing for none.
    pub token: Option<&'a str>,
    /// The client's id and mode.
    pub client: (&'a str, &'a str),
    /// The scopes that it asks for.
    pub scopes: &'a [&'a str],
    /// The oldest and the newest protocol that it speaks.
    pub protocols: (u32, u32),
}

impl<'a> Login<'a> {
    /// One that may do everything.
    pub fn with(token: &'a str) -> Self {
        Self {
            token: Some(token),
            client: ("gateway-client", "backend"),
            scopes: &["operator.read", "operator.write", "operator.admin"],
            protocols: (4, 4),
        }
    }
}

/// What the gateway said instead of doing it.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// The error; null where the connection just ended.
    pub error: Value,
}

impl Refused {
    /// Its code.
    pub fn code(&self) -> &str {
        text(&self.error, "code").unwrap_or_default()
    }

    /// Its message.
    pub fn message(&self) -> &str {
        text(&self.error, "message").unwrap_or_default()
    }

    /// A text in its details.
    pub fn detail(&self, name: &str) -> &str {
        self.error.get("details").and_then(|details| text(details, name)).unwrap_or_default()
    }
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    sent: u64,
    /// What the login was answered with.
    pub hello: Value,
}

impl Client {
    /// Logs in. Fails where the gateway refuses.
    ///
    /// # Panics
    /// When there is no gateway, or it says what no gateway says.
    pub fn enter(url: &str, login: &Login<'_>) -> Result<Self, Refused> {
        let (socket, _) = tungstenite::connect(url).expect("the gateway takes connections");
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_read_timeout(Some(PATIENCE)).expect("a time limit can be set");
        }
        let mut client = Self { socket, sent: 0, hello: Value::Null };
        client.frame("connect.challenge", |frame| text(frame, "event") == Some("connect.challenge"))?;
        let (id, mode) = login.client;
        let auth = login.token.map_or(json!({}), |token| json!({"token": token}));
        client.hello = client.call(
            "connect",
            json!({
                "minProtocol": login.protocols.0, "maxProtocol": login.protocols.1,
                "client": {"id": id, "version": "1", "platform": "linux", "mode": mode}, "role": "operator",
                "scopes": login.scopes, "caps": [], "auth": auth,
            }),
        )?;
        Ok(client)
    }

    /// Asks, and asks again as long as the gateway is only busy.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, Refused> {
        for _ in 0..200 {
            match self.try_call(method, &params) {
                Err(refused) if refused.code() == "UNAVAILABLE" && method != "connect" => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                answer => return answer,
            }
        }
        self.try_call(method, &params)
    }

    fn try_call(&mut self, method: &str, params: &Value) -> Result<Value, Refused> {
        self.sent += 1;
        let id = self.sent.to_string();
        let frame = json!({"type": "req", "id": id, "method": method, "params": params});
        let sent = self.socket.send(Message::text(frame.to_string()));
        sent.map_err(|_| Refused { error: Value::Null })?;
        let answer = self.frame(method, |frame| text(frame, "id") == Some(&id))?;
        match answer.get("ok").and_then(Value::as_bool) {
            Some(true) => Ok(answer.get("payload").cloned().unwrap_or(Value::Null)),
            _ => Err(Refused { error: answer.get("error").cloned().unwrap_or(Value::Null) }),
        }
    }

    /// The next frame of that kind; others are left aside.
    fn frame(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value, Refused> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let frame: Value = serde_json::from_str(&text).expect("a frame is JSON");
                    if is(&frame) {
                        return Ok(frame);
                    }
                }
                Ok(Message::Close(_)) | Err(tungstenite::Error::ConnectionClosed) => {
                    return Err(Refused { error: Value::Null });
                }
                Ok(_) => {}
                Err(error) => panic!("waiting for {what}: {error}"),
            }
        }
    }
}
