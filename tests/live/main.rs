//! The cases of `tests/openclaw` against a real gateway, one after the other. Started by
//! `tests/live/run`, which installs it.

#[path = "../openclaw/mod.rs"]
mod cases;
mod gateway;
#[path = "../e2e/support/mod.rs"]
mod support;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use cases::{Gateway, for_all_cases};
use gateway::{Installed, Real};
use support::World;

struct Case {
    name: &'static str,
    run: fn(&mut dyn Gateway),
}

macro_rules! list {
    ($($topic:ident::$case:ident),* $(,)?) => {
        const CASES: &[Case] = &[$(Case { name: stringify!($case), run: cases::$topic::$case }),*];
    };
}

for_all_cases!(list);

fn main() -> ExitCode {
    let Some(installed) = Installed::told() else {
        say("SKIPPED live gateway: start it with tests/live/run, which installs one");
        return ExitCode::SUCCESS;
    };
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |case: &&Case| wanted.is_empty() || wanted.iter().any(|word| case.name.contains(word));
    let world = World::bare();
    let mut gateway = Real::start(&world, &installed);
    let (mut passed, mut failed) = (0, 0);
    for case in CASES.iter().filter(is_wanted) {
        let since = Instant::now();
        let ran = catch_unwind(AssertUnwindSafe(|| {
            gateway.clear();
            (case.run)(&mut gateway);
        }));
        let word = if ran.is_ok() { "ok" } else { "FAILED" };
        say(&format!("test {} ... {word} ({:.1} s)", case.name, since.elapsed().as_secs_f64()));
        *if ran.is_ok() { &mut passed } else { &mut failed } += 1;
    }
    if failed > 0 {
        say(&format!("the gateway wrote, last:\n{}", gateway.last_words()));
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    // tests/run sums up lines of this form.
    say(&format!("test result: {word}. {passed} passed; {failed} failed; 0 ignored"));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("standard output can be written");
}
