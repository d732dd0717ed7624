//! The guide for authors of policies: its scripts are sound, its cases pass, and its
//! table of attributes is whole.

use std::fs;

use super::markdown::page;
use crate::support::{World, run};

const GUIDE: &str = "docs/policies.md";

/// A block of cases belongs to the script before it.
#[test]
fn every_script_is_sound_and_passes_its_cases() {
    let world = World::bare();
    let folder = world.path("rules");
    fs::create_dir(&folder).expect("made");
    let (scripts, cases) = (page(GUIDE).blocks("star"), page(GUIDE).blocks("cases"));
    assert!(scripts.len() > 1 && !cases.is_empty());
    for (at, script) in scripts.iter().enumerate() {
        fs::write(folder.join("rule.star"), script).expect("written");
        run(world.reap_command(&["policy", "check", "rule"]).current_dir(&folder)).exits(0);
        if let Some(cases) = cases.get(at) {
            fs::write(folder.join("rule.cases.toml"), cases).expect("written");
            run(world.reap_command(&["policy", "test", "rule"]).current_dir(&folder)).exits(0);
        }
    }
}

#[test]
fn every_attribute_of_a_session_is_documented() {
    let world = World::bare();
    let folder = world.path("rules");
    fs::create_dir(&folder).expect("made");
    let table = page(GUIDE).table("What is known of a session");
    let mut names = table.names();
    names.sort_unstable();
    fs::write(
        folder.join("all.star"),
        "def decide(s):\n    return orphan(\" \".join(sorted(dir(s))) + \".\")\n",
    )
    .expect("written");
    let cases = format!("[[case]]\nname = \"all\"\nvote = \"orphan\"\nreason = \"{}.\"\n", names.join(" "));
    fs::write(folder.join("all.cases.toml"), cases).expect("written");
    run(world.reap_command(&["policy", "test", "all"]).current_dir(&folder)).exits(0);
}
