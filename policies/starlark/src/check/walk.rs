//! Going through all of a script.

use starlark::syntax::ast::{
    AssignTargetP, AstExpr, AstNoPayload, AstStmt, ClauseP, ExprP, ForClauseP, StmtP,
};

/// Every statement in this one, itself first.
pub(super) fn statements<'a>(statement: &'a AstStmt, found: &mut dyn FnMut(&'a AstStmt)) {
    found(statement);
    statement.node.visit_stmt(|inner| statements(inner, found));
}

/// Every expression in this statement, the outer ones first.
pub(super) fn expressions<'a>(statement: &'a AstStmt, found: &mut dyn FnMut(&'a AstExpr)) {
    statement.node.visit_expr(|expression| inside(expression, found));
}

fn inside<'a>(expression: &'a AstExpr, found: &mut dyn FnMut(&'a AstExpr)) {
    found(expression);
    expression.node.visit_expr(|inner| inside(inner, found));
}

/// Every name that gets a value in this statement: by assignment, in a loop, in a
/// comprehension, as a parameter of something inside.
pub(super) fn bound<'a>(statement: &'a AstStmt, found: &mut dyn FnMut(&'a str)) {
    statements(statement, &mut |inner| match &inner.node {
        StmtP::Assign(assign) => target(&assign.lhs.node, found),
        StmtP::AssignModify(lhs, _, _) => target(&lhs.node, found),
        StmtP::For(each) => target(&each.var.node, found),
        StmtP::Def(def) => {
            found(&def.name.node.ident);
            def.params.iter().filter_map(|param| param.node.ident()).for_each(|name| found(&name.node.ident));
        }
        _ => {}
    });
    expressions(statement, &mut |expression| match &expression.node {
        ExprP::Lambda(lambda) => {
            lambda
                .params
                .iter()
                .filter_map(|param| param.node.ident())
                .for_each(|name| found(&name.node.ident));
        }
        ExprP::ListComprehension(_, first, more) | ExprP::DictComprehension(_, first, more) => {
            clauses(first, more, found);
        }
        _ => {}
    });
}

type First = ForClauseP<AstNoPayload>;
type More = ClauseP<AstNoPayload>;

fn clauses<'a>(first: &'a First, more: &'a [More], found: &mut dyn FnMut(&'a str)) {
    target(&first.var.node, found);
    for clause in more {
        if let ClauseP::For(each) = clause {
            target(&each.var.node, found);
        }
    }
}

fn target<'a>(target: &'a AssignTargetP<AstNoPayload>, found: &mut dyn FnMut(&'a str)) {
    target.visit_lvalue(|name| found(&name.node.ident));
}
