//! Asking, and asking again what the gateway was too busy for.
//!
//! A busy gateway refuses with UNAVAILABLE, at times without the word that one may try
//! again; so each UNAVAILABLE is tried again, a few times, and never for long.

use reap_plugin::{Duration, Error};
use serde_json::Value;

/// Questions that are under way at once. A gateway refuses what is too much: of 300 at
/// once it refused 30.
const AT_ONCE: usize = 100;
/// How often something is asked.
const TRIES: u32 = 6;
/// The first pause; each further one is twice as long.
const PAUSE: Duration = 100;
/// No pause is longer. A gateway that wants more has to be asked another time.
const LONGEST_PAUSE: Duration = 2_000;

/// One question.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Its method.
    pub method: &'static str,
    /// Its parameters.
    pub params: Value,
}

/// What the gateway said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It answered.
    Done(String),
    /// It refused.
    Refused(Refusal),
}

/// Why it refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    /// The protocol's code.
    pub code: String,
    /// In words.
    pub message: String,
    /// The code or the reason in its details.
    pub detail: String,
    /// After which time it may be tried again, where it says so.
    pub after: Option<Duration>,
}

impl Refusal {
    /// Reads the protocol's error.
    pub fn read(error: &str) -> Self {
        let error: Value = serde_json::from_str(error).unwrap_or_default();
        let text = |pointer: &str| error.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Self {
            code: text("/code").unwrap_or_default(),
            message: text("/message").unwrap_or_default(),
            detail: text("/details/code").or_else(|| text("/details/reason")).unwrap_or_default(),
            after: error.get("retryAfterMs").and_then(Value::as_u64),
        }
    }

    /// Whether another time may be better.
    pub fn is_busy(&self) -> bool {
        self.code == "UNAVAILABLE"
    }

    /// In words.
    pub fn words(&self) -> String {
        match (self.message.is_empty(), self.code.is_empty()) {
            (false, _) => self.message.clone(),
            (true, false) => self.code.clone(),
            (true, true) => "it gives no reason".to_owned(),
        }
    }

    /// As an error of the plugin.
    pub fn error(&self) -> Error {
        if self.is_busy() { Error::Unavailable(self.words()) } else { Error::Failed(self.words()) }
    }
}

/// What answers questions: a line, or what stands in for one in tests.
pub trait Wire {
    /// Asks all of these at once. One answer each, in their order.
    fn ask(&self, questions: &[Question]) -> Vec<Result<Said, Error>>;

    /// Waits.
    fn wait(&self, time: Duration);

    /// Whether there is no time left to ask.
    fn is_late(&self) -> bool;
}

/// Asks all of these, and once more those that the gateway was too busy for. One payload
/// each, in their order.
pub fn ask(wire: &dyn Wire, questions: &[Question]) -> Vec<Result<Value, Error>> {
    questions.chunks(AT_ONCE).flat_map(|chunk| ask_chunk(wire, chunk)).collect()
}

/// Asks one thing.
pub fn ask_one(wire: &dyn Wire, method: &'static str, params: Value) -> Result<Value, Error> {
    let mut answers = ask(wire, &[Question { method, params }]);
    answers.pop().unwrap_or_else(|| Err(Error::Failed("there was no answer".to_owned())))
}

fn ask_chunk(wire: &dyn Wire, questions: &[Question]) -> Vec<Result<Value, Error>> {
    if wire.is_late() {
        // Half a listing says more than a call that the host gives up.
        let late = || Err(Error::TimedOut("there was no time left to ask".to_owned()));
        return questions.iter().map(|_| late()).collect();
    }
    let mut answers: Vec<Option<Result<Value, Error>>> = vec![None; questions.len()];
    for attempt in 1..=TRIES {
        let open: Vec<usize> = (0..questions.len()).filter(|place| answers[*place].is_none()).collect();
        let asked: Vec<Question> = open.iter().map(|place| questions[*place].clone()).collect();
        let mut pause = None;
        for (place, said) in open.into_iter().zip(wire.ask(&asked)) {
            match said {
                Ok(Said::Refused(refusal)) if may_try_again(&refusal, attempt) => {
                    let wanted = refusal.after.unwrap_or(PAUSE << (attempt - 1));
                    pause = pause.max(Some(wanted.min(LONGEST_PAUSE)));
                }
                said => answers[place] = Some(said.and_then(payload)),
            }
        }
        let Some(pause) = pause else { break };
        wire.wait(pause);
    }
    let lost = || Err(Error::Failed("there was no answer".to_owned()));
    answers.into_iter().map(|answer| answer.unwrap_or_else(lost)).collect()
}

fn may_try_again(refusal: &Refusal, attempt: u32) -> bool {
    refusal.is_busy() && attempt < TRIES && refusal.after.is_none_or(|after| after <= LONGEST_PAUSE)
}

fn payload(said: Said) -> Result<Value, Error> {
    match said {
        Said::Done(payload) => serde_json::from_str(&payload)
            .map_err(|error| Error::Failed(format!("the answer is no JSON: {error}"))),
        Said::Refused(refusal) => Err(refusal.error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Script, busy, done};
    use serde_json::json;

    fn question(n: usize) -> Question {
        Question { method: "sessions.describe", params: json!({"key": n.to_string()}) }
    }

    #[test]
    fn what_was_too_busy_is_asked_again_and_nothing_else() {
        let script = Script::default();
        script.say("0", vec![done("1")]);
        script.say("1", vec![busy(None), busy(Some(7)), done("2")]);
        let answers = ask(&script, &[question(0), question(1)]);
        assert_eq!(answers, [Ok(json!(1)), Ok(json!(2))]);
        assert_eq!(script.asked(), 4);
        assert_eq!(script.waited(), [100, 7]);
    }

    #[test]
    fn patience_ends() {
        let script = Script::default();
        script.say("0", vec![busy(None); 20]);
        script.say("1", vec![busy(Some(49_000))]);
        let answers = ask(&script, &[question(0), question(1)]);
        assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Unavailable(_)))), "{answers:?}");
        assert_eq!(script.waited(), [100, 200, 400, 800, 1600]);
        assert_eq!(script.asked(), 7, "one that wants a minute is not asked again");
    }

    #[test]
    fn nothing_is_asked_too_late() {
        let script = Script::default();
        script.be_late_after(1);
        (0..150).for_each(|n| script.say(&n.to_string(), vec![done("1")]));
        let answers = ask(&script, &(0..150).map(question).collect::<Vec<_>>());
        assert_eq!(script.rounds(), [100]);
        assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(Error::TimedOut(_)))).count(), 50);
    }

    #[test]
    fn many_are_asked_in_parts() {
        let script = Script::default();
        let all: Vec<Question> = (0..250).map(question).collect();
        (0..250).for_each(|n| script.say(&n.to_string(), vec![done(&n.to_string())]));
        let answers = ask(&script, &all);
        assert_eq!(script.rounds(), [100, 100, 50]);
        assert!(answers.iter().enumerate().all(|(n, answer)| *answer == Ok(json!(n))));
    }

    #[test]
    fn refusals_read_well() {
        let refusal = Refusal::read(
            r#"{"code":"INVALID_REQUEST","message":"no","details":{"reason":"session-changed"}}"#,
        );
        assert_eq!((refusal.detail.as_str(), refusal.words().as_str()), ("session-changed", "no"));
        assert_eq!(Refusal::read("x").words(), "it gives no reason");
        assert_eq!(Refusal::read(r#"{"code":"X"}"#).words(), "X");
    }
}
