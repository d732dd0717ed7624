//! Reading TOML by hand, one key at a time.
//!
//! Serde could fill the structs, but a plugin's table mixes keys that Reap knows
//! with settings that only the plugin knows, and flattening such a table loses
//! the places that error messages need. Here every key that is taken is noted
//! as a valid one, and what is left over in the end is unknown.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use reap_core::session::Value;
use reap_core::time::Span;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::RawSetting;
use super::error::{ConfigError, choices};

/// The text of a file, to tell where in it something stands.
#[derive(Clone, Copy)]
pub(super) struct Document<'d> {
    pub file: &'d Path,
    pub text: &'d str,
}

impl<'d> Document<'d> {
    /// The outermost table.
    pub fn root(self) -> Result<Section<'d>, ConfigError> {
        let table = DeTable::parse(self.text)
            .map_err(|error| self.error(error.span().unwrap_or(0..0), error.message().to_owned()))?;
        Ok(Section { document: self, name: String::new(), left: table.into_inner(), valid: Vec::new() })
    }

    pub fn line(self, span: Range<usize>) -> usize {
        1 + self.text.bytes().take(span.start).filter(|&byte| byte == b'\n').count()
    }

    pub fn error(self, span: Range<usize>, message: impl Into<String>) -> ConfigError {
        ConfigError::new(self.file, Some(self.line(span)), message)
    }
}

/// One table while it is being read.
pub(super) struct Section<'d> {
    document: Document<'d>,
    /// As between brackets: `backends.tmux`. Empty for the outermost.
    name: String,
    left: DeTable<'d>,
    valid: Vec<&'static str>,
}

impl<'d> Section<'d> {
    /// Takes the entry of that name, if there is one.
    pub fn take(&mut self, key: &'static str) -> Option<Entry<'d>> {
        self.valid.push(key);
        let value = self.left.remove(key)?;
        Some(self.entry(key, value))
    }

    /// Takes the entry of that name over into `value`, if there is one.
    pub fn set<T>(
        &mut self,
        key: &'static str,
        value: &mut T,
        read: impl FnOnce(Entry<'d>) -> Result<T, ConfigError>,
    ) -> Result<(), ConfigError> {
        if let Some(entry) = self.take(key) {
            *value = read(entry)?;
        }
        Ok(())
    }

    /// Takes a table. An absent one reads as an empty one.
    pub fn section(&mut self, key: &'static str) -> Result<Section<'d>, ConfigError> {
        match self.take(key) {
            Some(entry) => entry.section(),
            None => Ok(Section {
                document: self.document,
                name: self.dotted(key),
                left: DeTable::new(),
                valid: Vec::new(),
            }),
        }
    }

    /// Takes everything that is left, in the order of the file.
    pub fn rest(mut self) -> Vec<(String, Entry<'d>)> {
        let mut left: Vec<_> = std::mem::take(&mut self.left).into_iter().collect();
        left.sort_by_key(|(key, _)| key.span().start);
        left.into_iter()
            .map(|(key, value)| {
                let name = key.get_ref().to_string();
                let entry = self.entry(&name, value);
                (name, entry)
            })
            .collect()
    }

    /// Takes the tables that are left, in the order of the file. Whatever else
    /// is left is unknown; `besides` says of the tables what they are.
    pub fn tables(self, besides: &str) -> Result<Vec<(String, Entry<'d>)>, ConfigError> {
        let others = self.left.iter().filter(|(_, value)| !value.get_ref().is_table());
        match others.map(|(key, _)| key).min_by_key(|key| key.span().start) {
            Some(key) => Err(self.unknown(key, besides)),
            None => Ok(self.rest()),
        }
    }

    /// Ends the reading: what is left is unknown.
    pub fn finish(self) -> Result<(), ConfigError> {
        let first = self.left.keys().min_by_key(|key| key.span().start);
        first.map_or(Ok(()), |key| Err(self.unknown(key, "")))
    }

    fn unknown(&self, key: &Spanned<DeString<'d>>, besides: &str) -> ConfigError {
        let place = if self.name.is_empty() { "here".to_owned() } else { format!("in [{}]", self.name) };
        let valid = choices(self.valid.iter().copied());
        let message = format!("unknown key `{}` {place}; valid keys are {valid}{besides}", key.get_ref());
        self.document.error(key.span(), message)
    }

    fn entry(&self, key: &str, value: Spanned<DeValue<'d>>) -> Entry<'d> {
        let place = Place { document: self.document, name: self.dotted(key), span: value.span() };
        Entry { place, value: value.into_inner() }
    }

    fn dotted(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// Where an entry stands.
#[derive(Clone)]
pub(super) struct Place<'d> {
    document: Document<'d>,
    /// With the tables around it: `guard.start_grace`.
    name: String,
    span: Range<usize>,
}

impl Place<'_> {
    pub fn line(&self) -> usize {
        self.document.line(self.span.clone())
    }

    pub fn error(&self, message: impl Display) -> ConfigError {
        self.document.error(self.span.clone(), format!("`{}`: {message}", self.name))
    }
}

/// One value, and where it stands.
pub(super) struct Entry<'d> {
    place: Place<'d>,
    value: DeValue<'d>,
}

impl<'d> Entry<'d> {
    pub fn place(&self) -> Place<'d> {
        self.place.clone()
    }

    pub fn error(&self, message: impl Display) -> ConfigError {
        self.place.error(message)
    }

    fn expected(&self, what: &str) -> ConfigError {
        self.error(format!("expected {what}, found {}", found(&self.value)))
    }

    pub fn section(self) -> Result<Section<'d>, ConfigError> {
        let wrong = self.expected(&format!("a table [{}]", self.place.name));
        let DeValue::Table(left) = self.value else { return Err(wrong) };
        Ok(Section { document: self.place.document, name: self.place.name, left, valid: Vec::new() })
    }

    pub fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub fn flag(&self) -> Result<bool, ConfigError> {
        self.value.as_bool().ok_or_else(|| self.expected("true or false"))
    }

    pub fn text(&self) -> Result<&str, ConfigError> {
        self.value.as_str().ok_or_else(|| self.expected("a text in quotes"))
    }

    pub fn span(&self) -> Result<Span, ConfigError> {
        let text = self.value.as_str().ok_or_else(|| self.expected("a length of time such as \"30m\""))?;
        text.parse().map_err(|error| self.error(error))
    }

    /// A length of time that is not too short.
    pub fn span_from(&self, least: Span) -> Result<Span, ConfigError> {
        let span = self.span()?;
        let wrong = || self.expected(&format!("a length of time of {least} or more"));
        if span < least { Err(wrong()) } else { Ok(span) }
    }

    /// A length of time within these bounds.
    pub fn span_in(&self, bounds: RangeInclusive<Span>) -> Result<Span, ConfigError> {
        let span = self.span()?;
        let (least, most) = (bounds.start(), bounds.end());
        let wrong = || self.expected(&format!("a length of time from {least} to {most}"));
        if bounds.contains(&span) { Ok(span) } else { Err(wrong()) }
    }

    /// One of the modes that there are, by its word.
    pub fn mode<M: Copy, const N: usize>(
        &self,
        all: [M; N],
        word: fn(M) -> &'static str,
    ) -> Result<M, ConfigError> {
        let text = self.text()?;
        all.into_iter()
            .find(|mode| word(*mode) == text)
            .ok_or_else(|| self.error(format!("{text:?} is no mode; valid are {}", choices(all.map(word)))))
    }

    pub fn number(&self) -> Result<i64, ConfigError> {
        let number = self.whole().filter(|number| *number >= 0);
        number.ok_or_else(|| self.expected("a whole number that is not negative"))
    }

    /// A whole number within these bounds.
    pub fn number_in<N: TryFrom<i64>>(&self, bounds: RangeInclusive<i64>) -> Result<N, ConfigError> {
        let number = self.whole().filter(|number| bounds.contains(number));
        number.and_then(|number| N::try_from(number).ok()).ok_or_else(|| {
            self.expected(&format!("a whole number from {} to {}", bounds.start(), bounds.end()))
        })
    }

    fn whole(&self) -> Option<i64> {
        let number = self.value.as_integer()?;
        i64::from_str_radix(number.as_str(), number.radix()).ok()
    }

    /// Each text of a list, with its own place.
    pub fn texts(self) -> Result<Vec<Entry<'d>>, ConfigError> {
        let wrong = self.expected("a list of texts such as [\"a\", \"b\"]");
        let DeValue::Array(values) = self.value else { return Err(wrong) };
        let entries = values.into_iter().map(|value| Entry {
            place: Place { span: value.span(), ..self.place.clone() },
            value: value.into_inner(),
        });
        entries.map(|entry| entry.text().map(drop).map(|()| entry)).collect()
    }

    /// The value as it is, for a plugin to judge.
    pub fn raw(&self, name: String) -> Result<RawSetting, ConfigError> {
        let bad = || self.expected("a text, a number, true or false, or a list of texts");
        let mut lines = Vec::new();
        let value = match &self.value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Integer(number) => {
                Value::Number(i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| bad())?)
            }
            DeValue::Float(number) => Value::Real(number.as_str().parse().map_err(|_| bad())?),
            DeValue::Array(values) => {
                lines = values.iter().map(|value| self.place.document.line(value.span())).collect();
                let texts = values.iter().map(|value| value.get_ref().as_str().map(str::to_owned));
                Value::Texts(texts.collect::<Option<_>>().ok_or_else(bad)?)
            }
            DeValue::Datetime(_) | DeValue::Table(_) => return Err(bad()),
        };
        Ok(RawSetting { name, value, line: Some(self.place.line()), lines })
    }
}

/// What stands there, for a message.
fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {text:?}"),
        DeValue::Integer(number) => format!("the number {}", number.as_str()),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(flag) => format!("{flag}"),
        DeValue::Datetime(date) => format!("the date {date}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
