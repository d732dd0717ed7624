//! Talking to gateways over websockets.
//!
//! The host makes every frame. What only reads is asked by the name of its method,
//! with parameters that are read completely and written anew ([`filter`]); whatever
//! else is said is a message of the manifest, filled from arguments ([`fill`]) or from
//! permits ([`acts`]). Secrets are put in last, in logins alone, and taken out of
//! whatever comes back ([`secrets`]).
//!
//! A line is one call's own while that uses it, and is kept by the host between calls
//! ([`pool`]): a guest has a fresh store each time, and a login costs a round trip.

pub(crate) mod acts;
mod address;
mod connect;
mod device;
mod fill;
mod filter;
mod frame;
pub(crate) mod grant;
mod line;
pub(crate) mod pool;
mod secrets;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use wasmtime::component::Resource;

use crate::bindings::{commands, types, websocket};
use crate::capabilities::ending::PermitHandle;
use crate::capabilities::{deny, in_manifest};
use crate::limits::{LONGEST_NOTE, LONGEST_WAIT};
use crate::state::State;
use address::Address;
use device::Device;
use fill::{FromPlugin, Unfilled};
use filter::Wrong;
use grant::WebsocketGrant;
use line::{Answer, Failure, Line};
use pool::{Held, Pool};
use secrets::{Mask, Secret, Wiped};

/// Questions of one call that are under way at once. A gateway has its own limits, and
/// what is asked beyond them comes back as an error.
const AT_ONCE: usize = 64;

/// What is left of a call's time when a wait ends early, so that the plugin can say
/// something yet.
const MARGIN: Duration = Duration::from_millis(200);

/// A guest's line to one address.
#[derive(Debug)]
pub struct Connection {
    address: Address,
    pool: Arc<Pool>,
    /// Nothing only while it is dropped.
    held: Option<Held>,
    note: Option<String>,
    /// Whether something went wrong on it, so that it must not be used again.
    spent: bool,
}

/// What one call has used of its lines.
#[derive(Debug, Default)]
pub(crate) struct Used {
    received: Arc<AtomicU64>,
    messages: usize,
}

pub(crate) type Outcome = Result<websocket::Reply, types::Error>;

impl Connection {
    fn line(&self) -> Result<&Line, types::Error> {
        let gone = || types::Error::Failed("the line is gone".to_owned());
        self.held.as_ref().map(|held| &held.line).ok_or_else(gone)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        match (held.line.ended(), self.note.take()) {
            (None, Some(note)) if !self.spent => self.pool.keep(&self.address.text, held, note),
            // One that was thrown out, most likely for its login: not again at once.
            (Some(ended), None) => self.pool.pause(&self.address.text, ended.failure),
            _ => {}
        }
    }
}

impl State {
    fn websocket_grant(&self) -> Option<&WebsocketGrant> {
        self.shared.grants.websocket.as_deref()
    }

    /// The address that a plugin names, if it may go there.
    fn granted_address(&self, named: &str) -> Result<Address, types::Error> {
        let grant = self.websocket_grant();
        let found = grant.and_then(|grant| grant.addresses.iter().find(|address| address.text == named));
        found.cloned().ok_or_else(|| {
            let mend = in_manifest(self, &format!("`addresses = [{named:?}]` under [asks.websocket]"));
            deny(self, "websocket", format!("a connection to {named:?}"), mend)
        })
    }

    async fn open_line(&mut self, named: &str) -> Result<Connection, types::Error> {
        let address = self.granted_address(named)?;
        let Some(pool) = self.shared.pool.clone() else {
            return Err(types::Error::Unavailable("there are no connections yet".to_owned()));
        };
        let received = Arc::clone(&self.spent.received);
        let taken = pool.take(&address, received, self.watch.left()).await;
        let (held, note) = taken.map_err(|failure| self.failed(failure))?;
        Ok(Connection { address, pool, held: Some(held), note, spent: false })
    }

    fn failed(&self, failure: Failure) -> types::Error {
        match failure {
            Failure::Forbidden(why) => deny(self, "websocket", why, "the operator's reap.toml".to_owned()),
            Failure::Unavailable(why) => types::Error::Unavailable(why),
            Failure::TimedOut(why) => types::Error::TimedOut(why),
            Failure::Limited(why) => types::Error::Limited(why),
            Failure::Nonsense(why) => types::Error::Failed(why),
        }
    }

    /// How long an answer may take.
    fn patience(&self, wanted: u64) -> Duration {
        Duration::from_millis(wanted.min(self.shared.limits.answer_ms)).min(self.watch.left())
    }

    /// Takes so many messages off what the call may send.
    fn take_messages(&mut self, count: usize) -> Result<(), types::Error> {
        let most = self.shared.limits.messages;
        if count > most.saturating_sub(self.spent.messages) {
            return Err(types::Error::Limited(format!("{most} messages in one call (messages)")));
        }
        self.spent.messages += count;
        self.shared.counters.messages.add(count as u64);
        Ok(())
    }

    /// The text of a question that only reads.
    fn question(&mut self, id: u64, request: &websocket::Request) -> Result<Wiped, types::Error> {
        let shared = Arc::clone(&self.shared);
        let grant = shared.grants.websocket.as_ref();
        let Some(grant) = grant.filter(|grant| grant.reads.contains(&request.method)) else {
            let line = format!("`reads = [{:?}]` under [asks.websocket]", request.method);
            let mend = if grant.is_some_and(|grant| grant.acts.contains(&request.method)) {
                "nothing allows it: this method is sent as a message of the manifest only".to_owned()
            } else {
                in_manifest(self, &line)
            };
            return Err(deny(self, "websocket", format!("the method {:?}", request.method), mend));
        };
        let params = filter::params(&request.params, &grant.acts).map_err(|wrong| match wrong {
            Wrong::Nonsense(why) => types::Error::Invalid(format!("{}: params: {why}", request.method)),
            Wrong::Hidden(what) => {
                let asked = format!("the method {:?} with {what}", request.method);
                deny(self, "websocket", asked, "nothing allows it".to_owned())
            }
        })?;
        self.take_messages(1)?;
        let mut text = frame::begin_request(id, &request.method);
        text.push(&params);
        text.push("}");
        Ok(text)
    }

    /// The text of a message that ends nothing, and by what its secrets are known.
    fn message(
        &mut self,
        id: u64,
        address: &str,
        name: &str,
        arguments: &[commands::Argument],
    ) -> Result<(Wiped, Vec<Mask>), types::Error> {
        let shared = Arc::clone(&self.shared);
        let Some((grant, message)) =
            shared.grants.websocket.as_ref().and_then(|grant| Some((grant, grant.messages.get(name)?)))
        else {
            let mend = in_manifest(self, &format!("[asks.websocket.messages.{name}] with `method = ...`"));
            return Err(deny(self, "websocket", format!("the message {name:?}"), mend));
        };
        let mut secrets = Vec::new();
        let mut masks = Vec::new();
        for secret in message.form.secrets() {
            let read = self.secret(grant, address, &secret)?;
            masks.extend(Mask::of(address, &secret, &read).map_err(types::Error::Failed)?);
            secrets.push((secret, read));
        }
        let needs_key =
            message.form.signs() || message.form.holes().iter().any(|hole| hole.starts_with("device."));
        let device = match (needs_key, &shared.keys) {
            (false, _) => None,
            (true, Some(folder)) => {
                Some(Device::of(shared.name.as_str(), folder).map_err(types::Error::Failed)?)
            }
            (true, None) => {
                return Err(types::Error::Failed("there is no folder to keep a key in".to_owned()));
            }
        };
        self.take_messages(1)?;
        let text = frame::begin_request(id, &message.method);
        let mut filler = FromPlugin { text, shared: &shared, arguments, secrets, device, signing: None };
        message.form.fill(&mut filler, 1).map_err(|unfilled| self.unfilled(name, unfilled))?;
        let mut text = filler.text;
        text.push("}");
        Ok((text, masks))
    }

    fn secret(&self, grant: &WebsocketGrant, address: &str, name: &str) -> Result<Secret, types::Error> {
        let Some(place) = grant.source(address, name) else {
            let mend = format!(
                "`{name} = \"env:VARIABLE\"` or `{name} = \"file:PATH\"` in [{}.secrets.{address:?}] of reap.toml",
                self.shared.config_table()
            );
            return Err(deny(self, "websocket", format!("the secret {name} for {address}"), mend));
        };
        Secret::read(&place).map_err(|why| types::Error::Invalid(format!("the secret {name}: {why}")))
    }

    fn unfilled(&self, name: &str, unfilled: Unfilled) -> types::Error {
        match unfilled {
            Unfilled::Value(bad) => {
                let asked = format!("the message {name:?}: {{{}}} must be {}", bad.hole, bad.wanted);
                let mend = in_manifest(self, &format!("a wider [asks.placeholders.{}]", bad.hole));
                deny(self, "websocket", asked, mend)
            }
            Unfilled::Secret(secret) => {
                types::Error::Invalid(format!("the message {name:?}: there is no secret {secret}"))
            }
            Unfilled::Key(why) => types::Error::Failed(format!("the message {name:?}: {why}")),
        }
    }

    /// Sends these over a line, so many at once, and waits for the answers.
    async fn exchange(
        &mut self,
        line: &Resource<Connection>,
        texts: Vec<(u64, Wiped)>,
        at_once: usize,
        timeout: u64,
    ) -> wasmtime::Result<Vec<Answer>> {
        let within = self.patience(timeout);
        let connection = self.resources.get_mut(line)?;
        let turns = Semaphore::new(at_once);
        // A call that is over in the middle leaves questions without answers.
        let before = std::mem::replace(&mut connection.spent, true);
        let answers = match connection.line() {
            Ok(wire) => {
                let turns = &turns;
                let asked = texts.into_iter().map(|(id, text)| async move {
                    // It is never closed, so that there is always a turn.
                    let _turn = turns.acquire().await;
                    wire.ask(id, text, within).await
                });
                join_all(asked).await
            }
            Err(_) => Vec::new(),
        };
        connection.spent = before || answers.iter().any(|answer| answer.reply.is_err());
        Ok(answers)
    }

    fn outcome(&self, reply: Result<frame::Reply, Failure>) -> Outcome {
        match reply {
            Ok(frame::Reply::Done(payload)) => Ok(websocket::Reply::Done(payload)),
            Ok(frame::Reply::Refused(error)) => Ok(websocket::Reply::Refused(error)),
            Err(failure) => Err(self.failed(failure)),
        }
    }

    async fn send_message(
        &mut self,
        line: &Resource<Connection>,
        name: &str,
        arguments: &[commands::Argument],
        timeout: u64,
    ) -> wasmtime::Result<Outcome> {
        let connection = self.resources.get(line)?;
        let address = connection.address.text.clone();
        let id = match connection.line() {
            Ok(wire) => wire.number(),
            Err(error) => return Ok(Err(error)),
        };
        let (text, masks) = match self.message(id, &address, name, arguments) {
            Ok(made) => made,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(pool) = &self.shared.pool {
            pool.conceal(&masks);
        }
        if let Ok(wire) = self.resources.get(line)?.line() {
            wire.conceal(masks);
        }
        let answer = self.exchange(line, vec![(id, text)], 1, timeout).await?.pop();
        let reply = answer.map_or(Err(Failure::Unavailable("the line is gone".to_owned())), |one| one.reply);
        let grant = self.websocket_grant();
        let hidden =
            grant.and_then(|grant| grant.messages.get(name)).map_or(&[][..], |message| &message.hide);
        let reply = reply.and_then(|reply| frame::hide(reply, hidden).map_err(Failure::Nonsense));
        Ok(self.outcome(reply))
    }
}

impl websocket::Host for State {
    fn granted(&mut self) -> wasmtime::Result<Vec<websocket::Grant>> {
        let Some(grant) = self.websocket_grant() else { return Ok(Vec::new()) };
        let told = |address: &Address| websocket::Grant {
            address: address.text.clone(),
            chosen: address.chosen,
            secrets: grant.secrets(&address.text),
        };
        Ok(grant.addresses.iter().map(told).collect())
    }

    async fn open(
        &mut self,
        address: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, types::Error>> {
        let since = Instant::now();
        let answer = match self.open_line(&address).await {
            Ok(connection) => Ok(self.resources.push(connection)?),
            Err(error) => Err(error),
        };
        self.watch.was_in_host(since);
        Ok(answer)
    }

    async fn wait(&mut self, time: u64) -> wasmtime::Result<()> {
        let since = Instant::now();
        let time = Duration::from_millis(time).min(LONGEST_WAIT);
        tokio::time::sleep(time.min(self.watch.left().saturating_sub(MARGIN))).await;
        self.watch.was_in_host(since);
        Ok(())
    }
}

impl websocket::HostConnection for State {
    fn note(&mut self, line: Resource<Connection>) -> wasmtime::Result<Option<String>> {
        Ok(self.resources.get(&line)?.note.clone())
    }

    fn keep(
        &mut self,
        line: Resource<Connection>,
        note: String,
    ) -> wasmtime::Result<Result<(), types::Error>> {
        if note.len() > LONGEST_NOTE {
            let why = format!("a note of {} bytes; at most {LONGEST_NOTE} are kept", note.len());
            return Ok(Err(types::Error::Limited(why)));
        }
        self.resources.get_mut(&line)?.note = Some(note).filter(|note| !note.is_empty());
        Ok(Ok(()))
    }

    async fn send(
        &mut self,
        line: Resource<Connection>,
        message: String,
        arguments: Vec<commands::Argument>,
        timeout: u64,
    ) -> wasmtime::Result<Outcome> {
        let since = Instant::now();
        let outcome = self.send_message(&line, &message, &arguments, timeout).await;
        self.watch.was_in_host(since);
        outcome
    }

    async fn ask(
        &mut self,
        line: Resource<Connection>,
        requests: Vec<websocket::Request>,
        timeout: u64,
    ) -> wasmtime::Result<Vec<Outcome>> {
        let since = Instant::now();
        let mut texts = Vec::new();
        let mut refused = Vec::new();
        for request in &requests {
            let id = self.resources.get(&line)?.line().map(Line::number);
            let question = id.and_then(|id| Ok((id, self.question(id, request)?)));
            refused.push(match question {
                Ok(text) => {
                    texts.push(text);
                    None
                }
                Err(error) => Some(error),
            });
        }
        let answers = self.exchange(&line, texts, AT_ONCE, timeout).await?;
        let mut answers = answers.into_iter().map(|answer| answer.reply);
        let gone = || Err(Failure::Unavailable("the line is gone".to_owned()));
        let outcomes = refused
            .into_iter()
            .map(|refused| match refused {
                Some(error) => Err(error),
                None => self.outcome(answers.next().unwrap_or_else(gone)),
            })
            .collect();
        self.watch.was_in_host(since);
        Ok(outcomes)
    }

    async fn end(
        &mut self,
        line: Resource<Connection>,
        permits: Vec<Resource<PermitHandle>>,
        message: String,
        timeout: u64,
    ) -> wasmtime::Result<Vec<Outcome>> {
        let since = Instant::now();
        let outcomes = self.end_sessions(&line, &permits, &message, timeout).await;
        self.watch.was_in_host(since);
        outcomes
    }

    async fn next_event(
        &mut self,
        line: Resource<Connection>,
        timeout: u64,
    ) -> wasmtime::Result<Result<Option<websocket::Event>, types::Error>> {
        let since = Instant::now();
        let within = self.patience(timeout);
        let event = match self.resources.get(&line)?.line() {
            Ok(wire) => wire.event(within).await.map_err(|failure| self.failed(failure)),
            Err(error) => Err(error),
        };
        self.watch.was_in_host(since);
        Ok(event.map(|event| event.map(|(name, payload)| websocket::Event { name, payload })))
    }

    fn closed(&mut self, line: Resource<Connection>) -> wasmtime::Result<Option<websocket::Closing>> {
        let ended = self.resources.get(&line)?.held.as_ref().and_then(|held| held.line.ended());
        Ok(ended.map(|ended| websocket::Closing { code: ended.code, reason: ended.reason }))
    }

    fn drop(&mut self, line: Resource<Connection>) -> wasmtime::Result<()> {
        self.resources.delete(line)?;
        Ok(())
    }
}
