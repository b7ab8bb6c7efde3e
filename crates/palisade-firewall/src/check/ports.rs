//! Whether what listens should be reachable from where it is.
//!
//! A port that our own rules shut is no finding; one that they let some in to is one as far as these
//! get, and the evidence names the rule. Rules of other tools are not evaluated: where an input chain
//! drops by default, it may shut a port, so the severity is one step lower and the evidence says so.

use super::{
    ADMIN_INTERFACE, DATABASE_OPEN, HIGH_RISK_PORT, Inbound, PLAINTEXT_SERVICE, PORT_BELOW_30000, UNKNOWN_OWNER,
    UNNEEDED_LISTENER,
    shut::{self, Ruled},
};
use crate::exposure::{Filtering, Open};
use crate::model::{Listener, Listeners, Protocol, Published, Scope, scope};
use crate::services::{self, FORWARDED, Service};
use palisade_core::{Check, Fix, Severity, Verdicts};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Endpoints and owners that one evidence names.
const NAMED_MAX: usize = 8;

/// All sockets on one port, as far as they can be reached from `Private` or further.
pub(super) struct Port<'a> {
    pub(super) protocol: Protocol,
    pub(super) number: u16,
    pub(super) scope: Scope,
    sockets: Vec<&'a Listener>,
    /// Where rules of nat send it.
    published: Vec<&'a Published>,
    /// What our rules say about it.
    pub(super) ruled: Option<Ruled<'a>>,
}

/// `filter` are our rules, where they are in force.
pub(super) fn check(
    listeners: &Listeners,
    published: &[Published],
    inbound: &Inbound,
    filter: Option<&Filtering>,
    verdicts: &mut Verdicts,
) {
    let why = match (&listeners.unreadable, listeners.left_out) {
        (Some(why), _) => Some(format!("the listening sockets could not be read: {why}")),
        (None, 1..) => Some(format!("{} sockets beyond the limit were not looked at", listeners.left_out)),
        (None, 0) => None,
    };
    if listeners.unreadable.is_none() {
        let mut ports = ports(listeners, published);
        shut::ruled(&mut ports, filter);
        each_port(&ports, inbound, filter, verdicts);
        unknown_owner(listeners, &ports, verdicts);
    }
    if let Some(why) = why {
        for check in PORT_CHECKS {
            verdicts.unknown(check, why.as_str());
        }
    }
}

const PORT_CHECKS: [&Check; 7] = [
    &HIGH_RISK_PORT,
    &DATABASE_OPEN,
    &PLAINTEXT_SERVICE,
    &ADMIN_INTERFACE,
    &UNNEEDED_LISTENER,
    &PORT_BELOW_30000,
    &UNKNOWN_OWNER,
];

fn each_port(ports: &[Port<'_>], inbound: &Inbound, filter: Option<&Filtering>, verdicts: &mut Verdicts) {
    for check in PORT_CHECKS.iter().filter(|c| c.id != UNKNOWN_OWNER.id) {
        verdicts.pass(check);
    }
    for port in ports {
        let judged = [high_risk(port), database(port), exposed(port)];
        for (check, severity, service, fix) in judged.into_iter().flatten() {
            if check.id == PORT_BELOW_30000.id && filter.is_some() {
                continue; // the rule that opens it is the finding, see `firewall.open-by-rule`
            }
            let (severity, note) = softened(severity, port, inbound);
            let (severity, note) = shut::narrowed(check, severity, port, note);
            verdicts.fail_as(check, severity, port.object(), port.evidence(service) + &note, fix);
        }
    }
}

/// What fails, how badly, which service it was taken for, and the mend.
type Judged = (&'static Check, Severity, Option<&'static str>, Fix);

/// Private networks count: that is where such worms spread.
fn high_risk(port: &Port<'_>) -> Option<Judged> {
    let fix = Fix::text(
        "Stop the service or bind it to 127.0.0.1; if it must be reached, move it to a port of 30000 or higher and let in named addresses only.",
    );
    services::is_high_risk(port.protocol, port.number).then_some((&HIGH_RISK_PORT, Severity::High, None, fix))
}

/// Passes on private addresses: "restrict database services to an intranet".
fn database(port: &Port<'_>) -> Option<Judged> {
    let service = port.find(services::database).or_else(|| port.published().find_map(services::database_behind))?;
    if shut::is_authorized(port) {
        return None;
    }
    let on_its_port = services::within(service.ports, port.protocol, port.number);
    let severity = if on_its_port { Severity::Critical } else { Severity::High };
    let fix = Fix::text(format!(
        "Bind {} to 127.0.0.1 or an intranet address; if it must be reached from elsewhere, use a port of 30000 or higher and let in named addresses only.",
        service.name
    ));
    Some((&DATABASE_OPEN, severity, Some(service.name), fix))
}

/// The one check of port security that fits best: a port with a better name is not also called a
/// low one, and a high-risk port or a database is not told twice.
fn exposed(port: &Port<'_>) -> Option<Judged> {
    let told = services::is_high_risk(port.protocol, port.number) || database(port).is_some();
    if port.scope != Scope::World || told {
        return None;
    }
    if let Some(service) = port.find(services::plaintext) {
        let fix = Fix::text(format!(
            "Switch {} off, or use what encrypts (SSH, SFTP, SNMP version 3) and let in named addresses only.",
            service.name
        ));
        return Some((&PLAINTEXT_SERVICE, Severity::High, Some(service.name), fix));
    }
    if let Some(service) = port.find(services::admin) {
        let fix = Fix::text(format!("Bind {} to 127.0.0.1 and reach it through SSH or a VPN.", service.name));
        return Some((&ADMIN_INTERFACE, Severity::High, Some(service.name), fix));
    }
    if let Some(unneeded) = port.world().find_map(services::unneeded) {
        let fix = Fix::command(unneeded.text, unneeded.command);
        return Some((&UNNEEDED_LISTENER, unneeded.severity, Some(unneeded.service.name), fix));
    }
    let fix = Fix::text(
        "Bind it to 127.0.0.1 or an intranet address, or move it to a port of 30000 or higher and let in named addresses only.",
    );
    is_custom(port).then_some((&PORT_BELOW_30000, Severity::Low, None, fix))
}

/// Palisade's own sockets stand where the operator has put them.
fn is_custom(port: &Port<'_>) -> bool {
    let own = port.world().all(|l| l.process.as_deref().is_some_and(|p| p.starts_with("palisade")));
    let known = services::WELL_KNOWN.contains(&port.number)
        || port.protocol == Protocol::Udp && services::DHCP_CLIENT.contains(&port.number);
    port.number < services::CUSTOM_PORT_MIN && !known && !own
}

/// Without root the owners of other users' sockets are hidden, and nothing follows from that.
fn unknown_owner(listeners: &Listeners, ports: &[Port<'_>], verdicts: &mut Verdicts) {
    let nameless = |port: &&Port<'_>| port.sockets.iter().any(|l| l.process.is_none() && !l.kernel);
    let found: Vec<&Port<'_>> = ports.iter().filter(nameless).collect();
    if !found.is_empty() && !listeners.as_root {
        verdicts.unknown(&UNKNOWN_OWNER, "only root can see which process holds a socket of another user");
        return;
    }
    verdicts.fail_each(&UNKNOWN_OWNER, found, |port| {
        let text = "Find out which process or container serves this port, and stop it if it is not yours.";
        let command =
            format!("ss -lnp{} 'sport = :{}'", if port.protocol == Protocol::Tcp { "t" } else { "u" }, port.number);
        (port.object(), port.evidence(None), Fix::command(text, command))
    });
}

fn softened(severity: Severity, port: &Port<'_>, inbound: &Inbound) -> (Severity, String) {
    let Some(chain) = port.shut_by(inbound) else { return (severity, String::new()) };
    if !port.published.is_empty()
        || port.sockets.iter().any(|l| l.process.as_deref().is_some_and(|p| FORWARDED.contains(&p)))
    {
        return (severity, format!("; published container ports are forwarded before the chain `{chain}` is asked"));
    }
    (
        shut::lower(severity),
        format!(
            "; one step less severe, since the chain `{chain}` drops by default and may shut it (its rules are not evaluated)"
        ),
    )
}

/// What serves one port.
type Serving<'a> = (Vec<&'a Listener>, Vec<&'a Published>);

/// Published ranges are not judged port by port; they are shown.
fn ports<'a>(listeners: &'a Listeners, published: &'a [Published]) -> Vec<Port<'a>> {
    let mut by_port: BTreeMap<(Protocol, u16), Serving<'_>> = BTreeMap::new();
    for listener in listeners.sockets.iter().filter(|l| scope(l) > Scope::Host) {
        by_port.entry((listener.protocol, listener.port)).or_default().0.push(listener);
    }
    for one in published.iter().filter(|p| p.port == p.port_last && p.scope() > Scope::Host) {
        by_port.entry((one.protocol, one.port)).or_default().1.push(one);
    }
    by_port
        .into_iter()
        .map(|((protocol, number), (sockets, published))| {
            let scopes = sockets.iter().map(|l| scope(l)).chain(published.iter().map(|p| p.scope()));
            let scope = scopes.max().unwrap_or(Scope::Host);
            Port { protocol, number, scope, sockets, published, ruled: None }
        })
        .collect()
}

impl<'a> Port<'a> {
    fn object(&self) -> String {
        format!("{}/{}", self.protocol, self.number)
    }

    /// None when our rules let nobody in from the world.
    fn world(&self) -> impl Iterator<Item = &'a Listener> {
        let open = self.scope == Scope::World;
        self.sockets.iter().copied().filter(move |l| open && scope(l) == Scope::World)
    }

    /// As [`Port::world`], for what is sent on.
    fn published(&self) -> impl Iterator<Item = &'a Published> {
        let open = self.scope == Scope::World;
        self.published.iter().copied().filter(move |p| open && p.scope() == Scope::World)
    }

    fn find(&self, which: fn(&Listener) -> Option<&'static Service>) -> Option<&'static Service> {
        self.world().find_map(which)
    }

    /// `PostgreSQL on 0.0.0.0:5432 and [::]:5432, reachable from the world: postgres, pid 9`.
    fn evidence(&self, service: Option<&str>) -> String {
        let mut by_owner: Vec<(String, Vec<String>)> = Vec::new();
        for listener in &self.sockets {
            let owner = listener.owner();
            match by_owner.iter_mut().find(|(o, _)| *o == owner) {
                Some((_, endpoints)) => endpoints.push(listener.endpoint()),
                None => by_owner.push((owner, vec![listener.endpoint()])),
            }
        }
        let from = self.from();
        let on = service.map(|s| format!("{s} on ")).unwrap_or_default();
        let said = by_owner
            .iter()
            .take(NAMED_MAX)
            .map(|(owner, at)| format!("{on}{}, reachable from {from}: {owner}", listed(at)));
        let sent = self.published.iter().take(NAMED_MAX).map(|p| {
            let to = p.to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
            format!("{on}port {}, reachable from {from}: sent on{to} by the chain `{}`", self.number, p.rule)
        });
        said.chain(sent).collect::<Vec<_>>().join("; ")
    }

    fn from(&self) -> &'static str {
        match (self.scope, self.ruled.as_ref().map(|r| r.open)) {
            (Scope::World, Some(Open::Named)) => "named networks",
            (Scope::World, _) => "the world",
            _ => "private networks",
        }
    }

    /// The chain that keeps out what no rule lets in, if one does so for every socket. `::` takes
    /// IPv4 too, unless the socket says otherwise (ipv6(7), IPV6_V6ONLY).
    fn shut_by<'i>(&self, inbound: &'i Inbound) -> Option<&'i str> {
        let mut first = self.sockets.is_empty().then_some(inbound.v4.as_deref()).flatten();
        for listener in &self.sockets {
            let (v4, v6) = match listener.address.to_canonical() {
                IpAddr::V4(_) => (true, false),
                IpAddr::V6(v6) => (v6.is_unspecified() && listener.v6only != Some(true), inbound.ipv6),
            };
            for chain in [v4.then_some(&inbound.v4), v6.then_some(&inbound.v6)].into_iter().flatten() {
                first = first.or(Some(chain.as_deref()?));
            }
        }
        first
    }
}

fn listed(endpoints: &[String]) -> String {
    match endpoints {
        [one] => one.clone(),
        [one, other] => format!("{one} and {other}"),
        many if many.len() > NAMED_MAX => {
            format!("{} and {} more", many[..NAMED_MAX].join(", "), many.len() - NAMED_MAX)
        }
        many => many.join(", "),
    }
}
