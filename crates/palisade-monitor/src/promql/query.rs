//! The text of a query becomes a tree, within limits; what this server does not evaluate is refused
//! before anything is read.

use super::error::QueryError;
use super::{function, window};
use promql_parser::label::Matchers;
use promql_parser::parser::token::{T_LIMIT_RATIO, T_LIMITK};
use promql_parser::parser::{self, BinModifier, Expr, VectorSelector};

/// The longest query, in bytes.
pub const QUERY_BYTES_MAX: usize = 8_192;
/// The deepest tree; it is walked by recursion.
const DEPTH_MAX: usize = 64;
/// Matchers by regular expression in a query, and `label_replace`: each may take megabytes.
const REGEXES_MAX: usize = 10;
/// The longest regular expression, in bytes.
pub const REGEX_BYTES_MAX: usize = 1_000;

/// Reads a query.
pub fn parse(text: &str) -> Result<Expr, QueryError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(QueryError::bad(format!("the query has more than {QUERY_BYTES_MAX} bytes")));
    }
    let regexes = text.matches("=~").count() + text.matches("!~").count() + text.matches("label_replace").count();
    if regexes > REGEXES_MAX {
        return Err(QueryError::bad(format!("the query has more than {REGEXES_MAX} regular expressions")));
    }
    let expr = parser::parse(text).map_err(|error| syntax(text, error))?;
    sound(text, &expr)?;
    Ok(expr)
}

/// What the parser says, with the place where that can be found.
fn syntax(text: &str, error: String) -> QueryError {
    let quoted = error.rsplit_once(' ').map(|(_, word)| word.trim_matches('\''));
    let position = match quoted {
        Some(word) if error.starts_with("unknown function") => place(text, word),
        Some(word) if error.starts_with("unexpected character") => place(text, word),
        _ => unbalanced(text),
    };
    let message = match error.as_str() {
        "invalid promql query" => "the query cannot be read as PromQL".to_owned(),
        _ => error,
    };
    QueryError::Bad { message, position }
}

/// The number of the character, from 1, where `word` stands outside of quotes.
fn place(text: &str, word: &str) -> Option<usize> {
    let mut quote = None;
    for (n, (at, c)) in text.char_indices().enumerate() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if text[at..].starts_with(word) && !word.is_empty() => return Some(n + 1),
            None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            None => {}
        }
    }
    None
}

/// The first bracket that does not close, or that nothing opened.
fn unbalanced(text: &str) -> Option<usize> {
    let (mut open, mut quote) = (Vec::new(), None);
    for (n, c) in (1..).zip(text.chars()) {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '(' | '[' | '{') => open.push((n, c)),
            (None, ')' | ']' | '}') => {
                let wanted = [('(', ')'), ('[', ']'), ('{', '}')].into_iter().find(|(_, close)| *close == c);
                match (open.pop(), wanted) {
                    (Some((_, opened)), Some((wanted, _))) if opened == wanted => {}
                    _ => return Some(n),
                }
            }
            _ => {}
        }
    }
    open.first().map(|(n, _)| *n)
}

/// Refuses what is too deep and what is not supported, without recursion.
fn sound(text: &str, expr: &Expr) -> Result<(), QueryError> {
    let mut rest = vec![(expr, 1)];
    while let Some((expr, depth)) = rest.pop() {
        if depth > DEPTH_MAX {
            return Err(QueryError::bad(format!("the query is nested more than {DEPTH_MAX} deep")));
        }
        supported(text, expr)?;
        rest.extend(parts(expr).into_iter().map(|part| (part, depth + 1)));
    }
    Ok(())
}

/// The expressions that one is made of.
pub fn parts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Aggregate(aggregate) => aggregate.param.iter().map(|param| &**param).chain([&*aggregate.expr]).collect(),
        Expr::Unary(unary) => vec![&unary.expr],
        Expr::Binary(binary) => vec![&binary.lhs, &binary.rhs],
        Expr::Paren(paren) => vec![&paren.expr],
        Expr::Subquery(subquery) => vec![&subquery.expr],
        Expr::Call(call) => call.args.args.iter().map(|arg| &**arg).collect(),
        _ => Vec::new(),
    }
}

fn supported(text: &str, expr: &Expr) -> Result<(), QueryError> {
    let refused = |what: String, word: &str| {
        Err(QueryError::Bad {
            message: format!("{what} is not supported here; docs/promql.md lists what is"),
            position: place(text, word),
        })
    };
    match expr {
        Expr::Call(call) if !is_known(call.func.name) => refused(format!("`{}`", call.func.name), call.func.name),
        Expr::Aggregate(a) if matches!(a.op.id(), T_LIMITK | T_LIMIT_RATIO) => refused(format!("`{}`", a.op), "limit"),
        Expr::Binary(binary) if binary.modifier.as_ref().is_some_and(fills) => refused("`fill`".to_owned(), "fill"),
        Expr::VectorSelector(selector) => matchers(text, selector),
        Expr::MatrixSelector(selector) => matchers(text, &selector.vs),
        Expr::Extension(_) => refused("this".to_owned(), ""),
        _ => Ok(()),
    }
}

fn is_known(function: &str) -> bool {
    window::over(function).is_some() || function::is_known(function)
}

fn fills(modifier: &BinModifier) -> bool {
    modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some()
}

fn matchers(text: &str, selector: &VectorSelector) -> Result<(), QueryError> {
    let Matchers { matchers, or_matchers } = &selector.matchers;
    if !or_matchers.is_empty() {
        let message = "`or` between matchers is not supported here; use `=~` or the operator `or`".to_owned();
        return Err(QueryError::Bad { message, position: place(text, "or") });
    }
    match matchers.iter().find(|m| m.value.len() > REGEX_BYTES_MAX) {
        Some(long) => {
            let message = format!("the value of `{}` has more than {REGEX_BYTES_MAX} bytes", long.name);
            Err(QueryError::Bad { message, position: place(text, &long.name) })
        }
        None => Ok(()),
    }
}
