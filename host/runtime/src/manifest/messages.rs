//! What a manifest asks for of gateways: addresses, what may be asked there, and the
//! messages that it spells out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::check::{check_declared, check_ending_holes};
use super::{Asks, Lift};
use crate::message::Form;
use crate::template::Template;

/// Which gateways a plugin wants to talk to, and what it wants to say there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebsocketAsk {
    /// Addresses, `ws://` or `wss://`. `{name}` as a whole address stands for each of
    /// the texts of that setting.
    pub addresses: Vec<String>,
    /// Methods that change nothing. Their parameters are the plugin's.
    #[serde(default)]
    pub reads: Vec<String>,
    /// Secrets that the operator may set, and for each the environment variable that
    /// holds it for the manifest's own addresses; empty for none.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Messages that log in, by name. They alone may hold secrets.
    #[serde(default)]
    pub logins: BTreeMap<String, MessageAsk>,
    /// Messages that change something and end nothing, by name.
    #[serde(default)]
    pub messages: BTreeMap<String, MessageAsk>,
}

/// A message, spelt out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageAsk {
    /// Its method.
    pub method: String,
    /// Its parameters, with placeholders in the texts.
    #[serde(default)]
    pub params: toml::Table,
    /// What of the answer's payload the plugin does not get to see, as JSON pointers:
    /// secrets that the other side hands out.
    #[serde(default)]
    pub hide: Vec<String>,
}

/// A message that ends a session, spelt out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndingMessageAsk {
    /// Its method.
    pub method: String,
    /// Its parameters, with placeholders that the permit fills.
    pub params: toml::Table,
    /// What the permit must lift for it.
    #[serde(default)]
    pub lifts: Option<Lift>,
    /// A fact of the session that holds several texts: the message is sent once for
    /// each of them, which is `{item}` there. They are the plugin's word: nothing shows
    /// that they are the session's.
    #[serde(default)]
    pub each: Option<String>,
    /// For one message about several sessions: the JSON pointer to the list in `params`
    /// whose one element is repeated for each of them. Nothing else there may differ
    /// from session to session.
    #[serde(default)]
    pub many: Option<String>,
    /// How many sessions one such message may name.
    #[serde(default)]
    pub most: Option<usize>,
    /// The JSON pointer to the list in the payload that answers for each of them, in
    /// their order.
    #[serde(default)]
    pub answers: Option<String>,
}

/// Placeholders that the host fills itself in a login.
const FROM_DEVICE: [&str; 2] = ["device.id", "device.public-key"];

/// The placeholder for one text of the fact that `each` names.
pub(crate) const ITEM: &str = "item";

pub(super) fn check(asks: &Asks) -> Result<(), String> {
    let Some(ask) = &asks.websocket else {
        return match asks.ending.messages.keys().next() {
            Some(name) => {
                Err(format!("[asks.ending.messages.{name}]: add [asks.websocket] with `addresses`"))
            }
            None => Ok(()),
        };
    };
    check_addresses(ask)?;
    for (name, login) in &ask.logins {
        check_login(asks, ask, name, login)?;
    }
    for (name, message) in &ask.messages {
        let place = format!("[asks.websocket.messages.{name}]");
        if ask.logins.contains_key(name) {
            return Err(format!("{place}: a login has that name; take another"));
        }
        let form = plain_form(&place, &message.params)?;
        check_declared(asks, &place, &form.holes())?;
        check_pointers(&place, "hide", &message.hide)?;
    }
    for (name, message) in &asks.ending.messages {
        check_ending(asks, name, message)?;
    }
    check_reads(asks, ask)
}

fn check_addresses(ask: &WebsocketAsk) -> Result<(), String> {
    if ask.addresses.is_empty() {
        return Err("[asks.websocket]: `addresses` is empty; name at least one".to_owned());
    }
    for address in &ask.addresses {
        let template = Template::parse(address);
        let whole = |hole: &str| *address == format!("{{{hole}}}");
        if !template.holes().all(whole) {
            return Err(format!(
                "[asks.websocket]: {address:?}: a setting stands for a whole address, such as \"{{gateways}}\""
            ));
        }
    }
    Ok(())
}

/// A read that were an act too could be made without a permit.
fn check_reads(asks: &Asks, ask: &WebsocketAsk) -> Result<(), String> {
    let acts: BTreeSet<&str> = ask
        .logins
        .values()
        .chain(ask.messages.values())
        .map(|message| message.method.as_str())
        .chain(asks.ending.messages.values().map(|message| message.method.as_str()))
        .collect();
    if acts.contains("") || ask.reads.iter().any(String::is_empty) {
        return Err("[asks.websocket]: a method has no name".to_owned());
    }
    match ask.reads.iter().find(|read| acts.contains(read.as_str())) {
        Some(read) => Err(format!(
            "[asks.websocket]: {read} is among the `reads` and a message too; what reads needs no message"
        )),
        None => Ok(()),
    }
}

fn check_login(asks: &Asks, ask: &WebsocketAsk, name: &str, login: &MessageAsk) -> Result<(), String> {
    let place = format!("[asks.websocket.logins.{name}]");
    let form = Form::parse(&login.params).map_err(|why| format!("{place}: {why}"))?;
    let holes: Vec<String> =
        form.holes().into_iter().filter(|hole| !FROM_DEVICE.contains(&hole.as_str())).collect();
    check_declared(asks, &place, &holes)?;
    check_pointers(&place, "hide", &login.hide)?;
    match form.secrets().iter().find(|secret| !ask.secrets.contains_key(*secret)) {
        Some(secret) => Err(format!(
            "{place}: the secret {secret} is not declared; add `{secret} = \"\"` to [asks.websocket.secrets], or \
             the name of the environment variable that holds it"
        )),
        None => Ok(()),
    }
}

/// The parameters of a message that is no login: without secrets.
fn plain_form(place: &str, params: &toml::Table) -> Result<Form, String> {
    let form = Form::parse(params).map_err(|why| format!("{place}: {why}"))?;
    if form.secrets().is_empty() && !form.signs() {
        return Ok(form);
    }
    Err(format!("{place}: secrets and signatures belong into [asks.websocket.logins] only"))
}

fn check_ending(asks: &Asks, name: &str, message: &EndingMessageAsk) -> Result<(), String> {
    let place = format!("[asks.ending.messages.{name}]");
    let form = plain_form(&place, &message.params)?;
    let mut holes = form.holes();
    check_declared(asks, &place, &holes)?;
    match (&message.each, holes.iter().any(|hole| hole == ITEM)) {
        (Some(_), false) => return Err(format!("{place}: `each` needs {{item}} in `params`")),
        (None, true) => return Err(format!("{place}: {{item}} needs `each`, the name of a fact")),
        // What it names was the session's when that was seen, as the plugin tells.
        _ => holes.iter_mut().filter(|hole| *hole == ITEM).for_each(|hole| "key".clone_into(hole)),
    }
    check_ending_holes(&place, &holes)?;
    // Its items are the plugin's word, and not what a permit is about.
    if message.each.is_some() && asks.ending.messages.values().all(|other| other.each.is_some()) {
        return Err(format!("{place}: `each` names no session; add an ending message without it"));
    }
    check_many(&place, &form, message)
}

fn check_many(place: &str, form: &Form, message: &EndingMessageAsk) -> Result<(), String> {
    let Some(pointer) = &message.many else {
        return match (message.most, &message.answers) {
            (None, None) => Ok(()),
            _ => Err(format!("{place}: `most` and `answers` are for a message with `many`")),
        };
    };
    if message.each.is_some() {
        return Err(format!("{place}: use `each` or `many`, not both"));
    }
    check_pointers(place, "many", std::slice::from_ref(pointer))?;
    let (Some(most), Some(answers)) = (message.most, &message.answers) else {
        return Err(format!("{place}: `many` needs `most` and `answers`"));
    };
    check_pointers(place, "answers", std::slice::from_ref(answers))?;
    if !(1..=1_000).contains(&most) {
        return Err(format!("{place}: `most` must be from 1 to 1000"));
    }
    match form.repeated(pointer) {
        Some(rest) if rest.holes().is_empty() => Ok(()),
        Some(_) => Err(format!("{place}: a placeholder outside of the list {pointer} would be another's")),
        None => Err(format!("{place}: `many` must point to a list with one element in `params`")),
    }
}

fn check_pointers(place: &str, key: &str, pointers: &[String]) -> Result<(), String> {
    match pointers.iter().find(|pointer| !pointer.starts_with('/')) {
        Some(pointer) => Err(format!("{place}: `{key}`: {pointer:?} is no JSON pointer; it begins with /")),
        None => Ok(()),
    }
}
