//! The frames of the protocol: `req` goes out, `res` and `event` come in.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::secrets::{Mask, Wiped, without};
use crate::message::quoted;

/// A request, all but its parameters and its end.
pub(crate) fn begin_request(id: u64, method: &str) -> Wiped {
    let mut text = Wiped::default();
    text.push(&format!("{{\"type\":\"req\",\"id\":\"{id}\",\"method\":{},\"params\":", quoted(method)));
    text
}

/// What came in, free of secrets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The answer to a request.
    Answer { id: u64, reply: Reply },
    /// Something that was said unasked.
    Event { name: String, payload: String },
    /// Nothing that anybody waits for.
    Other,
}

/// What the other side made of a request, in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Done(String),
    Refused(String),
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    ok: Option<bool>,
    #[serde(default, borrow)]
    payload: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
    #[serde(default, borrow)]
    event: Option<Cow<'a, str>>,
}

/// Reads a frame. The error is one of the other side: it does not speak the protocol.
pub(crate) fn read(text: &str, masks: &[Mask]) -> Result<Frame, String> {
    let raw: Raw<'_> = serde_json::from_str(text).map_err(|error| {
        // Where it went wrong, and nothing of what stands there.
        format!(
            "a frame that is no message of the protocol ({:?}, column {})",
            error.classify(),
            error.column()
        )
    })?;
    Ok(match &*raw.kind {
        "res" => {
            let id = raw.id.and_then(|id| serde_json::from_str::<Cow<'_, str>>(id.get()).ok()?.parse().ok());
            let reply = if raw.ok == Some(true) {
                Reply::Done(clean(raw.payload, masks)?)
            } else {
                Reply::Refused(clean(raw.error, masks)?)
            };
            id.map_or(Frame::Other, |id| Frame::Answer { id, reply })
        }
        "event" => match raw.event {
            Some(name) => Frame::Event {
                name: without(masks, &name).unwrap_or_else(|| name.into_owned()),
                payload: clean(raw.payload, masks)?,
            },
            None => Frame::Other,
        },
        _ => Frame::Other,
    })
}

/// A piece of JSON without secrets.
fn clean(json: Option<&RawValue>, masks: &[Mask]) -> Result<String, String> {
    let Some(json) = json.map(RawValue::get) else { return Ok("null".to_owned()) };
    // Written with escapes, a secret would not be found in the text.
    let escaped = !masks.is_empty() && (json.contains("\\u") || json.contains("\\/"));
    if !escaped && without(masks, json).is_none() {
        return Ok(json.to_owned());
    }
    let mut value = parse(json)?;
    scrub(&mut value, masks);
    Ok(value.to_string())
}

fn parse(json: &str) -> Result<Value, String> {
    serde_json::from_str(json).map_err(|_| "a payload that is nested too deeply".to_owned())
}

fn scrub(value: &mut Value, masks: &[Mask]) {
    match value {
        Value::String(text) => {
            if let Some(clean) = without(masks, text) {
                *text = clean;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| scrub(value, masks)),
        Value::Object(fields) => {
            let cleaned = std::mem::take(fields).into_iter().map(|(name, mut value)| {
                scrub(&mut value, masks);
                (without(masks, &name).unwrap_or(name), value)
            });
            *fields = cleaned.collect();
        }
        // A secret may be nothing but digits.
        Value::Number(number) => {
            if let Some(clean) = without(masks, &number.to_string()) {
                *value = Value::String(clean);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// The answer with what is at these places taken out of its payload.
pub(crate) fn hide(reply: Reply, pointers: &[String]) -> Result<Reply, String> {
    let (Reply::Done(payload), false) = (&reply, pointers.is_empty()) else { return Ok(reply) };
    let mut value = parse(payload)?;
    for pointer in pointers {
        if let Some(found) = value.pointer_mut(pointer) {
            *found = Value::String("[hidden]".to_owned());
        }
    }
    Ok(Reply::Done(value.to_string()))
}

/// The elements of the list at this place of a payload, one for each of so many.
pub(crate) fn elements(payload: &str, pointer: &str, count: usize) -> Result<Vec<String>, String> {
    let mut value = parse(payload)?;
    let Some(Value::Array(all)) = value.pointer_mut(pointer) else {
        return Err(format!("it has no list at {pointer}"));
    };
    if all.len() != count {
        return Err(format!("it answers for {} sessions of {count} at {pointer}", all.len()));
    }
    Ok(all.iter().map(Value::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks() -> Vec<Mask> {
        let dir = tempfile::tempdir().expect("a temp folder");
        let path = dir.path().join("s");
        std::fs::write(&path, "tok-SECRET").expect("written");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
        let secret = super::super::secrets::Secret::read(&crate::network::SecretPlace::File(path));
        Mask::of("ws://127.0.0.1:1", "token", &secret.expect("a secret")).expect("masked")
    }

    #[test]
    fn each_kind_of_frame() {
        let done = |id, text: &str| Frame::Answer { id, reply: Reply::Done(text.to_owned()) };
        let refused = |id, text: &str| Frame::Answer { id, reply: Reply::Refused(text.to_owned()) };
        for (text, want) in [
            (r#"{"type":"res","id":"1","ok":true,"payload":{"a":1}}"#, done(1, r#"{"a":1}"#)),
            (r#"{"type":"res","id":"1","ok":true}"#, done(1, "null")),
            (r#"{"type":"res","id":"2","ok":false,"error":{"code":"X"}}"#, refused(2, r#"{"code":"X"}"#)),
            (r#"{"type":"res","id":"2","payload":1}"#, refused(2, "null")),
            (r#"{"type":"res","id":2,"ok":true}"#, Frame::Other),
            (r#"{"type":"res","id":"x","ok":true}"#, Frame::Other),
            (r#"{"type":"res","ok":true}"#, Frame::Other),
            (
                r#"{"type":"event","event":"tick","seq":3}"#,
                Frame::Event { name: "tick".to_owned(), payload: "null".to_owned() },
            ),
            (r#"{"type":"event"}"#, Frame::Other),
            (r#"{"type":"new"}"#, Frame::Other),
        ] {
            assert_eq!(read(text, &[]), Ok(want), "{text}");
        }
        for text in
            ["", "x", "[]", "{}", r#"{"type":1}"#, r#"{"type":"res","type":"res"}"#, r#"{"type":"res"} x"#]
        {
            assert!(read(text, &[]).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_that_comes_back_is_taken_out() {
        let masks = masks();
        for text in [
            r#"{"type":"res","id":"1","ok":true,"payload":{"a":["tok-SECRET"],"tok-SECRET":1}}"#,
            r#"{"type":"res","id":"1","ok":true,"payload":{"a":["tok\u002dSECRET"],"tok-SECR\u0045T":1}}"#,
            r#"{"type":"res","id":"1","ok":false,"error":"no such token tok-SECRET"}"#,
            r#"{"type":"event","event":"tok-SECRET","payload":"tok-\u0053ECRET"}"#,
            r#"{"type":"event","event":"e","payload":{"a":"\/tok-SECRET"}}"#,
        ] {
            let shown = format!("{:?}", read(text, &masks).expect("a frame"));
            assert!(shown.contains("[secret token]") && !shown.contains("SECRET"), "{shown}");
        }
        let error = read(r#"{"type":"tok-SECRET","type":1}"#, &masks).expect_err("no frame");
        assert!(!error.contains("SECRET"), "{error}");
    }

    #[test]
    fn parts_of_an_answer() {
        let reply = Reply::Done(r#"{"auth":{"deviceToken":"x","role":"r"}}"#.to_owned());
        let hidden = hide(reply, &["/auth/deviceToken".to_owned(), "/none".to_owned()]);
        assert_eq!(hidden, Ok(Reply::Done(r#"{"auth":{"deviceToken":"[hidden]","role":"r"}}"#.to_owned())));
        let deep = Reply::Done(format!("{}{}", "[".repeat(1_000), "]".repeat(1_000)));
        assert!(hide(deep, &["/x".to_owned()]).is_err(), "what cannot be looked through is not shown");
        let payload = r#"{"outcomes":[{"ok":true},{"ok":false}]}"#;
        let each = elements(payload, "/outcomes", 2).expect("two");
        assert_eq!(each, [r#"{"ok":true}"#, r#"{"ok":false}"#]);
        assert!(elements(payload, "/outcomes", 3).is_err() && elements(payload, "/x", 2).is_err());
    }
}
