use super::*;
use crate::patience::Said;
use crate::testing::{Script, busy, gives, refused};

const HELLO: &str = r#"{"features":{"methods":["tasks.list","sessions.describe"]}}"#;
const RUN: &str = "agent:main:cron:j:run:r";

fn script() -> Script {
    let script = Script::default();
    let main = json!({
        "key": "agent:main:main", "sessionId": "m", "hasActiveRun": false, "childSessions": ["agent:main:cron:j:run:c"],
    });
    script.say("sessions.list", vec![gives(&json!({"sessions": [main], "totalCount": 1, "hasMore": false}))]);
    script.say("cron.list", vec![gives(&json!({"jobs": [{"id": "j"}]}))]);
    script.say("tasks.list", vec![gives(&json!({"tasks": []}))]);
    let used = [RUN, "agent:main:main", "agent:main:deleted"].map(|key| json!({"key": key}));
    script.say("sessions.usage", vec![gives(&json!({"sessions": used}))]);
    describe(&script, RUN, json!({"sessionId": "r", "status": "timeout"}));
    describe(&script, "agent:main:cron:j:run:c", json!({"sessionId": "c", "archived": true}));
    script.say("sessions.describe agent:main:deleted", vec![gives(&json!({"session": null}))]);
    script
}

fn describe(script: &Script, key: &str, mut row: Value) {
    row["key"] = key.into();
    script.say(&format!("sessions.describe {key}"), vec![gives(&json!({"session": row}))]);
}

fn history(script: &Script, key: &str, id: &str, live: bool) {
    let info = json!({"key": key, "sessionId": id, "hasActiveRun": live});
    script.say(&format!("chat.history {key}"), vec![gives(&json!({"sessionInfo": info}))]);
}

fn look(script: &Script) -> Scene {
    let hello = Hello::read(HELLO, 0).expect("it is right");
    all(script, &hello, 5_000).expect("there is a list")
}

fn live(scene: &Scene, key: &str) -> Option<bool> {
    scene.rows.iter().find(|seen| seen.row.key == key).expect("it is there").live
}

#[test]
fn all_that_is_told_of_is_looked_at() {
    let scene = look(&script());
    let keys: Vec<&str> = scene.rows.iter().map(|seen| seen.row.key.as_str()).collect();
    assert_eq!(keys, ["agent:main:main", RUN]);
    assert_eq!(scene.gaps, Vec::<String>::new());
    assert_eq!((live(&scene, RUN), live(&scene, "agent:main:main")), (Some(false), Some(false)));
    assert_eq!(scene.ended.get("agent:main:cron:j:run:c"), Some(&"archived"));
    assert_eq!(scene.ended.get("agent:main:deleted"), Some(&"gone"));
    assert_eq!(scene.jobs, Some(BTreeSet::from(["j".to_owned()])));
}

#[test]
fn what_may_work_is_asked_for() {
    for status in [json!(null), json!("running"), json!("queued")] {
        for runs in [true, false] {
            let script = script();
            describe(&script, RUN, json!({"sessionId": "r", "status": status}));
            history(&script, RUN, "r", runs);
            assert_eq!(live(&look(&script), RUN), Some(runs), "{status}");
        }
    }
    // A new run of a session whose last one has ended.
    let script = script();
    let task = json!({"id": "t", "kind": "cli", "status": "running", "sessionKey": RUN});
    script.say("tasks.list", vec![gives(&json!({"tasks": [task]}))]);
    history(&script, RUN, "r", true);
    assert_eq!(live(&look(&script), RUN), Some(true));
}

#[test]
fn two_answers_about_two_sessions_are_none() {
    let script = script();
    describe(&script, RUN, json!({"sessionId": "r", "status": "running"}));
    history(&script, RUN, "another", false);
    assert_eq!(live(&look(&script), RUN), None);
}

#[test]
fn what_is_missing_is_said() {
    let cases: [(&str, Said, &str); 5] = [
        (
            "sessions.usage",
            refused("unknown method"),
            "sessions.usage, which alone tells of cron runs: unknown method",
        ),
        ("sessions.usage", busy(Some(50_000)), "sessions.usage, which alone tells of cron runs: UNAVAILABLE"),
        ("tasks.list", refused("no"), "tasks.list: no"),
        (&format!("sessions.describe {RUN}"), refused("no"), "agent:main:cron:j:run:r: no"),
        (
            &format!("sessions.describe {RUN}"),
            gives(&json!({})),
            "the answer to sessions.describe has no session",
        ),
    ];
    for (to, answer, words) in cases {
        let script = script();
        script.say(to, vec![answer]);
        let scene = look(&script);
        assert!(matches!(&scene.gaps[..], [gap] if gap.contains(words)), "{to}: {:?}", scene.gaps);
    }
    let script = script();
    describe(&script, RUN, json!({"sessionId": "r", "status": "running"}));
    script.say(&format!("chat.history {RUN}"), vec![refused("no")]);
    let scene = look(&script);
    assert_eq!((scene.gaps.len(), live(&scene, RUN)), (1, None));
    // That jobs are not known hides no session.
    let script = self::script();
    script.say("cron.list", vec![refused("no")]);
    let scene = look(&script);
    assert_eq!((scene.gaps.len(), scene.jobs), (0, None));
}

#[test]
fn without_a_list_there_is_nothing() {
    let script = script();
    script.say("sessions.list", vec![refused("no")]);
    let hello = Hello::read(HELLO, 0).expect("it is right");
    let why = all(&script, &hello, 0).expect_err("no list").reason();
    assert_eq!(why, "sessions.list: no");
}

#[test]
fn keys_are_looked_at_closely() {
    let script = script();
    let task = json!({"id": "t", "kind": "exec", "status": "running", "sessionKey": "agent:main:deleted"});
    script.say("tasks.list", vec![gives(&json!({"tasks": [task]}))]);
    history(&script, RUN, "r", true);
    let hello = Hello::read(HELLO, 0).expect("it is right");
    let scene = of_keys(&script, &hello, &[RUN.to_owned(), "task:t".to_owned()]);
    assert_eq!(live(&scene, RUN), Some(true), "its status says that it has ended");
    assert_eq!(scene.ended.get("agent:main:deleted"), Some(&"gone"));
    assert_eq!(scene.rows.len(), 1);
}

/// The job's own key means the session of its last run.
#[test]
fn two_keys_of_one_session_live_together() {
    let job = "agent:main:cron:j";
    let script = script();
    let row = json!({"key": job, "sessionId": "r", "hasActiveRun": false});
    script.say("sessions.list", vec![gives(&json!({"sessions": [row], "totalCount": 1, "hasMore": false}))]);
    describe(&script, RUN, json!({"sessionId": "r", "status": "running"}));
    history(&script, RUN, "r", true);
    assert_eq!(live(&look(&script), job), Some(true));
    describe(&script, job, json!({"sessionId": "r"}));
    history(&script, job, "r", false);
    let hello = Hello::read(HELLO, 0).expect("it is right");
    assert_eq!(live(&of_keys(&script, &hello, &[job.to_owned()]), job), Some(true));
}

#[test]
fn the_answer_of_another_second_is_asked_for() {
    let limit = |now| usage_asked(now).params["limit"].clone();
    assert_ne!(limit(5_000), limit(6_000));
    assert_eq!(limit(5_000), limit(5_999));
}
