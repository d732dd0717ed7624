//! One script: parsed, checked, frozen, and asked.

use std::collections::HashMap;
use std::sync::Arc;

use reap_plugin::{Description, Error, Fact, log};
use starlark::PrintHandler;
use starlark::codemap::FileSpan;
use starlark::environment::{FrozenModule, Globals, Module};
use starlark::eval::Evaluator;
use starlark::syntax::{AstModule, Dialect};
use starlark::typing::AstModuleTypecheck;
use starlark::values::{OwnedFrozenValue, Value, ValueLike};

use crate::attributes::Session;
use crate::bindings::exports::reap::plugin::outline::Wishes;
use crate::bindings::exports::reap::plugin::policy::{Subject, Vote};
use crate::bindings::reap::plugin::script::Source;
use crate::check::{self, Reading, did_you_mean};
use crate::settings::{self, Named};
use crate::slip::Slip;
use crate::values::Cast;
use crate::words;

/// Python's words that people expect, and nothing that reaches outside.
const DIALECT: Dialect =
    Dialect { enable_load: false, enable_load_reexport: false, enable_f_strings: true, ..Dialect::Standard };

/// How deep functions may call each other.
const DEEPEST: usize = 100;

/// After so many sessions what was made for their votes is thrown away: a script's
/// memory must not grow with the number of sessions.
const AT_ONCE: usize = 500;

/// A script that is ready to vote.
pub(crate) struct Script {
    file: String,
    name: String,
    about: String,
    version: String,
    select: Option<String>,
    facts: Option<Vec<String>>,
    settings: Vec<Named>,
    decide: OwnedFrozenValue,
    /// Where `decide` is, for what it returns that is no vote.
    place: FileSpan,
}

impl Script {
    /// Parses a script, finds what can be found wrong in it, and runs its top level.
    pub(crate) fn load(source: &Source) -> Result<Self, Slip> {
        let file = source.file.as_str();
        let wrong = |error: starlark::Error| Slip::from_starlark(file, &error);
        let ast = AstModule::parse(file, source.text.clone(), &DIALECT).map_err(wrong)?;
        let Reading { about, facts, settings: read, decide: place } = check::read(&ast)?;
        let globals = words::globals();
        let (mistakes, ..) = ast.clone().typecheck(&globals, &HashMap::new());
        if let Some(mistake) = mistakes.first() {
            return Err(Slip::from_starlark(file, mistake));
        }
        let module = run(ast, &globals, file)?;
        let value = |name: &str| module.get_option(name).map_err(|error| Slip::of(file, error.to_string()));
        let settings = match value("settings")? {
            Some(table) => settings::declared(table.value()).map_err(|why| Slip::of(file, why))?,
            None => Vec::new(),
        };
        settings_are_there(&read, &settings)?;
        let select = match value("select")? {
            Some(select) => Some(select.unpack_str().map(str::to_owned).ok_or_else(|| {
                Slip::of(file, "select must be a text such as \"backend:tmux activity:idle\"")
            })?),
            None => None,
        };
        let decide = value("decide")?.ok_or_else(|| Slip::of(file, "there is no `def decide(s):`"))?;
        Ok(Self {
            file: file.to_owned(),
            name: source.name.clone(),
            about: about.unwrap_or_else(|| format!("The script {file}.")),
            version: "script".to_owned(),
            select,
            facts,
            settings,
            decide,
            place,
        })
    }

    pub(crate) fn description(&self) -> Description {
        Description {
            name: self.name.clone(),
            version: self.version.clone(),
            summary: self.about.clone(),
            settings: self.settings.iter().map(|named| named.setting.clone()).collect(),
        }
    }

    pub(crate) fn wishes(&self) -> Wishes {
        Wishes { select: self.select.clone(), facts: self.facts.clone() }
    }

    /// Takes the settings; the error is for the operator.
    pub(crate) fn configure(&self, settings: Vec<Fact>) -> Result<(), Error> {
        settings::keep(&self.settings, settings).map_err(Error::Invalid)
    }

    /// One vote for each subject, in their order.
    pub(crate) fn votes(&self, subjects: Vec<Subject>) -> Result<Vec<Vote>, Slip> {
        let all: Arc<[Subject]> = subjects.into();
        let mut votes = Vec::with_capacity(all.len());
        while votes.len() < all.len() {
            self.some(&all, &mut votes)?;
        }
        Ok(votes)
    }

    fn some(&self, all: &Arc<[Subject]>, votes: &mut Vec<Vote>) -> Result<(), Slip> {
        let until = all.len().min(votes.len() + AT_ONCE);
        Module::with_temp_heap(|module| {
            let mut evaluator = evaluator(&module);
            let decide = module.heap().access_owned_frozen_value(&self.decide);
            for at in votes.len()..until {
                let session = module.heap().alloc_simple(Session::new(all, at));
                let voted = evaluator.eval_function(decide, &[session], &[]);
                let voted = voted.map_err(|error| Slip::from_starlark(&self.file, &error));
                votes.push(
                    voted.and_then(|voted| self.vote(voted)).map_err(|slip| slip.about(&session.to_str()))?,
                );
            }
            Ok(())
        })
    }

    fn vote(&self, voted: Value<'_>) -> Result<Vote, Slip> {
        if voted.is_none() {
            return Ok(Vote::Abstain);
        }
        let no_vote = || {
            let message = format!(
                "decide returned {}; it must return keep(\"why\"), orphan(\"why\"), abstain() or nothing",
                voted.to_repr()
            );
            Slip::at(&self.place, message)
        };
        voted.downcast_ref::<Cast>().map(|cast| cast.0.clone()).ok_or_else(no_vote)
    }
}

/// Runs the top level and freezes what it made.
fn run(ast: AstModule, globals: &Globals, file: &str) -> Result<FrozenModule, Slip> {
    Module::with_temp_heap(|module| {
        evaluator(&module).eval_module(ast, globals).map_err(|error| Slip::from_starlark(file, &error))?;
        module.freeze().map_err(|error| Slip::of(file, error.err_msg))
    })
}

fn evaluator<'v, 'a>(module: &'a Module<'v>) -> Evaluator<'v, 'a, 'a> {
    let mut evaluator = Evaluator::new(module);
    evaluator.set_print_handler(&ToLog);
    // It fails only for none at all, or when it was set before.
    let _ = evaluator.set_max_callstack_size(DEEPEST);
    evaluator
}

/// `print` writes to the plugin's log.
struct ToLog;

impl PrintHandler for ToLog {
    fn println(&self, text: &str) -> starlark::Result<()> {
        log::write(log::Level::Info, text);
        Ok(())
    }
}

fn settings_are_there(read: &[(String, FileSpan)], declared: &[Named]) -> Result<(), Slip> {
    let known: Vec<&str> = declared.iter().map(|named| named.setting.name.as_str()).collect();
    match read.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, span)) => {
            let message = format!("settings has no \"{name}\"{}", did_you_mean(name, &known));
            Err(Slip::at(span, message))
        }
    }
}

#[cfg(test)]
mod tests;
