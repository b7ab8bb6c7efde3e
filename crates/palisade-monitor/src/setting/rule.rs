//! Which processes a watch is about.

use super::WatchSpec;
use palisade_sys::process_files::Identity;
use regex::{Regex, RegexBuilder};

/// The kernel cuts names of processes at so many bytes (proc(5), `comm`).
const COMM_BYTES: usize = 15;
/// The longest text of a criterion, in bytes.
pub const TEXT_BYTES_MAX: usize = 256;
/// What a compiled expression, and each of its caches, may take; in bytes.
const REGEX_BYTES_MAX: usize = 64 << 10;

/// A watch, ready to match. What is given must all be true of a process.
#[derive(Debug)]
pub struct Rule {
    /// The name of the watch.
    pub watch: String,
    name: Option<String>,
    unit: Option<String>,
    user: Option<String>,
    command: Option<Regex>,
}

impl Rule {
    /// Of a spec; the error says what is wrong with it.
    pub fn new(spec: &WatchSpec) -> Result<Rule, String> {
        let texts = [&spec.name, &spec.unit, &spec.user, &spec.command];
        if texts.iter().all(|text| text.is_none()) {
            return Err("at least one of name, unit, user, command is needed".to_owned());
        }
        if texts.into_iter().flatten().any(|text| text.is_empty() || text.len() > TEXT_BYTES_MAX) {
            return Err(format!("a criterion must have 1 to {TEXT_BYTES_MAX} bytes"));
        }
        Ok(Rule {
            watch: spec.watch.clone(),
            name: spec.name.clone(),
            unit: spec.unit.clone(),
            user: spec.user.clone(),
            command: spec.command.as_deref().map(expression).transpose()?,
        })
    }

    /// False if the process cannot be meant whoever it is.
    pub fn may_match(&self, name: &str) -> bool {
        let Some(wanted) = &self.name else { return true };
        name == wanted
            || (wanted.len() > COMM_BYTES && wanted.as_bytes().starts_with(name.as_bytes()) && name.len() == COMM_BYTES)
    }

    /// True if its name alone does not tell.
    pub fn asks_who(&self) -> bool {
        self.unit.is_some() || self.user.is_some() || self.command.is_some()
    }

    /// True if a process for which [`Rule::may_match`] is true is meant.
    pub fn matches(&self, who: &Identity) -> bool {
        self.unit.as_ref().is_none_or(|unit| who.unit.as_ref() == Some(unit))
            && self.user.as_ref().is_none_or(|user| who.user == *user)
            && self.command.as_ref().is_none_or(|command| command.is_match(&who.command))
    }
}

/// What a command line is matched with; the error says what is wrong with it.
pub(super) fn expression(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
        // the last line says what is wrong, those above draw where
        other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rule(change: impl FnOnce(&mut WatchSpec)) -> Rule {
        let mut spec = WatchSpec { watch: "w".to_owned(), ..WatchSpec::default() };
        change(&mut spec);
        Rule::new(&spec).unwrap()
    }

    #[test]
    fn all_that_is_given_must_be_true() {
        let both = rule(|spec| {
            (spec.user, spec.command) = (Some("web".to_owned()), Some("^/usr/bin/python3? .*serve".to_owned()))
        });
        let who = |user: &str, command: &str| Identity {
            user: user.to_owned(),
            command: command.to_owned(),
            ..Identity::default()
        };
        assert!(both.matches(&who("web", "/usr/bin/python3 -m serve")));
        assert!(!both.matches(&who("root", "/usr/bin/python3 -m serve")));
        assert!(!both.matches(&who("web", "sh -c /usr/bin/python3 serve")));
    }

    #[test]
    fn a_long_name_is_meant_as_the_kernel_cuts_it() {
        let long = rule(|spec| spec.name = Some("prometheus-node-exporter".to_owned()));
        assert!(long.may_match("prometheus-node") && !long.may_match("prometheus"));
        let short = rule(|spec| spec.name = Some("nginx".to_owned()));
        assert!(short.may_match("nginx") && !short.may_match("nginx2") && !short.asks_who());
    }

    #[test]
    fn an_expression_that_is_wrong_says_why() {
        let spec = WatchSpec { watch: "w".to_owned(), command: Some("a(b".to_owned()), ..WatchSpec::default() };
        assert_eq!(Rule::new(&spec).unwrap_err(), "unclosed group");
    }
}
