//! What our own rules leave of a port.

use super::ports::Port;
use super::{DATABASE_OPEN, HIGH_RISK_PORT};
use crate::exposure::{Filtering, Open, Rules};
use crate::model::Scope;
use crate::services::CUSTOM_PORT_MIN;
use palisade_core::{Check, Severity};

/// What our rules say about a port.
pub(super) struct Ruled<'a> {
    /// To whom it is open in fact.
    pub(super) open: Open,
    /// The rule that lets the widest in.
    rule: &'a str,
}

/// Takes out the ports that the rules shut, and narrows the others.
pub(super) fn ruled<'a>(ports: &mut Vec<Port<'a>>, filter: Option<&'a Filtering>) {
    let Some(filter) = filter else { return };
    ports.retain_mut(|port| {
        let Some(segment) = crate::exposure::at(&filter.segments, port.protocol, port.number) else { return true };
        let open = Rules::left(port.scope, segment);
        if open == Open::Private {
            port.scope = Scope::Private;
        }
        port.ruled = Some(Ruled { open, rule: &segment.rule });
        open > Open::None
    });
}

/// "If it must be reached from the Internet, use a higher port and authorize addresses."
pub(super) fn is_authorized(port: &Port<'_>) -> bool {
    let named = port.ruled.as_ref().is_some_and(|ruled| ruled.open <= Open::Named);
    named && port.number >= CUSTOM_PORT_MIN
}

/// Less severe where only named or private networks are let in; the evidence names the rule. A database
/// with named peers on a low port has half of what the mission asks for.
pub(super) fn narrowed(check: &Check, severity: Severity, port: &Port<'_>, note: String) -> (Severity, String) {
    let Some(ruled) = &port.ruled else { return (severity, note) };
    let low_port = if check.id == DATABASE_OPEN.id && port.number < CUSTOM_PORT_MIN && ruled.open == Open::Named {
        "; a database that must be reached from outside belongs on a port of 30000 or higher"
    } else {
        ""
    };
    let lets_in = format!("{note}; the rule `{}` lets them in{low_port}", ruled.rule);
    let severity = match ruled.open {
        Open::World | Open::None => severity,
        Open::Named if check.id == DATABASE_OPEN.id => severity.min(Severity::Medium),
        Open::Named => lower(severity),
        Open::Private if check.id == HIGH_RISK_PORT.id => lower(severity),
        Open::Private => severity,
    };
    (severity, lets_in)
}

/// One step less severe.
pub(super) fn lower(severity: Severity) -> Severity {
    match severity {
        Severity::Critical => Severity::High,
        Severity::High => Severity::Medium,
        Severity::Medium => Severity::Low,
        Severity::Low | Severity::Informational => Severity::Informational,
    }
}
