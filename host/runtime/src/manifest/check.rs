//! What can be wrong with a manifest that reads well: each is a sentence that says
//! what to change.

use regex::Regex;

use super::{
    Asks, CommandAsk, FACT, FROM_PERMIT, LeftoversAsk, PlaceholderAsk, RootProof, SignalsAsk, whole_regex,
};
use crate::limits::LONGEST_COMMAND;
use crate::template::Template;

pub(super) fn from_permit(hole: &str) -> bool {
    FROM_PERMIT.contains(&hole) || hole.starts_with(FACT)
}

pub(super) fn check_command(place: &str, command: &CommandAsk) -> Result<Vec<String>, String> {
    let Some(program) = command.run.first() else {
        return Err(format!("{place}: `run` is empty; write the program and its arguments"));
    };
    if Template::parse(program).holes().next().is_some() {
        return Err(format!("{place}: the program itself cannot be a placeholder"));
    }
    if command.timeout > LONGEST_COMMAND || command.timeout.millis() == 0 {
        return Err(format!("{place}: timeout must be more than 0s and at most {LONGEST_COMMAND}"));
    }
    Ok(command
        .run
        .iter()
        .flat_map(|word| Template::parse(word).holes().map(str::to_owned).collect::<Vec<_>>())
        .collect())
}

/// Each placeholder needs a word on what it may hold.
pub(super) fn check_declared(asks: &Asks, place: &str, holes: &[String]) -> Result<(), String> {
    match holes.iter().find(|hole| !asks.placeholders.contains_key(*hole)) {
        Some(hole) => Err(format!(
            "{place}: {{{hole}}} is not declared; add [asks.placeholders.{hole}] with a `pattern` or `paths`"
        )),
        None => Ok(()),
    }
}

pub(super) fn check_ending_holes(place: &str, holes: &[String]) -> Result<(), String> {
    if let Some(hole) = holes.iter().find(|hole| !from_permit(hole)) {
        return Err(format!(
            "{place}: {{{hole}}} cannot be filled: an ending command gets its values from the permit, \
             which has {{instance}}, {{key}}, {{incarnation}} and {{fact.NAME}}"
        ));
    }
    if !holes.iter().any(|hole| hole == "key") {
        return Err(format!("{place}: it must name its session: use {{key}}"));
    }
    Ok(())
}

pub(super) fn check_placeholder(name: &str, placeholder: &PlaceholderAsk) -> Result<(), String> {
    match (&placeholder.pattern, placeholder.paths.is_empty() && placeholder.setting.is_none()) {
        (Some(pattern), true) => whole_regex(pattern)
            .map(|_| ())
            .map_err(|error| format!("[asks.placeholders.{name}]: `pattern` is not valid: {error}")),
        (None, false) => Ok(()),
        (Some(_), false) => {
            Err(format!("[asks.placeholders.{name}]: use `pattern`, or `paths` and `setting`, not both"))
        }
        (None, true) => {
            Err(format!("[asks.placeholders.{name}]: add a `pattern`, or `paths`, or a `setting`"))
        }
    }
}

pub(super) fn check_signals(signals: &SignalsAsk) -> Result<(), String> {
    let patterns: Vec<Template> = signals.environment.values().map(|text| Template::parse(text)).collect();
    let names = |hole: &str| patterns.iter().any(|pattern| pattern.holes().any(|one| one == hole));
    if signals.server.is_none() && (signals.root == RootProof::ChildOfServer || names("server")) {
        return Err(
            "[asks.ending.signals]: add `server`, a glob over the name of the server's process: the \
                    proof rests on it"
                .to_owned(),
        );
    }
    if (signals.root == RootProof::Program) == signals.programs.is_empty() {
        return Err(
            "[asks.ending.signals]: `root = \"program\"` needs `programs`, and `programs` needs that: a \
                    list of lists of patterns, for the first arguments of a process"
                .to_owned(),
        );
    }
    for words in &signals.programs {
        check_program(words)?;
    }
    if !patterns.is_empty() && patterns.iter().all(|pattern| pattern.holes().next().is_none()) {
        return Err(
            "[asks.ending.signals.environment]: no pattern names the session, so all would be its: use \
                    {server} or {fact.NAME}"
                .to_owned(),
        );
    }
    for (name, pattern) in &signals.environment {
        let sample = Template::parse(pattern).fill(|_| Ok::<_, String>("0".to_owned()))?;
        whole_regex(&sample).map_err(|error| {
            format!("[asks.ending.signals.environment] {name}: not a valid pattern: {error}")
        })?;
        let unknown = Template::parse(pattern)
            .holes()
            .find(|hole| *hole != "server" && !hole.starts_with("fact."))
            .map(str::to_owned);
        if let Some(hole) = unknown {
            return Err(format!(
                "[asks.ending.signals.environment] {name}: {{{hole}}} is not known; use {{server}} or {{fact.NAME}}"
            ));
        }
    }
    Ok(())
}

pub(super) fn check_program(words: &[String]) -> Result<(), String> {
    let patterns: Vec<Regex> = words
        .iter()
        .map(|word| whole_regex(word))
        .collect::<Result<_, _>>()
        .map_err(|error| format!("[asks.ending.signals] programs: not a valid pattern: {error}"))?;
    // A name that no program has.
    match patterns.first() {
        Some(first) if !first.is_match("\u{1}") => Ok(()),
        _ => Err(format!(
            "[asks.ending.signals] programs: {words:?} would be any process; the first pattern must name a program"
        )),
    }
}

pub(super) fn check_leftovers(leftovers: &LeftoversAsk, sees_processes: bool) -> Result<(), String> {
    let place = "[asks.leftovers]";
    if !sees_processes {
        return Err(format!("{place}: add [asks.processes]: only what may be looked at can be found"));
    }
    if leftovers.files.is_empty() || leftovers.under.is_empty() {
        return Err(format!("{place}: write the `files`, and `under` which member the command lines stand"));
    }
    let folder = |file: &str| file.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    match leftovers.files.iter().find(|file| folder(file).contains('*')) {
        Some(file) => Err(format!("{place}: {file:?}: only the last part of a path may have `*` in it")),
        None => Ok(()),
    }
}
