//! Text from outside, made harmless where it is printed: messages, names that
//! may be typed again, and JSON.

use reap::core::clean;

/// The message with everything visible that a terminal might obey, but for the
/// ends of its lines. The one place through which all messages go; names in them
/// are made one line where the message is made.
pub fn message(message: &str) -> String {
    message.split('\n').map(clean::line).collect::<Vec<_>>().join("\n")
}

/// A name such as that of a file, as it would be typed.
pub fn typed(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    if !name.is_empty() && name.chars().all(plain) {
        return name.to_owned();
    }
    format!("'{}'", clean::line(name).replace('\'', r"'\''"))
}

/// The same JSON with every character that a terminal might obey written as an
/// escape. Those below 32 already are.
pub fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let (mut bytes, mut units) = ([0; 4], [0; 2]);
    for c in text.chars() {
        let harmless = c == '\n' || (c.is_ascii() && c != '\u{7f}');
        let shown = c.encode_utf8(&mut bytes);
        if harmless || clean::line(shown) == *shown {
            safe.push(c);
        } else {
            c.encode_utf16(&mut units).iter().for_each(|unit| safe.push_str(&format!("\\u{unit:04x}")));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_they_are_typed() {
        let cases = [
            ("/a/b-1.json", "/a/b-1.json"),
            ("日本.json", "日本.json"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("a\n\u{1b}[2J", "'a\\n\\u{1b}[2J'"),
            ("", "''"),
        ];
        for (name, shown) in cases {
            assert_eq!(typed(name), shown);
        }
    }
}
