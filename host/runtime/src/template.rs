//! The two kinds of holes in a manifest's texts.
//!
//! `${NAME}` and `${NAME:-default}` stand for the host's surroundings and are
//! filled once, when a plugin is loaded. `{name}` stands in a command line for a
//! value that differs from call to call; it is checked against its pattern
//! before it is filled. A `{` right after `#` or `$` opens no placeholder, so
//! tmux's own `#{...}` needs no escaping.

use std::fmt::Write;

/// Fills `${NAME}` and `${NAME:-default}` from `lookup`. As in a shell, an empty
/// value counts as none for `:-`, and a default may have holes of its own.
pub(crate) fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    expand_by(text, &lookup)
}

fn expand_by(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let Some(end) = closing(inner) else {
            return Err(format!("`${{` without `}}` in {text:?}"));
        };
        let (name, default) = match inner[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inner[..end], None),
        };
        match (lookup(name).filter(|value| !value.is_empty()), default) {
            (Some(value), _) => out.push_str(&value),
            (None, Some(default)) => out.push_str(&expand_by(default, lookup)?),
            (None, None) => return Err(format!("${name} is not set, which {text:?} needs")),
        }
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the hole ends in which the text begins.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' if text[..at].ends_with('$') => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
        None
    })
}

/// A part of a text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// To be taken as it is.
    Plain(String),
    /// A placeholder's name.
    Hole(String),
}

/// A text with placeholders, taken apart once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

impl Template {
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut before = ' ';
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let hole = (c == '{' && before != '#' && before != '$').then(|| hole_name(rest)).flatten();
            if let Some(name) = hole {
                if !plain.is_empty() {
                    parts.push(Part::Plain(std::mem::take(&mut plain)));
                }
                parts.push(Part::Hole(name.to_owned()));
                before = '}';
                rest = &rest[name.len() + 2..];
            } else {
                plain.push(c);
                before = c;
                rest = &rest[c.len_utf8()..];
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Plain(plain));
        }
        Self(parts)
    }

    pub(crate) fn into_parts(self) -> Vec<Part> {
        self.0
    }

    pub(crate) fn holes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Hole(name) => Some(name.as_str()),
            Part::Plain(_) => None,
        })
    }

    /// Fills each hole; the first one without a value is the error.
    pub(crate) fn fill<'a, E>(
        &'a self,
        mut value: impl FnMut(&'a str) -> Result<String, E>,
    ) -> Result<String, E> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Plain(plain) => out.push_str(plain),
                Part::Hole(name) => {
                    let filled = value(name)?;
                    let _ = write!(out, "{filled}"); // writing to a String cannot fail
                }
            }
        }
        Ok(out)
    }
}

/// The name when the text starts with `{name}`: letters, digits, dashes, dots.
fn hole_name(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('{')?;
    let name = &inner[..inner.find('}')?];
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.');
    good.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surroundings() {
        let lookup = |name: &str| match name {
            "UID" => Some("1000".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let cases = [
            ("/tmp/tmux-${UID}/x", Ok("/tmp/tmux-1000/x")),
            ("${NONE:-/tmp}/a", Ok("/tmp/a")),
            ("${EMPTY:-/tmp}/a", Ok("/tmp/a")),
            ("${NONE:-${UID}/x}/a", Ok("1000/x/a")),
            ("${NONE:-${EMPTY:-/y}/x}/${UID}", Ok("/y/x/1000")),
            ("${UID:-${NONE}}", Ok("1000")),
            ("plain", Ok("plain")),
        ];
        for (text, want) in cases {
            assert_eq!(expand(text, lookup).as_deref().map_err(String::as_str), want);
        }
        assert!(expand("${NONE}", lookup).expect_err("refused").contains("$NONE is not set"));
        assert!(expand("${NONE:-${NONE}}", lookup).expect_err("refused").contains("$NONE is not set"));
        for text in ["${UID", "${NONE:-${UID}"] {
            assert!(expand(text, lookup).expect_err("refused").contains("without"));
        }
    }

    #[test]
    fn placeholders_leave_tmux_formats_alone() {
        let text = "#{==:#{pid}.#{created},{incarnation}} {key}: ${x} {Not} {}";
        let template = Template::parse(text);
        assert_eq!(template.holes().collect::<Vec<_>>(), ["incarnation", "key"]);
        let filled = template.fill(|name| Ok::<_, ()>(format!("<{name}>"))).expect("all filled");
        assert_eq!(filled, "#{==:#{pid}.#{created},<incarnation>} <key>: ${x} {Not} {}");
    }

    #[test]
    fn a_filled_value_is_never_filled_again() {
        let filled = Template::parse("{a}").fill(|_| Ok::<_, ()>("{b}".to_owned())).expect("filled");
        assert_eq!(filled, "{b}");
    }
}
