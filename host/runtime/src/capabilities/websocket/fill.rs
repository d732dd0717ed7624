//! Filling the manifest's messages: from a plugin's arguments and the operator's
//! secrets, or from the sessions that permits name.

use std::borrow::Cow;

use reap_core::permit::Permit;
use reap_core::session::Value as FactValue;
use zeroize::Zeroizing;

use super::device::Device;
use super::secrets::{Secret, Wiped};
use crate::bindings::commands::Argument;
use crate::capabilities::grants::{BadValue, Grants};
use crate::manifest::{FACT, ITEM};
use crate::message::{Filler, Value, escaped};
use crate::state::Shared;

/// Why a message cannot be filled.
#[derive(Debug)]
pub(crate) enum Unfilled {
    /// A value is missing, or is not what its placeholder may hold.
    Value(BadValue),
    /// This secret is not there.
    Secret(String),
    /// There is no key to sign with, and why.
    Key(String),
}

/// Fills a message that a plugin sends.
pub(crate) struct FromPlugin<'a> {
    pub(crate) text: Wiped,
    pub(crate) shared: &'a Shared,
    pub(crate) arguments: &'a [Argument],
    pub(crate) secrets: Vec<(String, Secret)>,
    pub(crate) device: Option<Device>,
    pub(crate) signing: Option<Wiped>,
}

impl FromPlugin<'_> {
    fn device(&self) -> Result<&Device, Unfilled> {
        self.device.as_ref().ok_or_else(|| Unfilled::Key("no key was made ready".to_owned()))
    }
}

impl Filler for FromPlugin<'_> {
    type Error = Unfilled;

    fn write(&mut self, json: &str) {
        self.signing.as_mut().unwrap_or(&mut self.text).push(json);
    }

    fn value(&mut self, hole: &str, _session: usize) -> Result<Value<'_>, Unfilled> {
        match hole {
            "device.id" => return Ok(Value::Text(Cow::Borrowed(&self.device()?.id))),
            "device.public-key" => return Ok(Value::Text(Cow::Borrowed(&self.device()?.public_key))),
            _ => {}
        }
        let given = self.arguments.iter().find(|argument| argument.name == hole);
        let given = given.map_or("", |argument| argument.value.as_str());
        checked(self.shared, hole, given)?;
        Ok(as_value(&self.shared.grants, hole, given))
    }

    fn secret(&mut self, name: &str) -> Result<(), Unfilled> {
        let found = self.secrets.iter().find(|(known, _)| known == name);
        let (_, secret) = found.ok_or_else(|| Unfilled::Secret(name.to_owned()))?;
        match &mut self.signing {
            Some(signing) => signing.push(secret.reveal()),
            None => self.text.push(&Zeroizing::new(escaped(secret.reveal()))),
        }
        Ok(())
    }

    fn begin_signing(&mut self) {
        self.signing = Some(Wiped::default());
    }

    fn end_signing(&mut self) -> Result<(), Unfilled> {
        let text = self.signing.take().unwrap_or_default();
        let signature = self.device()?.sign(text.as_ref());
        self.text.push(&format!("\"{signature}\""));
        Ok(())
    }
}

/// Fills a message that ends sessions, from their permits and nothing else.
pub(crate) struct FromPermits<'a> {
    pub(crate) text: Wiped,
    pub(crate) shared: &'a Shared,
    pub(crate) permits: Vec<&'a Permit>,
    pub(crate) item: Option<&'a str>,
}

impl Filler for FromPermits<'_> {
    type Error = Unfilled;

    fn write(&mut self, json: &str) {
        self.text.push(json);
    }

    fn value(&mut self, hole: &str, session: usize) -> Result<Value<'_>, Unfilled> {
        let missing = || Unfilled::Value(BadValue { hole: hole.to_owned(), wanted: "a value".to_owned() });
        let permit = self.permits.get(session).ok_or_else(missing)?;
        let text = match hole {
            "instance" => permit.address().instance.as_str(),
            "key" => permit.address().key.as_str(),
            "incarnation" => permit.session().incarnation.as_str(),
            ITEM => self.item.ok_or_else(missing)?,
            fact => {
                let name = fact.strip_prefix(FACT).ok_or_else(missing)?;
                let value = permit.session().fact(name).ok_or_else(missing)?;
                checked(self.shared, hole, &as_word(value))?;
                return Ok(fact_value(value));
            }
        };
        checked(self.shared, hole, text)?;
        Ok(as_value(&self.shared.grants, hole, text))
    }

    // The manifest is refused when an ending message holds one of these.
    fn secret(&mut self, name: &str) -> Result<(), Unfilled> {
        Err(Unfilled::Secret(name.to_owned()))
    }

    fn begin_signing(&mut self) {}

    fn end_signing(&mut self) -> Result<(), Unfilled> {
        Err(Unfilled::Key("an act is not signed".to_owned()))
    }
}

fn checked(shared: &Shared, hole: &str, word: &str) -> Result<(), Unfilled> {
    shared.grants.check(hole, word, &shared.settings).map_err(Unfilled::Value)
}

/// A number where the manifest says so.
fn as_value<'a>(grants: &Grants, hole: &str, text: &'a str) -> Value<'a> {
    let number = grants.is_number(hole).then(|| text.parse().ok()).flatten();
    number.map_or(Value::Text(Cow::Borrowed(text)), Value::Number)
}

/// A fact in a text.
pub(crate) fn as_word(value: &FactValue) -> String {
    match value {
        FactValue::Texts(texts) => texts.join(" "),
        FactValue::Time { time } => time.millis().to_string(),
        FactValue::Span { span } => span.millis().to_string(),
        other => other.to_string(),
    }
}

fn fact_value(value: &FactValue) -> Value<'_> {
    match value {
        FactValue::Number(number) => Value::Number(*number),
        FactValue::Flag(flag) => Value::Flag(*flag),
        FactValue::Texts(texts) => Value::Texts(texts.clone()),
        FactValue::Text(text) => Value::Text(Cow::Borrowed(text)),
        FactValue::Real(real) => Value::Text(Cow::Owned(real.to_string())),
        FactValue::Time { time } => number(time.millis()),
        FactValue::Span { span } => number(span.millis()),
    }
}

fn number(millis: u64) -> Value<'static> {
    // What is beyond is no time that anybody lives to see.
    Value::Number(i64::try_from(millis).unwrap_or(i64::MAX))
}
