//! The operator's settings, and what may be known of the host's surroundings.

#[doc(inline)]
pub use crate::bindings::backend::reap::plugin::settings::{environment, user_id};

use crate::{Duration, Error, Fact, Value};

/// The settings that `configure` is given: the operator's, completed by the
/// fallbacks of the plugin's own description.
#[derive(Debug, Clone)]
pub struct Settings(Vec<Fact>);

impl Settings {
    /// Takes them as the host gives them.
    pub fn new(settings: Vec<Fact>) -> Self {
        Self(settings)
    }

    /// A setting of the kind `text`.
    pub fn text(&self, name: &str) -> Result<&str, Error> {
        match self.value(name)? {
            Value::Text(text) => Ok(text),
            other => Err(wrong_kind(name, "a text", other)),
        }
    }

    /// A setting of the kind `number`.
    pub fn number(&self, name: &str) -> Result<i64, Error> {
        match self.value(name)? {
            Value::Number(number) => Ok(*number),
            other => Err(wrong_kind(name, "a whole number", other)),
        }
    }

    /// A setting of the kind `flag`.
    pub fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.value(name)? {
            Value::Flag(flag) => Ok(*flag),
            other => Err(wrong_kind(name, "true or false", other)),
        }
    }

    /// A setting of the kind `span`, in milliseconds.
    pub fn span(&self, name: &str) -> Result<Duration, Error> {
        match self.value(name)? {
            Value::Span(span) => Ok(*span),
            other => Err(wrong_kind(name, "a length of time such as \"30m\"", other)),
        }
    }

    /// A setting of the kind `texts`.
    pub fn texts(&self, name: &str) -> Result<&[String], Error> {
        match self.value(name)? {
            Value::Texts(texts) => Ok(texts),
            other => Err(wrong_kind(name, "a list of texts", other)),
        }
    }

    fn value(&self, name: &str) -> Result<&Value, Error> {
        let found = self.0.iter().find(|setting| setting.name == name);
        found.map(|setting| &setting.value).ok_or_else(|| {
            // The host fills in every fallback, so this is a slip in the plugin.
            Error::Invalid(format!("the setting {name} was not passed; does `describe` name it?"))
        })
    }
}

fn wrong_kind(name: &str, expected: &str, found: &Value) -> Error {
    Error::Invalid(format!("the setting {name} must be {expected}, not {}", found.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact;

    #[test]
    fn gives_what_is_there_and_says_what_is_wrong() {
        let settings = Settings::new(vec![
            fact("after", Value::Span(600_000)),
            fact("sockets", vec!["/run/a".to_owned()]),
            fact("name", "x"),
            fact("on", true),
            fact("most", 3_i64),
        ]);
        assert_eq!(settings.span("after"), Ok(600_000));
        assert_eq!(settings.texts("sockets"), Ok(&["/run/a".to_owned()][..]));
        assert_eq!(settings.text("name"), Ok("x"));
        assert_eq!(settings.flag("on"), Ok(true));
        assert_eq!(settings.number("most"), Ok(3));
        let wrong = settings.span("name").expect_err("a text is no span").reason();
        assert_eq!(wrong, "the setting name must be a length of time such as \"30m\", not a text");
        let missing = settings.flag("of").expect_err("it is not there").reason();
        assert_eq!(missing, "the setting of was not passed; does `describe` name it?");
    }
}
