//! An entry of the journal, for people.

use reap::core::clean;
use reap::core::ids::Handle;
use reap::store::journal::Entry;
use serde_json::{Map, Value};

use super::output::Style;

/// Characters of one value. The whole of it is in the JSON.
const MOST: usize = 160;

/// Columns of the kind; the longest that the core knows.
const KIND: usize = "intent.journalled".len();

/// One entry, in one line.
pub fn line(entry: &Entry, colours: bool) -> String {
    let kind = Style::Strong.paint(&format!("{:<KIND$}", clean::line(&entry.kind)), colours);
    let handle = entry.handle.as_deref().map_or("-", |handle| handle.get(..Handle::SHOWN).unwrap_or(handle));
    let line = format!(
        "{:>6}  {}  {kind}  {:<8}  {}",
        entry.seq,
        entry.at,
        clean::line(handle),
        said(&entry.payload)
    );
    format!("{}\n", line.trim_end())
}

fn said(payload: &Value) -> String {
    match payload {
        Value::Object(fields) => many_in_words(fields).unwrap_or_else(|| fields_in_words(fields)),
        other => value(other),
    }
}

/// One of many sessions of which the same is said, and how many there are.
fn many_in_words(fields: &Map<String, Value>) -> Option<String> {
    let (first, sessions) = (fields.get("first")?.as_object()?, fields.get("sessions")?.as_array()?);
    Some(format!("{} and {} more", fields_in_words(first), sessions.len().saturating_sub(1)))
}

/// What the entry says besides its kind. A session is told by its key, since its
/// handle is there already.
fn fields_in_words(fields: &Map<String, Value>) -> String {
    let session = fields.get("session").and_then(Value::as_object);
    let session = session.map(|session| format!("{}/{}", part(session, "backend"), part(session, "key")));
    let told = |(name, field): (&String, &Value)| match (name.as_str(), field) {
        ("event" | "session", _) | (_, Value::Null) => None,
        (name, field) => Some(format!("{}={}", clean::line(name), value(field))),
    };
    session.into_iter().chain(fields.iter().filter_map(told)).collect::<Vec<_>>().join(" ")
}

fn part(fields: &Map<String, Value>, name: &str) -> String {
    fields.get(name).map(value).unwrap_or_default()
}

/// Texts that are one word stand as they are, and the rest as JSON.
fn value(value: &Value) -> String {
    let shown = match value {
        Value::String(text) if is_word(text) => text.clone(),
        other => other.to_string(),
    };
    clean::line_of(&shown, MOST)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '"' || c == '=')
}

#[cfg(test)]
mod tests {
    use reap::core::time::Timestamp;
    use reap::store::chain::Hash;
    use serde_json::json;

    use super::*;

    fn entry(kind: &str, handle: Option<&str>, payload: Value) -> Entry {
        let hash: Hash = "00".repeat(32).parse().expect("a hash");
        Entry {
            seq: 12,
            at: Timestamp::from_millis(1_700_000_000_000),
            boot: "boot".to_owned(),
            kind: kind.to_owned(),
            handle: handle.map(str::to_owned),
            payload,
            hash,
        }
    }

    #[test]
    fn an_entry_is_one_line() {
        let session =
            json!({ "handle": "5cbf931683f46fcf", "backend": "tmux", "instance": "/s", "key": "$1" });
        let entries = [
            entry(
                "session.stopped",
                Some("5cbf931683f46fcf"),
                json!({ "event": "session.stopped", "session": session, "proof": { "proof": "absent", "times": 2 } }),
            ),
            entry(
                "session.seen.many",
                None,
                json!({ "first": { "event": "session.seen", "session": session }, "sessions": [["5c", "$1"], ["5d", "$2"]] }),
            ),
            entry("intent.journalled", Some("5c"), json!({ "title": "two words\n\u{1b}[2J", "why": null })),
            entry("machine.rebooted", None, json!({ "event": "machine.rebooted" })),
            entry("note\n", None, json!(["x".repeat(200)])),
        ];
        let text: String = entries.iter().map(|entry| line(entry, false)).collect();
        insta::assert_snapshot!(text, @r#"
        12  2023-11-14T22:13:20Z  session.stopped    5cbf9316  tmux/$1 proof={"proof":"absent","times":2}
        12  2023-11-14T22:13:20Z  session.seen.many  -         tmux/$1 and 1 more
        12  2023-11-14T22:13:20Z  intent.journalled  5c        title="two words\n\u001b[2J"
        12  2023-11-14T22:13:20Z  machine.rebooted   -
        12  2023-11-14T22:13:20Z  note\n             -         ["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
        "#);
    }
}
