//! The beginning of a JSON object.
//!
//! A sidecar may be megabytes long, and what is wanted of it stands at its front. So
//! only the front is read, and what it says is taken member by member up to the
//! point where it breaks off.

use std::collections::BTreeMap;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// What the front of an object says.
#[derive(Debug, Default, PartialEq)]
pub struct Head {
    members: BTreeMap<String, Value>,
    /// How it ended.
    pub end: End,
}

/// How the reading of an object ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All that was wanted was read.
    #[default]
    Read,
    /// The text broke off before.
    Cut,
    /// It is no JSON object.
    Broken,
}

impl Head {
    /// Reads the wanted members. From the member `until` on nothing is looked at:
    /// what is large stands last.
    pub fn read(bytes: &[u8], wanted: &[&str], until: &str) -> Self {
        let mut head = Self::default();
        let mut enough = false;
        let members = Members { wanted, until, found: &mut head.members, enough: &mut enough };
        let read = members.deserialize(&mut serde_json::Deserializer::from_slice(bytes));
        head.end = match read {
            Ok(()) => End::Read,
            Err(_) if enough => End::Read,
            Err(error) if error.is_eof() => End::Cut,
            Err(_) => End::Broken,
        };
        head
    }

    /// The text of a member, where it is one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    /// The number of a member, where it is a whole one and not negative.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.members.get(name)?.as_u64()
    }

    /// The texts of a member that is a list.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let list = self.members.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

struct Members<'a> {
    wanted: &'a [&'a str],
    until: &'a str,
    found: &'a mut BTreeMap<String, Value>,
    enough: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == self.until && !self.found.is_empty() {
                *self.enough = true;
                return Err(A::Error::custom("enough was read"));
            }
            if self.wanted.contains(&name.as_str()) {
                let value = map.next_value()?;
                self.found.insert(name, value);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Head {
        Head::read(text.as_bytes(), &["title", "cwd", "pid", "paths"], "state")
    }

    #[test]
    fn takes_what_is_wanted_up_to_where_it_breaks_off() {
        let cases = [
            (r#"{"title":"a \u00e9","cwd":"/x","pid":7}"#, Some("a é"), Some("/x"), Some(7), End::Read),
            (r#"{"title":"a","state":{"x":[1,"#, Some("a"), None, None, End::Read),
            (r#"{"other":{"title":"no"},"cwd":"/x","title":"ti"#, None, Some("/x"), None, End::Cut),
            (r#"{"state":{"x":1},"title":"a"}"#, Some("a"), None, None, End::Read),
            (r#"{"title":null,"cwd":7,"pid":-1}"#, None, None, None, End::Read),
            ("", None, None, None, End::Cut),
            ("{", None, None, None, End::Cut),
            ("[]", None, None, None, End::Broken),
            ("{title}", None, None, None, End::Broken),
            (r#"{"title":"a"x"#, Some("a"), None, None, End::Broken),
        ];
        for (text, title, cwd, pid, end) in cases {
            let head = read(text);
            let found = (head.text("title"), head.text("cwd"), head.number("pid"), head.end);
            assert_eq!(found, (title, cwd, pid, end), "{text}");
        }
    }

    #[test]
    fn lists_of_texts() {
        assert_eq!(read(r#"{"paths":["/a",7,"/b"]}"#).texts("paths"), ["/a", "/b"]);
        assert!(read(r#"{"paths":"/a"}"#).texts("paths").is_empty());
    }

    #[test]
    fn deep_nesting_is_no_danger() {
        let deep = format!(r#"{{"title":"a","x":{}"#, "[".repeat(100_000));
        assert_eq!(read(&deep).text("title"), Some("a"));
        let wanted = format!(r#"{{"title":{}"#, "[".repeat(100_000));
        assert_eq!(read(&wanted).text("title"), None);
    }
}
