// A stand-in for the server while the console is worked on: serves dist/ and invented data over
// plain HTTP with the security headers of the real one. `npm run mock`, then open the printed link.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import * as canned from "./canned.mjs";
import { firewallRoutes, firewallWorld } from "./firewall.mjs";
import { codeFits, fleetRoutes, hosts, mixed } from "./fleet.mjs";
import { monitorRoutes, monitorWorld } from "./monitor.mjs";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const PORT = Number(process.env.PORT ?? 8088);
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2", ".json": "application/json" };
const CSP =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; object-src 'none'; base-uri 'none'; form-action 'self'";
const TOKEN = "mock-first-run";
const CSRF = "mock-csrf";

const world = {
  account: process.env.MOCK_ACCOUNT === "1" ? { name: "admin", password: "Correct-horse-7-battery" } : null,
  plans: [],
  bans: [
    { address: "203.0.113.9", reason: "41 failed logins as root", by: "admin", hosts: canned.NAMES, since: canned.ago(3100), ends_at: canned.ahead(40100), probation_until: null, plan: "p-1" },
    { address: "198.51.100.0/24", reason: "scanner \u202Egnp.exe", by: "operator-2", hosts: ["web-1"], since: canned.ago(86000), ends_at: null, probation_until: null, plan: null },
    { address: "2001:db8:bad::/48", reason: "", by: "admin", hosts: canned.NAMES.slice(0, 7), since: canned.ago(400), ends_at: canned.ahead(500000), probation_until: null, plan: null },
  ],
  allow: [{ cidr: "192.0.2.0/24", reason: "office", by: "admin", since: canned.ago(900000), ends_at: null }],
  tokens: [{ name: "backup-job", role: "viewer", created_by: "admin", created_at: canned.ago(8e5), expires_at: canned.ahead(6e6), used_at: canned.ago(300), used_from: "192.0.2.14" }],
  streams: new Set(),
  monitor: monitorWorld(),
  firewall: firewallWorld(),
  totp: false,
};
if (process.env.MOCK_PROBATION !== "0") world.plans.push(mixed(canned.banPlan({ address: "203.0.113.77", probation: "60s", hosts: canned.NAMES.slice(0, 7) }, "p-7"), "probation"));
world.plans.push(mixed(canned.banPlan({ address: "203.0.113.50", hosts: canned.NAMES.slice(7, 14) }, "p-5"), "partial"));
world.plans.push(canned.banPlan({ address: "203.0.113.9", for: "12h" }, "p-1"), { ...canned.banPlan({ address: "203.0.113.40" }, "p-0"), state: "rolled_back", reason: "the deadline passed without a confirmation" });
// The mock's probation never ends, so that its bar can be looked at.
const freshPlans = () => world.plans.map((plan) => (plan.state === "probation" ? { ...plan, deadline: canned.ahead(47) } : plan));

function overview() {
  const all = hosts();
  const open = canned.findings.filter((f) => f.state === "open");
  const count = (severity) => open.filter((f) => f.severity === severity).length;
  return {
    hosts_total: all.length, need_you: new Set([...open.filter((f) => ["critical", "high"].includes(f.severity)).map((f) => f.host), canned.SILENT]).size,
    counts: { silent: 4, alarms_firing: world.monitor.alarms.filter((one) => one.state === "firing").length, plans_on_probation: world.plans.filter((p) => p.state === "probation").length, findings_open: Object.fromEntries(["critical", "high", "medium", "low", "informational"].map((s) => [s, count(s)])) },
    score: 37, practices: canned.practices(), do_next: open.slice(0, 7).map((finding, i) => ({ ...finding, more: i })), hosts: all.map(({ name, state, verdict }) => ({ name, state, verdict: verdict.word })),
    guards_reported: { done: 6, total: 6 }, observed_at: canned.ago(8), fresh_until: canned.ahead(60),
  };
}

const list = (items, query, more = {}, view = (row) => row) => {
  const limit = Math.min(Number(query.get("limit") ?? 100), 1000);
  const at = Number(query.get("cursor") ?? 0);
  const sort = query.get("sort");
  const key = sort?.replace("-", "");
  const sorted = key ? items.toSorted((a, b) => ((a[key] ?? "") > (b[key] ?? "") ? 1 : -1) * (sort.startsWith("-") ? -1 : 1)) : items;
  return { items: sorted.slice(at, at + limit).map(view), total: items.length, ...(at + limit < items.length ? { next_cursor: String(at + limit) } : {}), observed_at: canned.ago(12), ...more };
};
const matching = (items, query, keys = []) =>
  items.filter((item) => keys.every((key) => !query.get(key) || String(item[key]) === query.get(key)) && (!query.get("q") || JSON.stringify(item).toLowerCase().includes(query.get("q").toLowerCase())));
const problem = (status, code, message, hint, more = {}) => ({ status, body: { code, message, ...(hint ? { hint } : {}), ...more } });

const routes = [
  ["GET", "/sign-in", () => ({ server_name: "palisade.example", fingerprint: "SHA256:4b:1e:9c:77:0a:52:c8:d1:3f:66:90:ab:12:ef:55:7d:08:91:aa:34:c0:de:7b:19:42:86:f3:5d:e1:20:9f:6c", first_run: world.account === null })],
  ["GET", "/overview", overview],
  ["GET", "/findings", ({ query }) => list(matching(canned.findings, query, ["host", "practice", "check", "severity", "state"]), query, { checks_run: 63 * 41, checks_unknown: 1 })],
  ["GET", "/findings/:id", ({ params }) => canned.findings.find((f) => f.id === params.id) ?? problem(404, "finding_unknown", `no finding \`${params.id}\``)],
  ["GET", "/plans", ({ query }) => list(matching(freshPlans(), query, ["state"]), query)],
  ["GET", "/plans/:id", ({ params }) => freshPlans().find((p) => p.id === params.id) ?? problem(404, "plan_unknown", `no plan \`${params.id}\``)],
  ["POST", "/plans/:id/confirm", ({ params }) => settle(params.id, "kept")],
  ["POST", "/plans/:id/rollback", ({ params }) => settle(params.id, "rolled_back")],
  ["GET", "/inventory/:kind", ({ params, query }) => list(matching(canned.inventory(params.kind, query.get("host")), query), query, params.kind === "webroots" ? { reason: "no web server was found on this host" } : {})],
  ["GET", "/monitor/series", ({ query }) => canned.series(query.get("name"), query.get("host"), Number(query.get("from")), Number(query.get("to")), Number(query.get("step")) || 60)],
  ["POST", "/monitor/live", () => ({})],
  ["GET", "/firewall/bans", ({ query }) => list(matching(world.bans, query), query, {}, (ban) => ({ ...ban, can: { remove: true } }))],
  ["POST", "/firewall/bans", ({ body }) => {
    if (!/^[0-9a-f.:]+(\/\d+)?$/i.test(body.address)) return problem(422, "address_invalid", `\`${body.address}\` is neither an address nor a network such as 203.0.113.0/24`, "write an address such as 203.0.113.9");
    if (body.address.startsWith("192.0.2.1/")) return problem(409, "allowed", "the address is on the allow-list");
    if (body.dry_run) return canned.banPlan(body);
    const plan = canned.banPlan(body, `p-${Math.floor(Math.random() * 1e6)}`);
    world.plans.unshift(plan);
    world.bans.unshift({ address: body.address, reason: body.reason ?? "", by: "admin", hosts: plan.hosts, since: canned.ago(0), ends_at: body.for ? canned.ahead(43200) : null, probation_until: plan.deadline, plan: plan.id });
    tell(["firewall/bans", "plans"]);
    return plan;
  }],
  ["DELETE", "/firewall/bans/:address", ({ params }) => {
    world.bans = world.bans.filter((b) => b.address !== params.address);
    return canned.banPlan({ address: params.address }, "p-9", "Release");
  }],
  ["GET", "/firewall/allow", ({ query }) => list(matching(world.allow, query), query, {}, (entry) => ({ ...entry, can: { remove: true } }))],
  ["POST", "/firewall/allow", ({ body }) => {
    if (!body.dry_run) world.allow.push({ cidr: body.cidr, reason: body.reason, by: "admin", since: canned.ago(0), ends_at: null });
    return { ...canned.banPlan({ address: body.cidr, reason: body.reason }, body.dry_run ? "" : "p-11", "Allow"), effects: [{ kind: "opens", severity: "low", sentence: `${body.cidr} is never banned, on any host`, hosts: canned.NAMES }] };
  }],
  ["DELETE", "/firewall/allow/:cidr", ({ params }) => {
    world.allow = world.allow.filter((a) => a.cidr !== params.cidr);
    return canned.banPlan({ address: params.cidr }, "p-12", "Disallow");
  }],
  ["GET", "/firewall/exposure", ({ query }) => list(canned.exposure(query.get("host")), query)],
  ["GET", "/firewall/ruleset", ({ query }) => list([canned.ruleset(query.get("host"))], query)],
  ["GET", "/journal/events", ({ query }) => list(matching(canned.events(240, false), query, ["host"]), query)],
  ["GET", "/audit", ({ query }) => list(matching(canned.events(30, true).filter((e) => e.actor.name.startsWith("admin") || e.actor.name.startsWith("operator")), query, ["host"]).filter((e) => !query.get("actor") || e.actor.name === query.get("actor")).filter((e) => e.kind.startsWith(query.get("kind") ?? "")).filter((e) => e.time >= (query.get("from") ?? "")), query)],
  ["GET", "/tokens", ({ query }) => list(world.tokens, query)],
  ["POST", "/tokens", ({ body }) => {
    const token = { name: body.name, role: body.role, created_by: "admin", created_at: canned.ago(0), expires_at: canned.ahead(7e6), used_at: null, used_from: null };
    world.tokens.push(token);
    return { ...token, token: "plt_mock_0123456789abcdef0123456789abcdef" };
  }],
  ["DELETE", "/tokens/:name", ({ params }) => {
    world.tokens = world.tokens.filter((t) => t.name !== params.name);
    return {};
  }],
  ...firewallRoutes({ world, list, matching, problem, tell }),
  ...monitorRoutes({ world, list, matching, problem, tell }),
  ...fleetRoutes({ world, list, matching, problem, tell }),
];

function settle(id, state) {
  const plan = world.plans.find((p) => p.id === id);
  if (!plan) return problem(404, "plan_unknown", `no plan \`${id}\``);
  plan.state = state;
  tell(["plans", "firewall/bans"]);
  return plan;
}

let sequence = 0;
function tell(topics) {
  for (const stream of world.streams) stream.write(`id: ${++sequence}\nevent: change\ndata: ${JSON.stringify({ seq: sequence, topics })}\n\n`);
}
setInterval(() => world.streams.forEach((stream) => stream.write("event: heartbeat\ndata: {}\n\n")), 10_000).unref();
setInterval(() => tell(["monitor", "overview"]), 7_000).unref();

function session(answer, role = "admin") {
  answer.setHeader("set-cookie", `palisade_mock=${role}; Path=/; HttpOnly; SameSite=Strict`);
}
/** What only an admin may read. */
const ADMIN_READS = ["/users", "/tokens"];

async function api(request, answer, path, query) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : {};
  const send = (status, content) => {
    answer.writeHead(status, { "content-type": "application/json", "x-request-id": "mock-1" });
    answer.end(content === undefined ? "" : JSON.stringify(content));
  };
  const role = /palisade_mock=(viewer|admin)/.exec(request.headers.cookie ?? "")?.[1];
  const signedIn = role !== undefined;
  if (path === "/session" && request.method === "POST") {
    if (world.account !== null && body.name === "viewer" && body.password === world.account.password) {
      session(answer, "viewer");
      return send(200, {});
    }
    if (world.account === null || body.name !== world.account.name || body.password !== world.account.password) return send(401, { code: "wrong_credentials", message: "name or password wrong" });
    if (world.totp && !body.code) return send(401, { code: "totp_required", message: "a code is needed" });
    if (world.totp && !codeFits(body.code)) return send(401, { code: "wrong_credentials", message: "name, password or code wrong" });
    session(answer);
    return send(200, {});
  }
  if (path === "/welcome") {
    if (body.token.startsWith("mock-link-") && world.account !== null) return send(400, { code: "weak_password", message: "`password` needs something that is no simple pattern" });
    if (body.token !== TOKEN || world.account !== null) return send(403, { code: "link_used", message: "this link was used or has expired", hint: "make a new one on the server: palisade user link" });
    world.account = { name: body.name, password: body.password };
    session(answer);
    return send(200, {});
  }
  if (!signedIn && path !== "/sign-in") return send(401, { code: "signed_out", message: "you are not signed in" });
  if (path === "/session") {
    if (request.method === "DELETE") {
      answer.setHeader("set-cookie", "palisade_mock=; Path=/; Max-Age=0");
      return send(200, {});
    }
    return send(200, { name: role === "viewer" ? "viewer" : (world.account?.name ?? "admin"), role, expires_at: canned.ahead(40000), csrf: CSRF, password_due: false, server: { name: "palisade.example", fingerprint: "SHA256:4b:1e", version: "0.1.0", time: canned.ago(0) } });
  }
  if (path === "/stream") {
    answer.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    answer.write("event: heartbeat\ndata: {}\n\n");
    world.streams.add(answer);
    request.on("close", () => world.streams.delete(answer));
    return;
  }
  if (request.method !== "GET" && request.headers["x-palisade-csrf"] !== CSRF) return send(403, { code: "csrf", message: "the request does not come from this console" });
  if (role === "viewer" && (request.method !== "GET" || ADMIN_READS.includes(path))) return send(403, { code: "forbidden", message: "needs role admin", hint: "you are `viewer` with role viewer" });
  for (const [method, pattern, handle] of routes) {
    const match = method === request.method && new RegExp(`^${pattern.replace(/:(\w+)/g, "(?<$1>[^/]+)")}$`).exec(path);
    if (!match) continue;
    const params = Object.fromEntries(Object.entries(match.groups ?? {}).map(([key, value]) => [key, decodeURIComponent(value)]));
    const result = handle({ params, query, body });
    // Not this one's kind of resource: the next may know it.
    if (result === undefined) continue;
    return "status" in result && "body" in result && "code" in result.body ? send(result.status, result.body) : send(200, result);
  }
  send(404, { code: "not_found", message: `nothing is at ${path}` });
}

createServer((request, answer) => {
  answer.setHeader("content-security-policy", CSP);
  answer.setHeader("x-content-type-options", "nosniff");
  const url = new URL(request.url, "http://mock");
  if (url.pathname.startsWith("/api/v1/")) {
    api(request, answer, url.pathname.slice("/api/v1".length), url.searchParams).catch((error) => {
      console.error(error);
      answer.destroy();
    });
    return;
  }
  const file = join(DIST, normalize(url.pathname));
  const found = file.startsWith(DIST) && existsSync(file) && statSync(file).isFile() ? file : join(DIST, "index.html");
  answer.writeHead(200, { "content-type": TYPES[extname(found)] ?? "application/octet-stream" });
  createReadStream(found).pipe(answer);
}).listen(PORT, "127.0.0.1", () => console.log(`http://127.0.0.1:${PORT}/welcome#${TOKEN}`));
