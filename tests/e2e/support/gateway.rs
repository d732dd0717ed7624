//! A small gateway: it lists keys, ends what it is told to, answers whatever else it is
//! asked, and remembers every frame that came.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket, accept};

/// A gateway of one test. Its threads end with the test's process.
#[derive(Clone)]
pub struct Gateway {
    pub address: String,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    keys: Vec<String>,
    frames: Vec<Value>,
    connections: usize,
    /// How many acts it refuses before it does one.
    refusals: usize,
    echoes: bool,
}

impl Gateway {
    /// A gateway with these sessions.
    pub fn with(keys: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("ws://{}", listener.local_addr().expect("it listens"));
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        let gateway = Self { address, inner: Arc::new(Mutex::new(Inner { keys, ..Inner::default() })) };
        let serving = gateway.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(stream));
            }
        });
        gateway
    }

    /// One at whose address nobody listens.
    pub fn down() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("ws://{}", listener.local_addr().expect("it listens"));
        Self { address, inner: Arc::default() }
    }

    /// One to which these sessions belong, and all that it is told comes back, secrets too.
    pub fn that_echoes(keys: &[&str]) -> Self {
        let gateway = Self::with(keys);
        gateway.inner().echoes = true;
        gateway
    }

    /// Refuses so many acts before it does one.
    pub fn refuse(&self, count: usize) {
        self.inner().refusals = count;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no thread of it panics")
    }

    /// Everything that came, but for logins.
    pub fn frames(&self) -> Vec<Value> {
        self.inner().frames.iter().filter(|frame| frame["method"] != "connect").cloned().collect()
    }

    /// The logins that came.
    pub fn logins(&self) -> Vec<Value> {
        self.inner().frames.iter().filter(|frame| frame["method"] == "connect").cloned().collect()
    }

    /// The methods that came, each once, in their order.
    pub fn methods(&self) -> Vec<String> {
        let mut methods = Vec::new();
        for frame in self.frames() {
            let method = frame["method"].as_str().unwrap_or("no method").to_owned();
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
        methods
    }

    /// The sessions that it has.
    pub fn keys(&self) -> Vec<String> {
        self.inner().keys.clone()
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.inner().connections
    }

    fn serve(&self, stream: TcpStream) {
        let Ok(mut socket) = accept(stream) else { return };
        self.inner().connections += 1;
        while let Ok(message) = socket.read() {
            if let Message::Text(text) = message {
                let frame: Value = serde_json::from_str(&text).unwrap_or_else(|_| json!({ "raw": *text }));
                if !self.answer(&mut socket, &frame) {
                    return;
                }
            }
        }
    }

    fn answer(&self, socket: &mut WebSocket<TcpStream>, frame: &Value) -> bool {
        let mut inner = self.inner();
        inner.frames.push(frame.clone());
        let acts = frame["method"] == "sessions.delete" && inner.refusals > 0;
        let payload = if acts { Value::Null } else { inner.payload(frame) };
        inner.refusals -= usize::from(acts);
        let echo = if inner.echoes { frame.clone() } else { Value::Null };
        drop(inner);
        let event = json!({ "type": "event", "event": "heard", "payload": echo });
        let error = json!({ "code": "UNAVAILABLE" });
        let answer =
            json!({ "type": "res", "id": frame["id"], "ok": !acts, "payload": payload, "error": error });
        socket.send(event.to_string().into()).and_then(|()| socket.send(answer.to_string().into())).is_ok()
    }
}

impl Inner {
    fn payload(&mut self, frame: &Value) -> Value {
        match frame["method"].as_str() {
            Some("connect") => {
                let echo = if self.echoes { frame["params"].clone() } else { Value::Null };
                json!({ "deviceToken": "dev-TOKEN", "echo": echo })
            }
            Some("sessions.list") => json!(self.keys),
            Some("sessions.delete") => {
                let gone = frame["params"]["key"].as_str().unwrap_or_default();
                self.keys.retain(|key| key != gone);
                json!({ "deleted": gone })
            }
            Some("sessions.patchMany") => {
                let targets = frame["params"]["targets"].as_array().cloned().unwrap_or_default();
                let named = |key: &String| targets.iter().any(|target| target["key"] == json!(key));
                self.keys.retain(|key| !named(key));
                let outcomes: Vec<Value> =
                    targets.iter().map(|target| json!({ "for": target["key"] })).collect();
                json!({ "outcomes": outcomes })
            }
            _ => json!({}),
        }
    }
}
