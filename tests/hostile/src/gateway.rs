//! Attacks on a gateway: what a plugin must not say, must not reach and must not see.
//! Without one of them it logs in, lists what the gateway has, and ends it with the
//! manifest's message.

use reap_plugin::websocket::{Connection, Grant, Reply, argument, granted, open, request, wait};
use reap_plugin::{Error, Extent, Listing, Outcome, Permit, Session, Verdict, log};

use crate::backend::{listing, session};

/// What the attacks of this module begin with.
const MARK: &str = "ws";

/// Long enough for a gateway on this machine.
const PATIENCE: u64 = 5_000;

/// Whether the attack is one of these.
pub(crate) fn is_meant(attack: &str) -> bool {
    attack.starts_with(MARK)
}

fn grant() -> Result<Grant, Error> {
    granted().into_iter().next().ok_or_else(|| Error::NotFound("there is no address".to_owned()))
}

/// A line that is logged in.
fn line() -> Result<Connection, Error> {
    let grant = grant()?;
    say(&format!("the gateway is {grant:?}"));
    let line = open(&grant.address)?;
    match line.note() {
        Some(note) => say(&format!("the line was kept with {note}")),
        None => {
            let reply = line.send("token", &[argument("nonce", "n-1")], PATIENCE)?;
            say(&format!("the login: {reply:?}"));
            say(&format!("an event: {:?}", line.next_event(PATIENCE)?));
            line.keep("logged in")?;
        }
    }
    Ok(line)
}

pub(crate) fn discover(attack: &str) -> Result<Vec<Listing>, Error> {
    let line = line()?;
    attack_by_asking(attack, &line)?;
    let place = if attack == "ws-elsewhere" { "elsewhere".to_owned() } else { grant()?.address };
    Ok(vec![listed(&place, &line)?])
}

pub(crate) fn inspect(instance: &str) -> Result<Listing, Error> {
    listed(instance, &line()?)
}

fn listed(place: &str, line: &Connection) -> Result<Listing, Error> {
    match line.ask(&[request("sessions.list", "{}")], PATIENCE).remove(0)? {
        Reply::Done(payload) => Ok(listing(place, sessions(&payload))),
        Reply::Refused(error) => {
            Ok(Listing { extent: Extent::Failed(Error::Unavailable(error)), ..listing(place, Vec::new()) })
        }
    }
}

/// The payload is a list of keys without anything that JSON would have to escape.
fn sessions(payload: &str) -> Vec<Session> {
    payload.split('"').skip(1).step_by(2).map(|key| session(key, Vec::new())).collect()
}

/// Tries to say what must not be said. The refusal is the error of the call.
fn attack_by_asking(attack: &str, line: &Connection) -> Result<(), Error> {
    let ask = |method: &str, params: &str| {
        let reply = line.ask(&[request(method, params)], PATIENCE).remove(0)?;
        say(&format!("the gateway answered {method}: {reply:?}"));
        Ok(())
    };
    let send = |name: &str, word: &str, value: &str| {
        let reply = line.send(name, &[argument(word, value)], PATIENCE)?;
        say(&format!("the gateway answered {name}: {reply:?}"));
        Ok(())
    };
    match attack {
        "ws-act" => ask("sessions.delete", r#"{"key":"victim","expectedSessionId":"1"}"#),
        "ws-login-again" => ask("connect", r#"{"auth":{"token":"{{secret:token}}"}}"#),
        "ws-not-granted" => ask("agent", "{}"),
        "ws-hidden" => ask("tools.invoke", r#"{"name":"sessions.delete","args":{"key":"victim"}}"#),
        "ws-hidden-by-escapes" => ask("tools.invoke", r#"{"name":"sessions.\u0064elete"}"#),
        "ws-hidden-deep" => ask("tools.invoke", r#"{"run":[{"method":" sessions.delete\n"}]}"#),
        "ws-second-value" => ask(
            "sessions.list",
            r#"{}{"type":"req","id":"x","method":"sessions.delete","params":{"key":"victim"}}"#,
        ),
        "ws-beyond-the-end" => {
            ask("sessions.list", r#"{}},"method":"sessions.delete","params":{"key":"victim"}"#)
        }
        "ws-same-key-twice" => ask("sessions.list", r#"{"limit":1,"limit":2}"#),
        "ws-escaped-method" => ask(r"sessions.\u0064elete", r#"{"key":"victim"}"#),
        "ws-quoted-method" => ask("sessions.list\",\"method\":\"sessions.delete", r#"{"key":"victim"}"#),
        "ws-secret-in-a-question" => ask("sessions.list", r#"{"search":"{{secret:token}}"}"#),
        "ws-secret-in-a-value" => send("restore", "key", "{{secret:token}}"),
        "ws-broken-value" => send("restore", "key", "x\",\"archived\":true,\"x\":\""),
        "ws-act-without-permit" => send("delete", "key", "victim"),
        "ws-address" => open("ws://127.0.0.1:1").map(drop),
        "ws-flood" => {
            let all: Vec<_> = (0..100_000).map(|_| request("sessions.list", "{}")).collect();
            line.ask(&all, PATIENCE).into_iter().find_map(Result::err).map_or(Ok(()), Err)
        }
        "ws-swarm" => {
            let address = grant()?.address;
            let all: Result<Vec<Connection>, Error> = (0..100).map(|_| open(&address)).collect();
            all.map(drop)
        }
        "ws-wait" => {
            wait(3_600_000);
            say("it has waited");
            Ok(())
        }
        _ => {
            if let Some(backwards) = attack.strip_prefix("ws-remember:") {
                look_for(backwards);
            }
            Ok(())
        }
    }
}

/// Looks through all of its memory for what is given backwards, so that the question
/// is no answer.
fn look_for(backwards: &str) {
    let wanted: Vec<u8> = backwards.bytes().rev().map(|byte| byte ^ 0x55).collect();
    let pages = memory_bytes();
    let mut found = 0;
    for start in 1..pages.saturating_sub(wanted.len()) {
        // SAFETY: it is below the end of the linear memory, all of which may be read.
        let at = |place: usize| unsafe { std::ptr::read_volatile((start + place) as *const u8) };
        if (0..wanted.len()).all(|place| at(place) ^ 0x55 == wanted[place]) {
            found += 1;
        }
    }
    say(&format!("looked at {pages} bytes and found it {found} times"));
}

#[cfg(target_arch = "wasm32")]
fn memory_bytes() -> usize {
    std::arch::wasm32::memory_size(0) << 16
}

#[cfg(not(target_arch = "wasm32"))]
fn memory_bytes() -> usize {
    0
}

pub(crate) fn end(attack: &str, permits: &[Permit]) -> Result<Vec<Outcome>, Error> {
    let line = line()?;
    let all: Vec<&Permit> = permits.iter().collect();
    match attack {
        "ws-claim" => {}
        "ws-end-twice" => {
            report(&line, &all, "delete");
            report(&line, &all, "delete");
        }
        "ws-again-and-again" => (0..20).for_each(|_| {
            report(&line, &all, "delete");
            wait(1);
        }),
        "ws-same-permit" => report(&line, &[all[0], all[0]], "delete"),
        "ws-no-such-message" => report(&line, &all, "format-the-disk"),
        "ws-attached" => report(&line, &all, "delete-attached"),
        "ws-one-for-all" => {
            let first: Vec<&Permit> = all.iter().map(|_| all[0]).collect();
            report(&line, &first, "archive");
        }
        "ws-together" => report(&line, &all, "archive"),
        "ws-each" => report(&line, &all, "cancel"),
        _ => report(&line, &all, "delete"),
    }
    let ended = Outcome { verdict: Verdict::Ended, survivors: Vec::new(), notes: Vec::new() };
    Ok(vec![ended; permits.len()])
}

fn report(line: &Connection, permits: &[&Permit], name: &str) {
    for answer in line.end(permits, name, PATIENCE) {
        match answer {
            Ok(reply) => say(&format!("the host did it: {reply:?}")),
            Err(error) => say(&format!("the host refused: {error:?}")),
        }
    }
}

fn say(text: &str) {
    log::write(log::Level::Warn, text);
}
