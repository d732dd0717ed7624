//! What the tests of this crate stand on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use reap_plugin::{Duration, Error};
use serde_json::Value;

use crate::patience::{Question, Refusal, Said, Wire};

/// A gateway that says what it was told to say.
#[derive(Default)]
pub struct Script {
    lines: RefCell<BTreeMap<String, Vec<Said>>>,
    rounds: RefCell<Vec<usize>>,
    waits: RefCell<Vec<Duration>>,
    rounds_in_time: Cell<Option<usize>>,
}

impl Script {
    /// What it answers to the question about this key, or of this method; one after the
    /// other, and the last for ever.
    pub fn say(&self, to: &str, mut answers: Vec<Said>) {
        answers.reverse();
        self.lines.borrow_mut().insert(to.to_owned(), answers);
    }

    /// After so many rounds there is no time left.
    pub fn be_late_after(&self, rounds: usize) {
        self.rounds_in_time.set(Some(rounds));
    }

    pub fn asked(&self) -> usize {
        self.rounds.borrow().iter().sum()
    }

    pub fn rounds(&self) -> Vec<usize> {
        self.rounds.borrow().clone()
    }

    pub fn waited(&self) -> Vec<Duration> {
        self.waits.borrow().clone()
    }

    fn answer(&self, question: &Question) -> Result<Said, Error> {
        let key = ["key", "sessionKey"].iter().find_map(|name| question.params.get(name)?.as_str());
        let names = [
            key.map(|key| format!("{} {key}", question.method)),
            key.map(str::to_owned),
            Some(question.method.to_owned()),
        ];
        let mut lines = self.lines.borrow_mut();
        let name = names.into_iter().flatten().find(|name| lines.contains_key(name));
        let answers = name.and_then(|name| lines.get_mut(&name));
        let said = answers
            .and_then(|answers| if answers.len() > 1 { answers.pop() } else { answers.last().cloned() });
        said.ok_or_else(|| Error::Unavailable(format!("{} is not in the script", question.method)))
    }
}

impl Wire for Script {
    fn ask(&self, questions: &[Question]) -> Vec<Result<Said, Error>> {
        self.rounds.borrow_mut().push(questions.len());
        questions.iter().map(|question| self.answer(question)).collect()
    }

    fn wait(&self, time: Duration) {
        self.waits.borrow_mut().push(time);
    }

    fn is_late(&self) -> bool {
        self.rounds_in_time.get().is_some_and(|most| self.rounds.borrow().len() >= most)
    }
}

/// An answer.
pub fn done(payload: &str) -> Said {
    Said::Done(payload.to_owned())
}

/// An answer.
pub fn gives(payload: &Value) -> Said {
    Said::Done(payload.to_string())
}

/// Too busy, with the time after which to try again.
pub fn busy(after: Option<Duration>) -> Said {
    Said::Refused(Refusal { code: "UNAVAILABLE".to_owned(), after, ..Refusal::default() })
}

/// Another refusal.
pub fn refused(message: &str) -> Said {
    Said::Refused(Refusal {
        code: "INVALID_REQUEST".to_owned(),
        message: message.to_owned(),
        ..Refusal::default()
    })
}
