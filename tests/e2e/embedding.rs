//! Reap inside another program: the example, run as it stands.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::support::{World, run};

/// A shell that waits is an orphan at once.
const AT_ONCE: &str = "[policies.idle-shell]\nafter = \"0s\"\n";

/// The example. Cargo builds it with all tests; where a single one was asked for, it
/// may be missing or old, and is built now. That takes minutes where the packages are
/// put together otherwise than for all tests, so only then.
fn example() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_reap")).with_file_name("examples").join("embed");
    let sources = newest(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let built = fs::metadata(&program).and_then(|about| about.modified());
    if built.is_ok_and(|built| built >= sources) {
        return program;
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--quiet", "-p", "reap", "--example", "embed"]);
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo can be started");
    assert!(built.success(), "the example does not build");
    program
}

/// When the newest file below this folder was written.
fn newest(folder: &Path) -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder).expect("our own sources").flatten() {
        let about = entry.metadata().expect("our own sources");
        let time =
            if about.is_dir() { self::newest(&entry.path()) } else { about.modified().expect("Linux") };
        newest = newest.max(time);
    }
    newest
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
