//! How the attacking backend ends sessions: as it should, or with permits that are
//! used twice, for another session, or after their call, or that are made up.

use std::cell::RefCell;
use std::mem::ManuallyDrop;

use reap_plugin::commands::{Output, start};
use reap_plugin::ending::{Termination, run, terminate};
use reap_plugin::{Error, Outcome, Permit, Verdict, log};

use crate::attack;
use crate::backend::VICTIM;

thread_local! {
    /// What an earlier call left. Every call has an instance of its own, so that
    /// there is never anything.
    static KEPT: RefCell<Vec<Permit>> = const { RefCell::new(Vec::new()) };
}

/// Ends the sessions, and claims in any case that they were ended.
pub(crate) fn end(attack: &str, permits: Vec<Permit>) -> Result<Vec<Outcome>, Error> {
    let ended = Outcome { verdict: Verdict::Ended, survivors: Vec::new(), notes: Vec::new() };
    let outcomes = vec![ended; permits.len()];
    let all: Vec<&Permit> = permits.iter().collect();
    match attack {
        "claim" => {}
        "end-loop" => attack::make("loop"),
        "no-outcome" => return Ok(Vec::new()),
        "run-twice" => {
            command(&all, "note");
            command(&all, "note");
        }
        "same-permit" => command(&[all[0], all[0]], "note"),
        "attached" => command(&all, "note-attached"),
        "not-granted" => command(&all, "format-the-disk"),
        "terminate-twice" => {
            signals(&all);
            signals(&all);
        }
        "victims-for-all" => {
            let victims: Vec<&Permit> = all.iter().map(|_| victims(&all)).collect();
            command(&victims, "note");
            signals(&victims);
        }
        "keep" | "keep-number" => keep(permits),
        "made-up" => signals(&[&made_up(1_000)]),
        "another-resource" => signals(&[&made_up(start("sleep", &[])?.take_handle())]),
        "dropped" => {
            let number = all[0].handle();
            drop(permits);
            signals(&[&made_up(number)]);
        }
        _ => signals(&all),
    }
    Ok(outcomes)
}

/// Tries in another call what an earlier one was given permits for.
pub(crate) fn later(attack: &str) {
    match attack {
        "keep" => use_kept(),
        // The number that the first permit of a call has.
        "keep-number" => signals(&[&made_up(1)]),
        _ => {}
    }
}

fn keep(permits: Vec<Permit>) {
    use_kept();
    for permit in &permits {
        say(&format!("the permit for {} has the number {}", permit.session().key, permit.handle()));
    }
    KEPT.set(permits);
}

fn use_kept() {
    let kept = KEPT.take();
    say(&format!("permits of another call: {}", kept.len()));
    signals(&kept.iter().collect::<Vec<_>>());
}

/// A permit out of nothing but a number.
fn made_up(number: u32) -> ManuallyDrop<Permit> {
    // SAFETY: nothing is, and that is the attack. A number is no pointer: it is for
    // the host to see that it has no such permit.
    ManuallyDrop::new(unsafe { Permit::from_handle(number) })
}

fn victims<'a>(all: &[&'a Permit]) -> &'a Permit {
    all.iter().find(|permit| permit.session().key == VICTIM).expect("the victim is to be ended")
}

/// Runs the ending command of that name, and says what it printed.
fn command(permits: &[&Permit], name: &str) {
    let printed = |output: Output| String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    report(run(permits, name), printed);
}

/// Ends processes, and says how many.
fn signals(permits: &[&Permit]) {
    let count = |done: Termination| (done.terminated.len() + done.killed.len()).to_string();
    report(terminate(permits, &[]), count);
}

/// Writes what the host answered to the log, where the test can read it.
fn report<T>(answers: Vec<Result<T, Error>>, words: impl Fn(T) -> String) {
    for answer in answers {
        match answer {
            Ok(done) => say(&format!("the host did it: {}", words(done))),
            Err(error) => say(&format!("the host refused: {error:?}")),
        }
    }
}

fn say(text: &str) {
    log::write(log::Level::Warn, text);
}
