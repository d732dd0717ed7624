//! What is filled in stays what it was meant to be.

use proptest::prelude::*;

use super::*;

/// Fills holes by name, notes what is signed, and shows secrets as `<NAME>`.
#[derive(Default)]
struct Given {
    values: Vec<(&'static str, Value<'static>)>,
    json: String,
    signed: Option<String>,
}

impl Filler for Given {
    type Error = String;

    fn write(&mut self, json: &str) {
        self.signed.as_mut().unwrap_or(&mut self.json).push_str(json);
    }

    fn value(&mut self, hole: &str, session: usize) -> Result<Value<'_>, String> {
        if hole == "session" {
            return Ok(Value::Text(format!("s{session}").into()));
        }
        let found = self.values.iter().find(|(name, _)| *name == hole);
        found.map(|(_, value)| value.clone()).ok_or_else(|| hole.to_owned())
    }

    fn secret(&mut self, name: &str) -> Result<(), String> {
        self.write(&format!("<{name}>"));
        Ok(())
    }

    fn begin_signing(&mut self) {
        self.signed = Some(String::new());
    }

    fn end_signing(&mut self) -> Result<(), String> {
        let signed = self.signed.take().unwrap_or_default();
        self.json.push_str(&quoted(&format!("signed {signed}")));
        Ok(())
    }
}

fn form(text: &str) -> Result<Form, String> {
    Form::parse(&text.parse().expect("TOML"))
}

fn filled(text: &str, values: Vec<(&'static str, Value<'static>)>) -> Result<String, String> {
    let mut given = Given { values, ..Given::default() };
    form(text)?.fill(&mut given, 1)?;
    Ok(given.json)
}

fn text(text: &str) -> Value<'static> {
    Value::Text(text.to_owned().into())
}

#[test]
fn values_keep_their_kind() {
    let cases = [
        ("a = 1\nb = true\nc = 0.5\nd = []\ne = {}", r#"{"a":1,"b":true,"c":0.5,"d":[],"e":{}}"#),
        ("a = \"{t}\"\nb = \"x {t} {n}\"", r#"{"a":"a\"b\\\u000a","b":"x a\"b\\\u000a 7"}"#),
        ("a = \"{n}\"\nb = \"{f}\"\nc = \"{l}\"", r#"{"a":7,"b":false,"c":["x","\""]}"#),
        ("a = \"{{secret:token}}\"", r#"{"a":"<token>"}"#),
        ("a = \"{{sign:v3|{n}|{{secret:token}}|{t}}}\"", r#"{"a":"signed v3|7|<token>|a\"b\\\u000a"}"#),
    ];
    for (toml, json) in cases {
        let values = vec![
            ("t", text("a\"b\\\n")),
            ("n", Value::Number(7)),
            ("f", Value::Flag(false)),
            ("l", Value::Texts(vec!["x".into(), "\"".into()])),
        ];
        assert_eq!(filled(toml, values).as_deref(), Ok(json), "{toml}");
    }
    assert_eq!(filled("a = \"{gone}\"", Vec::new()), Err("gone".to_owned()));
}

/// What a text grows out of would stay in memory, and it may be a secret.
#[test]
fn an_escaped_text_never_grows() {
    for text in ["", "plain", "\"\\\"\\\"", "a\"b\\\u{1}\n\u{e9}\u{1f600}"] {
        let spelt = escaped(text);
        assert_eq!(spelt.capacity(), spelt.len(), "{text:?}");
    }
}

#[test]
fn what_is_no_message_is_refused() {
    for (toml, words) in [
        ("a = 2026-01-01", "no value of JSON"),
        ("a = nan", "no value of JSON"),
        ("a = \"{{secret:x\"", "comes `secret:NAME}}`"),
        ("a = \"{{sgin:x}}\"", "comes `secret:NAME}}`"),
        ("a = \"x {{sign:x}}\"", "a signature is a whole text"),
        ("a = \"{{sign:x}} y\"", "a signature is a whole text"),
    ] {
        let error = form(toml).expect_err(toml);
        assert!(error.contains(words), "{toml}: {error}");
    }
    let deep = format!("a = {}1{}", "[".repeat(40), "]".repeat(40));
    assert!(form(&deep).expect_err("deep").contains("nested"));
}

#[test]
fn one_element_is_repeated_for_each_session() {
    let form = form("targets = [{ key = \"{session}\" }]\npatch = { archived = true }").expect("good");
    let rest = form.repeated("/targets").expect("a list");
    assert!(rest.holes().is_empty() && form.holes() == ["session"]);
    let repeating = form.clone().repeating("/targets").expect("a list");
    let mut given = Given::default();
    repeating.fill(&mut given, 2).expect("filled");
    assert_eq!(given.json, r#"{"patch":{"archived":true},"targets":[{"key":"s0"},{"key":"s1"}]}"#);
    for pointer in ["/patch", "/targets/0", "/none", "/patch/archived"] {
        assert_eq!(form.clone().repeating(pointer), None, "{pointer}");
    }
}

proptest! {
    /// Whatever is filled in comes out as that text, in that place, and as nothing else.
    #[test]
    fn nothing_breaks_out_of_its_place(value in any::<String>(), other in any::<String>()) {
        let toml = "key = \"{v}\"\nmore = { inner = [\"a {v} b {o}\"], fixed = true }";
        let json = filled(toml, vec![("v", text(&value)), ("o", text(&other))]).expect("filled");
        let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let want = serde_json::json!({
            "key": value, "more": { "inner": [format!("a {value} b {other}")], "fixed": true },
        });
        prop_assert_eq!(read, want);
    }
}
