// The mock's security groups, lists, policies, exposure, hits and isolation.
import { ago, ahead, NAMES, SILENT } from "./canned.mjs";

const rule = (id, priority, action, protocol, ports, peers, more = {}) => ({ id, direction: "in", priority, action, protocol, ...(ports.length > 0 ? { ports } : {}), peers, ...more });

const SPECS = {
  web: {
    description: "public web servers", members: { tags: { role: "web" } }, intra: "isolate",
    rules: [
      rule("web", 10, "allow", "tcp", ["80", "443"], ["any"]),
      rule("ssh", 20, "allow", "tcp", ["22"], ["list:office"], { comment: "the office alone" }),
      rule("app", 30, "allow", "tcp", ["8000-8080"], ["group:db", "domain:stage"], { log: true, ends_at: ahead(86_400 * 5) }),
      rule("late", 40, "allow", "tcp", ["443"], ["203.0.113.0/24"]),
      rule("old", 60, "allow", "udp", ["51820"], ["interface:wg0"], { enabled: false, comment: "tunnel of \u202Eyesterday" }),
      rule("scan", 90, "deny", "all", [], ["list:scanners"]),
      { ...rule("mail", 10, "deny", "tcp", ["25"], ["any"]), direction: "out", comment: "no mail from here" },
    ],
  },
  db: { description: "databases", members: { hosts: ["db-1", "db-2"] }, intra: "allow", rules: [rule("sql", 10, "allow", "tcp", ["3306"], ["group:web"]), rule("ssh", 20, "allow", "tcp", ["22"], ["list:office"])] },
  jump: { members: { tags: { role: "jump" } }, rules: [rule("ssh", 50, "allow", "tcp", ["22"], ["any"])] },
};
const HOSTS = { web: NAMES.filter((name) => name.startsWith("web")), db: ["db-1", "db-2"], jump: [] };

const resource = (kind, name, spec, version = 1) => ({ kind, name, version, spec, updated_at: ago(40_000), updated_by: "operator-2" });

export function firewallWorld() {
  const groups = process.env.MOCK_NO_GROUPS === "1" ? [] : Object.entries(SPECS).map(([name, spec]) => resource("SecurityGroup", name, spec, 3));
  return {
    resources: [
      ...groups,
      resource("PrefixList", "office", { description: "the office", prefixes: ["192.0.2.0/24", "2001:db8:10::/48", "198.51.100.4"] }, 2),
      resource("PrefixList", "scanners", { description: "seen to scan", prefixes: Array.from({ length: 240 }, (_, i) => `203.0.113.${i}`) }, 7),
      resource("PrefixList", "nobody", { prefixes: [] }),
      resource("PortPolicy", "base", { hosts: { all: true }, high_risk: "deny", databases: "deny", web_ports: ["80", "443"], default_out: "allow", exceptions: [{ hosts: { hosts: ["db-1"] }, protocol: "tcp", ports: ["30006"], peers: ["list:office"], reason: "the move of the old shop", ends_at: ahead(86_400 * 20) }] }, 4),
    ],
    isolated: [{ host: "web-3", reason: "a shell with a socket, incident 12", by: "admin", since: ago(800), ends_at: ahead(13_000), plan: "p-1" }],
  };
}

export const KINDS = ["SecurityGroup", "PrefixList", "PortPolicy"];

const addresses = (world, peer) => {
  if (peer.startsWith("list:")) return world.firewall.resources.find((one) => one.kind === "PrefixList" && one.name === peer.slice(5))?.spec.prefixes.length ?? 0;
  if (peer.startsWith("group:")) return HOSTS[peer.slice(6)]?.length ?? 0;
  return peer.startsWith("domain:") ? 0 : 1;
};

function groupView(world, one) {
  const rules = one.spec.rules ?? [];
  const hosts = HOSTS[one.name] ?? one.spec.members?.hosts ?? [];
  return {
    name: one.name, version: one.version, description: one.spec.description ?? "", intra: one.spec.intra ?? "isolate", hosts: hosts.slice(0, 100), hosts_total: hosts.length,
    rules_in: rules.filter((r) => r.direction !== "out").length, rules_out: rules.filter((r) => r.direction === "out").length, rules_disabled: rules.filter((r) => r.enabled === false).length,
    unresolved: rules.filter((r) => r.peers.some((peer) => addresses(world, peer) === 0)).length, updated_at: one.updated_at, updated_by: one.updated_by, can: { change: true, delete: true },
  };
}

function groupDetail(world, one) {
  const hits = { web: [81_204, 2], ssh: [12, 3_600], scan: [1_310, 9], app: [0, null], sql: [40_112, 1] };
  return {
    ...groupView(world, one), spec: one.spec, defaults: { inbound: "deny", outbound: "allow" },
    rules: (one.spec.rules ?? []).toSorted((a, b) => a.priority - b.priority).map((r) => ({
      id: `${one.name}/${r.id ?? "a1b2c3d4"}`, rule: r,
      peers: r.peers.map((peer) => ({ peer, addresses: /^(any$|interface:)/.test(peer) ? 0 : addresses(world, peer), resolved: addresses(world, peer) > 0, why: addresses(world, peer) > 0 ? null : `no host has the tag ${peer.replace(":", "=")}` })),
      packets_24h: hits[r.id]?.[0] ?? 0, packets: (hits[r.id]?.[0] ?? 0) * 9, last_hit_at: hits[r.id]?.[1] ? ago(hits[r.id][1]) : null, shadowed_by: r.id === "late" ? "web/web" : null,
    })),
  };
}

const PORTS = [["tcp", 22, "ssh"], ["tcp", 80, "http"], ["tcp", 443, "https"], ["tcp", 445, "smb", true], ["tcp", 3306, "mysql"], ["tcp", 3389, "rdp", true], ["tcp", 5432, "postgresql"], ["tcp", 6379, "redis"], ["udp", 53, "domain"], ["tcp", 8080, null], ["tcp", 9100, null], ["tcp", 27017, "mongodb"], ["udp", 1900, "ssdp", true]].map(([protocol, port, service, high_risk = false]) => ({ protocol, port, service, high_risk }));
const STATES = ["world", "private", "named", "shut", "allowed_unused"];

export function matrix(q) {
  const hosts = NAMES.filter((name) => !q || name.includes(q)).map((host, n) => ({
    host, observed_at: ago(host === SILENT ? 745 : 12), stale: host === SILENT,
    cells: PORTS.map((port, i) => ({ port: i, state: i === 2 && host.startsWith("web") ? "world" : STATES[(n * 5 + i * 3) % 7], process: ["sshd", "nginx", "nginx", "smbd", "mysqld", "xrdp", "postgres", "redis-server", "dnsmasq"][i] ?? "app", package: "openssh-server", rule: i === 2 ? "web/web" : i === 3 ? "policy/high-risk-tcp" : host.startsWith("db") ? "db/sql" : null, path: i === 9 ? "docker" : "host" })).filter((cell) => cell.state !== undefined),
  }));
  return { ports: PORTS, hosts, reason: null };
}

function effective(host) {
  if (host.startsWith("cache")) return { host, generation: null, filtered: false, rules: [], defaults: null, sentence: "this host is not filtered", observed_at: ago(12), fresh_until: ahead(60) };
  const one = (id, layer, priority, action, protocol, ports, peers, n, day) => ({ id, layer, group: layer === "group" ? id.split("/")[0] : null, priority, direction: "in", action, protocol, ports, peers, addresses: n, packets: day * 9, packets_24h: day, last_hit_at: day ? ago(9) : null });
  return {
    host, generation: { epoch: 1, n: 42 }, filtered: true, defaults: { inbound: "deny", outbound: "allow" }, sentence: "two groups and the port policy base hold here: what no rule lets in is denied", observed_at: ago(12), fresh_until: ahead(60),
    rules: [
      one("policy/high-risk-tcp", "policy", 10, "deny", "tcp", ["135-139", "445", "3389"], ["any"], 0, 412),
      one("policy/databases", "policy", 20, "deny", "tcp", ["3306", "5432", "6379"], ["not private networks"], 0, 31),
      one("web/web", "group", 10, "allow", "tcp", ["80", "443"], ["any"], 0, 81_204),
      one("web/ssh", "group", 20, "allow", "tcp", ["22"], ["list:office"], 3, 12),
      { ...one("web/app", "group", 30, "allow", "tcp", ["8000-8080"], ["group:db", "domain:stage"], 2, 0), ends_at: ahead(86_400 * 5) },
      one("web/scan", "group", 90, "deny", "all", [], ["list:scanners"], 240, 1_310),
      { ...one("web/mail", "group", 10, "deny", "tcp", ["25"], ["any"], 0, 2), direction: "out" },
    ],
  };
}

function judged(packet) {
  const found = /^(tcp|udp) \[?([0-9a-f.:]+?)\]?(?::\d+)? -> ([a-z0-9-]+):(\d+)$/.exec(packet);
  if (!found) return null;
  const [, , source, host, port] = found;
  if (source === "203.0.113.9") return { host, verdict: { action: "deny", by: "ban", sentence: "203.0.113.9 is banned: 41 failed logins as root" } };
  if (port === "443" || port === "80") return { host, verdict: { action: "allow", by: "rule", id: "web/web", layer: "group", group: "web", priority: 10, sentence: "tcp 80, 443 from anybody is allowed" } };
  return { host, verdict: { action: "deny", by: "default", sentence: "no rule lets it in" } };
}

const plan = (effects, hosts, more = {}) => ({ id: "", guard: "firewall", title: "Change the rules", state: "preview", effects, steps: hosts.slice(0, 3).map((host) => ({ name: "ReplaceFilter", object: host, reason: "its groups change", permit: "firewall", act: {} })), hosts, by: "admin", created_at: ago(1), observed_at: ago(14), deadline: null, probation_s: hosts.length > 0 ? 60 : null, generation: { epoch: 1, n: 43 }, reports: [], can: {}, ...more });

export function firewallRoutes({ world, list, matching, problem, tell }) {
  const of = (kind, name) => world.firewall.resources.find((one) => one.kind === kind && one.name === name);
  const all = (kind) => world.firewall.resources.filter((one) => one.kind === kind);
  const put = (document) => {
    const before = of(document.kind, document.name);
    const after = { ...resource(document.kind, document.name, document.spec, (before?.version ?? 0) + 1), updated_at: ago(0), updated_by: "admin" };
    world.firewall.resources = [...world.firewall.resources.filter((one) => one !== before), after];
    return after.version;
  };
  const refusal = (document) => {
    if (document.kind !== "SecurityGroup") return null;
    for (const [i, one] of (document.spec.rules ?? []).entries()) {
      const wrong = one.peers.find((peer) => /\/\d+$/.test(peer) && peer.startsWith("10.0.0.1/"));
      if (wrong) return problem(422, "invalid", `\`${wrong}\` has host bits set`, "did you mean `10.0.0.0/24`?", { path: `resources[0].spec.rules[${i}].peers[0]` });
    }
    return null;
  };
  const effectsOf = (document, hosts) => {
    const world_ssh = (document.spec.rules ?? []).some((one) => one.ports?.includes("22") && one.peers.includes("any") && one.action === "allow");
    return [
      ...(world_ssh ? [{ kind: "opens", severity: "high", sentence: `newly open: tcp/22 from 0.0.0.0/0 and ::/0 to ${hosts.length} hosts`, hosts }] : []),
      { kind: "closes", severity: "low", sentence: "newly closed: tcp/443 from 203.0.113.0/24", hosts },
      { kind: "cuts", severity: "medium", sentence: "cuts 4 live connections: 3 of 203.0.113.9 to tcp/443 on web-1, 1 of 203.0.113.14 to tcp/443 on web-2", hosts: ["web-1", "web-2"] },
      { kind: "keeps", severity: "informational", sentence: "does not touch your own path (198.51.100.4 → :8443, checked)", hosts: [] },
    ];
  };
  return [
    ["GET", "/firewall/groups/starter", () => ({ resources: [{ kind: "SecurityGroup", name: "web", spec: { ...SPECS.web, description: "nginx listens on 7 hosts" } }, { kind: "SecurityGroup", name: "db", spec: SPECS.db }], left_out: ["udp/1900 on web-2: a high-risk port"] })],
    ["GET", "/firewall/groups", ({ query }) => list(matching(all("SecurityGroup").map((one) => groupView(world, one)), query), query)],
    ["GET", "/firewall/groups/:name", ({ params }) => { const one = of("SecurityGroup", params.name); return one ? groupDetail(world, one) : problem(404, "unknown", `no security group \`${params.name}\``); }],
    ["GET", "/firewall/effective", ({ query }) => effective(query.get("host"))],
    ["POST", "/firewall/simulate", ({ body }) => {
      const now = judged(body.packet);
      if (!now) return problem(422, "packet_invalid", `\`${body.packet}\` is no packet`, "write tcp 203.0.113.9:40000 -> web-1:22");
      const open = (body.resources ?? []).some((document) => (document.spec.rules ?? []).some((one) => one.ports?.includes("22") && one.peers.includes("any")));
      return { packet: body.packet, host: now.host, now: now.verdict, ...(body.resources ? { draft: open && now.verdict.by === "default" ? { action: "allow", by: "rule", id: "web/new", layer: "group", group: "web", priority: 50, sentence: "tcp 22 from anybody is allowed" } : now.verdict } : {}) };
    }],
    ["GET", "/firewall/matrix", ({ query }) => matrix(query.get("q"))],
    ["GET", "/firewall/hits", ({ query }) => list(matching([["web/web", "group", 81_204], ["policy/high-risk-tcp", "policy", 412], ["web/ssh", "group", 12], ["web/app", "group", 0], ["db/sql", "group", 40_112], ["jump/ssh", "group", 0], ["intra/db", "intra", 88]].map(([id, layer, day]) => ({ id, group: layer === "group" ? id.split("/")[0] : null, layer, hosts: 7, packets: day * 9, bytes: day * 9_000, packets_24h: day, last_hit_at: day ? ago(9) : null, since: ago(900_000) })).filter((row) => query.get("unused") !== "true" || row.packets === 0), query, ["group"]), query)],
    ["GET", "/firewall/denied", ({ query }) => list(matching([["203.0.113.14", "policy/high-risk-tcp", 445, 44], ["2001:db8:bad::7", "web/default", 22, 9], ["192.0.2.9", "web/default", 8443, 2], ["203.0.113.9", "web/scan", 443, 31]].map(([source, id, port, packets], i) => ({ host: NAMES[i], rule: id, group: id.startsWith("web") ? "web" : null, source, protocol: "tcp", port, direction: "in", packets, first_at: ago(40_000), last_at: ago(12 * (i + 1)), can: { ban: source.startsWith("192.0.2.") ? "the address is on the allow-list" : true } })), query, ["host"]), query)],
    ["GET", "/firewall/isolated", ({ query }) => list(world.firewall.isolated, query)],
    ["POST", "/firewall/hosts/:host/isolate", ({ params, body }) => {
      if (!body.dry_run) world.firewall.isolated.push({ host: params.host, reason: body.reason, by: "admin", since: ago(0), ends_at: body.for ? ahead(14_400) : null, plan: "p-1" });
      tell(["firewall/groups", "plans"]);
      return plan([{ kind: "closes", severity: "high", sentence: `${params.host} answers nobody but the failsafe addresses`, hosts: [params.host] }, { kind: "cuts", severity: "high", sentence: "cuts 31 live connections", hosts: [params.host] }], [params.host]);
    }],
    ["POST", "/firewall/hosts/:host/release", ({ params, body }) => {
      if (!body.dry_run) world.firewall.isolated = world.firewall.isolated.filter((one) => one.host !== params.host);
      return plan([{ kind: "opens", severity: "low", sentence: `the groups of ${params.host} decide again`, hosts: [params.host] }], [params.host]);
    }],
    ["GET", "/firewall/connections", ({ query }) => list([["in", "203.0.113.9", 51_000, 443, "nginx"], ["in", "198.51.100.4", 40_112, 22, "sshd"], ["out", "2001:db8::53", 53, 53, "dnsmasq"]].map(([direction, peer, peer_port, port, process], i) => ({ host: query.get("host"), direction, protocol: "tcp", peer, peer_port, port, process, bytes: 9_000 * (i + 1), observed_at: ago(0), allowed: i !== 0, would: i === 0 ? "deny" : "allow" })), query)],
    ["POST", "/firewall/bans/import", ({ body }) => {
      const refused = body.bans.filter((ban) => ban.address.startsWith("192.0.2.") || !/^[0-9a-f.:]+(\/\d+)?$/.test(ban.address)).map((ban) => ({ address: ban.address, why: ban.address.startsWith("192.0.2.") ? "it is on the allow-list" : "it is no address" }));
      const added = body.bans.filter((ban) => !refused.some((row) => row.address === ban.address));
      if (!body.dry_run) world.bans.unshift(...added.map((ban) => ({ address: ban.address, reason: ban.reason ?? "", by: "admin", hosts: NAMES, since: ago(0), ends_at: ban.for ? ahead(43_200) : null, probation_until: null, plan: null })));
      return { added: added.length, refused, refused_total: refused.length, dropped: 0, aggregated: added.length };
    }],
    ["GET", "/firewall/feed", () => ({ seq: 41, entries: world.bans.length, aggregated: world.bans.length, hosts: NAMES.map((host) => ({ host, seq: host === SILENT ? 39 : 41, behind_s: host === SILENT ? 745 : 0 })) })],
    ["GET", "/resources/:kind", ({ params, query }) => (KINDS.includes(params.kind) ? list(matching(all(params.kind), query), query) : undefined)],
    ["GET", "/resources/:kind/:name", ({ params }) => (KINDS.includes(params.kind) ? (of(params.kind, params.name) ?? problem(404, "unknown", `no ${params.kind} \`${params.name}\``)) : undefined)],
    ["DELETE", "/resources/:kind/:name", ({ params, query }) => {
      if (!KINDS.includes(params.kind)) return undefined;
      const one = of(params.kind, params.name);
      if (!one) return problem(404, "unknown", `no ${params.kind} \`${params.name}\``);
      if (query.get("dry_run") !== "true") world.firewall.resources = world.firewall.resources.filter((other) => other !== one);
      return { plan: plan([{ kind: "changes", severity: "medium", sentence: `${params.name} is gone`, hosts: HOSTS[params.name] ?? [] }], HOSTS[params.name] ?? []), plans: [], results: [{ kind: params.kind, name: params.name, action: "delete", version: one.version, changes: [] }] };
    }],
    ["POST", "/apply", ({ body }) => {
      const [document] = body.resources;
      if (!KINDS.includes(document.kind)) return undefined;
      const refused = refusal(document);
      if (refused) return refused;
      const before = of(document.kind, document.name);
      if (document.version !== undefined && document.version !== (before?.version ?? 0)) return problem(409, "conflict", "it was changed since", null, { conflict: [{ kind: document.kind, name: document.name, version: before?.version ?? 0, base: {}, mine: document.spec, theirs: before?.spec, updated_by: before?.updated_by }] });
      const hosts = document.kind === "SecurityGroup" ? (HOSTS[document.name] ?? document.spec.members?.hosts ?? []) : NAMES.slice(0, 7);
      const effects = effectsOf(document, hosts);
      const [then, next] = [before?.spec.rules ?? [], document.spec.rules ?? []];
      const changes = Array.from({ length: Math.max(then.length, next.length) }, (_, i) => ({ path: `spec.rules[${i}]`, before: then[i] ?? null, after: next[i] ?? null })).filter((one) => JSON.stringify(one.before) !== JSON.stringify(one.after));
      if (body.dry_run) return { plan: plan(effects, hosts), plans: [], results: [{ kind: document.kind, name: document.name, action: "change", version: before?.version ?? 0, changes }] };
      const version = put(document);
      const id = `p-${Math.floor(Math.random() * 1e6)}`;
      const made = plan(effects, hosts, { id, title: `Change the group ${document.name}`, state: body.probation && document.name === "web" ? "probation" : "applied", deadline: ahead(60), can: { confirm: true, confirm_waived: true, rollback: true } });
      world.plans.unshift(made);
      tell(["plans", "firewall/groups", "resources"]);
      return { plan: made, plans: [id], results: [{ kind: document.kind, name: document.name, action: "change", version, changes }] };
    }],
  ];
}
