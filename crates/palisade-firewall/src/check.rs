//! The rules by which a host's open ports and its input policy are judged. Pure.

mod policy;
mod ports;
mod rules;
mod shut;

use crate::model::{Observed, Ruleset};
use palisade_core::{Check, Severity, Verdicts};

/// Every check, in the order in which they are shown.
pub const CHECKS: &[Check] = &[
    HIGH_RISK_PORT,
    DATABASE_OPEN,
    DEFAULT_POLICY,
    IPV6_POLICY,
    PALISADE_TABLE,
    FOREIGN_MARK,
    UNTRACKED,
    RULES_IN_FORCE,
    NO_GROUP,
    UNRESOLVED_RULE,
    OPEN_BY_RULE,
    PORT_EXCEPTION,
    PLAINTEXT_SERVICE,
    ADMIN_INTERFACE,
    UNNEEDED_LISTENER,
    UNKNOWN_OWNER,
    PORT_BELOW_30000,
];

/// A port that worms and back doors use can be reached.
pub const HIGH_RISK_PORT: Check = Check {
    id: "firewall.high-risk-port",
    practice: "high-risk-ports",
    severity: Severity::High,
    title: "high-risk port can be reached",
    why: "Worms, back doors and file sharing exploits use this port, and scanners try it first. Cloud vendors shut it on their own networks.",
    reference: Some("mission: Improving the Port Security (high-risk ports)"),
};

/// A database can be reached from anywhere.
pub const DATABASE_OPEN: Check = Check {
    id: "firewall.database-open",
    practice: "database-ports",
    severity: Severity::Critical,
    title: "database can be reached from anywhere",
    why: "A database that strangers can reach is guessed, read and held to ransom. It belongs on an intranet.",
    reference: Some("mission: Improve server port security (restrict database services to an intranet)"),
};

/// Nothing shuts what is not meant to be reached.
pub const DEFAULT_POLICY: Check = Check {
    id: "firewall.default-policy",
    practice: "security-groups",
    severity: Severity::High,
    title: "incoming traffic is let in by default",
    why: "Every service that starts to listen, wanted or not, can be reached at once. A policy of drop lets in only what a rule names.",
    reference: Some("mission: Set security group rules; CIS Debian 12 4.3.8"),
};

/// IPv6 is forgotten.
pub const IPV6_POLICY: Check = Check {
    id: "firewall.ipv6-policy",
    practice: "security-groups",
    severity: Severity::High,
    title: "input policy covers IPv4 only",
    why: "What is shut by IPv4 stands open by IPv6.",
    reference: Some("mission: Set security group rules; CIS Debian 12 4.4.3.1"),
};

/// Our own table is gone.
pub const PALISADE_TABLE: Check = Check {
    id: "firewall.palisade-table",
    practice: "security-groups",
    severity: Severity::High,
    title: "bans are not in force",
    why: "Another tool has removed Palisade's table, and whoever was shut out is let in. The agent puts it back; if it stays away, something removes it again and again.",
    reference: Some("mission: Set security group rules (deny access from specific IP addresses)"),
};

/// Another tool writes where we remember what was allowed.
pub const FOREIGN_MARK: Check = Check {
    id: "firewall.foreign-mark",
    practice: "security-groups",
    severity: Severity::Medium,
    title: "another tool writes the bits of conntrack marks that Palisade uses",
    why: "The upper 16 bits say which conversations the filter has allowed. Who overwrites them has every packet judged anew, or lets a conversation go on that is no longer allowed.",
    reference: Some("mission: Set security group rules"),
};

/// Packets go past the tracking of conversations.
pub const UNTRACKED: Check = Check {
    id: "firewall.untracked",
    practice: "security-groups",
    severity: Severity::Low,
    title: "another tool has packets not tracked",
    why: "Without tracking, answers cannot be told from what others begin, so a filter has to judge each packet by itself, and answers of services that this host asks may be dropped.",
    reference: Some("mission: Set security group rules"),
};

/// The rules of this host's groups are not in the kernel.
pub const RULES_IN_FORCE: Check = Check {
    id: "firewall.rules-in-force",
    practice: "security-groups",
    severity: Severity::High,
    title: "rules of security groups are not in force",
    why: "What the groups of this host shut stands open until the agent may and can put its rules into the kernel.",
    reference: Some("mission: Set security group rules"),
};

/// A host that no group protects, while others are protected.
pub const NO_GROUP: Check = Check {
    id: "firewall.no-group",
    practice: "security-groups",
    severity: Severity::Medium,
    title: "host is in no security group",
    why: "Other hosts are protected by groups; what this one lets in, nobody has decided.",
    reference: Some("mission: Set security group rules (each instance belongs to at least one security group)"),
};

/// A rule that matches nobody.
pub const UNRESOLVED_RULE: Check = Check {
    id: "firewall.unresolved-rule",
    practice: "security-groups",
    severity: Severity::Low,
    title: "rule whose peers resolve to nothing",
    why: "It allows or denies nobody, which is seldom what was meant: a group without members, an empty list, a host without a known address.",
    reference: Some("mission: Set security group rules"),
};

/// A rule that opens a service port to everybody.
pub const OPEN_BY_RULE: Check = Check {
    id: "firewall.open-by-rule",
    practice: "port-security",
    severity: Severity::Medium,
    title: "rule opens a port below 30000 to everybody",
    why: "A service port that anybody may reach is found by scanners within minutes. Only the ports of the web are meant for everybody.",
    reference: Some("mission: Improve server port security (do not open service ports to 0.0.0.0/0)"),
};

/// A hole in the port policy.
pub const PORT_EXCEPTION: Check = Check {
    id: "firewall.port-exception",
    practice: "port-security",
    severity: Severity::Informational,
    title: "exception of the port policy",
    why: "It lets past what the policy shuts on every other host, for a reason and a time.",
    reference: Some("mission: Improving the Port Security (high-risk ports)"),
};

/// A service that sends passwords as they are.
pub const PLAINTEXT_SERVICE: Check = Check {
    id: "firewall.plaintext-service",
    practice: "port-security",
    severity: Severity::High,
    title: "service without encryption can be reached from anywhere",
    why: "Passwords and data cross the network readable, or nobody is asked for one.",
    reference: Some("mission: Improve server port security (open only required ports); CIS Debian 12 2.1"),
};

/// A door to the administration.
pub const ADMIN_INTERFACE: Check = Check {
    id: "firewall.admin-interface",
    practice: "port-security",
    severity: Severity::High,
    title: "administration interface can be reached from anywhere",
    why: "Whoever gets in here owns the host or what runs on it, and some of these doors ask for no password.",
    reference: Some("mission: Improve server port security (access control on service ports)"),
};

/// A service that a server does not need.
pub const UNNEEDED_LISTENER: Check = Check {
    id: "firewall.unneeded-listener",
    practice: "port-security",
    severity: Severity::Medium,
    title: "service that servers seldom need can be reached from anywhere",
    why: "It came along with a package and can be attacked without serving anybody.",
    reference: Some("mission: Improve server port security (open only required ports); CIS Debian 12 2.1"),
};

/// A socket that nobody owns up to.
pub const UNKNOWN_OWNER: Check = Check {
    id: "firewall.unknown-owner",
    practice: "port-security",
    severity: Severity::Medium,
    title: "open port without a known process",
    why: "A process that hides, or one of a container that shares the host's network, serves this port. What cannot be named cannot be judged.",
    reference: Some("mission: Identify and manage the assets on your servers"),
};

/// A custom service on a low port.
pub const PORT_BELOW_30000: Check = Check {
    id: "firewall.port-below-30000",
    practice: "port-security",
    severity: Severity::Low,
    title: "custom service on a port below 30000",
    why: "Low ports are scanned first and collide with known services.",
    reference: Some("mission: Improve server port security (custom ports, port number 30000 or higher)"),
};

/// Judges one observation. In a scratch root no section is there and no check runs.
pub fn check(observed: &Observed, verdicts: &mut Verdicts) {
    let inbound = observed.ruleset.as_ref().map(Inbound::of).unwrap_or_default();
    let filter = observed.filter.as_ref();
    if let Some(listeners) = &observed.listeners {
        let published = observed.published.as_deref().unwrap_or_default();
        ports::check(listeners, published, &inbound, filter.filter(|f| f.filters()), verdicts);
    }
    if let Some(ruleset) = &observed.ruleset {
        policy::check(ruleset, &inbound, filter, verdicts);
    }
    if let Some(filter) = filter {
        rules::check(filter, verdicts);
    }
}

/// Which chain keeps out what no rule lets in, by address family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inbound {
    /// For IPv4.
    pub v4: Option<String>,
    /// For IPv6.
    pub v6: Option<String>,
    /// The host can be reached by IPv6 at all.
    pub ipv6: bool,
}

impl Inbound {
    /// From the base chains at hook input.
    pub fn of(ruleset: &Ruleset) -> Inbound {
        let first = |families: [&str; 2]| {
            let tables = ruleset.tables.iter().filter(|t| families.contains(&t.family.as_str()));
            tables.flat_map(|t| t.chains.iter().map(move |c| (t, c))).find_map(|(table, chain)| {
                let shuts = chain.hook.as_deref() == Some("input") && chain.shuts();
                shuts.then(|| format!("{} {} {}", table.family, table.name, chain.name))
            })
        };
        Inbound { v4: first(["ip", "inet"]), v6: first(["ip6", "inet"]), ipv6: ruleset.ipv6 }
    }
}
