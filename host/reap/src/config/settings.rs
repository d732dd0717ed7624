//! The operator's settings for a plugin, checked against those that the plugin
//! says it takes.

use reap_core::session::{Fact, Value};
use reap_runtime::{Setting, SettingKind};

use super::RawSetting;
use super::error::choices;

/// A setting that the plugin does not take, or not so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// Where in the file it stands.
    pub line: Option<usize>,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

/// Every setting of the plugin: the operator's value, or else its fallback.
pub(crate) fn complete(
    known: &[Setting],
    raw: &[RawSetting],
    reserved: &[&str],
) -> Result<Vec<Fact>, Mismatch> {
    for setting in raw {
        if !known.iter().any(|known| known.name == setting.name) {
            let valid = reserved.iter().copied().chain(known.iter().map(|known| known.name.as_str()));
            let message = format!("unknown setting `{}`; valid are {}", setting.name, choices(valid));
            return Err(Mismatch { line: setting.line, message });
        }
    }
    known.iter().map(|known| Ok(Fact { name: known.name.clone(), value: value(known, raw)? })).collect()
}

fn value(known: &Setting, raw: &[RawSetting]) -> Result<Value, Mismatch> {
    let Some(given) = raw.iter().find(|raw| raw.name == known.name) else {
        return Ok(known.fallback.clone());
    };
    let bad = |why: String| Mismatch { line: given.line, message: format!("`{}`: {why}", known.name) };
    match (&known.kind, &given.value) {
        (SettingKind::Text, Value::Text(_))
        | (SettingKind::Number, Value::Number(_))
        | (SettingKind::Flag, Value::Flag(_))
        | (SettingKind::Texts, Value::Texts(_)) => Ok(given.value.clone()),
        (SettingKind::Span, Value::Text(text)) => {
            text.parse().map(|span| Value::Span { span }).map_err(|error| bad(format!("{error}")))
        }
        _ => Err(bad(format!("expected {}", expected(&known.kind)))),
    }
}

/// Where that stands which the words are about: the setting that they name
/// first, and of a list the text that they quote.
pub(crate) fn line_of(raw: &[RawSetting], words: &str) -> Option<usize> {
    let named = raw.iter().filter_map(|setting| Some((word_at(words, &setting.name)?, setting)));
    let (_, setting) = named.min_by_key(|(at, _)| *at)?;
    let Value::Texts(texts) = &setting.value else { return setting.line };
    let quoted = texts.iter().position(|text| words.contains(&format!("{text:?}")));
    quoted.and_then(|at| setting.lines.get(at).copied()).or(setting.line)
}

/// Where the name stands as a word of its own.
fn word_at(words: &str, name: &str) -> Option<usize> {
    let joins = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    words
        .match_indices(name)
        .map(|(at, _)| at)
        .find(|at| !words[..*at].ends_with(joins) && !words[at + name.len()..].starts_with(joins))
}

/// What a setting of this kind looks like in `reap.toml`.
pub(crate) fn expected(kind: &SettingKind) -> &'static str {
    match kind {
        SettingKind::Text => "a text in quotes",
        SettingKind::Number => "a whole number",
        SettingKind::Flag => "true or false",
        SettingKind::Span => "a length of time such as \"30m\"",
        SettingKind::Texts => "a list of texts such as [\"a\", \"b\"]",
    }
}

#[cfg(test)]
mod tests {
    use reap_core::time::Span;

    use super::*;

    fn known() -> Vec<Setting> {
        let setting =
            |name: &str, kind, fallback| Setting { name: name.into(), kind, fallback, help: String::new() };
        vec![
            setting("after", SettingKind::Span, Value::Span { span: Span::from_secs(60) }),
            setting("sockets", SettingKind::Texts, Value::Texts(vec![])),
            setting("deep", SettingKind::Flag, Value::Flag(false)),
        ]
    }

    fn given(name: &str, value: Value) -> RawSetting {
        RawSetting { name: name.into(), value, line: Some(7), lines: Vec::new() }
    }

    #[test]
    fn what_is_not_given_is_the_fallback() {
        let settings = complete(&known(), &[given("after", Value::Text("24h".into()))], &[]).expect("good");
        assert_eq!(settings[0].value, Value::Span { span: Span::from_secs(24 * 3600) });
        assert_eq!(settings[1].value, Value::Texts(vec![]));
        assert_eq!(settings[2].value, Value::Flag(false));
    }

    #[test]
    fn each_mistake_has_its_message() {
        let cases = [
            (
                given("aftr", Value::Flag(true)),
                "unknown setting `aftr`; valid are `mode`, `after`, `sockets`, `deep`",
            ),
            (given("deep", Value::Number(1)), "`deep`: expected true or false"),
            (
                given("sockets", Value::Text("/s".into())),
                "`sockets`: expected a list of texts such as [\"a\", \"b\"]",
            ),
            (given("after", Value::Number(30)), "`after`: expected a length of time such as \"30m\""),
        ];
        for (raw, message) in cases {
            let mismatch = complete(&known(), &[raw], &["mode"]).expect_err("a mistake");
            assert_eq!(mismatch, Mismatch { line: Some(7), message: message.into() });
        }
    }

    #[test]
    fn words_are_about_the_setting_that_they_name() {
        let at = |name: &str, value, line, lines| RawSetting { name: name.into(), value, line, lines };
        let texts = Value::Texts(vec!["/good".into(), "bad".into()]);
        let raw = [
            at("deep", Value::Flag(true), Some(2), Vec::new()),
            at("sockets", texts, Some(5), vec![6, 8]),
            at("in-use", Value::Number(1), Some(9), Vec::new()),
        ];
        let cases = [
            ("the setting sockets holds \"bad\": a whole path, not deep", Some(8)),
            ("the setting sockets holds \"worse\"", Some(5)),
            ("`in-use`: too much", Some(9)),
            ("sockets-too, deeper and not in-used", None),
            ("deeper is not deep", Some(2)),
            ("", None),
        ];
        for (words, line) in cases {
            assert_eq!(line_of(&raw, words), line, "{words}");
        }
    }
}
