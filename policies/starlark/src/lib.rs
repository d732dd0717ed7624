//! The engine of script policies: a guest that runs policies written in Starlark.
//!
//! The host gives each script an instance of its own and keeps that instance for as
//! long as it answers, so a script is parsed once and not once for every session. What
//! a script made while it was loaded is frozen, and what it makes while it votes is
//! thrown away: no vote can depend on an earlier one.
//!
//! There is no clock, no file, no `load` and no recursion; time and memory are the
//! host's to bound. What can be found wrong without running the script is found when
//! it is loaded (`check`), and every message has the file, the line and the source line.

#![cfg(feature = "engine")]

mod attributes;
mod check;
mod script;
mod settings;
mod slip;
mod values;
mod words;

#[allow(missing_docs, reason = "generated; `wit/` says what it means")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "script-engine",
        with: {
            "reap:plugin/types@0.1.0": reap_plugin::bindings::policy::reap::plugin::types,
            "reap:plugin/log@0.1.0": reap_plugin::bindings::policy::reap::plugin::log,
        },
        additional_derives: [PartialEq],
    });
}

use std::cell::OnceCell;

use reap_plugin::{Description, Error, Fact, Timestamp};

use bindings::exports::reap::plugin::outline::{Guest as Outline, Wishes};
use bindings::exports::reap::plugin::policy::{Guest as Policy, Subject, Vote};
use bindings::reap::plugin::script::given;
use script::Script;

thread_local! {
    /// The script of this instance, parsed by the first call that needs it.
    static SCRIPT: OnceCell<Result<Script, Error>> = const { OnceCell::new() };
}

fn with_script<T>(use_it: impl FnOnce(&Script) -> Result<T, Error>) -> Result<T, Error> {
    SCRIPT.with(|script| match script.get_or_init(|| Script::load(&given()).map_err(Error::from)) {
        Ok(script) => use_it(script),
        Err(error) => Err(error.clone()),
    })
}

#[allow(dead_code, reason = "used by the exports, which exist on wasm alone")]
struct Engine;

impl Policy for Engine {
    fn describe() -> Result<Description, Error> {
        with_script(|script| Ok(script.description()))
    }

    fn configure(settings: Vec<Fact>) -> Result<(), Error> {
        with_script(|script| script.configure(settings))
    }

    fn evaluate(_now: Timestamp, subjects: Vec<Subject>) -> Result<Vec<Vote>, Error> {
        with_script(|script| script.votes(subjects).map_err(Error::from))
    }
}

impl Outline for Engine {
    fn told() -> Result<Wishes, Error> {
        with_script(|script| Ok(script.wishes()))
    }
}

#[cfg(target_arch = "wasm32")]
bindings::export!(Engine with_types_in bindings);
