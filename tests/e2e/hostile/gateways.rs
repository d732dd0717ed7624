//! Gateways: what a plugin may not say there, may not reach, and may not see. In each
//! run the gateway remembers all that came, so that what was refused can be seen not to
//! have been sent.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::LIMITS;
use crate::support::{Gateway, Process, Ran, World, run, skip};

/// The secret of the operator. It stands in one file and belongs nowhere else.
const TOKEN: &str = "tok-4f1c-SECRET-9ab3";

/// What the gateway gives whoever logs in.
const DEVICE_TOKEN: &str = "dev-TOKEN";

fn world(attack: &str) -> World {
    let world = World::with(&format!(
        "[plugins]\nfolders = [\"plugins\"]\n[backends.hostile]\nattack = \"{attack}\"\n\
         [backends.hostile.secrets]\ntoken = \"file:token\"\n{LIMITS}messages = 500\n"
    ));
    world.add_hostile_backend();
    let token = world.write("config/reap/token", format!("{TOKEN}\n"));
    fs::set_permissions(token, fs::Permissions::from_mode(0o600)).expect("our own");
    world
}

#[track_caller]
fn reap(world: &World, gateway: &Gateway, words: &[&str]) -> Ran {
    run(world.reap_command(words).env("HOSTILE_GATEWAY", &gateway.address))
}

/// Without an attack it logs in, lists, and ends what it was given leave to end.
#[test]
fn a_plugin_that_behaves_ends_its_session() {
    let (world, gateway) = (world("ws"), Gateway::with(&["victim", "other"]));
    let ran = reap(&world, &gateway, &["-v", "kill", "victim", "--yes", "--json"]).exits(0);
    assert_eq!(ran.json().at("/items/0/outcome").text(), "ended", "{ran}");
    assert_eq!(gateway.keys(), ["other"]);
    assert_eq!(gateway.methods(), ["sessions.list", "sessions.delete"]);
    let login = &gateway.logins()[0]["params"];
    assert_eq!((login["auth"]["token"].as_str(), login["nonce"].as_str()), (Some(TOKEN), Some("n-1")));
    assert_eq!(login["signature"].as_str().map(str::len), Some(86), "{login}");
    let acts: Vec<_> =
        gateway.frames().into_iter().filter(|frame| frame["method"] == "sessions.delete").collect();
    let params = serde_json::json!({ "key": "victim", "expectedSessionId": "1" });
    assert!(acts.len() == 1 && acts[0]["params"] == params, "{acts:?}");
}

#[test]
fn one_message_ends_several() {
    let (world, gateway) = (world("ws-together"), Gateway::with(&["a", "b", "c", "d", "e"]));
    let ran = reap(&world, &gateway, &["-v", "kill", "a", "b", "d", "--yes"]).exits(0);
    assert_eq!(gateway.keys(), ["c", "e"], "{ran}");
    let bulk: Vec<_> =
        gateway.frames().into_iter().filter(|frame| frame["method"] == "sessions.patchMany").collect();
    assert_eq!(bulk.len(), 2, "two in one message at most: {bulk:?}");
    ran.says(&[r#"Done("{\"for\":\"a\"}")"#, r#"Done("{\"for\":\"b\"}")"#, r#"Done("{\"for\":\"d\"}")"#]);
}

#[test]
fn one_session_may_need_several_messages() {
    let (world, gateway) = (world("ws-each"), Gateway::with(&["victim"]));
    reap(&world, &gateway, &["kill", "victim", "--yes"]).exits(5).says(&["it is still there"]);
    let items: Vec<_> = gateway
        .frames()
        .into_iter()
        .filter(|frame| frame["method"] == "tasks.cancel")
        .map(|frame| frame["params"].to_string())
        .collect();
    assert_eq!(items, [r#"{"taskId":"t1"}"#, r#"{"taskId":"t2"}"#]);
}

/// The attack is refused with this, and nothing but the list reached the gateway.
#[track_caller]
fn refused(attack: &str, said: &[&str]) {
    let (world, gateway) = (world(attack), Gateway::with(&["victim"]));
    reap(&world, &gateway, &["-v", "ls"]).exits(5).says(&["hostile"]).says(said);
    let methods = gateway.methods();
    assert!(methods.iter().all(|method| method == "sessions.list"), "{attack}: {methods:?}");
    assert_eq!(gateway.keys(), ["victim"]);
    assert_eq!(gateway.logins().len(), 1, "{attack}");
}

#[test]
fn an_act_is_no_question() {
    let act = "is sent as a message of the manifest only";
    refused("ws-act", &["\"sessions.delete\"", act]);
    refused("ws-login-again", &["\"connect\"", act]);
    refused("ws-not-granted", &["\"agent\"", "reads = [\"agent\"]", "hostile.toml"]);
    refused("ws-escaped-method", &["u0064elete", "reads = "]);
    refused("ws-quoted-method", &["sessions.list", "reads = "]);
}

#[test]
fn an_act_is_not_hidden_in_a_question() {
    for attack in ["ws-hidden", "ws-hidden-by-escapes", "ws-hidden-deep"] {
        refused(attack, &["\"tools.invoke\" with the method sessions.delete"]);
    }
    refused("ws-second-value", &["sessions.list: params: trailing"]);
    refused("ws-beyond-the-end", &["sessions.list: params: trailing"]);
    refused("ws-same-key-twice", &["a key stands there twice"]);
}

#[test]
fn an_act_needs_a_permit() {
    refused("ws-act-without-permit", &["the message \"delete\"", "[asks.websocket.messages.delete]"]);
}

#[test]
fn secrets_are_for_logins() {
    refused("ws-secret-in-a-question", &["a secret, which belongs into [asks.websocket.logins]"]);
    refused("ws-secret-in-a-value", &["{key} must be a value that matches"]);
}

#[test]
fn a_value_does_not_break_out() {
    refused("ws-broken-value", &["{key} must be a value that matches"]);
}

#[test]
fn other_addresses_are_not_reached() {
    refused("ws-address", &["ws://127.0.0.1:1", "addresses = [", "[asks.websocket]"]);
}

#[test]
fn floods_are_limited() {
    let flood = |attack: &str, said: &str| {
        let (world, gateway) = (world(attack), Gateway::with(&["victim"]));
        reap(&world, &gateway, &["ls"]).exits(5).says(&[said]);
        assert!(gateway.connections() <= 16 && gateway.frames().len() <= 500);
    };
    flood("ws-flood", "500 messages in one call (messages)");
    flood("ws-swarm", "16 connections at once (connections)");
}

#[test]
fn a_wait_ends_before_the_call_does() {
    let (world, gateway) = (world("ws-wait"), Gateway::with(&["victim"]));
    let ran = reap(&world, &gateway, &["-v", "ls"]).exits(0).says(&["it has waited"]);
    assert!(ran.took.as_secs() < 20, "{ran}");
}

/// The plugin attacks while it ends its session: the item fails, and the session is
/// still there.
#[track_caller]
fn not_ended(attack: &str, said: &[&str]) {
    let (world, gateway) = (world(attack), Gateway::with(&["victim", "other"]));
    let ran = reap(&world, &gateway, &["-v", "kill", "victim", "--yes", "--json"]).exits(5).says(said);
    assert_eq!(ran.json().at("/items/0/outcome").text(), "failed", "{ran}");
    assert_eq!(gateway.keys(), ["victim", "other"]);
    assert_eq!(gateway.methods(), ["sessions.list"]);
}

#[test]
fn the_claim_that_it_was_ended_is_not_believed() {
    not_ended("ws-claim", &["it is still there"]);
}

#[test]
fn only_the_manifests_messages_end() {
    not_ended("ws-no-such-message", &["format-the-disk", "[asks.ending.messages.format-the-disk]"]);
    not_ended("ws-attached", &["does not lift `attached`"]);
}

#[test]
fn a_session_is_ended_where_it_lives() {
    let (world, gateway) = (world("ws-elsewhere"), Gateway::with(&["victim"]));
    reap(&world, &gateway, &["-v", "kill", "victim", "--yes"])
        .exits(5)
        .says(&["for a session at \\\"elsewhere\\\"", "a session is ended where it lives"]);
    assert_eq!(
        (gateway.keys(), gateway.methods()),
        (vec!["victim".to_owned()], vec!["sessions.list".to_owned()])
    );
}

#[test]
fn a_permit_is_good_for_one_use() {
    for attack in ["ws-end-twice", "ws-same-permit"] {
        let (world, gateway) = (world(attack), Gateway::with(&["victim", "other"]));
        let ran = reap(&world, &gateway, &["-v", "kill", "victim", "--yes"]).exits(0);
        ran.says(&["the host did it", "with a permit that was used for it before"]);
        let acts = gateway.frames().iter().filter(|frame| frame["method"] == "sessions.delete").count();
        assert_eq!((acts, gateway.keys()), (1, vec!["other".to_owned()]), "{attack}");
    }
}

/// What the gateway refused may be tried again, but not for ever.
#[test]
fn a_permit_that_was_refused_may_be_tried_again() {
    for (refusals, acts, left) in [(3, 4, &["other"][..]), (100, 10, &["victim", "other"])] {
        let (world, gateway) = (world("ws-again-and-again"), Gateway::with(&["victim", "other"]));
        gateway.refuse(refusals);
        let ran = reap(&world, &gateway, &["-v", "kill", "victim", "--yes"]);
        assert_eq!(gateway.keys(), left, "{ran}");
        let sent = gateway.frames().iter().filter(|frame| frame["method"] == "sessions.delete").count();
        assert_eq!(sent, acts, "{ran}");
        ran.says(&["UNAVAILABLE", "with a permit that was used for it before"]);
    }
}

#[test]
fn one_permit_is_not_good_for_all() {
    let (world, gateway) = (world("ws-one-for-all"), Gateway::with(&["victim", "other", "third"]));
    let ran = reap(&world, &gateway, &["-v", "kill", "victim", "other", "--yes"]).exits(5);
    assert_eq!(gateway.keys().len(), 2, "one of the two was ended, once: {ran}");
    assert!(gateway.keys().contains(&"third".to_owned()));
    ran.says(&["with a permit that was used for it before"]);
}

#[test]
fn a_gateway_that_is_down_is_unknown_and_nothing_more() {
    let (world, down) = (world("ws"), Gateway::down());
    let plan = reap(&world, &down, &["cleanup", "--dry-run", "--json"]).json();
    assert_eq!(plan.at("/unknown").each("/backend"), ["hostile"], "{plan}");
    reap(&world, &down, &["ls"]).exits(5).says(&[&down.address, "refused"]);
}

#[test]
fn a_secret_that_others_may_read_is_not_used() {
    let (world, gateway) = (world("ws"), Gateway::with(&["victim"]));
    fs::set_permissions(world.path("config/reap/token"), fs::Permissions::from_mode(0o644)).expect("our own");
    reap(&world, &gateway, &["ls"]).exits(5).says(&["chmod 600"]);
    assert!(gateway.logins().is_empty());
}

/// The gateway sends back all that it is told. A plugin that writes down what it sees,
/// and looks through its memory, never comes upon the token; nor does anybody else.
#[test]
fn the_token_is_nowhere() {
    let backwards: String = TOKEN.chars().rev().collect();
    let world = world(&format!("ws-remember:{backwards}"));
    let gateway = Gateway::that_echoes(&["victim", "other"]);
    let seen = reap(&world, &gateway, &["-v", "ls", "--json"]).exits(0);
    assert!(seen.stderr.contains("[secret token]"), "the gateway echoed it: {seen}");
    assert!(seen.stderr.contains("[hidden]"), "and gave a token of its own: {seen}");
    assert!(seen.stderr.contains("bytes and found it 0 times"), "{seen}");
    let ended = reap(&world, &gateway, &["-v", "kill", "victim", "--yes", "--json"]).exits(0);
    let shown = reap(&world, &gateway, &["plugin", "inspect", "hostile"]).exits(0);
    for ran in [&seen, &ended, &shown] {
        clean(&ran.line, ran.stdout.as_bytes());
        clean(&ran.line, ran.stderr.as_bytes());
    }
    assert!(gateway.logins().iter().all(|login| login["params"]["auth"]["token"] == TOKEN));
    let files = search(&world.path(""), &world.path("config/reap/token"));
    assert!(files > 5, "only {files} files were looked at");
}

/// A daemon keeps its line, and the token is not in its memory while it does.
#[test]
fn the_token_is_not_in_the_memory_of_a_daemon() {
    let (world, gateway) = (world("ws"), Gateway::with(&["victim", "other"]));
    let mut command = world.reap_command(&["daemon"]);
    let daemon = world.daemon_as(command.env("HOSTILE_GATEWAY", &gateway.address));
    daemon.cycle();
    daemon.cycle();
    assert_eq!((gateway.logins().len(), gateway.connections()), (1, 1), "the line is kept");
    let process = daemon.process;
    let read = |name: &str| fs::read(format!("/proc/{}/{name}", process.pid)).expect("our own child");
    if let Err(error) = fs::File::open(format!("/proc/{}/mem", process.pid)) {
        return skip(&format!("the memory of another process cannot be read here: {error}"));
    }
    clean("cmdline", &read("cmdline"));
    clean("environ", &read("environ"));
    // What the gateway gives comes in by buffers that are not ours to wipe.
    let looked_at = memory(process, &mut |part, bytes| assert!(!holds(bytes, TOKEN), "it is in {part}"));
    assert!(looked_at > 1 << 20, "only {looked_at} bytes of memory were looked at");
    assert_eq!(daemon.stop(), 0);
    clean("daemon.log", &fs::read(world.path("daemon.log")).expect("written"));
}

#[track_caller]
fn clean(place: &str, bytes: &[u8]) {
    for token in [TOKEN, DEVICE_TOKEN] {
        assert!(!holds(bytes, token), "{token} is in {place}");
    }
}

fn holds(bytes: &[u8], token: &str) -> bool {
    bytes.windows(token.len()).any(|window| window == token.as_bytes())
}

/// Looks through all files below, but for the one that holds it.
#[track_caller]
fn search(folder: &Path, but: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let kind = fs::symlink_metadata(&path).expect("there").file_type();
        if kind.is_dir() {
            count += search(&path, but);
        } else if kind.is_file() && path != but {
            clean(&path.display().to_string(), &fs::read(&path).expect("our own"));
            count += 1;
        }
    }
    count
}

/// Reads all memory of a process that can be written to, and counts its bytes.
#[track_caller]
fn memory(process: Process, look: &mut dyn FnMut(&str, &[u8])) -> usize {
    use std::os::unix::fs::FileExt;
    let of = |name: &str| format!("/proc/{}/{name}", process.pid);
    let maps = fs::read_to_string(of("maps")).expect("our own child");
    let memory = fs::File::open(of("mem")).expect("our own child");
    let mut count = 0;
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw")))
    {
        let range = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let number = |hex: &str| u64::from_str_radix(hex, 16).expect("a number");
        let (start, end) = (number(range.0), number(range.1));
        // Large ranges are reserved and empty for the most part; a page that is not
        // there cannot be read.
        let mut at = start;
        while at < end {
            let mut part = vec![0; usize::try_from((end - at).min(1 << 20)).expect("a part")];
            if let Ok(bytes) = memory.read_at(&mut part, at) {
                look(line, &part[..bytes]);
                count += bytes;
            }
            at += part.len() as u64;
        }
    }
    count
}
