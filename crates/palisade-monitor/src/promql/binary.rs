//! Operators between two expressions, and which series of one side belongs to which of the other.

use super::budget::Budget;
use super::error::QueryError;
use super::labels::{Labels, NAME};
use super::value::{Line, SAME_LABELS, Value, folded};
use promql_parser::parser::token::{
    T_ADD, T_ATAN2, T_DIV, T_EQLC, T_GTE, T_GTR, T_LAND, T_LOR, T_LSS, T_LTE, T_LUNLESS, T_MOD, T_MUL, T_NEQ, T_POW,
    T_SUB, TokenId,
};
use promql_parser::parser::{BinModifier, BinaryExpr, LabelModifier, VectorMatchCardinality};
use std::collections::{HashMap, HashSet};

/// An operator that makes a value of two.
#[derive(Clone, Copy)]
struct Operator {
    id: TokenId,
    /// A comparison answers 0 or 1 instead of letting through.
    is_bool: bool,
}

/// Evaluates `left op right`.
pub fn binary(expr: &BinaryExpr, left: Value, right: Value, budget: &Budget) -> Result<Value, QueryError> {
    let modifier = expr.modifier.clone().unwrap_or_default();
    let op = Operator { id: expr.op.id(), is_bool: modifier.return_bool };
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => {
            let values = left.iter().zip(&right).map(|(a, b)| op.apply(*a, *b).unwrap_or(0.0));
            Ok(Value::Scalar(values.collect()))
        }
        (Value::Vector(lines), Value::Scalar(numbers)) => {
            with_scalar(lines, &numbers, op, |value, number| op.apply(value, number)).map(Value::Vector)
        }
        (Value::Scalar(numbers), Value::Vector(lines)) => {
            // a comparison lets the series' own value through, on whichever side it stands
            let apply = |value, number| match op.apply(number, value) {
                Some(_) if op.is_comparison() && !op.is_bool => Some(value),
                other => other,
            };
            with_scalar(lines, &numbers, op, apply).map(Value::Vector)
        }
        (Value::Vector(left), Value::Vector(right)) => {
            let matching = Matching::of(&modifier);
            match op.id {
                T_LAND | T_LUNLESS => Ok(Value::Vector(kept(left, &right, &matching, op.id == T_LAND))),
                T_LOR => either(left, right, &matching).map(Value::Vector),
                _ => matched((left, right), &matching, op, budget).map(Value::Vector),
            }
        }
        _ => Err(QueryError::bad(format!("`{}` stands between numbers and vectors only", expr.op))),
    }
}

impl Operator {
    fn is_comparison(self) -> bool {
        matches!(self.id, T_EQLC | T_NEQ | T_GTR | T_LSS | T_GTE | T_LTE)
    }

    /// A comparison between series lets the left value through or nothing; all else makes a new value,
    /// which is no longer what the metric's name says.
    fn apply(self, a: f64, b: f64) -> Option<f64> {
        let is = match self.id {
            T_ADD => return Some(a + b),
            T_SUB => return Some(a - b),
            T_MUL => return Some(a * b),
            T_DIV => return Some(a / b),
            T_MOD => return Some(a % b),
            T_POW => return Some(a.powf(b)),
            T_ATAN2 => return Some(a.atan2(b)),
            T_EQLC => a == b,
            T_NEQ => a != b,
            T_GTR => a > b,
            T_LSS => a < b,
            T_GTE => a >= b,
            _ => a <= b,
        };
        if self.is_bool { Some(f64::from(u8::from(is))) } else { is.then_some(a) }
    }

    /// `atan2` keeps the name in Prometheus 2.42, and so it does here.
    fn drops_name(self) -> bool {
        self.is_bool || !(self.is_comparison() || self.id == T_ATAN2)
    }
}

fn with_scalar(
    lines: Vec<Line>,
    numbers: &[f64],
    op: Operator,
    apply: impl Fn(f64, f64) -> Option<f64>,
) -> Result<Vec<Line>, QueryError> {
    let each = lines.into_iter().map(|line| {
        let values = line.values.iter().zip(numbers).map(|(value, number)| apply((*value)?, *number));
        Line { values: values.collect(), labels: if op.drops_name() { line.labels.nameless() } else { line.labels } }
    });
    folded(each.collect(), SAME_LABELS)
}

/// What makes two series belong together.
struct Matching<'a> {
    card: &'a VectorMatchCardinality,
    is_on: bool,
    labels: HashSet<&'a str>,
}

impl<'a> Matching<'a> {
    fn of(modifier: &'a BinModifier) -> Matching<'a> {
        let (is_on, labels) = match &modifier.matching {
            Some(LabelModifier::Include(labels)) => (true, labels.labels.as_slice()),
            Some(LabelModifier::Exclude(labels)) => (false, labels.labels.as_slice()),
            None => (false, [].as_slice()),
        };
        let mut labels: HashSet<&str> = labels.iter().map(String::as_str).collect();
        if !is_on {
            labels.insert(NAME);
        }
        Matching { card: &modifier.card, is_on, labels }
    }

    /// Series with the same belong together.
    fn signature(&self, labels: &Labels) -> Labels {
        if self.is_on { labels.only(&self.labels) } else { labels.without(&self.labels) }
    }

    /// The labels of the result: those of the side that has many, and what was asked for of the other.
    fn result(&self, many: &Labels, one: &Labels, op: Operator) -> Labels {
        let mut labels = many.clone();
        if op.drops_name() {
            labels = labels.nameless();
        }
        if *self.card == VectorMatchCardinality::OneToOne {
            let name = labels.get(NAME).to_owned();
            labels = self.signature(&labels);
            if !self.is_on {
                labels.set(NAME, name);
            }
        }
        for label in self.card.labels().iter().flat_map(|labels| &labels.labels) {
            labels.set(label, one.get(label));
        }
        labels
    }
}

/// By signature and step: the value of the side that may have one only, and which series it is of.
type Ones = HashMap<Labels, Vec<Option<(f64, usize)>>>;

fn matched(
    (left, right): (Vec<Line>, Vec<Line>),
    matching: &Matching<'_>,
    op: Operator,
    budget: &Budget,
) -> Result<Vec<Line>, QueryError> {
    let is_swapped = matches!(matching.card, VectorMatchCardinality::OneToMany(_));
    let is_single = *matching.card == VectorMatchCardinality::OneToOne;
    let (many, one) = if is_swapped { (right, left) } else { (left, right) };
    let ones = ones(&many, &one, matching, if is_swapped { "left" } else { "right" })?;
    let (mut out, mut used) = (Vec::new(), HashMap::<Labels, Vec<bool>>::new());
    for line in &many {
        let signature = matching.signature(&line.labels);
        let Some(partners) = ones.get(&signature) else { continue };
        let used = used.entry(signature).or_insert_with(|| vec![false; line.values.len()]);
        // the series that it belongs to may change from step to step
        let mut by_partner: HashMap<usize, Vec<Option<f64>>> = HashMap::new();
        for (n, (value, partner)) in line.values.iter().zip(partners).enumerate() {
            let (Some(value), Some((other, place))) = (value, partner) else { continue };
            let applied = if is_swapped { op.apply(*other, *value) } else { op.apply(*value, *other) };
            let Some(applied) = applied else { continue };
            if is_single && std::mem::replace(&mut used[n], true) {
                let message =
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
                return Err(QueryError::Execution(format!("{message}: {}", line.labels)));
            }
            by_partner.entry(*place).or_insert_with(|| vec![None; line.values.len()])[n] = Some(applied);
        }
        budget.take(by_partner.len() * line.values.len())?;
        let each = by_partner.into_iter();
        out.extend(
            each.map(|(place, values)| Line { labels: matching.result(&line.labels, &one[place].labels, op), values }),
        );
    }
    let clash =
        if is_single { SAME_LABELS } else { "multiple matches for labels: grouping labels must ensure unique matches" };
    folded(out, clash)
}

fn ones(many: &[Line], one: &[Line], matching: &Matching<'_>, side: &str) -> Result<Ones, QueryError> {
    let steps = one.first().map_or(0, |line| line.values.len());
    let asked: Vec<bool> = (0..steps).map(|n| many.iter().any(|line| line.values[n].is_some())).collect();
    let mut ones = Ones::new();
    for (place, line) in one.iter().enumerate() {
        let slots = ones.entry(matching.signature(&line.labels)).or_insert_with(|| vec![None; steps]);
        for (n, value) in line.values.iter().enumerate() {
            let Some(value) = value.filter(|_| asked[n]) else { continue };
            if let Some((_, before)) = slots[n] {
                return Err(QueryError::Execution(format!(
                    "found duplicate series for the match group on the {side} hand-side of the operation: {} and {}; \
                     many-to-many matching not allowed: matching labels must be unique on one side",
                    one[before].labels, line.labels
                )));
            }
            slots[n] = Some((value, place));
        }
    }
    Ok(ones)
}

/// By signature, the steps at which there is any series.
fn present(lines: &[Line], matching: &Matching<'_>) -> HashMap<Labels, Vec<bool>> {
    let mut present = HashMap::<Labels, Vec<bool>>::new();
    for line in lines {
        let steps = present.entry(matching.signature(&line.labels)).or_insert_with(|| vec![false; line.values.len()]);
        steps.iter_mut().zip(&line.values).for_each(|(is, value)| *is |= value.is_some());
    }
    present
}

/// `and`, `unless`: what of the left side has, or has not, anything on the right.
fn kept(mut left: Vec<Line>, right: &[Line], matching: &Matching<'_>, wanted: bool) -> Vec<Line> {
    let present = present(right, matching);
    for line in &mut left {
        let there = present.get(&matching.signature(&line.labels));
        for (n, value) in line.values.iter_mut().enumerate() {
            *value = value.filter(|_| there.is_some_and(|there| there[n]) == wanted);
        }
    }
    left.retain(|line| line.values.iter().any(Option::is_some));
    left
}

/// `or`: the left side, and what of the right has nothing there.
fn either(left: Vec<Line>, right: Vec<Line>, matching: &Matching<'_>) -> Result<Vec<Line>, QueryError> {
    let rest = kept(right, &left, matching, false);
    folded(left.into_iter().chain(rest).collect(), SAME_LABELS)
}
