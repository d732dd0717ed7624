//! The daemon's API, asked by hand: that it answers as its document says, whom it
//! lets in, and that what it has begun is done whoever goes away.

mod door;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Daemon, Document, Http, Json, Process, Reply, Session, World, holds, run, skip, until};

/// Cycles that nobody has to wait for; orphans that are due, and sessions that are
/// known to be gone, as soon as they can be.
const QUICK: &str = r#"
[daemon]
every = "1s"
[records]
spacing = "0s"
[marks]
times = 2
grace = "0s"
[policies.idle-shell]
after = "0s"
"#;

/// The whole of a handle.
#[track_caller]
fn handle(daemon: &Daemon<'_>, title: &str) -> String {
    let listed = daemon.http().get("/v1/sessions?look=now").is(200).json();
    listed.find("/title", title).at("/handle").text().to_owned()
}

/// Asks, and holds the answer against the document.
struct Held<'d> {
    http: Http,
    document: &'d Document,
    asked: BTreeSet<(String, String)>,
}

impl Held<'_> {
    /// `path` is as in the document, `actual` as it is asked.
    #[track_caller]
    fn ask(&mut self, method: &str, path: &str, actual: &str, body: &str, status: u16) -> Reply {
        let reply = self.http.ask(method, actual, body).is(status);
        self.asked.insert((method.to_owned(), path.to_owned()));
        match self.document.answer(method, path, status) {
            Some(schema) => {
                let value = serde_json::from_str(&reply.body).expect("JSON");
                let faults = self.document.faults(schema, &value);
                assert!(faults.is_empty(), "{method} {actual}: {faults:#?}\n{}", reply.body);
            }
            None => assert!(!reply.headers["content-type"].contains("json"), "{reply:#?}"),
        }
        reply
    }

    #[track_caller]
    fn get(&mut self, path: &str) -> Reply {
        let plain = path.split('?').next().unwrap_or_default().to_owned();
        self.ask("GET", &plain, path, "", 200)
    }

    #[track_caller]
    fn done(&mut self, method: &str, path: &str, actual: &str) {
        let reply = self.http.ask(method, actual, "").is(204);
        assert_eq!(reply.body, "");
        self.asked.insert((method.to_owned(), path.to_owned()));
    }
}

#[test]
fn every_answer_is_as_the_document_says() {
    let limits = "[limits]\nfloor = 1\nper_cycle = 1\n";
    let world = World::with(&format!("{QUICK}{limits}"));
    let server = world.server("main");
    let names = ["one", "two", "three", "four"];
    let sessions: Vec<Session<'_>> = names.iter().map(|name| server.shell(name)).collect();
    let daemon = world.daemon();
    let document = Document::new(&daemon.http().get("/v1/openapi.json").is(200).body);
    let mut held = Held { http: daemon.http(), document: &document, asked: BTreeSet::new() };

    for path in ["/v1/openapi.json", "/v1/about", "/v1/status", "/v1/locks", "/v1/journal/verify", "/metrics"]
    {
        held.get(path);
    }
    for _ in 0..2 {
        held.ask("POST", "/v1/cycle", "/v1/cycle", "", 200);
    }
    assert_eq!(held.get("/v1/sessions").json().list().len(), names.len());
    assert_eq!(held.get("/v1/sessions?look=now&selector=title:one").json().each("/title"), ["one"]);
    let address = sessions[0].address().replace('/', "%2F").replace('$', "%24");
    let one = held.ask("GET", "/v1/sessions/{name}", &format!("/v1/sessions/{address}"), "", 200).json();
    assert_eq!(one.at("/title").text(), "one");

    held.done("POST", "/v1/sessions/{name}/protect", "/v1/sessions/one/protect");
    let shown = held.ask("GET", "/v1/sessions/{name}", "/v1/sessions/one?look=now", "", 200).json();
    assert!(!shown.at("/protected").is_null());
    held.done("POST", "/v1/sessions/{name}/unprotect", "/v1/sessions/one/unprotect");

    let directory = world.path("home").canonicalize().expect("it is there").to_string_lossy().into_owned();
    let ask = format!(r#"{{"directory": "{directory}", "session": "four"}}"#);
    held.ask("POST", "/v1/locks", "/v1/locks", &ask, 200);
    held.get("/v1/locks");
    held.done("DELETE", "/v1/locks", &format!("/v1/locks?directory={directory}"));
    held.ask("DELETE", "/v1/locks", &format!("/v1/locks?directory={directory}"), "", 404);
    let ask = format!(r#"{{"directory": "{directory}", "name": "me"}}"#);
    held.ask("POST", "/v1/locks", "/v1/locks", &ask, 200);
    held.get("/v1/locks");

    let planned = held.ask("POST", "/v1/cleanup", "/v1/cleanup", r#"{"dry_run": true}"#, 200).json();
    assert_eq!(planned.at("/items").list().len(), 0, "all of them are over the limit");
    assert!(planned.at("/held/0").fields() == ["backend", "reason"], "a dry run keeps nothing to approve");
    let settled = held.ask("POST", "/v1/cleanup", "/v1/cleanup", r#"{"selector": "title:t*"}"#, 200).json();
    let id = settled.at("/held/0/plan").text().to_owned();
    let approve = format!("/v1/plans/{id}/approve");
    let approved = held.ask("POST", "/v1/plans/{id}/approve", &approve, "", 200).json();
    assert_eq!(approved.at("/items").each("/outcome"), ["ended", "ended"]);
    held.ask("POST", "/v1/plans/{id}/approve", &approve, "", 404);

    let killed = held.ask("POST", "/v1/kill", "/v1/kill", r#"{"sessions": ["four"]}"#, 200).json();
    assert_eq!(killed.at("/items").each("/outcome"), ["ended"]);
    let plan = held.ask("POST", "/v1/cleanup", "/v1/cleanup", r#"{"dry_run": true}"#, 200);
    let applied = held.ask("POST", "/v1/plans/apply", "/v1/plans/apply", &plan.body, 200).json();
    assert_eq!(applied.at("/items").each("/title"), ["one"]);
    assert!(sessions.iter().all(|session| !session.lives()));
    held.get("/v1/plan");
    let entries = held.get("/v1/journal?newest=10000").json();
    assert!(entries.each("/kind").contains(&"intent.journalled".to_owned()), "{entries}");
    held.get("/v1/status");
    assert!(held.get("/v1/journal/verify").json().at("/sound").flag());

    let event = document.schema("Event");
    let mut events = daemon.http().events(Some(0));
    for _ in 0..10 {
        let told = events.next().expect("the journal has more");
        let data = serde_json::from_str(&told.data.to_string()).expect("JSON");
        assert_eq!(document.faults(event, &data), [""; 0], "{told:?}");
    }
    held.asked.insert(("GET".to_owned(), "/v1/events".to_owned()));
    let all: BTreeSet<_> = document.operations().into_iter().collect();
    assert_eq!(held.asked, all, "everything in the document was asked");
}

#[test]
fn every_error_says_what_is_wrong() {
    let world = World::with(QUICK);
    let server = world.server("main");
    let (first, _second) = (server.shell("same"), server.shell("other"));
    let third = world.server("side").shell("same");
    let daemon = world.daemon();
    let document = Document::new(&daemon.http().get("/v1/openapi.json").is(200).body);
    let huge = format!(r#"{{"sessions": ["{}"]}}"#, "x".repeat(70_000));
    let cases: [(&str, &str, &str, u16, &str); 20] = [
        ("GET", "/v1/nothing", "", 404, "not-found"),
        ("GET", "/", "", 404, "not-found"),
        ("PUT", "/v1/status", "", 405, "wrong-method"),
        ("GET", "/v1/kill", "", 405, "wrong-method"),
        ("GET", "/v1/sessions?selector=kind:x", "", 400, "bad-selector"),
        ("GET", "/v1/sessions?selector=", "", 400, "bad-selector"),
        ("GET", "/v1/sessions?selctor=x", "", 400, "bad-request"),
        ("GET", "/v1/sessions?look=never", "", 400, "bad-request"),
        ("GET", "/v1/sessions/nobody", "", 404, "not-found"),
        ("GET", "/v1/sessions/same", "", 409, "ambiguous"),
        ("POST", "/v1/kill", "", 400, "bad-request"),
        ("POST", "/v1/kill", r#"{"sessions": []}"#, 400, "bad-request"),
        ("POST", "/v1/kill", r#"{"sessions": ["nobody", "same"]}"#, 404, "not-found"),
        ("POST", "/v1/kill", &huge, 413, "too-large"),
        ("POST", "/v1/cleanup", r#"{"dryrun": true}"#, 400, "bad-request"),
        ("POST", "/v1/plans/apply", "{}", 400, "bad-plan"),
        ("POST", "/v1/plans/123/approve", "", 404, "not-found"),
        ("POST", "/v1/locks", r#"{"directory": "relative", "name": "me"}"#, 400, "bad-request"),
        ("GET", "/v1/journal?newest=0", "", 400, "bad-request"),
        ("GET", "/v1/pass", "", 409, "other-version"),
    ];
    for (method, path, body, status, code) in cases {
        let reply = daemon.http().ask(method, path, body).fails(status, code);
        let value = serde_json::from_str(&reply.body).expect("JSON");
        assert_eq!(document.faults(document.schema("Error"), &value), [""; 0], "{method} {path}");
    }
    let several = daemon.http().get("/v1/sessions/same").json().at("/error/candidates");
    assert_eq!(several.each("/key").len(), 2, "{several}");
    assert!(first.lives() && third.lives(), "nothing was ended");

    daemon.http().post("/v1/sessions/other/protect", "").is(204);
    let refused = daemon.http().post("/v1/kill", r#"{"sessions": ["other"], "force": true}"#);
    let message = refused.fails(409, "refused").json().at("/error/message");
    assert!(message.text().contains("it is protected"), "{message}");
}

#[test]
fn ten_clients_at_once_get_right_answers_while_cycles_run() {
    let world = World::with(QUICK);
    let server = world.server("main");
    for name in ["one", "two", "three"] {
        server.sleeper(name);
    }
    let daemon = world.daemon();
    daemon.cycle();
    thread::scope(|scope| {
        for client in 0..10 {
            let http = daemon.http();
            scope.spawn(move || {
                for round in 0..10 {
                    let path =
                        if (client + round) % 2 == 0 { "/v1/sessions" } else { "/v1/sessions?look=now" };
                    let listed = http.get(path).is(200).json();
                    assert_eq!(listed.each("/title"), ["one", "three", "two"], "{path}");
                    http.get("/v1/status").is(200);
                    http.get("/metrics").is(200);
                }
                http.post("/v1/cycle", "").is(200);
            });
        }
    });
    assert!(daemon.http().get("/v1/journal/verify").json().at("/sound").flag());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_list_is_what_the_last_cycle_saw_unless_it_is_to_be_looked() {
    let world = World::with("[daemon]\nevery = \"1h\"\n");
    let server = world.server("main");
    server.sleeper("old");
    let daemon = world.daemon();
    daemon.cycle();
    server.sleeper("new");
    let last = daemon.http().get("/v1/sessions").is(200);
    assert_eq!(last.json().each("/title"), ["old"]);
    let now = daemon.http().get("/v1/sessions?look=now").is(200);
    assert_eq!(now.json().each("/title"), ["new", "old"]);
    let at = |reply: &Reply| reply.headers["reap-seen-at"].parse::<u64>().expect("a time");
    assert!(at(&last) < at(&now));
    daemon.http().get("/v1/sessions/new").fails(404, "not-found");
    daemon.http().get("/v1/sessions/new?look=now").is(200);
    daemon.cycle();
    daemon.http().get("/v1/sessions/new").is(200);
}

#[test]
fn events_are_told_as_they_happen_and_afterwards() {
    let world = World::with(QUICK);
    let daemon = world.daemon();
    let mut events = daemon.http().events(None);
    let server = world.server("main");
    let session = server.sleeper("newcomer");
    let seen = events.until("session.seen");
    assert_eq!(seen.data.at("/session/key").text(), session.id);
    assert_eq!(seen.data.at("/seq").number(), seen.id.expect("a number"));

    let other = server.sleeper("second");
    let after = events.until("session.seen").id.expect("a number");
    assert!(after > seen.id.expect("a number"));
    drop(events);
    let gone = other.leader();
    server.tmux(&["kill-session", "-t", &other.id]);
    holds("the end of the session", || !gone.lives());
    let mut again = daemon.http().events(seen.id);
    let told = again.until("session.seen");
    assert_eq!((told.id, told.data.at("/session/key").text()), (Some(after), &*other.id), "nothing is lost");
    let stopped = again.until("session.stopped");
    assert_eq!(stopped.data.at("/session/key").text(), other.id);

    daemon.http().with("last-event-id", "99999999").get("/v1/events").fails(409, "other-journal");
    daemon.http().with("last-event-id", "x").get("/v1/events").fails(400, "bad-request");
    let since = Instant::now();
    daemon.process.signal(Signal::TERM);
    while again.next().is_some() {}
    assert_eq!(daemon.stop(), 0);
    assert!(since.elapsed() < Duration::from_secs(8), "a stop waits for no listener");
}

#[test]
fn the_numbers_for_prometheus_are_true() {
    let world = World::with(QUICK);
    let server = world.server("main");
    for name in ["one", "two"] {
        server.sleeper(name);
    }
    let daemon = world.daemon();
    daemon.cycle();
    daemon.http().post("/v1/kill", r#"{"sessions": ["two"]}"#).is(200);
    daemon.cycle();
    let page = daemon.http().get("/metrics").is(200);
    assert!(page.headers["content-type"].starts_with("text/plain; version=0.0.4"), "{page:#?}");
    let value = |series: &str| -> f64 {
        let mut lines = page.body.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let found = lines.next().unwrap_or_else(|| panic!("no {series} in\n{}", page.body));
        found.parse().expect("a number")
    };
    assert_eq!(value("reap_ends_total{outcome=\"ended\"}"), 1.0);
    assert_eq!(value("reap_records{backend=\"tmux\",standing=\"live\"}"), 1.0);
    assert_eq!(value("reap_records{backend=\"tmux\",standing=\"ended\"}"), 1.0);
    assert!(value("reap_cycles_total") >= 2.0);
    assert_eq!(value("reap_cycle_errors_total"), 0.0);
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("reap_journal_entries") > 3.0);
    assert!(value("reap_plugin_calls_total{plugin=\"tmux\"}") >= 4.0);
    let started = value("process_start_time_seconds");
    assert!(value("reap_last_cycle_timestamp_seconds") >= started);
}

/// The daemon runs elsewhere, so by itself it would end it.
#[test]
fn the_session_that_a_client_runs_in_is_kept() {
    if run(Command::new("sh").args(["-c", "command -v curl"])).code != 0 {
        return skip("there is no curl");
    }
    let world = World::with(QUICK);
    let server = world.server("main");
    let (own, other) = (server.shell("own"), server.shell("other"));
    let daemon = world.daemon();
    let told = world.path("told.json");
    let kill = format!(
        "curl -sS --unix-socket {} http://localhost/v1/kill -d '{{\"sessions\": [\"own\", \"other\"], \"force\": true}}' \
         -o {}.new; mv {}.new {}\n",
        world.socket().display(),
        told.display(),
        told.display(),
        told.display(),
    );
    let script = world.write("kill.sh", kill);
    own.types(&format!(". {}", script.display()));
    let told = until("the answer", || fs::read_to_string(&told).ok());
    let told = Json::new(serde_json::from_str(&told).expect("JSON"));
    assert_eq!(told.at("/items").each("/title"), ["other"], "{told}");
    let kept = told.at("/kept").find("/title", "own");
    assert!(kept.at("/reason").text().contains("Reap itself runs in it"), "{kept}");
    assert!(own.lives() && !other.lives());
    // From outside it is a session like any other, so it was the place that mattered.
    daemon.http().post("/v1/kill", r#"{"sessions": ["own"], "force": true}"#).is(200);
    assert!(!own.lives());
}

/// A session whose process ignores being asked: its end takes the five seconds
/// that it is given.
#[track_caller]
fn stubborn<'w>(world: &'w World) -> (Session<'w>, Process) {
    let asked = world.path("asked");
    let file = world.path("stubborn.pid");
    let script = format!(
        "trap 'echo >{}' TERM HUP; echo $$ >{}; while :; do sleep 0.05; done",
        asked.display(),
        file.display()
    );
    let session = world.server("main").start("stubborn", &["sh", "-c", &script]);
    let process = world.process_in(&file);
    (session, process)
}

#[test]
fn an_end_goes_on_when_its_client_goes_away() {
    let world = World::with(QUICK);
    let (session, process) = stubborn(&world);
    let daemon = world.daemon();
    let handle = handle(&daemon, "stubborn");
    let client = daemon.http().send("POST", "/v1/kill", r#"{"sessions": ["stubborn"], "force": true}"#);
    holds("the beginning of the end", || world.path("asked").exists());
    drop(client);
    assert!(process.lives(), "it ignores what it was asked");
    holds("the end of the process", || !process.lives());
    let settled = until("the outcome in the journal", || {
        let entries = daemon.http().get(&format!("/v1/journal?session={handle}")).is(200).json();
        entries.list().into_iter().find(|entry| entry.at("/kind").text() == "intent.settled")
    });
    assert_eq!(settled.at("/payload/outcome").text(), "ended", "{settled}");
    assert!(!session.lives());
}

#[test]
fn a_stop_waits_for_an_end_that_has_begun() {
    let world = World::with(QUICK);
    let (session, process) = stubborn(&world);
    let daemon = world.daemon();
    let client = daemon.http().send("POST", "/v1/kill", r#"{"sessions": ["stubborn"], "force": true}"#);
    holds("the beginning of the end", || world.path("asked").exists());
    drop(client);
    assert_eq!(daemon.stop(), 0);
    assert!(!process.lives() && !session.lives(), "the daemon ended before what it had begun");
    world.reap(&["journal", "verify"]).exits(0);
}
