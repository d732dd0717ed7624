//! Reap inside another program: the example, run as it stands.

use std::path::Path;

use crate::support::{World, run};

/// A shell that waits is an orphan at once.
const AT_ONCE: &str = "[policies.idle-shell]\nafter = \"0s\"\n";

/// The example, which cargo builds with the tests of its package; where a single
/// test was asked for, it is built now.
fn example() -> std::path::PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_reap")).with_file_name("examples").join("embed");
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--quiet", "-p", "reap", "--example", "embed"]);
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo can be started");
    assert!(built.success(), "the example does not build");
    program
}

#[test]
fn a_program_with_reap_inside_watches_plans_and_ends() {
    let world = World::with(AT_ONCE);
    let orphan = world.server("main").shell("orphan");
    let needed = world.server("main").sleeper("needed");
    let program = example();

    let watched = run(world.command(&program).arg("2")).exits(0);
    assert!(watched.stdout.contains("session.seen"), "{watched}");
    assert!(watched.stdout.contains("2 sessions, 0 due"), "a mark needs its grace: {watched}");
    assert!(watched.stdout.contains(": 1 to end, 1 kept"), "{watched}");
    assert!(orphan.lives() && needed.lives(), "nobody told it to end anything");

    let ended = run(world.command(&program).env("EMBED_APPLY", "1")).exits(0);
    assert!(ended.stdout.contains("orphan: ended"), "{ended}");
    assert!(ended.stdout.contains("session.ended"), "{ended}");
    assert!(!orphan.lives() && needed.lives());
    world.reap(&["journal", "verify"]).exits(0);
}
