//! What can be found wrong in a script, and found out of it, without running it.
//!
//! Which attributes of `s` and which settings are read is known from the text. A name
//! that is not there would otherwise be a fault of the first session that comes to its
//! line, and a fault keeps everything.

mod calls;
mod subjects;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use starlark::codemap::{FileSpan, Span};
use starlark::syntax::AstModule;
use starlark::syntax::ast::{
    AssignTargetP, AstExpr, AstLiteral, AstNoPayload, AstStmt, BinOp, DefP, ExprP, ParameterP, StmtP,
};

use crate::slip::Slip;
use walk::{expressions, statements};

/// What was read out of a script.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The text that it begins with, in triple quotes.
    pub(crate) about: Option<String>,
    /// The facts of `s.extra` that it reads; nothing where that cannot be told.
    pub(crate) facts: Option<Vec<String>>,
    /// The settings that it reads, and where.
    pub(crate) settings: Vec<(String, FileSpan)>,
    /// Where `decide` is.
    pub(crate) decide: FileSpan,
}

type Def = DefP<AstNoPayload>;

/// A script in parts.
struct Parts<'a> {
    ast: &'a AstModule,
    defs: BTreeMap<&'a str, &'a Def>,
    /// The names that it gives to values, and where.
    values: Vec<(&'a str, Span)>,
}

impl<'a> Parts<'a> {
    fn of(ast: &'a AstModule) -> Self {
        let mut parts = Self { ast, defs: BTreeMap::new(), values: Vec::new() };
        top_level(ast.statement(), &mut |statement| match &statement.node {
            StmtP::Def(def) => {
                parts.defs.insert(&def.name.node.ident, def);
            }
            StmtP::Assign(assign) => {
                if let AssignTargetP::Identifier(name) = &assign.lhs.node {
                    parts.values.push((&name.node.ident, name.span));
                }
            }
            _ => {}
        });
        parts
    }

    fn slip(&self, span: Span, message: impl Into<String>) -> Slip {
        Slip::at(&self.ast.file_span(span), message)
    }
}

fn top_level<'a>(statement: &'a AstStmt, found: &mut impl FnMut(&'a AstStmt)) {
    match &statement.node {
        StmtP::Statements(all) => all.iter().for_each(|one| top_level(one, found)),
        _ => found(statement),
    }
}

/// Reads a script, or says what is wrong with it.
pub(crate) fn read(ast: &AstModule) -> Result<Reading, Slip> {
    let parts = Parts::of(ast);
    let decide = decide(&parts)?;
    calls::no_recursion(&parts)?;
    subjects::attributes_are_there(&parts)?;
    votes_are_votes(&parts, decide)?;
    values_are_used(&parts)?;
    Ok(Reading {
        about: about(ast.statement()),
        facts: facts(ast.statement()),
        settings: settings(&parts)?,
        decide: ast.file_span(decide.name.span),
    })
}

fn decide<'a>(parts: &Parts<'a>) -> Result<&'a Def, Slip> {
    let file = parts.ast.file_span(parts.ast.statement().span).filename().to_owned();
    let missing = || Slip::of(&file, "there is no `def decide(s):`, which votes on the session s");
    let decide = parts.defs.get("decide").copied().ok_or_else(missing)?;
    match decide.params.as_slice() {
        [one] if matches!(one.node, ParameterP::Normal(_, _, None)) => Ok(decide),
        _ => Err(parts.slip(decide.name.span, "decide takes one thing, the session: `def decide(s):`")),
    }
}

/// What it returns in plain sight must be a vote.
fn votes_are_votes(parts: &Parts<'_>, decide: &Def) -> Result<(), Slip> {
    let mut wrong = None;
    statements(&decide.body, &mut |statement| {
        if let StmtP::Return(Some(value)) = &statement.node
            && let Some(what) = no_vote(value)
        {
            wrong.get_or_insert((statement.span, what));
        }
    });
    wrong.map_or(Ok(()), |(span, what)| {
        let message =
            format!("decide returns {what}; return keep(\"why\"), orphan(\"why\"), abstain() or nothing");
        Err(parts.slip(span, message))
    })
}

fn no_vote(value: &AstExpr) -> Option<&'static str> {
    match &value.node {
        ExprP::Literal(AstLiteral::String(_)) => Some("a text"),
        ExprP::Literal(_) => Some("a number"),
        ExprP::Identifier(name) if matches!(name.node.ident.as_str(), "True" | "False") => {
            Some("True or False")
        }
        ExprP::Identifier(name) if matches!(name.node.ident.as_str(), "keep" | "orphan" | "abstain") => {
            Some("a function that it does not call")
        }
        ExprP::Op(_, operator, _) if !matches!(operator, BinOp::And | BinOp::Or) => Some("no vote"),
        ExprP::Not(_) => Some("True or False"),
        ExprP::List(_) | ExprP::Dict(_) | ExprP::Tuple(_) => Some("a list"),
        _ => None,
    }
}

/// The values that the host asks for.
const ASKED: [&str; 2] = ["settings", "select"];

/// A value that nothing reads is most likely one of those that the host asks for, with
/// a slip in its name: without its `select` a policy votes on everything.
fn values_are_used(parts: &Parts<'_>) -> Result<(), Slip> {
    let mut read = BTreeSet::new();
    expressions(parts.ast.statement(), &mut |expression| {
        if let ExprP::Identifier(name) = &expression.node {
            read.insert(name.node.ident.as_str());
        }
    });
    let unused = parts.values.iter().find(|(name, _)| !ASKED.contains(name) && !read.contains(name));
    unused.map_or(Ok(()), |(name, span)| {
        Err(parts.slip(*span, format!("nothing reads `{name}`{}", did_you_mean(name, &ASKED))))
    })
}

/// The text at its beginning, in one line.
fn about(statement: &AstStmt) -> Option<String> {
    let mut first = None;
    top_level(statement, &mut |statement| {
        first.get_or_insert(statement);
    });
    match &first?.node {
        StmtP::Expression(text) => match &text.node {
            ExprP::Literal(AstLiteral::String(text)) => {
                let first = text.node.trim().split("\n\n").next().unwrap_or_default();
                Some(first.split_whitespace().collect::<Vec<_>>().join(" "))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The names in `s.extra["name"]`. Whoever does anything else with `extra` gets all
/// facts, and so does whoever may get at it another way.
fn facts(script: &AstStmt) -> Option<Vec<String>> {
    let mut named = BTreeSet::new();
    let (mut seen, mut understood, mut hidden) = (0, 0, false);
    expressions(script, &mut |expression| match &expression.node {
        ExprP::Dot(_, name) if name.node == "extra" => seen += 1,
        ExprP::Identifier(name) => hidden |= name.node.ident == "getattr",
        ExprP::Index(pair) => {
            if let (true, Some(name)) = (is_extra(&pair.0), text(&pair.1)) {
                named.insert(name.to_owned());
                understood += 1;
            }
        }
        ExprP::Op(name, BinOp::In | BinOp::NotIn, facts) => {
            if let (true, Some(name)) = (is_extra(facts), text(name)) {
                named.insert(name.to_owned());
                understood += 1;
            }
        }
        _ => {}
    });
    (seen == understood && !hidden).then(|| named.into_iter().collect())
}

fn is_extra(expression: &AstExpr) -> bool {
    matches!(&expression.node, ExprP::Dot(_, name) if name.node == "extra")
}

fn text(expression: &AstExpr) -> Option<&str> {
    match &expression.node {
        ExprP::Literal(AstLiteral::String(text)) => Some(&text.node),
        _ => None,
    }
}

/// Every `cfg.NAME`. Outside of functions there are no settings yet.
fn settings(parts: &Parts<'_>) -> Result<Vec<(String, FileSpan)>, Slip> {
    let mut early = None;
    top_level(parts.ast.statement(), &mut |statement| {
        if !matches!(statement.node, StmtP::Def(_)) {
            expressions(statement, &mut |expression| {
                if is_cfg(expression) {
                    early.get_or_insert(expression.span);
                }
            });
        }
    });
    if let Some(span) = early {
        return Err(
            parts.slip(span, "the settings are known only while it votes: read cfg inside of a function")
        );
    }
    let mut read = Vec::new();
    expressions(parts.ast.statement(), &mut |expression| {
        if let ExprP::Dot(object, name) = &expression.node
            && is_cfg(object)
        {
            read.push((name.node.clone(), parts.ast.file_span(name.span)));
        }
    });
    Ok(read)
}

fn is_cfg(expression: &AstExpr) -> bool {
    matches!(&expression.node, ExprP::Identifier(name) if name.node.ident == "cfg")
}

/// The end of a sentence about a name that is not there.
pub(crate) fn did_you_mean(name: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|known| (distance(name, known), known)).min();
    match nearest {
        Some((steps, known)) if steps <= 1 + name.len() / 4 => format!("; did you mean `{known}`?"),
        _ => String::new(),
    }
}

/// How many letters have to be added, taken away or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (at, its) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *its);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[other.len()]
}
