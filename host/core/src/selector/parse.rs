//! Reads selectors.
//!
//! A text is split into words, and each word becomes a term. What names no
//! field is a glob over key and title, so `cron:*` needs no quotes; the price is
//! that every slip would be a glob too. [`super::slip`] finds those.

use std::ops::Range;

use wildmatch::WildMatch;

use super::slip::WORDS;
use super::{SelectorError, Term, TextField, quoted, slip};
use crate::clean;
use crate::session::{Activity, Kind};

/// The fields, each with an example of its use.
pub(super) const FIELDS: [(&str, &str); 10] = [
    ("backend", "backend:tmux"),
    ("instance", "instance:*/default"),
    ("kind", "kind:cron"),
    ("activity", "activity:idle"),
    ("title", "title:build-*"),
    ("key", "key:$3"),
    ("label", "label:team=x"),
    ("cwd", "cwd:/home/me/*"),
    ("older", "older:30m"),
    ("attached", "attached:no"),
];

/// What is wrong with a word, and what to write instead.
pub(super) struct Problem {
    message: String,
    help: String,
}

impl Problem {
    fn at(self, range: Range<usize>, text: &str) -> SelectorError {
        SelectorError { text: text.to_owned(), range, message: self.message, help: self.help }
    }
}

pub(super) fn problem<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { message: message.into(), help: help.into() })
}

/// The terms of a selector. None for one that selects everything.
pub(super) fn terms(text: &str) -> Result<Vec<Term>, SelectorError> {
    read(text, term)
}

/// The same without the word that asks for the votes.
pub(super) fn plain_terms(text: &str) -> Result<Vec<Term>, SelectorError> {
    read(text, |word| match term(word)? {
        Some(Term::Orphaned) => problem(
            "`orphaned` cannot be used here: this selector is applied before the policies vote",
            "leave it out; `inactive` can be used here",
        ),
        term => Ok(term),
    })
}

/// The terms in one word of a command line. A term after a blank must show that
/// it is one: with a field, in quotes, or as a word of its own meaning.
pub(super) fn word_terms(text: &str) -> Result<Vec<Term>, SelectorError> {
    let mut before: Option<Word<'_>> = None;
    read(text, |word| {
        let term = term(word)?; // a slip is told as one
        let told = word.quoted.is_some() || WORDS.contains(&word.plain) || word.field().is_some();
        match before.replace(word.clone()) {
            Some(before) if !told => problem(
                format!("`{}` stands after a blank that is not in quotes", clean::line(word.plain)),
                format!(
                    "if both are one value, quote it for the shell too: {}; if not, give them as two arguments",
                    clean::line(&for_shell(&before, word.plain))
                ),
            ),
            _ => Ok(term),
        }
    })
}

/// The two words as one value, quoted so that a shell leaves the quotes in.
fn for_shell(before: &Word<'_>, after: &str) -> String {
    let text = before.text();
    let (field, value) = before.field().map_or(("", &*text), |field| text.split_at(field.len() + 1));
    let term = format!("{field}{}", quoted(&format!("{value} {after}")));
    format!("'{}'", term.replace('\'', r"'\''"))
}

fn read<'a>(
    text: &'a str,
    mut term: impl FnMut(&Word<'a>) -> Result<Option<Term>, Problem>,
) -> Result<Vec<Term>, SelectorError> {
    let mut terms = Vec::new();
    let mut rest = text.trim_start();
    if rest.is_empty() {
        let empty = problem("the selector is empty", "write `*` to select everything");
        return empty.map_err(|problem| problem.at(0..text.len(), text));
    }
    while !rest.is_empty() {
        let start = text.len() - rest.len();
        let word = Word::read(rest).map_err(|problem| problem.at(start..start + blank(rest), text))?;
        let end = start + word.length;
        terms.extend(term(&word).map_err(|problem| problem.at(start..end, text))?);
        rest = text[end..].trim_start();
    }
    Ok(terms)
}

/// Where the first blank is, or the end.
fn blank(text: &str) -> usize {
    text.find(char::is_whitespace).unwrap_or(text.len())
}

/// One word of a selector: `kind:cron`, `title:"a b"`, `"a b"`.
#[derive(Clone)]
struct Word<'a> {
    /// What stands before the quoted part.
    plain: &'a str,
    /// The quoted part without its quotes.
    quoted: Option<String>,
    /// The bytes of all of it.
    length: usize,
}

impl<'a> Word<'a> {
    /// The first word of a text that begins with one.
    fn read(text: &'a str) -> Result<Self, Problem> {
        let end = text.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(text.len());
        let (plain, rest) = text.split_at(end);
        if !rest.starts_with('"') {
            return Ok(Self { plain, quoted: None, length: end });
        }
        if !plain.is_empty() && !plain.ends_with([':', '=']) {
            return problem(
                "a quote in the middle of a value",
                r#"put the whole value in quotes and write \" for a quote in it"#,
            );
        }
        let (quoted, length) = unquote(rest)?;
        let word = Self { plain, quoted: Some(quoted), length: end + length };
        if blank(&text[word.length..]) > 0 {
            return problem(
                "text after the closing quote",
                "put a space there, or the whole value in quotes",
            );
        }
        Ok(word)
    }

    /// The field that it begins with, if any.
    fn field(&self) -> Option<&'a str> {
        self.plain.split_once(':').map(|(name, _)| name).filter(|name| is_field(name))
    }

    fn text(&self) -> String {
        format!("{}{}", self.plain, self.quoted.as_deref().unwrap_or_default())
    }
}

/// What stands in the quotes that the text begins with, and the bytes of that
/// with the quotes.
fn unquote(text: &str) -> Result<(String, usize), Problem> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, at + 1)),
            '\\' => match chars.next() {
                Some((_, c @ ('"' | '\\'))) => value.push(c),
                _ => {
                    return problem(
                        r"a backslash in quotes that stands before neither a quote nor a backslash",
                        r#"write \\ for a backslash and \" for a quote"#,
                    );
                }
            },
            c => value.push(c),
        }
    }
    problem("the closing quote is missing", r#"write for instance title:"two words""#)
}

/// The term that a word stands for. None for a glob that everything matches.
fn term(word: &Word<'_>) -> Result<Option<Term>, Problem> {
    let text = word.text();
    if let Some(name) = word.field() {
        return field(name, &text[name.len() + 1..]).map(Some);
    }
    match (word.plain, &word.quoted) {
        ("orphaned", None) => return Ok(Some(Term::Orphaned)),
        ("inactive", None) => return Ok(Some(Term::Inactive)),
        (plain, _) => slip::check(plain, &text)?,
    }
    if text.is_empty() {
        return problem("an empty term", "leave it out, or write `*` to select everything");
    }
    let all = text.chars().all(|c| c == '*');
    Ok((!all).then(|| Term::KeyOrTitle(WildMatch::new(&text))))
}

fn field(name: &str, value: &str) -> Result<Term, Problem> {
    if value.is_empty() {
        return problem(format!("`{name}:` has no value"), example_of(name));
    }
    let text = |field| Ok(Term::Text(field, WildMatch::new(value)));
    match name {
        "backend" if !value.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '*' | '?')) => problem(
            format!("`{}` is no backend", clean::line(value)),
            "backends are named with lower-case letters, digits and dashes, such as backend:tmux",
        ),
        "backend" => text(TextField::Backend),
        "instance" => text(TextField::Instance),
        "key" => text(TextField::Key),
        "title" => text(TextField::Title),
        "cwd" => text(TextField::Cwd),
        "kind" => choice(name, value, &Kind::ALL.map(|kind| (kind.word(), kind))).map(Term::Kind),
        "activity" => choice(name, value, &Activity::ALL.map(|activity| (activity.word(), activity)))
            .map(Term::Activity),
        "attached" => choice(name, value, &[("yes", true), ("no", false)]).map(Term::Attached),
        "older" => match value.parse() {
            Ok(span) => Ok(Term::Older(span)),
            Err(error) => problem(error.to_string(), example_of(name)),
        },
        _ => label(value),
    }
}

fn choice<T: Copy>(name: &str, value: &str, choices: &[(&str, T)]) -> Result<T, Problem> {
    match choices.iter().find(|(word, _)| *word == value) {
        Some((_, choice)) => Ok(*choice),
        None => {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            problem(
                format!("`{}` is no value of `{name}:`", clean::line(value)),
                format!("choose one of: {}", words.join(", ")),
            )
        }
    }
}

fn label(value: &str) -> Result<Term, Problem> {
    let Some((name, value)) =
        value.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty())
    else {
        return problem(
            "`label:` needs a name and a value",
            "write label:NAME=VALUE, or label:NAME=* for any value",
        );
    };
    if name.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '*' | '?')) {
        return problem("a label's name is no glob and holds no spaces or quotes", example_of("label"));
    }
    Ok(Term::Label { name: name.to_owned(), value: WildMatch::new(value) })
}

pub(super) fn is_field(name: &str) -> bool {
    FIELDS.iter().any(|(field, _)| *field == name)
}

pub(super) fn example_of(name: &str) -> String {
    let example = FIELDS.iter().find(|(field, _)| *field == name).map_or(name, |(_, example)| example);
    format!("write for instance {example}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::Selector;

    fn error(text: &str) -> SelectorError {
        match Selector::parse(text) {
            Ok(selector) => panic!("{text} was read as {selector:?}"),
            Err(error) => error,
        }
    }

    #[test]
    fn what_is_no_term_is_explained() {
        let cases = [
            ("", "the selector is empty", "`*`"),
            ("  ", "the selector is empty", "`*`"),
            ("\"\"", "an empty term", "`*`"),
            ("title:", "`title:` has no value", "title:build-*"),
            ("title:\"\"", "`title:` has no value", "title:build-*"),
            ("kind: cron", "`kind:` has no value", "kind:cron"),
            (
                "kind:corn",
                "`corn` is no value of `kind:`",
                "main, interactive, cron, subagent, hook, worker, other",
            ),
            ("kind:cron,hook", "`cron,hook` is no value of `kind:`", "choose one of"),
            ("kind:Cron", "`Cron` is no value of `kind:`", "choose one of"),
            ("activity:busy", "`busy` is no value of `activity:`", "running, idle, stopped, unknown"),
            ("attached:true", "`true` is no value of `attached:`", "yes, no"),
            ("older:30", "30 has no unit", "older:30m"),
            ("older:-5m", "a number is expected", "older:30m"),
            ("backend:tmux,kind:cron", "`tmux,kind:cron` is no backend", "backend:tmux"),
            ("label:team", "`label:` needs a name and a value", "label:NAME=*"),
            ("label:=x", "`label:` needs a name and a value", "label:NAME=*"),
            ("label:t*=x", "a label's name is no glob", "label:team=x"),
            ("title:a\"b", "a quote in the middle", "the whole value in quotes"),
            ("title:\"a\"b", "text after the closing quote", "put a space"),
            ("title:\"a b", "the closing quote is missing", "title:\"two words\""),
            ("title:\"a\\n\"", "a backslash in quotes", "write \\\\ for a backslash"),
        ];
        for (text, message, help) in cases {
            let error = error(text);
            assert!(error.message.contains(message), "{text}: {}", error.message);
            assert!(error.help.contains(help), "{text}: {}", error.help);
        }
    }

    #[test]
    fn the_bad_term_is_underlined() {
        let error = error("title:\"ü x\"  kind:corn older:1h");
        assert_eq!(&error.text[error.range.clone()], "kind:corn");
        let shown = error.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines,
            [
                "`corn` is no value of `kind:`",
                "  title:\"ü x\"  kind:corn older:1h",
                "               ^^^^^^^^^",
                "help: choose one of: main, interactive, cron, subagent, hook, worker, other",
            ]
        );
    }

    #[test]
    fn the_underline_fits_what_is_shown_of_escapes() {
        let shown = error("\u{1b}[2J kind:x").to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], "  \\u{1b}[2J kind:x");
        assert_eq!(lines[2], "            ^^^^^^");
    }

    #[test]
    fn orphaned_is_refused_before_the_votes() {
        let error = Selector::parse_plain("kind:cron orphaned").expect_err("no votes yet");
        assert_eq!(&error.text[error.range.clone()], "orphaned");
        assert!(error.message.contains("before the policies vote"), "{}", error.message);
        assert!(Selector::parse_plain("kind:cron inactive \"orphaned\"").is_ok());
    }
}
