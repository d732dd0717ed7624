//! Messages that end sessions: filled from permits, sent over the line to where the
//! sessions live, and each of a permit's uses remembered.

use std::collections::HashMap;
use std::sync::Arc;

use reap_core::permit::Permit;
use reap_core::session::Value;
use wasmtime::component::Resource;

use super::fill::{FromPermits, Unfilled};
use super::frame::{Reply, begin_request, elements};
use super::grant::EndingMessage;
use super::line::{Answer, Failure};
use super::secrets::Wiped;
use super::{Connection, Outcome};
use crate::bindings::types;
use crate::capabilities::ending::PermitHandle;
use crate::capabilities::{deny, in_manifest};
use crate::manifest::Lift;
use crate::state::State;

/// Acts that are under way at once. A gateway carries them out one after the other, so
/// that more would only wait there.
const AT_ONCE: usize = 8;

/// How often an act that is refused may be tried.
const TRIES: u8 = 10;

/// Messages for one session, one for each of its items. The items are the plugin's
/// word, and more than this is no session's.
const ITEMS: usize = 100;

/// What was done with a permit, by the name of the message.
#[derive(Debug, Default)]
pub(crate) struct Said(HashMap<String, Use>);

#[derive(Debug, Default, Clone, Copy)]
struct Use {
    tries: u8,
    /// It was done, or may have been.
    spent: bool,
}

/// What the plugin asked for.
#[derive(Clone, Copy)]
struct Act<'a> {
    line: &'a Resource<Connection>,
    permits: &'a [Resource<PermitHandle>],
    name: &'a str,
    message: &'a EndingMessage,
}

/// One message about some of the permits, or one for each item of a permit.
struct Part {
    /// Which permits, by their places in the call.
    places: Vec<usize>,
    texts: Vec<(u64, Wiped)>,
}

impl State {
    /// Sends the ending message for each permit, or for many at once.
    pub(super) async fn end_sessions(
        &mut self,
        line: &Resource<Connection>,
        permits: &[Resource<PermitHandle>],
        name: &str,
        timeout: u64,
    ) -> wasmtime::Result<Vec<Outcome>> {
        let shared = Arc::clone(&self.shared);
        let Some(message) = shared.grants.websocket.as_ref().and_then(|grant| grant.endings.get(name)) else {
            let mend = in_manifest(self, &format!("[asks.ending.messages.{name}] with `method = ...`"));
            let denied = deny(self, "ending", format!("the ending message {name:?}"), mend);
            return Ok(permits.iter().map(|_| Err(denied.clone())).collect());
        };
        let act = Act { line, permits, name, message };
        let mut outcomes: Vec<Option<Outcome>> = Vec::new();
        let mut usable = Vec::new();
        for (place, permit) in permits.iter().enumerate() {
            let taken = self.take_for_message(act, permit)?;
            if taken.is_ok() {
                usable.push(place);
            }
            outcomes.push(taken.err().map(Err));
        }
        let together = message.many.as_ref().map_or(1, |many| many.most);
        let mut parts = Vec::new();
        for places in usable.chunks(together) {
            match self.part(act, places)? {
                Ok(part) => parts.push(part),
                Err(error) => {
                    for place in places {
                        self.give_back(act, *place)?;
                        outcomes[*place] = Some(Err(error.clone()));
                    }
                }
            }
        }
        let counts: Vec<usize> = parts.iter().map(|part| part.texts.len()).collect();
        let texts = parts.iter_mut().flat_map(|part| part.texts.drain(..)).collect();
        let mut answers = self.exchange(line, texts, AT_ONCE, timeout).await?.into_iter();
        for (part, count) in parts.iter().zip(counts) {
            let answers: Vec<Answer> = answers.by_ref().take(count).collect();
            self.settle(act, &part.places, answers, count, &mut outcomes)?;
        }
        let lost = || Err(types::Error::Failed("there is no answer about it".to_owned()));
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(lost)).collect())
    }

    /// Uses a permit for a message, if it is one for it.
    fn take_for_message(
        &mut self,
        act: Act<'_>,
        permit: &Resource<PermitHandle>,
    ) -> wasmtime::Result<Result<(), types::Error>> {
        let (name, address) = (act.name, self.resources.get(act.line)?.address.text.clone());
        let slot = self.slot(permit)?;
        let instance = slot.permit.address().instance.as_str();
        if instance != address {
            let asked = format!("the ending message {name:?} at {address}, for a session at {instance:?}");
            let mend = "nothing allows it: a session is ended where it lives".to_owned();
            return Ok(Err(deny(self, "ending", asked, mend)));
        }
        if act.message.lifts == Some(Lift::Attached) && !slot.permit.lifts().attached {
            let mend = "the operator's --force lifts it".to_owned();
            let asked = format!("the ending message {name:?}, with a permit that does not lift `attached`");
            return Ok(Err(deny(self, "ending", asked, mend)));
        }
        let used = slot.said.0.entry(name.to_owned()).or_default();
        if used.spent || used.tries >= TRIES {
            return Ok(Err(self.used(name)));
        }
        // Until an answer says that nothing was done.
        *used = Use { tries: used.tries + 1, spent: true };
        Ok(Ok(()))
    }

    /// Lets a permit be used again: nothing was done with it.
    fn give_back(&mut self, act: Act<'_>, place: usize) -> wasmtime::Result<()> {
        if let Some(used) = self.slot(&act.permits[place])?.said.0.get_mut(act.name) {
            used.spent = false;
        }
        Ok(())
    }

    /// The texts for these permits.
    fn part(&mut self, act: Act<'_>, places: &[usize]) -> wasmtime::Result<Result<Part, types::Error>> {
        let items = self.items(act, places[0])?;
        if items.len() > ITEMS {
            let why =
                format!("the message {:?} for {} items; at most {ITEMS} are sent", act.name, items.len());
            return Ok(Err(types::Error::Limited(why)));
        }
        let mut texts = Vec::new();
        for item in items {
            if let Err(error) = self.take_messages(1) {
                return Ok(Err(error));
            }
            let id = match self.resources.get(act.line)?.line() {
                Ok(wire) => wire.number(),
                Err(error) => return Ok(Err(error)),
            };
            match self.text(act, places, id, item.as_deref())? {
                Ok(text) => texts.push((id, text)),
                Err(unfilled) => return Ok(Err(self.unfilled(act.name, unfilled))),
            }
        }
        Ok(Ok(Part { places: places.to_vec(), texts }))
    }

    /// What the message is repeated for: once for nothing in particular, or for each
    /// text of the fact.
    fn items(&mut self, act: Act<'_>, place: usize) -> wasmtime::Result<Vec<Option<String>>> {
        let Some(fact) = &act.message.each else { return Ok(vec![None]) };
        Ok(match self.slot(&act.permits[place])?.permit.session().fact(fact) {
            Some(Value::Texts(texts)) => texts.iter().cloned().map(Some).collect(),
            Some(Value::Text(text)) => vec![Some(text.clone())],
            _ => Vec::new(),
        })
    }

    fn text(
        &self,
        act: Act<'_>,
        places: &[usize],
        id: u64,
        item: Option<&str>,
    ) -> wasmtime::Result<Result<Wiped, Unfilled>> {
        let permits: Vec<&Permit> =
            places.iter().map(|place| self.permit(&act.permits[*place])).collect::<Result<_, _>>()?;
        let text = begin_request(id, &act.message.method);
        let mut filler = FromPermits { text, shared: &self.shared, permits, item };
        let filled = act.message.form.fill(&mut filler, places.len());
        let mut text = filler.text;
        text.push("}");
        Ok(filled.map(|()| text))
    }

    /// Gives each permit of a part its answer.
    fn settle(
        &mut self,
        act: Act<'_>,
        places: &[usize],
        answers: Vec<Answer>,
        count: usize,
        outcomes: &mut [Option<Outcome>],
    ) -> wasmtime::Result<()> {
        let untouched = answers.iter().all(did_nothing);
        let replies = answers.into_iter().map(|answer| answer.reply);
        let reply = if act.message.each.is_some() { one_of_each(replies, count) } else { last(replies) };
        // Of no items at all everything is done.
        if untouched && !matches!(reply, Ok(Reply::Done(_))) {
            for place in places {
                self.give_back(act, *place)?;
            }
        }
        let each: Vec<Result<Reply, Failure>> = match (&act.message.many, reply) {
            (Some(many), Ok(Reply::Done(payload))) => match elements(&payload, &many.answers, places.len()) {
                Ok(elements) => elements.into_iter().map(|one| Ok(Reply::Done(one))).collect(),
                Err(why) => {
                    let why = format!("the answer to {} makes no sense: {why}", act.message.method);
                    vec![Err(Failure::Nonsense(why)); places.len()]
                }
            },
            (_, reply) => vec![reply; places.len()],
        };
        for (place, reply) in places.iter().zip(each) {
            outcomes[*place] = Some(self.outcome(reply));
        }
        Ok(())
    }
}

/// Whether it is certain that a message did nothing.
fn did_nothing(answer: &Answer) -> bool {
    match &answer.reply {
        Ok(Reply::Done(_)) => false,
        Ok(Reply::Refused(_)) => true,
        Err(_) => !answer.sent,
    }
}

fn last(replies: impl Iterator<Item = Result<Reply, Failure>>) -> Result<Reply, Failure> {
    replies.last().unwrap_or_else(|| Err(Failure::Unavailable("the line is gone".to_owned())))
}

/// The answers about all items of a session as one: all that was done, or the first
/// thing that went wrong.
fn one_of_each(
    replies: impl Iterator<Item = Result<Reply, Failure>>,
    count: usize,
) -> Result<Reply, Failure> {
    let mut done = Vec::new();
    for reply in replies {
        match reply? {
            Reply::Done(payload) => done.push(payload),
            refused @ Reply::Refused(_) => return Ok(refused),
        }
    }
    if done.len() < count {
        return Err(Failure::Unavailable("the line is gone".to_owned()));
    }
    Ok(Reply::Done(format!("[{}]", done.join(","))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_is_given_back_only_when_nothing_was_done() {
        let done = || Answer { sent: true, reply: Ok(Reply::Done("{}".to_owned())) };
        let refused = || Answer { sent: true, reply: Ok(Reply::Refused("{}".to_owned())) };
        let lost = |sent| Answer { sent, reply: Err(Failure::TimedOut("no answer".to_owned())) };
        for (answers, want) in [
            (vec![refused(), refused()], true),
            (vec![refused(), lost(false)], true),
            (vec![lost(false)], true),
            (vec![done(), refused()], false),
            (vec![refused(), done()], false),
            (vec![refused(), lost(true)], false),
            (vec![done(), lost(false)], false),
        ] {
            assert_eq!(answers.iter().all(did_nothing), want, "{answers:?}");
        }
    }
}
