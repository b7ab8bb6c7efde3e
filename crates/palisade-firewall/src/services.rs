//! Which services the checks know, and by what. The tables are the policy: there is no other place.

use crate::model::{Listener, Protocol, Published, Scope, scope};
use palisade_core::Severity;

/// Ports of one protocol, first and last.
pub type Ports = (Protocol, u16, u16);

const fn tcp(port: u16) -> Ports {
    (Protocol::Tcp, port, port)
}

const fn udp(port: u16) -> Ports {
    (Protocol::Udp, port, port)
}

/// The high-risk TCP ports that cloud vendors shut for their servers: names and file sharing of
/// Windows, remote procedure calls, and what worms and back doors are known to use.
pub const HIGH_RISK_TCP: &[Ports] = &[
    tcp(42),
    tcp(135),
    (Protocol::Tcp, 137, 139),
    tcp(444),
    tcp(445),
    tcp(593),
    tcp(1025),
    tcp(1068),
    tcp(1434),
    (Protocol::Tcp, 3127, 3130),
    tcp(4444),
    tcp(4789),
    tcp(5554),
    tcp(5800),
    tcp(5900),
    tcp(9996),
];

/// The high-risk UDP ports.
pub const HIGH_RISK_UDP: &[Ports] = &[
    (Protocol::Udp, 135, 139),
    (Protocol::Udp, 1026, 1028),
    udp(1068),
    udp(1433),
    udp(1434),
    udp(4789),
    udp(5554),
    udp(9996),
];

/// Well-known services that may stand on their own port, whatever their process.
pub const WELL_KNOWN: &[u16] = &[22, 25, 53, 80, 123, 443, 465, 587, 853, 993, 995];
/// Ports of the DHCP clients (RFC 2131, RFC 8415): every host with a leased address has them open.
pub const DHCP_CLIENT: &[u16] = &[68, 546];
/// The first port for custom services (mission: Improve server port security).
pub const CUSTOM_PORT_MIN: u16 = 30_000;

/// A service that is known by the name of its process, by its package, or by its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Its name for people.
    pub name: &'static str,
    /// Names of its processes, in full; the kernel cuts them to 15 bytes.
    pub processes: &'static [&'static str],
    /// How the names of its packages begin.
    pub packages: &'static [&'static str],
    /// Its usual ports.
    pub ports: &'static [Ports],
}

const fn service(
    name: &'static str,
    processes: &'static [&'static str],
    packages: &'static [&'static str],
    ports: &'static [Ports],
) -> Service {
    Service { name, processes, packages, ports }
}

/// Databases and what is as good as one.
pub const DATABASES: &[Service] = &[
    service(
        "MySQL or MariaDB",
        &["mysqld", "mariadbd"],
        &["mysql-server", "mariadb-server", "percona-server"],
        &[tcp(3306)],
    ),
    service("PostgreSQL", &["postgres", "postmaster"], &["postgresql"], &[tcp(5432)]),
    service("SQL Server", &["sqlservr"], &["mssql-server"], &[tcp(1433)]),
    service("Oracle", &["tnslsnr"], &["oracle-database"], &[tcp(1521)]),
    service(
        "Redis",
        &["redis-server", "valkey-server", "keydb-server"],
        &["redis-server", "valkey-server"],
        &[tcp(6379)],
    ),
    service(
        "Elasticsearch or OpenSearch",
        &["elasticsearch", "opensearch"],
        &["elasticsearch", "opensearch"],
        &[tcp(9200), tcp(9300)],
    ),
    service("Memcached", &["memcached"], &["memcached"], &[tcp(11211), udp(11211)]),
    service("MongoDB", &["mongod", "mongos"], &["mongodb-org-server", "mongodb-server"], &[tcp(27017)]),
    service("CouchDB", &["couchdb"], &["couchdb"], &[tcp(5984)]),
    service("Cassandra", &["cassandra"], &["cassandra"], &[tcp(9042)]),
    service("ClickHouse", &["clickhouse-server"], &["clickhouse-server"], &[tcp(8123)]),
    service("etcd", &["etcd"], &["etcd"], &[tcp(2379)]),
];

/// Services that send passwords or data unencrypted, or let in whoever asks.
pub const PLAINTEXT: &[Service] = &[
    service("Telnet", &["in.telnetd", "telnetd"], &["telnetd", "inetutils-telnetd"], &[tcp(23)]),
    service("FTP", &["vsftpd", "proftpd", "pure-ftpd"], &["vsftpd", "proftpd", "pure-ftpd"], &[tcp(21)]),
    service(
        "rexec, rlogin or rsh",
        &["in.rexecd", "in.rlogind", "in.rshd"],
        &["rsh-server"],
        &[(Protocol::Tcp, 512, 514)],
    ),
    service("TFTP", &["in.tftpd", "tftpd", "atftpd"], &["tftpd", "atftpd"], &[udp(69)]),
    service(
        "VNC",
        &["Xvnc", "Xtigervnc", "x11vnc", "vino-server"],
        &["tigervnc", "x11vnc"],
        &[(Protocol::Tcp, 5900, 5909)],
    ),
    service("SNMP", &["snmpd"], &["snmpd"], &[udp(161)]),
];

/// Doors to the administration of the host or of what runs on it.
pub const ADMIN: &[Service] = &[
    service("the Docker API", &[], &[], &[tcp(2375)]),
    service("the kubelet API", &["kubelet"], &["kubelet"], &[tcp(10250), tcp(10255)]),
    service("Webmin", &["miniserv.pl", "webmin"], &["webmin"], &[tcp(10000)]),
    service("Jupyter", &["jupyter-lab", "jupyter-notebook", "jupyter-server"], &["jupyter"], &[tcp(8888)]),
    service("Redis Commander", &["redis-commander"], &["redis-commander"], &[]),
    service("phpMyAdmin or Adminer", &["phpmyadmin", "adminer"], &[], &[]),
    service("Portainer", &["portainer"], &[], &[]),
    service("Cockpit", &["cockpit-ws", "cockpit-tls"], &["cockpit-ws"], &[]),
    service("the Consul API", &["consul"], &["consul"], &[tcp(8500)]),
    service("the RabbitMQ management", &[], &[], &[tcp(15672)]),
    service("Kibana", &["kibana"], &["kibana"], &[tcp(5601)]),
];

/// Programs that stand before others: on the port of an administration door they are not that door
/// by the port alone.
pub const WEB_SERVERS: &[&str] = &["nginx", "apache2", "httpd", "caddy", "haproxy", "traefik", "envoy", "lighttpd"];

/// Programs whose port is forwarded by a rule before the input chain (Docker: moby/moby#22054).
pub const FORWARDED: &[&str] = &["docker-proxy", "rootlessport"];

/// A service that few servers need.
#[derive(Debug, Clone, Copy)]
pub struct Unneeded {
    /// How it is known.
    pub service: Service,
    /// How much it matters.
    pub severity: Severity,
    /// What to do.
    pub text: &'static str,
    /// The command that does it.
    pub command: &'static str,
}

/// Services that are there because a package brought them along.
pub const UNNEEDED: &[Unneeded] = &[
    Unneeded {
        service: service("the portmapper", &[], &[], &[tcp(111), udp(111)]),
        severity: Severity::Medium,
        text: "Switch the portmapper off unless this host serves NFS version 3; others use it to amplify floods.",
        command: "systemctl disable --now rpcbind.socket rpcbind.service",
    },
    Unneeded {
        service: service("mail", &[], &[], &[tcp(25)]),
        severity: Severity::Medium,
        text: "Let the mail server listen on loopback only, unless this host receives mail for others. For Exim: dpkg-reconfigure exim4-config.",
        command: "postconf -e inet_interfaces=loopback-only && systemctl restart postfix",
    },
    Unneeded {
        service: service("printing", &[], &[], &[tcp(631), udp(631)]),
        severity: Severity::Medium,
        text: "Switch printing off on a server.",
        command: "systemctl disable --now cups.socket cups.service",
    },
    Unneeded {
        service: service("mDNS", &[], &[], &[udp(5353)]),
        severity: Severity::Low,
        text: "Switch service announcement off on a server.",
        command: "systemctl disable --now avahi-daemon.socket avahi-daemon.service",
    },
];

impl Service {
    /// True if the process, unit or package of `listener` says that it is this service. The unit
    /// tells apart what runs in Java.
    pub fn is_named_by(&self, listener: &Listener) -> bool {
        let unit = listener.unit.as_deref().and_then(|u| u.strip_suffix(".service"));
        let named = |name: &str| self.processes.iter().any(|p| is_process(name, p));
        listener.process.as_deref().is_some_and(named)
            || unit.is_some_and(named)
            || listener.package.as_deref().is_some_and(|p| self.packages.iter().any(|n| p.starts_with(n)))
    }

    /// True if `listener` stands on one of its usual ports.
    pub fn is_on_its_port(&self, listener: &Listener) -> bool {
        within(self.ports, listener.protocol, listener.port)
    }

    /// True for a protocol that it speaks: its process may hold other sockets, to ask a name server.
    pub fn speaks(&self, protocol: Protocol) -> bool {
        protocol == Protocol::Tcp && self.ports.is_empty() || self.ports.iter().any(|(p, _, _)| *p == protocol)
    }
}

/// True if `port` is one of `ports`.
pub fn within(ports: &[Ports], protocol: Protocol, port: u16) -> bool {
    ports.iter().any(|(p, first, last)| *p == protocol && (*first..=*last).contains(&port))
}

/// The kernel keeps 15 bytes of a process name (proc_pid_comm(5)).
const COMM_BYTES: usize = 15;

/// True if the process called `process` is the program `name`.
pub fn is_process(process: &str, name: &str) -> bool {
    process == name || name.len() > COMM_BYTES && process.as_bytes() == &name.as_bytes()[..COMM_BYTES]
}

/// The database that `listener` is.
pub fn database(listener: &Listener) -> Option<&'static Service> {
    known(DATABASES, listener)
}

/// The ports on which databases listen, by process, package or port, and those that are forwarded to the
/// usual port of one; sorted, each once. What only the host itself reaches is left out.
pub fn databases(listeners: &[Listener], published: &[Published]) -> Vec<(Protocol, u16)> {
    let reached = listeners.iter().filter(|l| scope(l) > Scope::Host && database(l).is_some());
    let forwarded = published.iter().filter(|p| p.scope() > Scope::Host && database_behind(p).is_some());
    let mut ports: Vec<(Protocol, u16)> = reached.map(|l| (l.protocol, l.port)).collect();
    ports.extend(forwarded.map(|p| (p.protocol, p.port)));
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The database that a published port leads to, by its usual port inside or outside.
pub fn database_behind(published: &Published) -> Option<&'static Service> {
    let on = |port: u16| DATABASES.iter().find(|s| within(s.ports, published.protocol, port));
    let single = published.port == published.port_last;
    published.port_inside().and_then(on).or_else(|| on(published.port).filter(|_| single))
}

/// What people call the service of `listener`, if it is known.
pub fn name(listener: &Listener) -> Option<&'static str> {
    let known = [database, plaintext, admin].into_iter().find_map(|known| known(listener)).map(|service| service.name);
    known.or_else(|| unneeded(listener).map(|u| u.service.name)).or_else(|| common(listener.protocol, listener.port))
}

/// What people call the service that stands on a port as a rule.
pub fn common(protocol: Protocol, port: u16) -> Option<&'static str> {
    let services = DATABASES.iter().chain(PLAINTEXT).chain(ADMIN).chain(UNNEEDED.iter().map(|u| &u.service));
    let known = services.into_iter().find(|s| within(s.ports, protocol, port)).map(|s| s.name);
    known.or_else(|| COMMON.iter().find(|(p, number, _)| (*p, *number) == (protocol, port)).map(|(_, _, name)| *name))
}

/// Services that stand on their own port almost everywhere.
const COMMON: &[(Protocol, u16, &str)] = &[
    (Protocol::Tcp, 22, "SSH"),
    (Protocol::Tcp, 53, "DNS"),
    (Protocol::Udp, 53, "DNS"),
    (Protocol::Tcp, 80, "HTTP"),
    (Protocol::Udp, 123, "NTP"),
    (Protocol::Tcp, 443, "HTTPS"),
    (Protocol::Udp, 443, "HTTP/3"),
    (Protocol::Tcp, 465, "mail submission"),
    (Protocol::Tcp, 587, "mail submission"),
    (Protocol::Tcp, 993, "IMAP"),
    (Protocol::Udp, 51820, "WireGuard"),
];

/// The service without encryption that `listener` is.
pub fn plaintext(listener: &Listener) -> Option<&'static Service> {
    known(PLAINTEXT, listener)
}

/// The administration door that `listener` is.
pub fn admin(listener: &Listener) -> Option<&'static Service> {
    let web = listener.process.as_deref().is_some_and(|p| WEB_SERVERS.iter().any(|n| is_process(p, n)));
    known(ADMIN, listener).filter(|service| !web || service.is_named_by(listener))
}

/// The service that few servers need and `listener` is.
pub fn unneeded(listener: &Listener) -> Option<&'static Unneeded> {
    UNNEEDED.iter().find(|u| u.service.is_on_its_port(listener))
}

/// By name first: `mysqld` on the port of PostgreSQL is MySQL.
fn known(services: &'static [Service], listener: &Listener) -> Option<&'static Service> {
    let named = services.iter().find(|s| s.is_named_by(listener) && s.speaks(listener.protocol));
    named.or_else(|| services.iter().find(|s| s.is_on_its_port(listener)))
}

/// True for the ports that the mission's vendors call high-risk.
pub fn is_high_risk(protocol: Protocol, port: u16) -> bool {
    within(HIGH_RISK_TCP, protocol, port) || within(HIGH_RISK_UDP, protocol, port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(protocol: Protocol, port: u16, process: &str) -> Listener {
        Listener { protocol, port, process: Some(process.to_owned()), ..Listener::default() }
    }

    fn named(protocol: Protocol, port: u16, process: &str) -> Option<&'static str> {
        database(&listener(protocol, port, process)).map(|s| s.name)
    }

    #[test]
    fn a_database_is_known_by_process_before_port() {
        assert_eq!(named(Protocol::Tcp, 33306, "mysqld"), Some("MySQL or MariaDB"));
        assert_eq!(named(Protocol::Tcp, 5432, "mysqld"), Some("MySQL or MariaDB"));
        assert_eq!(named(Protocol::Tcp, 5432, "docker-proxy"), Some("PostgreSQL"));
        assert_eq!(named(Protocol::Tcp, 8080, "java"), None);
    }

    #[test]
    fn a_process_name_cut_by_the_kernel_is_known() {
        assert_eq!(named(Protocol::Tcp, 9000, "clickhouse-serv"), Some("ClickHouse"));
    }

    #[test]
    fn the_udp_socket_of_a_database_that_asks_a_name_server_is_no_database() {
        assert_eq!(named(Protocol::Udp, 40000, "mongod"), None);
        assert_eq!(named(Protocol::Udp, 11211, "memcached"), Some("Memcached"));
    }

    #[test]
    fn a_web_server_on_the_port_of_an_admin_door_is_a_web_server() {
        assert_eq!(admin(&listener(Protocol::Tcp, 8888, "nginx")), None);
        assert_eq!(admin(&listener(Protocol::Tcp, 8888, "python3")).map(|s| s.name), Some("Jupyter"));
    }

    #[test]
    fn the_high_risk_ports_are_those_of_the_mission() {
        let count = |protocol| (0..=u16::MAX).filter(|&p| is_high_risk(protocol, p)).count();
        assert_eq!((count(Protocol::Tcp), count(Protocol::Udp)), (21, 14));
    }
}
