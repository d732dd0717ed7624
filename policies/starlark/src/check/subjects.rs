//! Where the session goes: `decide` gets it, passes it on to other functions, and each
//! attribute that any of them reads must be one that a session has.

use std::collections::{BTreeMap, BTreeSet};

use starlark::codemap::Span;
use starlark::syntax::ast::{ArgumentP, AstArgument, AstExpr, ExprP};

use super::walk::{bound, expressions};
use super::{Def, Parts, did_you_mean};
use crate::attributes::NAMES;
use crate::slip::Slip;

/// Of each function, the parameters that are a session.
type Sessions<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

pub(super) fn attributes_are_there(parts: &Parts<'_>) -> Result<(), Slip> {
    for (function, params) in sessions(parts) {
        let Some(def) = parts.defs.get(function) else { continue };
        let mut wrong: Option<(Span, &str)> = None;
        expressions(&def.body, &mut |expression| {
            if let ExprP::Dot(object, name) = &expression.node
                && identifier(object).is_some_and(|object| params.contains(object))
                && !NAMES.contains(&name.node.as_str())
            {
                wrong.get_or_insert((name.span, &name.node));
            }
        });
        if let Some((span, name)) = wrong {
            let message = format!("a session has no `{name}`{}", hint(name));
            return Err(parts.slip(span, message));
        }
    }
    Ok(())
}

fn hint(name: &str) -> String {
    match did_you_mean(name, &NAMES) {
        nothing if nothing.is_empty() => {
            format!("; what only its backend knows is read as s.extra[\"{}\"]", name.replace('_', "-"))
        }
        meant => meant,
    }
}

fn sessions<'a>(parts: &Parts<'a>) -> Sessions<'a> {
    let mut all = Sessions::new();
    let mut todo: Vec<(&str, usize)> = vec![("decide", 0)];
    while let Some((function, at)) = todo.pop() {
        let Some((function, def)) = parts.defs.get_key_value(function) else { continue };
        let Some(param) = parameter(def, at) else { continue };
        // Another value of that name somewhere in the function: nothing can be told.
        let mut rebound = false;
        bound(&def.body, &mut |name| rebound |= name == param);
        if rebound || !all.entry(function).or_default().insert(param) {
            continue;
        }
        expressions(&def.body, &mut |expression| todo.extend(passed_on(parts, param, expression)));
    }
    all
}

fn parameter(def: &Def, at: usize) -> Option<&str> {
    let name = def.params.get(at)?.node.ident()?;
    Some(&name.node.ident)
}

/// The functions of the script that this expression calls with the session, and which
/// of their parameters it becomes.
fn passed_on<'a>(parts: &Parts<'a>, param: &str, expression: &'a AstExpr) -> Vec<(&'a str, usize)> {
    let ExprP::Call(function, args) = &expression.node else { return Vec::new() };
    let Some(function) = identifier(function) else { return Vec::new() };
    let Some(def) = parts.defs.get(function) else { return Vec::new() };
    let place = |(at, arg): (usize, &'a AstArgument)| match &arg.node {
        ArgumentP::Positional(value) if identifier(value) == Some(param) => Some(at),
        ArgumentP::Named(name, value) if identifier(value) == Some(param) => {
            def.params.iter().position(|one| one.node.ident().is_some_and(|one| one.node.ident == name.node))
        }
        _ => None,
    };
    args.args.iter().enumerate().filter_map(place).map(|at| (function, at)).collect()
}

fn identifier(expression: &AstExpr) -> Option<&str> {
    match &expression.node {
        ExprP::Identifier(name) => Some(&name.node.ident),
        _ => None,
    }
}
