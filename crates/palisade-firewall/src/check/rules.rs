//! Whether the rules of this host are in force and say what somebody meant.

use super::{NO_GROUP, OPEN_BY_RULE, PORT_EXCEPTION, RULES_IN_FORCE, UNRESOLVED_RULE};
use crate::exposure::{DEFAULT_IN, Exception, Filtering, Open, SEGMENTS_MAX, Segment};
use crate::group::model::Action;
use crate::services::CUSTOM_PORT_MIN;
use palisade_core::{Fix, Severity, Verdicts};

/// Outside of the agent nobody knows which rules there should be, and none of these checks runs.
pub(super) fn check(filter: &Filtering, verdicts: &mut Verdicts) {
    no_group(filter, verdicts);
    exceptions(filter, verdicts);
    if filter.defaults.is_none() {
        return;
    }
    in_force(filter, verdicts);
    unresolved(filter, verdicts);
    open_by_rule(filter, verdicts);
}

fn in_force(filter: &Filtering, verdicts: &mut Verdicts) {
    if filter.in_force {
        return verdicts.pass(&RULES_IN_FORCE);
    }
    let evidence = "the table `inet palisade` has no chain that asks them";
    let text = "Let the agent do so: its permit needs the word `firewall` (`/etc/palisade/permit.toml`). If it has it, `palisade plan list` shows why the rules could not be put in force.";
    verdicts.fail(&RULES_IN_FORCE, "inet palisade", evidence, Fix::text(text));
}

fn no_group(filter: &Filtering, verdicts: &mut Verdicts) {
    let groups = filter.notes.groups_without;
    if groups == 0 {
        return verdicts.pass(&NO_GROUP);
    }
    let evidence = format!("none of the {groups} security groups of this server chooses it");
    let text = "Add it to a group by its name, or by a tag that the group selects; `palisade firewall group propose --host NAME` writes a group from what listens.";
    verdicts.fail(&NO_GROUP, "host", evidence, Fix::text(text));
}

/// A deny that matches nobody shuts nothing: that is worse than an allow that lets nobody in.
fn unresolved(filter: &Filtering, verdicts: &mut Verdicts) {
    verdicts.pass(&UNRESOLVED_RULE);
    for rule in &filter.unresolved {
        let (severity, does) = match rule.action {
            Action::Deny => (Severity::Medium, "denies nobody"),
            Action::Allow => (Severity::Low, "lets nobody in"),
        };
        let evidence = format!("the rule `{}` {does}: none of its peers has an address", rule.rule);
        let text = "Give the peers members or addresses, or switch the rule off if it is not needed now.";
        verdicts.fail_as(&UNRESOLVED_RULE, severity, &rule.rule, evidence, Fix::text(text));
    }
}

/// Ports below 30000 that a rule opens to everybody, but those of the web. A default that lets in is the
/// finding of the default policy.
fn open_by_rule(filter: &Filtering, verdicts: &mut Verdicts) {
    verdicts.pass(&OPEN_BY_RULE);
    let web = filter.notes.web_ports();
    let low = |s: &&Segment| s.from == Open::World && s.first < CUSTOM_PORT_MIN && s.rule != DEFAULT_IN;
    for segment in filter.segments.iter().filter(low) {
        if web.iter().any(|ports| ports.first <= segment.first && segment.last <= ports.last) {
            continue;
        }
        let range = if segment.first == segment.last { String::new() } else { format!("-{}", segment.last) };
        let object = format!("{}/{}{range}", segment.protocol, segment.first);
        let evidence = format!("the rule `{}` lets everybody in to {object}", segment.rule);
        let text = "Name who may reach it (a network, a prefix list, a group), or serve it on a port of 30000 or higher; a port of the web belongs into `web_ports` of the port policy.";
        verdicts.fail(&OPEN_BY_RULE, object, evidence, Fix::text(text));
    }
    if filter.segments.len() >= SEGMENTS_MAX {
        verdicts.unknown(&OPEN_BY_RULE, format!("the rules cut the ports into more than {SEGMENTS_MAX} parts"));
    }
}

/// In force: said, and no finding that counts. Ended: to be taken out of the policy.
fn exceptions(filter: &Filtering, verdicts: &mut Verdicts) {
    verdicts.pass(&PORT_EXCEPTION);
    for exception in &filter.notes.exceptions {
        let ended = exception.ends_at <= verdicts.now();
        let severity = if ended { Severity::Low } else { Severity::Informational };
        let object = object(exception);
        let when = if ended { "has ended" } else { "lets past until then" };
        let evidence = format!(
            "policy `{}`: {object} for {}, until {}: it {when}; {}",
            exception.policy,
            exception.peers.join(", "),
            exception.ends_at.strftime("%Y-%m-%d %H:%M UTC"),
            if exception.reason.is_empty() { "no reason is given" } else { &exception.reason },
        );
        let text =
            if ended { "Take it out of the policy." } else { "Nothing; end it sooner if it is not needed any more." };
        verdicts.fail_as(&PORT_EXCEPTION, severity, object, evidence, Fix::text(text));
    }
}

fn object(exception: &Exception) -> String {
    let ports: Vec<String> = exception.ports.iter().map(ToString::to_string).collect();
    let protocol = crate::exposure::protocol_word(exception.protocol);
    format!("{protocol}/{}", ports.join(","))
}
