//! Facts: named values, made and read with little ceremony.

use crate::{Fact, Session, Value};

/// A named value.
pub fn fact(name: &str, value: impl Into<Value>) -> Fact {
    Fact { name: name.to_owned(), value: value.into() }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<Vec<String>> for Value {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(texts)
    }
}

impl Value {
    /// What kind of value it is, in a word for error messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number(_) => "a whole number",
            Self::Real(_) => "a number with a fraction",
            Self::Flag(_) => "a flag",
            Self::Time(_) => "a moment",
            Self::Span(_) => "a length of time",
            Self::Texts(_) => "a list of texts",
        }
    }
}

impl Session {
    /// What the fact of that name says.
    pub fn fact(&self, name: &str) -> Option<&Value> {
        self.extra.iter().find(|fact| fact.name == name).map(|fact| &fact.value)
    }

    /// What the fact says, where there is one and it is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.fact(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// What the fact says, where there is one and it is a whole number.
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.fact(name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// What the fact says, where there is one and it is a flag.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.fact(name) {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }
}
