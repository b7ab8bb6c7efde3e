//! Whether a notice is meant: by labels, host and severity. Pure.

use super::spec::MatchSpec;
use crate::scope::{Groups, Scope};
use palisade_core::Severity;
use palisade_guard::api::ApiError;
use palisade_guard::store::HostRow;
use regex::Regex;
use std::collections::BTreeMap;

/// Labels that one document may name.
pub const LABELS_MAX: usize = 20;
/// A label's name or a pattern, in characters.
pub const LABEL_CHARS_MAX: usize = 200;
/// What a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 18;

/// What a value must be like.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// This.
    Is(String),
    /// Anything else.
    IsNot(String),
    /// The expression fits all of it.
    Fits(Regex),
    /// The expression does not fit all of it.
    FitsNot(Regex),
}

impl Pattern {
    /// From `x`, `!=x`, `=~re` or `!~re`.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        if text.chars().count() > LABEL_CHARS_MAX {
            return Err(format!("a pattern has at most {LABEL_CHARS_MAX} characters"));
        }
        let regex = |inner: &str| {
            let whole = format!("^(?s:{inner})$");
            let built = regex::RegexBuilder::new(&whole).size_limit(PATTERN_BYTES_MAX).build();
            built.map_err(|_| format!("`{}` is no regular expression", palisade_guard::cli::printable(inner)))
        };
        Ok(match (text.strip_prefix("=~"), text.strip_prefix("!~"), text.strip_prefix("!=")) {
            (Some(inner), ..) => Pattern::Fits(regex(inner)?),
            (_, Some(inner), _) => Pattern::FitsNot(regex(inner)?),
            (_, _, Some(other)) => Pattern::IsNot(other.to_owned()),
            _ => Pattern::Is(text.to_owned()),
        })
    }

    /// True for a value that is like it; a label that is absent has the value "".
    pub fn takes(&self, value: &str) -> bool {
        match self {
            Pattern::Is(text) => text == value,
            Pattern::IsNot(text) => text != value,
            Pattern::Fits(regex) => regex.is_match(value),
            Pattern::FitsNot(regex) => !regex.is_match(value),
        }
    }
}

/// A [`MatchSpec`], ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    scope: Option<Scope>,
    labels: Vec<(String, Pattern)>,
    severity: Option<Severity>,
}

impl Filter {
    /// Reads the patterns; an error names the part of the document.
    pub fn of(spec: &MatchSpec) -> Result<Filter, ApiError> {
        if spec.labels.len() > LABELS_MAX {
            return Err(ApiError::invalid(format!("more than {LABELS_MAX} labels")).at("labels"));
        }
        if let Some(scope) = &spec.scope {
            scope.checked("scope")?;
        }
        let mut labels = Vec::with_capacity(spec.labels.len());
        for (name, value) in &spec.labels {
            let pattern = Pattern::parse(value).map_err(|e| ApiError::invalid(e).at(format!("labels.{name}")))?;
            labels.push((name.clone(), pattern));
        }
        Ok(Filter { scope: spec.scope.clone(), labels, severity: spec.severity })
    }

    /// True for a notice with these labels and this severity about this host, if it is about one that
    /// is known.
    pub fn takes(
        &self,
        labels: &BTreeMap<String, String>,
        severity: Severity,
        host: Option<&HostRow>,
        groups: &Groups,
    ) -> bool {
        let value = |name: &str| labels.get(name).map_or("", String::as_str);
        self.severity.is_none_or(|least| severity >= least)
            && self.labels.iter().all(|(name, pattern)| pattern.takes(value(name)))
            && self
                .scope
                .as_ref()
                .is_none_or(|scope| *scope == Scope::default() || host.is_some_and(|host| scope.holds(host, groups)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_compared_as_they_are_or_by_a_whole_expression() {
        for (pattern, value, taken) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("!=a", "b", true),
            ("!=a", "", true),
            ("=~a|b", "b", true),
            ("=~a|b", "ab", false),
            ("=~a.*", "a\nb", true),
            ("!~a.*", "b", true),
            ("!~a.*", "ab", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().takes(value), taken, "{pattern} {value}");
        }
        assert!(Pattern::parse("=~(").is_err());
        assert!(Pattern::parse("=~(a{1000}){1000}").is_err());
    }

    #[test]
    fn all_that_is_given_must_be_true() {
        let labels = BTreeMap::from([("alertname".to_owned(), "disk".to_owned())]);
        let spec = |text: &str| Filter::of(&serde_json::from_str(text).unwrap()).unwrap();
        let takes = |text: &str, host| spec(text).takes(&labels, Severity::High, host, &Groups::new());
        assert!(takes("{}", None));
        assert!(takes(r#"{"severity":"high","labels":{"alertname":"disk"}}"#, None));
        assert!(!takes(r#"{"severity":"critical"}"#, None));
        assert!(!takes(r#"{"labels":{"alertname":"cpu"}}"#, None));
        let row = HostRow::new("web-1".parse().unwrap(), palisade_core::Timestamp::UNIX_EPOCH);
        assert!(takes(r#"{"scope":{"hosts":["web-1"]}}"#, Some(&row)));
        assert!(!takes(r#"{"scope":{"hosts":["web-2"]}}"#, Some(&row)));
        assert!(!takes(r#"{"scope":{"hosts":["web-1"]}}"#, None));
        assert!(takes(r#"{"scope":{}}"#, None));
    }
}
