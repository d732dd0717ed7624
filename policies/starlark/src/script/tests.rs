//! What a script may say, what it must not, and what is said of its slips.

use reap_plugin::{Activity, Fact, Kind, Process, Session, Value, fact, sample};

use super::*;
use crate::bindings::exports::reap::plugin::policy::{Mark, ParentState};

fn load(text: &str) -> Result<Script, String> {
    let source = Source { name: "rule".to_owned(), file: "rule.star".to_owned(), text: text.to_owned() };
    Script::load(&source).map_err(|slip| slip.to_string())
}

/// About as much as can be known.
fn subject() -> Subject {
    let session = Session {
        title: "build-1".to_owned(),
        kind: Kind::Cron,
        activity: Activity::Idle,
        created: Some(1_700_000_000_000),
        last_active: Some(1_700_000_060_000),
        processes: vec![Process { pid: 7, started: 9 }],
        tokens: Some(5),
        extra: vec![
            fact("panes", 2_i64),
            fact("shell-only", true),
            fact("command", "bash"),
            fact("up", Value::Span(90_000)),
            fact("ids", vec!["%1".to_owned(), "%2".to_owned()]),
        ],
        ..sample::session("$3")
    };
    Subject {
        handle: "0123".to_owned(),
        backend: "tmux".to_owned(),
        instance: "/tmp/s".to_owned(),
        session,
        age: Some(12_000_000),
        idle: Some(0),
        seen_for: 60_000,
        seen_times: 3,
        mark: Some(Mark { since: 1_700_000_000_000, times: 2 }),
        parent: ParentState::Gone,
        live_children: 1,
        facts: Vec::new(),
    }
}

fn votes(text: &str, settings: Vec<Fact>, subjects: Vec<Subject>) -> Result<Vec<Vote>, String> {
    let script = load(text)?;
    script.configure(settings).map_err(|error| error.reason().to_owned())?;
    script.votes(subjects).map_err(|slip| slip.to_string())
}

/// The reason that this expression makes.
fn shows(expression: &str) -> String {
    let text = format!("def decide(s):\n    return orphan(str({expression}))\n");
    match votes(&text, Vec::new(), vec![subject()]).as_deref() {
        Ok([Vote::Orphan(reason)]) => reason.clone(),
        other => format!("{other:?}"),
    }
}

#[test]
fn sessions_show_all_that_is_known() {
    let cases = [
        (
            "[s.handle, s.backend, s.instance, s.key, s.title]",
            r#"["0123", "tmux", "/tmp/s", "$3", "build-1"]"#,
        ),
        ("[s.kind, s.activity, s.parent_state]", r#"["cron", "idle", "gone"]"#),
        ("[s.parent, s.cwd, s.protected, s.extra[\"nothing\"]]", "[None, None, None, None]"),
        ("[s.attached, s.tokens, s.seen_times, s.live_children]", "[False, 5, 3, 1]"),
        ("s.created", "2023-11-14 22:13:20 UTC"),
        ("s.last_active - s.created", "1m"),
        ("[p.pid for p in s.processes]", "[7]"),
        ("s.mark.times", "2"),
        ("s.mark.since", "2023-11-14 22:13:20 UTC"),
        ("s.age", "3h20m"),
        ("[s.extra[\"panes\"], s.extra[\"shell-only\"], s.extra[\"command\"]]", r#"[2, True, "bash"]"#),
        ("s.extra[\"up\"]", "1m30s"),
        ("s.extra[\"ids\"]", r#"["%1", "%2"]"#),
        ("[\"panes\" in s.extra, \"nothing\" in s.extra, len(s.extra)]", "[True, False, 5]"),
        ("sorted([name for name in s.extra])[0]", "command"),
        ("len([n for n in dir(s)])", "25"),
    ];
    for (expression, shown) in cases {
        assert_eq!(shows(expression), shown, "{expression}");
    }
}

#[test]
fn lengths_of_time() {
    let cases = [
        ("minutes(90)", "1h30m"),
        ("hours(1) + seconds(1)", "1h"),
        ("days(1) - hours(1)", "23h"),
        ("minutes(2) * 3 == 3 * minutes(2)", "True"),
        ("hours(1) > minutes(59)", "True"),
        ("hours(1) == minutes(60)", "True"),
        ("max(minutes(1), seconds(61))", "1m1s"),
        ("True if seconds(0) else False", "True"),
        ("s.idle and s.idle < minutes(1)", "True"),
    ];
    for (expression, shown) in cases {
        assert_eq!(shows(expression), shown, "{expression}");
    }
    for (expression, said) in [
        ("minutes(1) - hours(1)", "below nothing"),
        ("minutes(-1)", "below nothing"),
        ("minutes(1) * -1", "below nothing"),
        ("minutes(1) == 60", "Expected type `duration` but got `int`"),
        ("minutes(1) < 60", "`int`"),
        ("s.cwd < minutes(1)", "what is not known is None"),
    ] {
        assert!(shows(expression).contains(said), "{expression}: {}", shows(expression));
    }
}

#[test]
fn votes_come_in_the_order_of_the_sessions() {
    let text = "def decide(s):\n    if s.seen_times % 3 == 0:\n        return orphan(str(s.seen_times))\n    \
                if s.seen_times % 3 == 1:\n        return keep(\"k\")\n";
    let many = 3 * AT_ONCE;
    let subjects = (0..many).map(|n| Subject { seen_times: n as u32, ..subject() }).collect();
    let votes = votes(text, Vec::new(), subjects).expect("votes");
    assert_eq!(votes.len(), many);
    for (n, vote) in votes.iter().enumerate() {
        let expected = match n % 3 {
            0 => Vote::Orphan(n.to_string()),
            1 => Vote::Keep("k".to_owned()),
            _ => Vote::Abstain,
        };
        assert_eq!(*vote, expected);
    }
}

#[test]
fn settings_are_declared_and_read() {
    let text = "settings = {\"after\": setting(hours(1), \"Why.\"), \"names\": [\"a\"], \"most\": setting(3, least = 1), \
                \"on\": True, \"word\": \"x\"}\n\ndef decide(s):\n    \
                return orphan(\"%s %s %s %s %s\" % (cfg.after, cfg.names, cfg.most, cfg.on, cfg.word))\n";
    let described = load(text).expect("good").description().settings;
    let shown: Vec<String> =
        described.iter().map(|one| format!("{} {:?} {}", one.name, one.kind, one.help)).collect();
    let kinds = ["Span Why.", "Texts ", "Number ", "Flag ", "Text "];
    let names = ["after", "names", "most", "on", "word"];
    assert_eq!(
        shown,
        names.iter().zip(kinds).map(|(name, kind)| format!("{name} SettingKind::{kind}")).collect::<Vec<_>>()
    );
    let given = |most: i64| {
        let settings = described.iter().map(|one| match one.name.as_str() {
            "most" => fact("most", most),
            name => fact(name, one.fallback.clone()),
        });
        votes(text, settings.collect(), vec![subject()])
    };
    assert_eq!(given(2), Ok(vec![Vote::Orphan("1h [\"a\"] 2 True x".to_owned())]));
    assert_eq!(given(0), Err("the setting most must not be below 1, not 0".to_owned()));
}

#[test]
fn facts_are_worked_out() {
    let facts = |body: &str| load(&format!("def decide(s):\n    {body}\n")).expect("good").wishes().facts;
    let some = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(facts("return abstain()"), some(&[]));
    assert_eq!(facts("return keep(s.extra[\"b\"] + s.extra[\"a\"] + s.extra[\"b\"])"), some(&["a", "b"]));
    assert_eq!(facts("return keep(\"x\") if \"a\" in s.extra else None"), some(&["a"]));
    for body in [
        "return keep(s.extra[s.title])",
        "return [x for x in s.extra][0]",
        "return keep(getattr(s, \"extra\")[\"a\"])",
        "x = s.extra; return keep(x[\"a\"])",
    ] {
        assert_eq!(facts(body), None, "{body}");
    }
}

#[test]
fn slips_are_found_when_a_script_is_loaded() {
    let cases = [
        (
            "def decide(s):\n  return s.idel",
            "rule.star, line 2, column 12: a session has no `idel`; did you mean `idle`?, in `return s.idel`",
        ),
        (
            "def decide(s):\n  return f(s)\ndef f(x):\n  return x.panes",
            "line 4, column 12: a session has no `panes`; what only its backend knows is read as s.extra[\"panes\"]",
        ),
        ("def decide(s):\n  return f(y = s)\ndef f(x = 1, y = 2):\n  return y.panes", "line 4"),
        ("def decide(s):\n  return nothing(s)", "Variable `nothing` not found"),
        ("def decide(s):\n  return hours()", "line 2, column 10: "),
        ("def decide(s):\n  return hours(\"1\")", "line 2"),
        ("def decide(s):\n  return keep()", "line 2"),
        ("def decide(s):\n  return cfg.x", "settings has no \"x\""),
        (
            "x = cfg.after\ndef decide(s):\n  return x",
            "line 1, column 5: the settings are known only while it votes",
        ),
        ("def decide(s):\n  return \"orphan\"", "decide returns a text"),
        ("def decide(s):\n  return orphan", "decide returns a function that it does not call"),
        ("def decide(s):\n  return s.idle == None", "decide returns no vote"),
        ("def decide(s, t):\n  pass", "decide takes one thing"),
        ("def decide():\n  pass", "decide takes one thing"),
        ("decide = 1\nx = decide", "there is no `def decide(s):`"),
        ("def decide(s):\n  return decide(s)", "decide comes back to itself"),
        (
            "def decide(s):\n  return f()\ndef f():\n  return [g]\ndef g():\n  return f()",
            "comes back to itself",
        ),
        ("def decide(s):\n  while True:\n    pass", "while"),
        ("load(\"a\", \"b\")\ndef decide(s):\n  return b", "`load` is not allowed"),
        ("selekt = \"a\"\ndef decide(s):\n  pass", "nothing reads `selekt`; did you mean `select`?"),
        ("select = 5\ndef decide(s):\n  pass", "select must be a text"),
        ("settings = 5\ndef decide(s):\n  pass", "settings must be a dict"),
        ("settings = {\"mode\": 1}\ndef decide(s):\n  pass", "every policy has a mode of its own"),
        ("settings = {\"A b\": 1}\ndef decide(s):\n  pass", "needs a name of a-z"),
        ("settings = {\"a\": 1.5}\ndef decide(s):\n  pass", "1.5 is none of these"),
        ("x = 1 // 0\ndef decide(s):\n  return x", "line 1"),
        ("def decide(s):\n  return (", "rule.star, line "),
    ];
    for (text, said) in cases {
        let error = load(text).err().unwrap_or_else(|| panic!("{text} was loaded"));
        assert!(error.contains(said), "{text}\n  {error}");
    }
}

/// A name that means something else somewhere in a function is nobody's slip.
#[test]
fn what_is_right_is_not_called_a_slip() {
    for text in [
        "def decide(s):\n  return [s for s in [\"a\"] if s.upper()] and None",
        "def decide(s):\n  for s in [\"a\"]:\n    s.upper()",
        "def decide(s):\n  return f(s.title)\ndef f(s):\n  return keep(s.upper())",
        "LIMIT = 3\ndef decide(s):\n  return keep(\"x\") if s.seen_times > LIMIT else None",
        "def decide(s):\n  if s.idle:\n    return orphan(\"%s\" % s.idle)\n  else:\n    return",
    ] {
        assert_eq!(load(text).map(|_| ()), Ok(()), "{text}");
    }
}

#[test]
fn slips_of_a_vote_name_the_line_and_the_session() {
    let failing = |body: &str| {
        let text = format!("def decide(s):\n    {body}\n");
        votes(&text, Vec::new(), vec![subject()]).expect_err(body)
    };
    let cases = [
        ("return s.title", "line 1, column 5: decide returned \"build-1\""),
        ("return orphan(\" \")", "line 2, column 12: a vote needs a reason"),
        ("fail(\"no idea\")", "line 2, column 5: no idea (voting on tmux//tmp/s/$3)"),
        ("return orphan([1][5])", "line 2"),
        ("s.title = \"x\"", "line 2"),
    ];
    for (body, said) in cases {
        assert!(failing(body).contains(said), "{body}: {}", failing(body));
    }
}

#[test]
fn a_vote_leaves_nothing_behind() {
    let text = "seen = []\ndef decide(s):\n    seen.append(1)\n";
    let error = votes(text, Vec::new(), vec![subject()]).expect_err("what was made is frozen");
    assert!(error.contains("line 3"), "{error}");
}
