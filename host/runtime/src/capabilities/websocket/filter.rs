//! What a plugin may ask: the parameters of a method that only reads.
//!
//! The text is read completely and written anew, so that what is sent is what was
//! checked: two readers of one text need not agree on a key that stands there twice,
//! or on what comes after the end. A gateway that gets its frames from here never sees
//! the plugin's own text.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::message::{DEEPEST, quoted};

/// More than any question needs.
const LONGEST: usize = 256 << 10;

/// Why parameters are not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// They are not one JSON object.
    Nonsense(String),
    /// They hold what belongs into a message of the manifest.
    Hidden(String),
}

/// Checks parameters, and gives them back as they are to be sent. None of their texts
/// may be one of the `acts`: there are methods that carry others.
pub(crate) fn params(text: &str, acts: &BTreeSet<String>) -> Result<String, Wrong> {
    if text.len() > LONGEST {
        return Err(Wrong::Nonsense(format!(
            "{} bytes of parameters; at most {LONGEST} are sent",
            text.len()
        )));
    }
    let nonsense = |error: serde_json::Error| Wrong::Nonsense(error.to_string());
    let mut from = serde_json::Deserializer::from_str(text);
    let json = Depth(DEEPEST).deserialize(&mut from).map_err(nonsense)?;
    from.end().map_err(nonsense)?;
    let Json::Object(_) = json else {
        return Err(Wrong::Nonsense("parameters are one JSON object".to_owned()));
    };
    json.check(acts)?;
    let mut out = String::with_capacity(text.len());
    json.write(&mut out);
    Ok(out)
}

enum Json {
    /// A number, a flag or nothing, as it is written.
    Plain(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn check(&self, acts: &BTreeSet<String>) -> Result<(), Wrong> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Text(text) => harmless(text, acts),
            Self::List(all) => all.iter().try_for_each(|json| json.check(acts)),
            Self::Object(fields) => fields.iter().try_for_each(|(name, json)| {
                harmless(name, acts)?;
                json.check(acts)
            }),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Plain(plain) => out.push_str(plain),
            Self::Text(text) => out.push_str(&quoted(text)),
            Self::List(all) => {
                out.push('[');
                for (place, json) in all.iter().enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    json.write(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (place, (name, json)) in fields.iter().enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    out.push_str(&quoted(name));
                    out.push(':');
                    json.write(out);
                }
                out.push('}');
            }
        }
    }
}

fn harmless(text: &str, acts: &BTreeSet<String>) -> Result<(), Wrong> {
    if text.contains("{{secret:") || text.contains("{{sign:") {
        return Err(Wrong::Hidden("a secret, which belongs into [asks.websocket.logins]".to_owned()));
    }
    // The whole text: a key of a session may have such a word in it. What is around it is
    // left out, as a gateway may do that too.
    let whole = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    match acts.get(whole) {
        Some(act) => Err(Wrong::Hidden(format!("the method {act}, which belongs into a message of its own"))),
        None => Ok(()),
    }
}

/// How deep the reading may still go.
#[derive(Clone, Copy)]
struct Depth(usize);

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = Json;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Json, D::Error> {
        from.deserialize_any(self)
    }
}

impl Depth {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let left = self.0.checked_sub(1);
        left.map(Self).ok_or_else(|| E::custom(format!("nested more than {DEEPEST} deep")))
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Plain("null".to_owned()))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Plain(flag.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Plain(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Plain(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Json, E> {
        let number = serde_json::Number::from_f64(number).ok_or_else(|| E::custom("no finite number"))?;
        Ok(Json::Plain(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut all = Vec::new();
        while let Some(json) = from.next_element_seed(inner)? {
            all.push(json);
        }
        Ok(Json::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut names = BTreeSet::new();
        let mut fields = Vec::new();
        while let Some(Name(name)) = from.next_key()? {
            if !names.insert(name.clone()) {
                return Err(de::Error::custom("a key stands there twice"));
            }
            fields.push((name, from.next_value_seed(inner)?));
        }
        Ok(Json::Object(fields))
    }
}

struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn acts() -> BTreeSet<String> {
        ["sessions.delete", "connect"].map(str::to_owned).into()
    }

    #[test]
    fn what_passes_is_what_was_meant() {
        for (text, want) in [
            ("{}", "{}"),
            (" { \"a\" : [ 1 , -2, 0.5, true, null ] } \n", r#"{"a":[1,-2,0.5,true,null]}"#),
            (r#"{"\u0061":"\u0062\n\/"}"#, r#"{"a":"b\u000a/"}"#),
            (r#"{"sessions.list":"delete"}"#, r#"{"sessions.list":"delete"}"#),
            (r#"{"a":18446744073709551615}"#, r#"{"a":18446744073709551615}"#),
            // A word in a text is no method, and JSON in a text is a text.
            (r#"{"key":"agent:main:hook:disconnect-x"}"#, r#"{"key":"agent:main:hook:disconnect-x"}"#),
            (r#"{"a":"{\"method\":\"connect\"}"}"#, r#"{"a":"{\"method\":\"connect\"}"}"#),
        ] {
            assert_eq!(params(text, &acts()).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_not_one_object_is_nonsense() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(LONGEST));
        for (text, words) in [
            ("", "EOF"),
            ("[]", "one JSON object"),
            ("null", "one JSON object"),
            ("\"sessions.delete\"", "one JSON object"),
            (r#"{"a":1}{"type":"req","method":"sessions.delete"}"#, "trailing"),
            (r#"{"a":1},"method":"sessions.delete"}"#, "trailing"),
            (r#"{"a":1} x"#, "trailing"),
            ("{\"a\":1}\0", "trailing"),
            (r#"{"a":1,"a":2}"#, "twice"),
            (r#"{"a":1,"\u0061":2}"#, "twice"),
            (r#"{"b":{"a":1,"a":2}}"#, "twice"),
            (r#"{"a":1,}"#, "trailing comma"),
            (r#"{"a":NaN}"#, "expected"),
            (r#"{"a":1e999}"#, "out of range"),
            (r#"{"a":"\ud800"}"#, "escape"),
            ("{\"a\":\"\n\"}", "control character"),
            ("{/**/}", "key must be a string"),
            (&deep, "nested"),
            (&long, "at most"),
        ] {
            match params(text, &acts()) {
                Err(Wrong::Nonsense(why)) => assert!(why.contains(words), "{text}: {why}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_belongs_elsewhere_is_found_however_it_is_written() {
        for text in [
            r#"{"method":"sessions.delete"}"#,
            r#"{"method":"sessions.\u0064elete"}"#,
            r#"{"sessions.delete":1}"#,
            r#"{"a":[{"b":["sessions.delete"]}]}"#,
            r#"{"a":" sessions.delete\n"}"#,
            r#"{"a":"\ufeffsessions.delete"}"#,
            r#"{"a":"connect"}"#,
            r#"{"a":"{{secret:token}}"}"#,
            r#"{"{{secret:token}}":1}"#,
            r#"{"a":"{\u007bsecret:token}}"}"#,
            r#"{"a":"x{{sign:v3}}"}"#,
        ] {
            assert!(matches!(params(text, &acts()), Err(Wrong::Hidden(_))), "{text}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// What is sent reads as what was given, and as one object.
        #[test]
        fn nothing_is_changed(inner in any_json(), name in any::<String>()) {
            let given = json!({ name: inner });
            let sent = params(&given.to_string(), &BTreeSet::new()).expect("one object");
            prop_assert_eq!(serde_json::from_str::<Value>(&sent).expect("JSON"), given);
            // It holds no byte that an escape could be hidden in.
            prop_assert_eq!(params(&sent, &BTreeSet::new()).expect("one object"), sent);
        }

        /// Whatever is put behind an object, or between its braces, is seen or is a part
        /// of one object.
        #[test]
        fn nothing_is_smuggled(tail in ".{1,30}") {
            let with = |text: String| params(&text, &acts());
            if !tail.trim_matches([' ', '\t', '\n', '\r']).is_empty() {
                let behind = format!("{{}}{tail}");
                prop_assert!(with(behind).is_err());
            }
            let inside = format!("{{\"a\":{tail}}}");
            if let Ok(sent) = with(inside) {
                let read: Value = serde_json::from_str(&sent).expect("JSON");
                prop_assert!(read.is_object() && !read.to_string().contains("\"sessions.delete\""));
            }
        }
    }
}
