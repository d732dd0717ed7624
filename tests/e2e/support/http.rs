//! Requests by hand, byte by byte: what is tested must not be what asks.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use super::json::Json;
use super::wait::DEADLINE;

/// Where to ask, and what to say with each request.
#[derive(Debug, Clone)]
pub struct Http {
    at: Place,
    headers: Vec<(String, String)>,
    /// How long it waits for each part of an answer.
    patience: Duration,
}

#[derive(Debug, Clone)]
enum Place {
    Socket(PathBuf),
    Port(SocketAddr),
}

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    /// As it was asked.
    pub line: String,
    pub status: u16,
    /// By their names in small letters.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// A connection, read and written.
pub trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

impl Http {
    pub fn socket(path: PathBuf) -> Self {
        let headers = vec![("host".to_owned(), "localhost".to_owned())];
        Self { at: Place::Socket(path), headers, patience: DEADLINE }
    }

    pub fn port(address: SocketAddr) -> Self {
        let headers = vec![("host".to_owned(), address.to_string())];
        Self { at: Place::Port(address), headers, patience: DEADLINE }
    }

    /// The same with this header, in the place of one of that name.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut http = self.clone();
        http.headers.retain(|(known, _)| known != name);
        http.headers.push((name.to_owned(), value.to_owned()));
        http
    }

    /// The same with so much patience.
    pub fn within(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "")
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &str) -> Reply {
        self.ask("POST", path, body)
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> Reply {
        self.ask("DELETE", path, "")
    }

    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        self.exchange(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The answer, where there is one.
    pub fn try_get(&self, path: &str) -> Option<Reply> {
        self.exchange("GET", path, "").ok()
    }

    /// Sends a request and reads nothing.
    pub fn send(&self, method: &str, path: &str, body: &str) -> io::Result<Box<dyn Wire>> {
        self.send_as("HTTP/1.1", method, path, body)
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> io::Result<Reply> {
        let mut text = Vec::new();
        self.send(method, path, body)?.read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no whole answer"))?;
        let (status, headers) = read_head(head)?;
        Ok(Reply { line: format!("{method} {path}"), status, headers, body: body.to_owned() })
    }

    /// Hears the events, as if it had heard those up to this number.
    #[track_caller]
    pub fn events(&self, after: Option<u64>) -> EventReader {
        let http = after.map_or_else(|| self.clone(), |after| self.with("last-event-id", &after.to_string()));
        // The older version has no chunks in its answers.
        let wire = http.send_as("HTTP/1.0", "GET", "/v1/events", "").expect("the daemon answers");
        let mut reader = BufReader::new(wire);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).expect("an answer"), 0, "it broke off: {head}");
        }
        let (status, headers) = read_head(head.trim_end()).expect("an answer");
        assert_eq!((status, headers["content-type"].as_str()), (200, "text/event-stream"), "{head}");
        EventReader(reader)
    }

    fn send_as(&self, version: &str, method: &str, path: &str, body: &str) -> io::Result<Box<dyn Wire>> {
        let mut wire: Box<dyn Wire> = match &self.at {
            Place::Socket(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(self.patience))?;
                Box::new(stream)
            }
            Place::Port(address) => {
                let stream = TcpStream::connect_timeout(address, DEADLINE)?;
                stream.set_read_timeout(Some(self.patience))?;
                Box::new(stream)
            }
        };
        let mut request = format!("{method} {path} {version}\r\nconnection: close\r\n");
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        wire.write_all(request.as_bytes())?;
        Ok(wire)
    }
}

fn read_head(head: &str) -> io::Result<(u16, BTreeMap<String, String>)> {
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status in {head:?}")))?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    };
    Ok((status, lines.filter_map(header).collect()))
}

impl Reply {
    /// Fails the test unless it has this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// Fails the test unless it is this error.
    #[track_caller]
    pub fn fails(self, status: u16, code: &str) -> Self {
        let reply = self.is(status);
        assert_eq!(reply.json().at("/error/code").text(), code, "{reply:#?}");
        reply
    }

    #[track_caller]
    pub fn json(&self) -> Json {
        match serde_json::from_str(&self.body) {
            Ok(value) => Json::new(value),
            Err(error) => panic!("no JSON: {error}\n{self:#?}"),
        }
    }
}

/// Reads events one by one.
pub struct EventReader(BufReader<Box<dyn Wire>>);

/// One event, as it came.
#[derive(Debug)]
pub struct Told {
    pub id: Option<u64>,
    pub name: String,
    pub data: Json,
}

impl EventReader {
    /// The next event. Nothing when the daemon ended the stream.
    #[track_caller]
    pub fn next(&mut self) -> Option<Told> {
        let (mut id, mut name, mut data) = (None, None, None);
        let since = Instant::now();
        loop {
            assert!(since.elapsed() < DEADLINE, "gave up after {DEADLINE:?} waiting for an event");
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("an event within the time") == 0 {
                return None;
            }
            let line = line.trim_end_matches('\n');
            match line.split_once(": ") {
                Some(("id", value)) => id = Some(value.parse().expect("a number")),
                Some(("event", value)) => name = Some(value.to_owned()),
                Some(("data", value)) => data = Some(serde_json::from_str(value).expect("JSON")),
                _ if line.is_empty() => {
                    if let (Some(name), Some(data)) = (name.take(), data.take()) {
                        return Some(Told { id, name, data: Json::new(data) });
                    }
                }
                _ => {}
            }
        }
    }

    /// Reads on to an event of this name.
    #[track_caller]
    pub fn until(&mut self, name: &str) -> Told {
        let mut others = Vec::new();
        let since = Instant::now();
        while let Some(told) = self.next() {
            if told.name == name {
                return told;
            }
            others.push(told.name);
            assert!(
                since.elapsed() < DEADLINE,
                "gave up after {DEADLINE:?} waiting for {name}; came: {others:?}"
            );
        }
        panic!("the stream ended without {name}; before it came {others:?}");
    }
}
