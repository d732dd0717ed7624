//! Plugins that attack: each is refused with a typed error, the next plugin runs,
//! and nothing is ended that should not be.
//!
//! The backend of `tests/hostile` lists a session `victim`, made of the processes
//! that the test names, and others where it names processes for them. What it
//! attacks with is a setting.

mod gateways;
mod permits;

use crate::support::{HOSTILE_BACKEND, Process, Ran, World, run};

/// Small limits, so that an endless loop does not make the tests long.
pub(super) const LIMITS: &str =
    "[backends.hostile.limits]\nrun_ms = 1000\ncall_ms = 4000\nend_ms = 20000\nmemory_bytes = 33554432\n";

fn world(attack: &str) -> World {
    let world = World::with(&format!(
        "[plugins]\nfolders = [\"plugins\"]\n[backends.hostile]\nattack = \"{attack}\"\n{LIMITS}"
    ));
    world.add_hostile_backend();
    world
}

/// The variable that names the processes of `victim`.
const VICTIM: &str = "HOSTILE_PIDS";

/// Runs reap with these processes as those of the victim.
#[track_caller]
fn reap(world: &World, victims: &[Process], words: &[&str]) -> Ran {
    reap_with(world, &[(VICTIM, victims)], words)
}

/// Runs reap with these processes as those of the sessions of these variables.
#[track_caller]
fn reap_with(world: &World, listed: &[(&str, &[Process])], words: &[&str]) -> Ran {
    let mut command = world.reap_command(words);
    for (variable, processes) in listed {
        let named: Vec<String> = processes.iter().map(|one| format!("{}:{}", one.pid, one.started)).collect();
        command.env(variable, named.join(","));
    }
    run(&mut command)
}

/// The plugin fails at listing, with this said of it, and tmux is listed all the
/// same.
#[track_caller]
fn contained(attack: &str, said: &[&str]) {
    let world = world(attack);
    let session = world.server("main").sleeper("bystander");
    let ran = world.reap(&["ls", "--json"]).exits(5).says(said);
    assert_eq!(ran.json().each("/title"), ["bystander"], "{ran}");
    assert!(!ran.stderr.contains('\u{1b}'), "an escape got through: {ran}");
    let plan = world.reap(&["cleanup", "--dry-run", "--json"]).json();
    assert_eq!(plan.at("/unknown").each("/backend"), [HOSTILE_BACKEND]);
    assert!(session.lives());
}

#[test]
fn an_endless_loop() {
    contained("loop", &["hostile", "run_ms", "1000 ms"]);
}

#[test]
fn memory_without_end() {
    contained("memory", &["hostile", "memory_bytes"]);
}

#[test]
fn recursion_without_end() {
    contained("recurse", &["hostile", "recursed too deeply"]);
    contained("recurse-with-room", &["hostile", "out of bounds memory access"]);
}

#[test]
fn a_panic_tells_its_message() {
    contained("panic", &["hostile", "a panic on purpose"]);
}

#[test]
fn a_million_sessions() {
    contained("million", &["hostile", "limit"]);
}

#[test]
fn a_program_that_hangs() {
    contained("hang", &["hostile", "no answer"]);
}

#[test]
fn a_swarm_of_programs() {
    contained("swarm", &["hostile", "64 commands at once"]);
}

#[test]
fn a_command_that_was_not_granted() {
    contained("command", &["\"rm\"", "[asks.commands.rm]", "hostile.toml"]);
}

#[test]
fn an_injected_argument() {
    contained("argument", &["{word}", "touch owned", "[a-z]+"]);
}

#[test]
fn an_option_in_place_of_an_argument() {
    contained("option", &["{word}", "--version"]);
}

#[test]
fn an_environment_variable_that_was_not_granted() {
    contained("environment", &["PATH", "[asks.settings]"]);
}

#[test]
fn a_file_that_was_not_granted() {
    contained("file", &["/etc/passwd", "[asks.files]"]);
}

#[test]
fn a_file_beside_the_granted_folder() {
    contained("file-up", &["../environ", "[asks.files]"]);
}

#[test]
fn a_flood_of_log_lines_is_cut_and_cleaned() {
    let world = world("logs");
    let ran =
        world.reap(&["-v", "ls", "--json"]).exits(0).says(&["flood 700", "were dropped (limit log_bytes)"]);
    assert!(ran.stderr.len() < 400_000, "{} bytes of log", ran.stderr.len());
    assert!(!ran.stderr.contains('\u{1b}') && !ran.stderr.contains("\nerror: forged line"));
    assert_eq!(ran.json().each("/title"), ["victim"]);
}

#[test]
fn rows_that_cannot_be_right_make_a_listing_partial() {
    for (attack, said) in [("huge-key", "1048576 bytes"), ("empty-key", "0 bytes"), ("same-key", "victim")] {
        let world = world(attack);
        let ran = world.reap(&["ls", "--json"]).exits(5).says(&[said]);
        assert_eq!(ran.json().each("/title"), ["victim"], "{attack}: {ran}");
    }
}

#[test]
fn a_key_that_is_listed_twice_is_never_ended() {
    let world = world("same-key");
    let victim = world.bystander();
    reap(&world, &[victim], &["kill", "victim", "--force", "--yes"]).exits(4).says(&["more than once"]);
    assert!(victim.lives());
}

#[test]
fn a_title_cannot_draw_on_the_screen() {
    let world = world("escapes");
    let ran = world.reap(&["ls"]).exits(0);
    assert!(!ran.stdout.contains('\u{1b}'), "{ran}");
    assert_eq!(ran.stdout.lines().count(), 2, "a line end in a title makes no row: {ran}");
}

/// Without an attack it works: else the tests below would show nothing.
#[test]
fn a_plugin_that_behaves_ends_its_session() {
    let world = world("");
    let victim = world.bystander();
    let ran = reap(&world, &[victim], &["kill", "victim", "--yes", "--json"]).exits(0);
    assert_eq!(ran.json().at("/items/0/outcome").text(), "ended");
    assert!(!victim.lives());
}

/// The plugin attacks while it ends its session: the item fails with this said of
/// it, and the process lives.
#[track_caller]
fn nothing_ended(attack: &str, said: &[&str]) {
    let world = world(attack);
    let victim = world.bystander();
    let ran = reap(&world, &[victim], &["-v", "kill", "victim", "--yes", "--json"]).exits(5).says(said);
    assert_eq!(ran.json().at("/items/0/outcome").text(), "failed", "{ran}");
    assert!(victim.lives(), "{ran}");
}

#[test]
fn the_claim_that_it_was_ended_is_not_believed() {
    nothing_ended("claim", &["processes of it live on"]);
}

#[test]
fn a_loop_instead_of_an_end() {
    nothing_ended("end-loop", &["run_ms"]);
}

#[test]
fn no_outcome_at_all() {
    nothing_ended("no-outcome", &["0 outcomes of 1"]);
}

#[test]
fn a_permit_is_good_for_one_use() {
    nothing_ended("run-twice", &["the host did it", "with a permit that was used for it before"]);
    nothing_ended("same-permit", &["with a permit that was used for it before"]);
}

#[test]
fn a_permit_lifts_only_what_the_operator_lifted() {
    nothing_ended("attached", &["does not lift `attached`"]);
}

#[test]
fn an_ending_command_that_was_not_granted() {
    nothing_ended("not-granted", &["format-the-disk", "[asks.ending.commands.format-the-disk]"]);
}

#[test]
fn a_second_round_of_signals_is_refused() {
    let world = world("terminate-twice");
    let victim = world.bystander();
    reap(&world, &[victim], &["-v", "kill", "victim", "--yes"])
        .exits(0)
        .says(&["the host did it", "`terminate` with a permit that was used for it before"]);
    assert!(!victim.lives());
}

/// It says that its session is made of processes that are another's. Its own
/// grant shows it `sleep`s only, and what another session holds is left alone.
#[test]
fn processes_of_others_are_not_ended_on_its_word() {
    let world = world("");
    let server = world.server("main");
    let (shell, sleeper) = (server.shell("shell"), server.sleeper("sleeper"));
    let pids = |title: &str| {
        let listed = world.reap(&["ls", "--json"]).exits(0).json();
        listed.find("/title", title).at("/processes").processes()
    };
    let claimed: Vec<Process> =
        [server.process()].into_iter().chain(pids("shell")).chain(pids("sleeper")).collect();
    assert!(claimed.len() >= 3);
    reap(&world, &claimed, &["kill", "victim", "--yes"]);
    assert!(shell.lives() && sleeper.lives() && server.process().lives());
    assert!(claimed.iter().all(|process| process.lives()), "one of {claimed:?} was ended");
}

/// It may look at `sleep`s only, and says that its session has another program too.
/// Nothing proves that one, so it is not ended; nor is it forgotten.
#[test]
fn a_process_that_it_may_not_look_at_lives_on_and_is_named() {
    let world = world("");
    let mut command = world.command("tail");
    command.args(["-f", "/dev/null"]);
    let (victim, other) = (world.bystander(), world.in_background(command));
    let ran = reap(&world, &[victim, other], &["kill", "victim", "--yes", "--json"]).exits(5);
    let item = ran.json().at("/items/0");
    assert_eq!(item.at("/outcome").text(), "failed", "{ran}");
    assert_eq!(item.at("/survivors/0/process/pid").number(), u64::from(other.pid), "{ran}");
    assert!(!victim.lives() && other.lives(), "{ran}");
}

#[test]
fn an_answer_about_another_instance_verifies_nothing() {
    let world = world("other-instance");
    let victim = world.bystander();
    let ran = reap(&world, &[victim], &["kill", "victim", "--yes", "--json"]).exits(5);
    assert_eq!(ran.json().at("/items/0/outcome").text(), "failed", "{ran}");
    ran.says(&["it is not about nowhere"]);
}
