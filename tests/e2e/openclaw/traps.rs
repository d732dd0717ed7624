//! Gateways that are down, answer late, answer nonsense, or take back what they said.

use std::fs;
use std::time::Duration;

use reap_openclaw_stand_in::{StandIn, Trap};

use super::cases::{Asking, admin, world};
use crate::support::{Json, World};

const RUN: &str = "agent:main:cron:none:run:1";

/// A gateway with a hidden run and a hook.
fn gateway() -> StandIn {
    let gateway = StandIn::start();
    let mut client = admin(&gateway);
    client.make(RUN);
    client.make("agent:main:hook:1");
    gateway
}

#[track_caller]
fn look(world: &World) -> (Vec<String>, Vec<String>) {
    let ran = world.reap(&["cleanup", "--dry-run", "--json"]);
    let plan = ran.exits(0).json();
    let unknown = plan.at("/unknown").list();
    let reasons = unknown.iter().map(|one| one.at("/reason").text().to_owned()).collect();
    let listed = world.reap(&["ls", "--json"]);
    let listed = if unknown.is_empty() { listed.exits(0) } else { listed.exits(5) };
    (listed.json().each("/key"), reasons)
}

/// What cannot be looked at is unknown, for a reason that says why; and it takes no longer
/// than the time that the gateway may think.
#[test]
fn a_gateway_that_misbehaves_is_unknown() {
    let cases: [(Trap, &str); 10] = [
        (Trap::Deaf, ""),
        (Trap::Unauthorized, "401"),
        (Trap::NoChallenge, "says nothing"),
        (Trap::Starting(1000), "is starting"),
        (Trap::Silent("connect"), ""),
        (Trap::Silent("sessions.list"), "sessions.list"),
        (Trap::CloseAt("sessions.list", 1), "sessions.list"),
        (Trap::Storm("sessions.list", 1000), "sessions.list"),
        (Trap::Huge("sessions.list", 20 << 20), "sessions.list"),
        (Trap::Garbage("sessions.list"), "sessions.list"),
    ];
    std::thread::scope(|scope| {
        for (trap, words) in cases {
            scope.spawn(move || {
                let gateway = gateway();
                let world = world(&gateway, "", "");
                gateway.lay(trap.clone());
                let ran = world.reap(&["cleanup", "--dry-run", "--json"]).exits(0);
                assert!(ran.took < Duration::from_secs(18), "{trap:?} took {:?}", ran.took);
                let unknown = ran.json().at("/unknown");
                let reason = unknown.at("/0/reason");
                assert!(reason.text().contains(words), "{trap:?}: {reason}");
                assert_eq!(unknown.at("/0/instance").text(), gateway.url().trim_end_matches('/'));
            });
        }
    });
}

#[test]
fn a_part_that_is_missing_is_said() {
    let cases: [(Trap, &str, &[&str]); 5] = [
        (Trap::CloseAt("sessions.usage", 1), "sessions.usage", &[]),
        (Trap::Storm("sessions.usage", 1000), "sessions.usage", &["agent:main:hook:1"]),
        (Trap::Storm("tasks.list", 1000), "tasks.list", &["agent:main:hook:1", RUN]),
        (Trap::Storm("chat.history", 1000), "the history of", &["agent:main:hook:1", RUN]),
        (Trap::Old, "sessions.usage", &["agent:main:hook:1"]),
    ];
    std::thread::scope(|scope| {
        for (trap, words, shown) in cases {
            scope.spawn(move || {
                let gateway = gateway();
                let world = world(&gateway, "", "");
                gateway.lay(trap.clone());
                let (keys, reasons) = look(&world);
                assert!(reasons.len() == 1 && reasons[0].contains(words), "{trap:?}: {reasons:?}");
                assert!(shown.iter().all(|key| keys.contains(&(*key).to_owned())), "{trap:?}: {keys:?}");
            });
        }
    });
}

#[test]
fn a_busy_or_disorderly_gateway_is_understood() {
    for trap in [
        Trap::Storm("sessions.describe", 3),
        Trap::Storm("sessions.list", 3),
        Trap::Backwards,
        Trap::StaleUsage,
    ] {
        let gateway = gateway();
        let world = world(&gateway, "", "");
        gateway.lay(trap.clone());
        let (keys, reasons) = look(&world);
        assert_eq!((keys.len(), reasons), (2, Vec::new()), "{trap:?}");
    }
}

/// Nothing of a gateway that goes away is taken for gone, and it is found again when it is
/// back.
#[test]
fn an_outage_ends_nothing() {
    let mut gateway = gateway();
    let world = world(&gateway, "", "[records]\nspacing = \"0s\"\n[daemon]\nevery = \"1h\"\n");
    let daemon = world.daemon();
    let status = || daemon.http().get("/v1/status").is(200).json();
    crate::support::holds("the first cycle", || !status().at("/cycle").is_null());
    let records = |status: &Json| status.at("/backends").find("/name", "openclaw").at("/records");
    assert_eq!(records(&status()).at("/live").number(), 2);
    gateway.crash();
    for _ in 0..6 {
        daemon.cycle();
    }
    let during = status();
    let reasons = during.at("/unknown").each("/reason");
    assert!(reasons.iter().any(|reason| reason.contains("cannot be reached")), "{reasons:?}");
    assert_eq!(records(&during).at("/live").number(), 2);
    gateway.revive();
    crate::support::holds("the gateway's return", || {
        daemon.cycle();
        status().at("/unknown").list().is_empty()
    });
    assert_eq!(records(&status()).at("/live").number(), 2);
}

/// The line stays open between the looks of a daemon.
#[test]
fn a_daemon_logs_in_once() {
    let gateway = gateway();
    let before = gateway.logins();
    let world = world(&gateway, "", "[daemon]\nevery = \"1h\"\n");
    let daemon = world.daemon();
    for _ in 0..3 {
        daemon.cycle();
    }
    assert_eq!(gateway.logins() - before, 1);
    gateway.hang_up();
    daemon.cycle();
    daemon.cycle();
    assert_eq!(gateway.logins() - before, 2);
}

/// A key that is back after its end: the end has failed.
#[test]
fn keys_that_come_back_are_seen() {
    for (looks, settings) in [(0, ""), (1, ""), (0, "end = \"delete\""), (1, "end = \"delete\"")] {
        let gateway = gateway();
        let world = world(&gateway, settings, "");
        gateway.lay(Trap::Revenant("agent:main:hook:1".to_owned(), looks));
        world.reap(&["kill", "--yes", "agent:main:hook:1"]).exits(5).says(&["failed"]);
    }
}

#[test]
fn a_wrong_token_is_said_and_never_shown() {
    let gateway = gateway();
    let world = world(&gateway, "", "");
    world.write("home/token", "a-token-that-is-wrong");
    let ran = world.reap(&["ls"]).exits(5).says(&["is not the gateway's"]);
    assert!(!format!("{ran}").contains("a-token-that-is-wrong"));
}

/// The token is in nothing that Reap writes or says.
#[test]
fn the_token_is_nowhere() {
    let gateway = gateway();
    let world = world(&gateway, "", "");
    for words in [
        &["ls"][..],
        &["ls", "--json"],
        &["status", "--json"],
        &["kill", "--yes", "agent:main:hook:1"],
        &["journal"],
    ] {
        let ran = world.reap(words).exits(0);
        assert!(!format!("{ran}").contains(gateway.token()));
    }
    let mut folders = vec![world.path("state"), world.path("run")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().expect("a type").is_dir() {
                folders.push(entry.path());
            } else {
                let bytes = fs::read(entry.path()).unwrap_or_default();
                let found =
                    bytes.windows(gateway.token().len()).any(|part| part == gateway.token().as_bytes());
                assert!(!found, "it is in {}", entry.path().display());
            }
        }
    }
}

/// Without any gateway there is not a word of one.
#[test]
fn nothing_is_said_where_there_is_none() {
    let world = World::new();
    let ran = world.reap(&["ls"]).exits(0);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("openclaw"), "{ran}");
    let plan = world.reap(&["cleanup", "--dry-run", "--json"]).exits(0).json();
    assert_eq!(plan.at("/unknown").list(), []);
}

/// Two gateways, one of which is down: the other is shown whole.
#[test]
fn one_gateway_does_not_hide_another() {
    let (near, mut far) = (gateway(), gateway());
    let world = World::bare();
    let token = world.write("home/token", near.token());
    let other = world.write("home/other", far.token());
    for file in [&token, &other] {
        fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("our own file");
    }
    let address = |gateway: &StandIn| gateway.url().trim_end_matches('/').to_owned();
    world.configure(&format!(
        "[backends.openclaw]\ngateways = [\"{0}\", \"{1}\"]\n[backends.openclaw.secrets.\"{0}\"]\ntoken = \"file:{2}\"\n\
         [backends.openclaw.secrets.\"{1}\"]\ntoken = \"file:{3}\"\n",
        address(&near),
        address(&far),
        token.display(),
        other.display()
    ));
    let (keys, reasons) = look(&world);
    assert_eq!((keys.len(), reasons.len()), (4, 0));
    far.crash();
    let (keys, reasons) = look(&world);
    assert_eq!((keys.len(), reasons.len()), (2, 1));
}
