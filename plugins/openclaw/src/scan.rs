//! What there is at a gateway, put together from all that it tells.
//!
//! Its list hides the runs of cron jobs. `sessions.usage` tells of these, and of much
//! that is gone; the rows of the list tell of the sessions filed under them. Each key that
//! is told of and not listed is looked at by itself, and where it may be at work its
//! history is asked, which alone knows.

use std::collections::{BTreeMap, BTreeSet};

use reap_plugin::{Error, Timestamp};
use serde_json::{Value, json};

use crate::hello::Hello;
use crate::key;
use crate::pages::Pages;
use crate::patience::{Question, Wire, ask};
use crate::row::Row;
use crate::tasks::Task;

/// As many rows in one page as a gateway gives.
const ROWS: u64 = 1_000;
/// The same for tasks.
const TASKS: u64 = 500;
/// The same for cron jobs.
const JOBS: u64 = 200;
/// More than any gateway has: `sessions.usage` knows no pages.
const ALL: u64 = 1_000_000;

/// What a gateway holds.
#[derive(Debug, Default)]
pub struct Scene {
    /// The sessions that are not archived.
    pub rows: Vec<Seen>,
    /// The keys that were looked at and are archived or gone.
    pub ended: BTreeMap<String, &'static str>,
    /// The tasks that run or wait.
    pub tasks: Vec<Task>,
    /// The cron jobs, where they could be asked for.
    pub jobs: Option<BTreeSet<String>>,
    /// What could not be looked at, so that sessions may be missing.
    pub gaps: Vec<String>,
}

/// A session, and whether a run is under way in it, where that is known.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The session.
    pub row: Row,
    /// Whether a run is under way.
    pub live: Option<bool>,
}

/// All that there is. Fails where not even the list can be had.
pub fn all(wire: &dyn Wire, hello: &Hello, now: Timestamp) -> Result<Scene, Error> {
    let lists = [rows_asked(), jobs_asked(), tasks_asked()];
    let mut questions: Vec<Question> = lists.iter().map(|list| list.question.clone()).collect();
    questions.push(usage_asked(now));
    let mut answers = ask(wire, &questions).into_iter();
    let mut next = || answers.next().unwrap_or_else(|| Err(Error::Failed("there was no answer".to_owned())));
    let (listed, jobs, tasks, usage) = (next(), next(), next(), next());
    let [rows, job_list, task_list] = lists;

    let mut scene = Scene::default();
    let listed = listed.and_then(|first| rows.follow(wire, first));
    let listed = listed.map_err(|error| error.reworded(|why| format!("sessions.list: {why}")))?;
    let mut told: BTreeSet<String> = BTreeSet::new();
    for row in listed {
        if let Some(row) = scene.read(row) {
            told.extend(row.child_sessions.iter().flatten().cloned());
            let live = row.runs();
            scene.take(row, live);
        }
    }
    scene.jobs = jobs.and_then(|first| job_list.follow(wire, first)).ok().map(ids);
    if hello.has("tasks.list") {
        scene.take_tasks(tasks.and_then(|first| task_list.follow(wire, first)));
    }
    match usage {
        Ok(usage) => told.extend(told_of(&usage)),
        Err(error) => scene.gap("sessions.usage, which alone tells of cron runs", &error),
    }
    told.extend(scene.tasks.iter().filter_map(|task| task.session_key.clone()));
    told.extend(scene.tasks.iter().filter_map(|task| task.child_session_key.clone()));
    let listed: BTreeSet<&str> = scene.rows.iter().map(|seen| seen.row.key.as_str()).collect();
    let hidden: Vec<String> =
        told.into_iter().filter(|key| !key.is_empty() && !listed.contains(key.as_str())).collect();
    scene.look_at(wire, &hidden, false);
    scene.share_life();
    Ok(scene)
}

/// What is known of these keys now. All of them are looked at, and whether they work.
pub fn of_keys(wire: &dyn Wire, hello: &Hello, keys: &[String]) -> Scene {
    let mut scene = Scene::default();
    let mut about: BTreeSet<String> = keys.iter().filter(|one| key::task(one).is_none()).cloned().collect();
    if hello.has("tasks.list") {
        let list = tasks_asked();
        let first = ask(wire, std::slice::from_ref(&list.question)).pop();
        let first = first.unwrap_or_else(|| Err(Error::Failed("there was no answer".to_owned())));
        scene.take_tasks(first.and_then(|first| list.follow(wire, first)));
        let wanted = |task: &&Task| keys.iter().any(|one| key::task(one) == Some(task.id.as_str()));
        about.extend(scene.tasks.iter().filter(wanted).filter_map(|task| task.session_key.clone()));
    }
    let about: Vec<String> = about.into_iter().collect();
    scene.look_at(wire, &about, true);
    let twins = scene.twins();
    scene.look_at(wire, &twins, true);
    scene.share_life();
    scene
}

impl Scene {
    /// Looks at keys one by one, and at the history of those that may be at work; of all,
    /// where `closely` is said.
    fn look_at(&mut self, wire: &dyn Wire, keys: &[String], closely: bool) {
        let describe = |key: &String| Question { method: "sessions.describe", params: json!({"key": key}) };
        let questions: Vec<Question> = keys.iter().map(describe).collect();
        let mut open = Vec::new();
        for (key, answer) in keys.iter().zip(ask(wire, &questions)) {
            match answer.map(|mut answer| answer.get_mut("session").map(Value::take)) {
                Ok(Some(Value::Null)) => {
                    self.ended.insert(key.clone(), "gone");
                }
                Ok(Some(row)) => self.read(row).into_iter().for_each(|row| {
                    if row.archived == Some(true) {
                        self.ended.insert(row.key, "archived");
                    } else if closely || self.may_run(&row) {
                        open.push(row);
                    } else {
                        self.take(row, Some(false));
                    }
                }),
                Ok(None) => self.gaps.push(format!("{key}: the answer to sessions.describe has no session")),
                Err(error) => self.gap(key, &error),
            }
        }
        let history = |row: &Row| Question {
            method: "chat.history",
            params: json!({"sessionKey": row.key, "limit": 1}),
        };
        let questions: Vec<Question> = open.iter().map(history).collect();
        for (row, answer) in open.into_iter().zip(ask(wire, &questions)) {
            match answer {
                Ok(answer) => self.take_with_history(row, answer),
                Err(error) => {
                    self.gap(&format!("the history of {}", row.key), &error);
                    self.take(row, None);
                }
            }
        }
    }

    /// A row that is not listed, and its history. The two were asked for one after the
    /// other; where they tell of two sessions, neither can be believed.
    fn take_with_history(&mut self, row: Row, mut answer: Value) {
        let info = answer.get_mut("sessionInfo").map(Value::take).and_then(|info| Row::read(info).ok());
        match info.filter(|info| info.session_id == row.session_id) {
            Some(info) => {
                let live = info.runs();
                self.take(row, live);
            }
            None => self.take(row, None),
        }
    }

    /// The last runs of the jobs whose own sessions were looked at, and which were not.
    fn twins(&self) -> Vec<String> {
        let jobs = self.rows.iter().map(|seen| &seen.row);
        let jobs = jobs.filter(|row| key::job(&row.key).is_some() && !key::is_cron_run(&row.key));
        let runs = jobs.filter_map(|row| Some(format!("{}:run:{}", row.key, row.session_id.as_ref()?)));
        runs.filter(|run| !self.rows.iter().any(|seen| seen.row.key == *run)).collect()
    }

    /// A job's own key and the key of its last run mean one session: to archive either
    /// would end what runs under the other.
    fn share_life(&mut self) {
        let live = self.rows.iter().filter(|seen| seen.live == Some(true));
        let live: BTreeSet<String> = live.filter_map(|seen| seen.row.session_id.clone()).collect();
        for seen in &mut self.rows {
            if seen.row.session_id.as_ref().is_some_and(|id| live.contains(id)) {
                seen.live = Some(true);
            }
        }
    }

    /// Whether a row that is not listed may be at work: while a run is under way it may
    /// have no status yet, or that of the last run.
    fn may_run(&self, row: &Row) -> bool {
        !row.has_ended() || self.tasks.iter().any(|task| task.runs_in() == Some(row.key.as_str()))
    }

    fn take(&mut self, row: Row, live: Option<bool>) {
        self.rows.push(Seen { row, live });
    }

    fn read(&mut self, row: Value) -> Option<Row> {
        Row::read(row).map_err(|why| self.gaps.push(why)).ok()
    }

    fn take_tasks(&mut self, tasks: Result<Vec<Value>, Error>) {
        match tasks {
            Ok(tasks) => {
                for task in tasks {
                    match Task::read(task) {
                        Ok(task) => self.tasks.push(task),
                        Err(why) => self.gaps.push(why),
                    }
                }
            }
            Err(error) => self.gap("tasks.list", &error),
        }
    }

    fn gap(&mut self, what: &str, error: &Error) {
        self.gaps.push(format!("{what}: {}", error.reason()));
    }
}

fn rows_asked() -> Pages {
    let params = json!({"limit": ROWS, "offset": 0, "includeGlobal": true, "includeUnknown": true});
    Pages::of("sessions.list", params, "sessions")
}

fn tasks_asked() -> Pages {
    Pages::of("tasks.list", json!({"status": ["queued", "running"], "limit": TASKS}), "tasks")
}

fn jobs_asked() -> Pages {
    Pages::of("cron.list", json!({"includeDisabled": true, "limit": JOBS, "offset": 0}), "jobs")
}

/// The answer is kept by the gateway for half a minute, for each way to ask. Asked in
/// another way each second, it is always new.
fn usage_asked(now: Timestamp) -> Question {
    let limit = ALL + now / 1_000 % 1_000;
    Question {
        method: "sessions.usage",
        params: json!({"agentScope": "all", "range": "all", "limit": limit}),
    }
}

fn told_of(usage: &Value) -> Vec<String> {
    let sessions = usage.get("sessions").and_then(Value::as_array).into_iter().flatten();
    sessions.filter_map(|one| Some(one.get("key")?.as_str()?.to_owned())).collect()
}

fn ids(jobs: Vec<Value>) -> BTreeSet<String> {
    jobs.iter().filter_map(|job| Some(job.get("id")?.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests;
