//! Answers in JSON, read with errors that show the whole answer.

use std::fmt;

use serde_json::Value;

use super::process::Process;

/// A JSON value, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Json(Value);

impl Json {
    pub fn new(value: Value) -> Self {
        Self(value)
    }

    /// The part at a pointer such as `/items/0/title`.
    #[track_caller]
    pub fn at(&self, pointer: &str) -> Self {
        match self.0.pointer(pointer) {
            Some(part) => Self(part.clone()),
            None => panic!("nothing at {pointer} in {self}"),
        }
    }

    /// The elements of a list.
    #[track_caller]
    pub fn list(&self) -> Vec<Self> {
        match &self.0 {
            Value::Array(parts) => parts.iter().cloned().map(Self).collect(),
            _ => panic!("no list: {self}"),
        }
    }

    /// The names of the fields, in alphabetical order.
    #[track_caller]
    pub fn fields(&self) -> Vec<&str> {
        match &self.0 {
            Value::Object(fields) => fields.keys().map(String::as_str).collect(),
            _ => panic!("no object: {self}"),
        }
    }

    #[track_caller]
    pub fn text(&self) -> &str {
        self.0.as_str().unwrap_or_else(|| panic!("no text: {self}"))
    }

    #[track_caller]
    pub fn number(&self) -> u64 {
        self.0.as_u64().unwrap_or_else(|| panic!("no number: {self}"))
    }

    #[track_caller]
    pub fn flag(&self) -> bool {
        self.0.as_bool().unwrap_or_else(|| panic!("neither true nor false: {self}"))
    }

    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// This field of each element of a list, in alphabetical order.
    #[track_caller]
    pub fn each(&self, pointer: &str) -> Vec<String> {
        let mut all: Vec<String> = self.list().iter().map(|one| one.at(pointer).text().to_owned()).collect();
        all.sort();
        all
    }

    /// The one element of a list whose field holds this text.
    #[track_caller]
    pub fn find(&self, pointer: &str, text: &str) -> Self {
        let mut found = self.list().into_iter().filter(|one| one.at(pointer).text() == text);
        match (found.next(), found.next()) {
            (Some(one), None) => one,
            (None, _) => panic!("nothing with {pointer} = {text:?} in {self}"),
            (Some(_), Some(_)) => panic!("more than one with {pointer} = {text:?} in {self}"),
        }
    }

    /// A list of processes.
    #[track_caller]
    pub fn processes(&self) -> Vec<Process> {
        let one = |json: &Self| Process {
            pid: u32::try_from(json.at("/pid").number()).expect("a pid"),
            started: json.at("/started").number(),
        };
        self.list().iter().map(one).collect()
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}
