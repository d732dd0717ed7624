//! Which function mentions which: none may come back to itself. Loops over lists end;
//! with recursion a script would not have to.

use std::collections::{BTreeMap, BTreeSet};

use starlark::syntax::ast::{AstStmt, ExprP};

use super::Parts;
use super::walk::expressions;
use crate::slip::Slip;

type Mentions<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Refuses a function that calls itself, also by way of others. To mention one is to
/// call it: it could be passed on.
pub(super) fn no_recursion(parts: &Parts<'_>) -> Result<(), Slip> {
    let mentions: Mentions<'_> =
        parts.defs.iter().map(|(name, def)| (*name, mentioned(parts, &def.body))).collect();
    for (name, def) in &parts.defs {
        let mut reached = BTreeSet::new();
        reach(name, &mentions, &mut reached);
        if reached.contains(name) {
            let message =
                format!("{name} comes back to itself, and a script has no recursion; use a for loop");
            return Err(parts.slip(def.name.span, message));
        }
    }
    Ok(())
}

fn mentioned<'a>(parts: &Parts<'a>, body: &'a AstStmt) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    expressions(body, &mut |expression| {
        if let ExprP::Identifier(name) = &expression.node
            && parts.defs.contains_key(name.node.ident.as_str())
        {
            names.insert(name.node.ident.as_str());
        }
    });
    names
}

fn reach<'a>(from: &str, mentions: &Mentions<'a>, reached: &mut BTreeSet<&'a str>) {
    for name in mentions.get(from).into_iter().flatten() {
        if reached.insert(name) {
            reach(name, mentions, reached);
        }
    }
}
