//! What came of an end, judged from what the gateway said.

use reap_plugin::{Error, Session, Verdict};
use serde_json::Value;

use crate::facts;
use crate::key;
use crate::patience::{Refusal, Said};
use crate::scan::Scene;

/// Why a session is not ended after all, where that is so. The look is the last one before
/// the act: who archives a session ends its run too, and no gateway takes "only if it is
/// idle".
pub fn objection(session: &Session, scene: &Scene, lifts: bool) -> Option<Verdict> {
    if let Some(task) = key::task(&session.key) {
        return objection_to_task(task, session, scene);
    }
    let skipped = |why: &str| Some(Verdict::Skipped(why.to_owned()));
    let Some(seen) = scene.rows.iter().find(|seen| seen.row.key == session.key) else {
        return match scene.ended.get(&session.key).copied() {
            Some("archived") => skipped("somebody has archived it"),
            Some(_) => skipped("it has ended by itself"),
            None => Some(Verdict::Failed(unseen(scene))),
        };
    };
    if seen.row.session_id.as_deref() != Some(session.incarnation.as_str()) {
        return skipped("its key is another session by now");
    }
    match seen.live {
        Some(false) => None,
        Some(true) if lifts => None,
        Some(true) => skipped("a run is under way in it"),
        None => {
            let why = "whether a run is under way in it could not be found out".to_owned();
            Some(Verdict::Failed(Error::Unavailable(why)))
        }
    }
}

fn objection_to_task(task: &str, session: &Session, scene: &Scene) -> Option<Verdict> {
    let skipped = |why: &str| Some(Verdict::Skipped(why.to_owned()));
    let of = session.text(facts::OF_SESSION).unwrap_or_default();
    match scene.tasks.iter().find(|one| one.id == task) {
        Some(one) if !one.is_live_command() => skipped("it has ended by itself"),
        Some(_) if scene.ended.contains_key(of) => None,
        Some(_) if scene.rows.iter().any(|seen| seen.row.key == of) => skipped("its session is back"),
        None if scene.gaps.is_empty() => skipped("it has ended by itself"),
        Some(_) | None => Some(Verdict::Failed(unseen(scene))),
    }
}

fn unseen(scene: &Scene) -> Error {
    let why = scene.gaps.first().map_or("the gateway said nothing of it", String::as_str);
    Error::Unavailable(format!("it could not be looked at: {why}"))
}

/// What an act was answered with.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It was done.
    Done,
    /// The gateway has no time for it now.
    Busy(String),
    /// It was not done, and will not be.
    Not(Verdict),
}

/// The answer to an archiving: of one session, or the element about it.
pub fn archived(said: Result<Said, Error>) -> Answer {
    match read(said) {
        Err(answer) => answer,
        Ok(payload) if payload.get("ok") == Some(&Value::Bool(true)) => Answer::Done,
        Ok(payload) => {
            let error = payload.get("error").map(Value::to_string).unwrap_or_default();
            refused(&Refusal::read(&error))
        }
    }
}

/// The answer to a deletion.
pub fn deleted(said: Result<Said, Error>) -> Answer {
    // One that is gone already is as good as deleted.
    read(said).map_or_else(|answer| answer, |_| Answer::Done)
}

/// The answer to the cancelling of a session's commands: how many were, or why one
/// was not.
pub fn cancelled(said: Result<Said, Error>) -> Result<usize, Answer> {
    let payload = read(said)?;
    let answers = payload.as_array().cloned().unwrap_or_default();
    let is = |answer: &Value, name: &str| answer.get(name) == Some(&Value::Bool(true));
    let runs = |answer: &Value| answer.pointer("/task/status").and_then(Value::as_str) == Some("running");
    if let Some(alive) = answers.iter().find(|answer| !is(answer, "cancelled") && runs(answer)) {
        let why = alive.get("reason").and_then(Value::as_str).unwrap_or("the gateway gives no reason");
        let title = alive.pointer("/task/title").and_then(Value::as_str).unwrap_or("a command");
        let why = format!("{title:?}, which it runs in the background, could not be cancelled: {why}");
        return Err(Answer::Not(Verdict::Failed(Error::Failed(why))));
    }
    Ok(answers.iter().filter(|answer| is(answer, "cancelled")).count())
}

fn read(said: Result<Said, Error>) -> Result<Value, Answer> {
    match said {
        Ok(Said::Done(payload)) => serde_json::from_str(&payload).map_err(|error| {
            Answer::Not(Verdict::Failed(Error::Failed(format!("the answer is no JSON: {error}"))))
        }),
        Ok(Said::Refused(refusal)) => Err(refused(&refusal)),
        Err(error) => Err(Answer::Not(Verdict::Failed(error))),
    }
}

fn refused(refusal: &Refusal) -> Answer {
    if refusal.is_busy() {
        Answer::Busy(refusal.words())
    } else if refusal.detail == "session-changed" {
        Answer::Not(Verdict::Skipped("its key is another session by now".to_owned()))
    } else {
        Answer::Not(Verdict::Failed(Error::Failed(format!("the gateway refused: {}", refusal.words()))))
    }
}

/// Whether it is gone, by a look at its key afterwards. Keys that were deleted have come
/// back.
pub fn aftermath(session: &Session, scene: &Scene) -> Option<Verdict> {
    if scene.ended.contains_key(&session.key) {
        return None;
    }
    match scene.rows.iter().find(|seen| seen.row.key == session.key) {
        // Whatever has its key now is not what was ended.
        Some(seen) if seen.row.session_id.as_deref() != Some(session.incarnation.as_str()) => None,
        Some(_) => {
            Some(Verdict::Failed(Error::Failed("the gateway said that it ended, and it is back".to_owned())))
        }
        None => Some(Verdict::Failed(unseen(scene))),
    }
}

#[cfg(test)]
mod tests {
    use reap_plugin::{fact, sample};
    use serde_json::json;

    use super::*;
    use crate::row::Row;
    use crate::scan::Seen;
    use crate::tasks::Task;
    use crate::testing::{busy, done, gives, refused as refuses};

    fn session() -> Session {
        Session { incarnation: "s1".to_owned(), ..sample::session("agent:main:hook:x") }
    }

    fn scene(id: &str, live: Option<bool>) -> Scene {
        let row = Row::read(json!({"key": "agent:main:hook:x", "sessionId": id})).expect("it is right");
        Scene { rows: vec![Seen { row, live }], ..Scene::default() }
    }

    fn words(verdict: Option<Verdict>) -> String {
        match verdict {
            None => "go".to_owned(),
            Some(Verdict::Ended) => "ended".to_owned(),
            Some(Verdict::Skipped(why)) => format!("skipped: {why}"),
            Some(Verdict::Failed(error)) => format!("failed: {}", error.reason()),
        }
    }

    #[test]
    fn the_last_look() {
        let why = |scene: &Scene, lifts| words(objection(&session(), scene, lifts));
        assert_eq!(why(&scene("s1", Some(false)), false), "go");
        assert_eq!(why(&scene("s1", Some(true)), false), "skipped: a run is under way in it");
        assert_eq!(why(&scene("s1", Some(true)), true), "go");
        assert_eq!(why(&scene("s2", Some(false)), true), "skipped: its key is another session by now");
        assert!(why(&scene("s1", None), true).starts_with("failed: whether a run is under way"));
        let ended =
            |state| Scene { ended: [("agent:main:hook:x".to_owned(), state)].into(), ..Scene::default() };
        assert_eq!(why(&ended("gone"), false), "skipped: it has ended by itself");
        assert_eq!(why(&ended("archived"), false), "skipped: somebody has archived it");
        let blind = Scene { gaps: vec!["no".to_owned()], ..Scene::default() };
        assert_eq!(why(&blind, false), "failed: it could not be looked at: no");
    }

    #[test]
    fn the_last_look_at_a_command() {
        let stray = Session {
            extra: vec![fact(facts::OF_SESSION, "agent:main:hook:x")],
            ..sample::session("task:t")
        };
        let task = |state: &str| {
            let task = json!({"id": "t", "kind": "exec", "status": "running", "execution": {"state": state}});
            Task::read(task).expect("it is right")
        };
        let ended = |task: Option<Task>| Scene {
            ended: [("agent:main:hook:x".to_owned(), "gone")].into(),
            tasks: task.into_iter().collect(),
            ..Scene::default()
        };
        let why = |scene: &Scene| words(objection(&stray, scene, false));
        assert_eq!(why(&ended(Some(task("running")))), "go");
        assert_eq!(why(&ended(Some(task("unknown")))), "skipped: it has ended by itself");
        assert_eq!(why(&ended(None)), "skipped: it has ended by itself");
        let back = Scene { tasks: vec![task("running")], ..scene("s1", Some(false)) };
        assert_eq!(why(&back), "skipped: its session is back");
        let blind = Scene { gaps: vec!["no".to_owned()], ..Scene::default() };
        assert!(why(&blind).starts_with("failed"));
    }

    #[test]
    fn what_the_gateway_said() {
        let not = |answer: Answer| match answer {
            Answer::Not(verdict) => words(Some(verdict)),
            other => format!("{other:?}"),
        };
        assert_eq!(archived(Ok(done(r#"{"ok":true}"#))), Answer::Done);
        let changed = json!({"ok": false, "error": {"code": "INVALID_REQUEST", "details": {"reason": "session-changed"}}});
        assert_eq!(not(archived(Ok(gives(&changed)))), "skipped: its key is another session by now");
        let other = json!({"ok": false, "error": {"code": "INVALID_REQUEST", "message": "never"}});
        assert_eq!(not(archived(Ok(gives(&other)))), "failed: the gateway refused: never");
        let storm = json!({"ok": false, "error": {"code": "UNAVAILABLE", "message": "later"}});
        assert_eq!(archived(Ok(gives(&storm))), Answer::Busy("later".to_owned()));
        assert!(matches!(archived(Ok(busy(None))), Answer::Busy(_)));
        assert_eq!(not(archived(Ok(done("{}")))), "failed: the gateway refused: it gives no reason");
        assert_eq!(not(archived(Ok(done("[")))).split(':').next(), Some("failed"));
        assert_eq!(not(archived(Err(Error::TimedOut("late".to_owned())))), "failed: late");
        assert_eq!(deleted(Ok(done(r#"{"ok":true,"deleted":false}"#))), Answer::Done);
        assert_eq!(not(deleted(Ok(refuses("not archived")))), "failed: the gateway refused: not archived");
    }

    #[test]
    fn commands_that_were_cancelled() {
        let all = |answers: Value| cancelled(Ok(gives(&answers)));
        let live = json!({"cancelled": false, "reason": "no handle", "task": {"status": "running", "title": "sleep"}});
        let over = json!({"cancelled": false, "task": {"status": "completed"}});
        assert_eq!(all(json!([])), Ok(0));
        assert_eq!(all(json!([{"cancelled": true}, over, {"found": false}])), Ok(1));
        let Err(Answer::Not(why)) = all(json!([{"cancelled": true}, live])) else { panic!("one lives") };
        assert!(
            words(Some(why))
                .contains("\"sleep\", which it runs in the background, could not be cancelled: no handle")
        );
    }

    #[test]
    fn keys_come_back() {
        let after = |scene: &Scene| words(aftermath(&session(), scene));
        let ended = Scene { ended: [("agent:main:hook:x".to_owned(), "gone")].into(), ..Scene::default() };
        assert_eq!(after(&ended), "go");
        assert_eq!(after(&scene("s2", Some(true))), "go");
        assert_eq!(
            after(&scene("s1", Some(false))),
            "failed: the gateway said that it ended, and it is back"
        );
        assert!(after(&Scene::default()).starts_with("failed: it could not be looked at"));
    }
}
