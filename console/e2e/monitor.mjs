// Invented alarms, rules, channels and probes for the mock, in the shapes of the API.
import { ago, ahead, inventory, NAMES, series, SILENT } from "./canned.mjs";

const METRICS = [
  ["cpu_usage_ratio", "ratio", "cpu"], ["cpu_mode_ratio", "ratio", "cpu", "mode"], ["load1", "count", "cpu"], ["memory_used_ratio", "ratio", "memory"], ["memory_available_bytes", "bytes", "memory"],
  ["disk_used_ratio", "ratio", "disk", "mount"], ["disk_io_read_bytes_rate", "bytes/s", "disk", "device"], ["network_receive_bytes_rate", "bytes/s", "network", "interface"], ["pressure_io_some_ratio", "ratio", "disk"], ["watch_processes", "count", "process", "watch"],
].map(([name, unit, group, label]) => ({ name, unit, group, help: `What ${name} says.`, ...(label ? { label } : {}), aliases: [] }));

const policy = (metric, threshold, more = {}) => ({ metric, statistic: "average", period: "5m", operator: ">", threshold, count: 3, of: 3, ...more });
const rule = (name, severity, policies, more = {}) => ({
  name, version: 3, source: "resource", ok: 40, pending: 0, firing: 0, no_data: 0, evaluated_at: ago(4),
  spec: { enabled: true, severity, policies, scope: {}, no_data: { after: "3m", treat: "alarm" }, repeat: "4h", urgency: "page", cause: true }, ...more,
});

export function monitorWorld() {
  return {
    rules: [
      rule("cpu-busy", "high", [policy("cpu_usage_ratio", 0.9, { recover: 0.8 })], { firing: 1, pending: 2, ok: 38 }),
      rule("disk-full", "critical", [policy("disk_used_ratio", 0.95, { recover: 0.9 }), policy("disk_used_ratio", 0.9, { operator: "rise", threshold: 20 })], { firing: 1, ok: 122 }),
      rule("memory-short", "medium", [policy("memory_used_ratio", 0.95, { period: "1m", count: 5, of: 5 })]),
      { ...rule("host-silent", "high", []), spec: { enabled: true, severity: "high", event: { kind: "frame.host.silent", clear: "frame.host.back", times: 1, within: "10m" } } },
      { ...rule("old-load", "low", [policy("load1", 8)]), spec: { enabled: false, severity: "low", policies: [policy("load1", 8)], scope: { tags: { role: "web" } } } },
    ],
    channels: [
      { name: "ops-mail", version: 2, spec: { type: "smtp", host: "mail.example.org", port: 587, to: ["ops@example.org"] }, last_ok_at: ago(340), last_error: null, waiting: 0, dead: 0 },
      { name: "pager", version: 1, spec: { type: "webhook", url: "https://pager.example.org/hook", secret: "pager-key" }, last_ok_at: ago(86_000), last_error: "503 Service Unavailable: \u202Eretry later", waiting: 3, dead: 1 },
    ],
    secrets: [{ name: "pager-key" }, { name: "smtp-password" }],
    silences: [{ name: "deploy-web", version: 1, spec: { match: { scope: { tags: { role: "web" } }, labels: { alertname: "cpu-busy" } }, until: ahead(1900), reason: "release 41" }, author: "operator-2", active: true }],
    policies: [{ kind: "NotificationPolicy", name: "default", version: 1, spec: { match: { severity: "medium" }, channels: ["ops-mail"], repeat: "4h" } }],
    probes: [
      { name: "shop", version: 1, spec: { type: "http", target: "https://shop.example.org/health", interval: "5m" }, host: null, last: { at: ago(42), up: true, duration_s: 0.131, facts: { status: 200, certificate_days: 61 } }, up_share_24h: 0.998 },
      { name: "mail-tls", version: 1, spec: { type: "tls", target: "mail.example.org:993" }, host: SILENT, last: { at: ago(190), up: false, duration_s: 5, error: "no answer within 5 s", facts: {} }, up_share_24h: 0.61 },
      { name: "new-dns", version: 1, spec: { type: "dns", target: "www.example.org" }, host: null, last: null, up_share_24h: null },
    ],
    alarms: [
      alarm("a-1", "disk-full", "critical", "db-2", "firing", { metric: "disk_used_ratio", labels: { mount: "/srv" }, value: 0.974, threshold: 0.95, since: ago(420), sentence: "Disk used of /srv on db-2 is 97.4 %, above 95 % for 15 min", cause: { sentence: "mysqld (pid 812, unit mysql.service) wrote 71 MiB/s", processes: [process(812, "mysqld", "mysql.service"), process(4410, "pg_dump\u202Efdp", "backup.service", true)] }, notified: [{ channel: "ops-mail", at: ago(415), ok: true }, { channel: "pager", at: ago(410), ok: false, error: "503 Service Unavailable" }] }),
      alarm("a-2", "cpu-busy", "high", "web-4", "firing", { metric: "cpu_usage_ratio", value: 0.94, threshold: 0.9, since: ago(3100), acknowledged: { by: "operator-2", at: ago(2800), note: "known batch job" }, sentence: "CPU of web-4 is 94 %, above 90 % for 15 min", cause: { sentence: "ffmpeg (pid 2210, container media) used 92 % CPU", processes: [process(2210, "ffmpeg", null, false, "media")] }, notified: [{ channel: "ops-mail", at: ago(3095), ok: true }] }),
      alarm("a-3", "cpu-busy", "high", SILENT, "firing", { metric: "cpu_usage_ratio", value: 0.97, threshold: 0.9, since: ago(5200), stale: true, inhibited_by: "a-4", sentence: `CPU of ${SILENT} was 97 %, above 90 %; no sample has come since` }),
      alarm("a-4", "host-silent", "high", SILENT, "no_data", { since: ago(745), sentence: `${SILENT} has been silent for 12 min` }),
      alarm("a-5", "memory-short", "medium", "cache-1", "pending", { metric: "memory_used_ratio", value: 0.957, threshold: 0.95, since: ago(70), sentence: "Memory used of cache-1 is 95.7 %, above 95 %, 2 of 5 times" }),
      alarm("a-6", "cpu-busy", "high", "web-2", "resolved", { metric: "cpu_usage_ratio", value: 0.41, threshold: 0.9, since: ago(8000), resolved_at: ago(7000), sentence: "CPU of web-2 was above 90 % for 17 min" }),
    ],
    deliveries: [
      { id: "d-3", channel: "pager", title: "[firing] disk-full on db-2", state: "waiting", attempts: 4, next_at: ahead(90), last_error: "503 Service Unavailable", created_at: ago(410) },
      { id: "d-2", channel: "ops-mail", title: "[firing] disk-full on db-2", state: "sent", attempts: 1, created_at: ago(415), sent_at: ago(414) },
      { id: "d-1", channel: "pager", title: "[firing] cpu-busy on web-9", state: "dead", attempts: 31, last_error: "404 Not Found: no such hook", created_at: ago(90_000) },
    ],
  };
}

function process(pid, name, unit, ended = false, container = null) {
  return { pid, name, unit, container, user: "mysql", cmdline: `/usr/sbin/${name}`, cpu: 0.4, cpu_max: 0.71, rss_bytes: 2.1e9, rss_bytes_max: 2.4e9, io_bytes_rate: 7e7, first_at: ago(900), last_at: ago(410), ended };
}

function alarm(id, name, severity, host, state, more) {
  return { id, rule: name, policy: 0, severity, host, labels: {}, unit: "ratio", state, stale: false, operator: ">", statistic: "average", period: "5m", fired_at: state === "pending" ? null : more.since, acknowledged: null, silenced: null, inhibited_by: null, cause: null, notified: [], can: { acknowledge: true, silence: true }, ...more };
}

function detail(one) {
  const values = Array.from({ length: 180 }, (_, i) => (i > 60 && i < 64 ? null : Math.min(0.99, 0.55 + i / 400 + 0.06 * Math.sin(i / 4))));
  return {
    ...one,
    history: [{ at: ago(1500), state: "ok", value: 0.62 }, { at: ago(900), state: "pending", value: 0.91 }, { at: one.since, state: one.state, value: one.value }],
    ...(one.metric ? { ring: { from: Math.floor(Date.parse(one.since) / 1000) - 600, step_s: 5, metrics: { [one.metric]: values } } } : {}),
  };
}

const DAY_MS = 86_400_000;
function backtest({ rule: spec }) {
  const first = spec.policies?.[0];
  const threshold = first?.threshold ?? 1;
  const fired = first?.metric === "cpu_usage_ratio" && first.operator === ">" ? Math.max(0, Math.round((0.97 - threshold) * 200)) : 0;
  const firings = Array.from({ length: fired }, (_, i) => {
    const from = Date.now() - DAY_MS * (1 + (i * 28) / Math.max(1, fired)) - i * 7_000_000;
    return { host: NAMES[i % 3], labels: {}, policy: 0, from: Math.floor(from / 1000), to: Math.floor(from / 1000) + (i % 4 === 0 ? 4_000 : 170), peak: Math.min(1, threshold + 0.04) };
  });
  const hosts = spec.scope?.hosts?.length ?? NAMES.length;
  return { fired, shorter_than_5m: Math.floor((fired * 3) / 4), series: hosts, hosts, approximate_before: Math.floor(Date.now() / 1000) - 15 * 86_400, firings, suggestions: fired > 0 ? [{ policy: 0, threshold: 0.95, recover: 0.85, fired: 4 }, { policy: 0, threshold: 0.97, fired: 0 }] : [], took_ms: 214 };
}

const matrix = (query, from, to, step) => {
  const metric = /[a-z0-9]+_[a-z0-9_]+/.exec(query.replace(/^[a-z]+ by \(host\)/, ""))?.[0] ?? "load1";
  const [one] = series(metric === "uptime_seconds" ? "processes" : metric, "web-1", from, to, step).series;
  const scale = query.startsWith("max") ? 1.6 : query.startsWith("quantile") ? 1.3 : 1;
  return { status: "success", data: { resultType: "matrix", result: one ? [{ metric: {}, values: one.points.filter(([, v]) => v !== null).map(([at, v]) => [at, String(query.startsWith("count") ? 40 : Math.min(v * scale, v < 1 ? 0.99 : v * scale))]) }] : [] } };
};
const vector = (query) => ({ status: "success", data: { resultType: "vector", result: NAMES.slice(0, 8).map((host, i) => ({ metric: { host, ...(query.includes("disk") ? { mount: "/srv" } : {}) }, value: [Date.now() / 1000, String(0.96 - i * 0.07)] })) } });

/** Processes as the history has them: with unit, container and I/O. */
const processes = (host) => inventory("processes", host).slice(0, 12).map((p, i) => ({ ...p, cpu: 0.8 / (i + 1), rss_bytes: 4e8 * ((i * 7) % 5) + 1e7, unit: i % 3 === 0 ? null : "nginx.service", container: i % 5 === 2 ? "shop-web-1" : null, io_bytes_rate: i % 2 ? 1e6 * i : null, threads: 4 + i, open_files: 40 * i }));

export function monitorRoutes({ world, list, matching, problem, tell }) {
  const m = world.monitor;
  const find = (items, name, key = "name") => items.find((item) => item[key] === name);
  const change = (items, id, part) => {
    const one = find(items, id, "id");
    if (!one) return problem(404, "not_found", `no alarm \`${id}\``);
    Object.assign(one, part);
    tell(["monitor/alarms"]);
    return {};
  };
  const plan = (documents, dry_run) => ({
    plan: { id: dry_run ? "" : "p-40", guard: "monitor", title: `Change ${documents.length} resource`, state: dry_run ? "preview" : "applied", effects: [{ kind: "changes", severity: "low", sentence: `${documents[0].kind} ${documents[0].name} is saved; it is for ${NAMES.length} hosts`, hosts: [] }], steps: [], hosts: [], by: "admin", created_at: ago(0), observed_at: ago(4), deadline: null, probation_s: null, generation: { epoch: 1, n: 43 }, reports: [] },
    plans: [],
    results: documents.map(({ kind, name, spec }) => ({ kind, name, action: "change", version: 4, changes: Object.entries(spec).slice(0, 4).map(([path, after]) => ({ path: `spec.${path}`, before: null, after })) })),
  });
  return [
    ["GET", "/monitor/metrics", ({ query }) => list(METRICS, query)],
    ["GET", "/monitor/processes", ({ query }) => list(processes(query.get("host")), query)],
    ["GET", "/monitor/alarms", ({ query }) => {
      const state = query.get("state") ?? "active";
      const rows = matching(m.alarms, query, ["host", "rule", "severity"]).filter((one) => state === "all" || (state === "active" ? one.state !== "resolved" : one.state === state));
      return list(rows, query);
    }],
    ["GET", "/monitor/alarms/:id", ({ params }) => { const one = find(m.alarms, params.id, "id"); return one ? detail(one) : problem(404, "not_found", `no alarm \`${params.id}\``); }],
    ["POST", "/monitor/alarms/:id/acknowledge", ({ params, body }) => change(m.alarms, params.id, { acknowledged: { by: "admin", at: ago(0), note: body.note } })],
    ["DELETE", "/monitor/alarms/:id/acknowledge", ({ params }) => change(m.alarms, params.id, { acknowledged: null })],
    ["POST", "/monitor/alarms/:id/silence", ({ params }) => change(m.alarms, params.id, { silenced: { name: "by-hand", until: ahead(3600) } })],
    ["GET", "/monitor/rules", ({ query }) => list(matching(m.rules, query), query)],
    ["POST", "/monitor/rules/basics", ({ body }) => {
      m.rules = m.rules.filter((one) => one.source !== "builtin");
      if (body.on) m.rules.push({ ...rule("basic-disk", "high", [policy("disk_used_ratio", 0.9)]), source: "builtin" });
      return {};
    }],
    ["POST", "/monitor/backtest", ({ body }) => backtest(body)],
    ["GET", "/monitor/channels", ({ query }) => list(m.channels, query)],
    ["POST", "/monitor/channels/:name/test", ({ params }) => (params.name === "pager" ? { ok: false, answer: "503 Service Unavailable\n\nretry later", took_ms: 812 } : { ok: true, answer: "250 2.0.0 Ok: queued as 4X9", took_ms: 143 })],
    ["GET", "/monitor/deliveries", ({ query }) => list(matching(m.deliveries, query, ["state"]), query)],
    ["POST", "/monitor/deliveries/:id/retry", ({ params }) => { Object.assign(find(m.deliveries, params.id, "id") ?? {}, { state: "waiting" }); return {}; }],
    ["GET", "/monitor/silences", ({ query }) => list(m.silences, query)],
    ["GET", "/monitor/secrets", ({ query }) => list(m.secrets, query)],
    ["PUT", "/monitor/secrets/:name", ({ params }) => { if (!find(m.secrets, params.name)) m.secrets.push({ name: params.name }); return {}; }],
    ["DELETE", "/monitor/secrets/:name", ({ params }) => { m.secrets = m.secrets.filter((one) => one.name !== params.name); return {}; }],
    ["GET", "/monitor/probes", ({ query }) => list(m.probes, query)],
    ["POST", "/monitor/probes/:name/run", ({ params }) => find(m.probes, params.name)?.last ?? { at: ago(0), up: true, duration_s: 0.02, facts: { answers: 2 } }],
    ["GET", "/monitor/agentless/:host", ({ params }) => ({ host: params.host, address: "palisade@nas.example.org:22", public_key: "ssh-ed25519 AAAAC3Nz", authorized_line: 'restrict,command="cat /proc/stat /proc/loadavg /proc/meminfo" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPalisadeMock palisade', [world.pinned ? "host_key" : "shown_key"]: { fingerprint: "SHA256:mVPwvezndPv/ARoIadVY98vAC0g", pinned_at: world.pinned ? ago(3) : null }, last: { at: ago(80), ok: false, error: "the host key is not pinned" } })],
    ["POST", "/monitor/agentless/:host/pin", () => { world.pinned = true; return {}; }],
    ["GET", "/monitor/prometheus/api/v1/query_range", ({ query }) => matrix(query.get("query"), Number(query.get("start")), Number(query.get("end")), Number(query.get("step")))],
    ["GET", "/monitor/prometheus/api/v1/query", ({ query }) => vector(query.get("query"))],
    ["GET", "/resources/NotificationPolicy", ({ query }) => list(m.policies, query)],
    ["GET", "/resources/NotificationChannel", ({ query }) => list(m.channels.map((one) => ({ kind: "NotificationChannel", ...one })), query)],
    ["GET", "/resources/Sampling", ({ query }) => list([], query)],
    ["GET", "/resources/ProcessWatch", ({ query }) => list([], query)],
    ["GET", "/resources/ResourceGroup", ({ query }) => list([], query)],
    ["GET", "/resources/NotificationChannel/:name", ({ params }) => ({ kind: "NotificationChannel", ...find(m.channels, params.name) })],
    ["DELETE", "/resources/:kind/:name", ({ params }) => {
      for (const key of ["rules", "silences", "probes", "channels"]) m[key] = m[key].filter((one) => one.name !== params.name);
      return plan([{ kind: params.kind, name: params.name, spec: {} }], false);
    }],
    ["POST", "/apply", ({ body }) => {
      const [first] = body.resources;
      if (first.name === "taken") return problem(409, "conflict", "AlarmRule `taken` was changed since", "take theirs, or write over it knowingly", { conflict: [{ kind: first.kind, name: first.name, version: 7, mine: first.spec, theirs: { severity: "low" }, base: { severity: "high" }, updated_by: "operator-2" }] });
      if (!/^[a-z0-9][a-z0-9.-]*$/.test(first.name)) return problem(422, "invalid", `\`${first.name}\` is no name`, "lower case, digits and hyphens");
      if (!body.dry_run) {
        const place = { AlarmRule: "rules", Silence: "silences", Probe: "probes", NotificationChannel: "channels" }[first.kind];
        const fresh = { AlarmRule: () => ({ ...rule(first.name, "high", []), ok: 0 }), Silence: () => ({ author: "admin", active: true }), Probe: () => ({ last: null, up_share_24h: null, host: null }), NotificationChannel: () => ({ waiting: 0, dead: 0 }) }[first.kind];
        if (place) {
          const one = find(m[place], first.name);
          if (one) Object.assign(one, { spec: first.spec, version: one.version + 1 });
          else m[place].push({ ...fresh(), name: first.name, version: 1, spec: first.spec });
        }
      }
      return plan(body.resources, body.dry_run === true);
    }],
  ];
}
