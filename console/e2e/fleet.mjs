// The mock's fleet: hosts that come and go, join tokens, users, sessions and the second factor.
import * as canned from "./canned.mjs";
import { fits } from "./totp.mjs";

const JOIN_AFTER_MS = 1_500;
const REPORT_AFTER_MS = 3_000;
const SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
export const codeFits = (code) => fits(SECRET, code);
const ROOT = "4b1e9c770a52c8d13f6690ab12ef557d0891aa34c0de7b194286f35de1209f6c";
const QR = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 21 21" shape-rendering="crispEdges"><rect width="21" height="21" fill="#fff"/>${Array.from({ length: 441 }, (_, i) => ((i * 7919) % 13 < 6 ? `<rect x="${i % 21}" y="${Math.floor(i / 21)}" width="1" height="1"/>` : "")).join("")}</svg>`;

const changed = new Map();
const newcomers = new Map();
let joinTokens = [
  { id: "j-1", profile: "observe", region: "fra-1", tags: { role: "web" }, uses_left: 7, expires_at: canned.ahead(70000), created_by: "admin", created_at: canned.ago(16000), root_fingerprint: ROOT, joined: ["web-14", "web-13", "web-12", "web-11", "web-10"], can: { delete: true } },
  { id: "j-0", profile: "protect", region: null, tags: {}, uses_left: 1, expires_at: canned.ago(4000), created_by: "operator-2", created_at: canned.ago(90000), root_fingerprint: ROOT, joined: [], can: { delete: true } },
];
const user = (name, role, more) => ({
  name, role, disabled: false, totp: false, created_at: canned.ago(8e6), last_sign_in_at: canned.ago(4000), locked_until: null, sessions: 1, can: { role: true, disable: true, enable: true, link: true, totp_reset: true }, ...more,
});
const users = [
  user("operator-2", "operator", { totp: true, sessions: 2 }),
  user("ann@example.org", "viewer", { locked_until: canned.ahead(600), sessions: 0 }),
  user("bob", "operator", { disabled: true, sessions: 0, last_sign_in_at: null }),
];
let sessions = [
  { id: "s-1", created_at: canned.ago(3000), expires_at: canned.ahead(40000), from: "198.51.100.4", current: true },
  { id: "s-2", created_at: canned.ago(20000), expires_at: canned.ahead(20000), from: "203.0.113.77", current: false },
  { id: "s-3", created_at: canned.ago(30000), expires_at: canned.ahead(10000), from: "2001:db8::4", current: false },
];

/** All hosts as they are now, with what was changed in this run. */
export function hosts() {
  return [...canned.hosts(), ...newcomers.values()].map((host) => ({ ...host, ...changed.get(host.name) }));
}

const LISTED = { active: ["active", "revoked"], retired: ["retired"], revoked: ["revoked"] };
const SORTED = { findings: (host) => host.findings_open, verdict: (host) => host.verdict.word, state: (host) => host.state };

/** The list's own filters; the rest is done as for every list. */
function filtered(query) {
  const standing = query.get("standing") ?? "active";
  const found = hosts().filter((host) => {
    const fits = (key, value) => !query.get(key) || query.get(key) === value;
    const tagged = query.getAll("tag").every((tag) => host.tags[tag.split("=")[0]] === tag.split("=").slice(1).join("="));
    return (standing === "all" || LISTED[standing]?.includes(host.standing)) && fits("region", host.region) && fits("verdict", host.verdict.word) && tagged;
  });
  const sort = query.get("sort");
  const of = SORTED[sort?.replace("-", "")] ?? ((host) => host.name);
  query.delete("sort");
  return sort ? found.toSorted((a, b) => (of(a) > of(b) ? 1 : of(a) < of(b) ? -1 : 0) * (sort.startsWith("-") ? -1 : 1)) : found;
}

export function fleetRoutes({ world, list, matching, problem, tell }) {
  const findHost = (name, act) => {
    const host = hosts().find((h) => h.name === name);
    return host ? act(host) : problem(404, "not_found", `no host is called \`${name}\``, "the nearest names are listed");
  };
  const change = (host, more) => {
    changed.set(host.name, { ...changed.get(host.name), ...more });
    tell(["hosts"]);
    return hosts().find((h) => h.name === host.name);
  };
  const findUser = (name, act) => {
    const found = users.find((u) => u.name === name);
    return found ? act(found) : problem(404, "not_found", `no user \`${name}\``);
  };
  const everybody = () => [user(world.account?.name ?? "admin", "admin", { totp: world.totp, can: { role: "the last admin stays one", disable: "the last admin cannot be disabled", link: true } }), ...users];

  function join(token) {
    const host = `new-${newcomers.size + 1}`;
    setTimeout(() => {
      token.uses_left -= 1;
      token.joined.unshift(host);
      newcomers.set(host, canned.newcomer(host, token, false));
      tell(["join-tokens", "hosts"]);
    }, JOIN_AFTER_MS).unref();
    setTimeout(() => {
      newcomers.set(host, canned.newcomer(host, token, true));
      tell(["hosts"]);
    }, REPORT_AFTER_MS).unref();
  }

  return [
    ["GET", "/hosts", ({ query }) => list(matching(filtered(query), query), query)],
    ["GET", "/hosts/:name", ({ params }) => findHost(params.name, (host) => ({ ...host, guards: canned.guardsOf(host.name), practices: canned.practices(host.name) }))],
    ["PATCH", "/hosts/:name", ({ params, body }) => findHost(params.name, (host) => {
      const bad = Object.keys(body.tags ?? {}).find((key) => !/^[a-z0-9._/-]+$/.test(key));
      if (bad) return problem(400, "invalid", `\`${bad}\` is no key of a tag: 1 to 63 of a-z, 0-9, \`.\`, \`_\`, \`/\`, \`-\``);
      const tags = Object.fromEntries(Object.entries({ ...host.tags, ...body.tags }).filter(([, value]) => value !== null));
      return change(host, { tags, ...("region" in body ? { region: body.region } : {}), ...(body.profile ? { profile: body.profile } : {}) });
    })],
    ["POST", "/hosts/:name/retire", ({ params }) => findHost(params.name, (host) => change(host, { standing: "retired" }))],
    ["POST", "/hosts/:name/revoke", ({ params, body }) => findHost(params.name, (host) => change(host, { standing: "revoked", verdict: { word: "revoked", since: canned.ago(0), reason: body.reason } }))],
    ["POST", "/orders", () => ({})],
    ["GET", "/join-tokens", ({ query }) => list(joinTokens, query)],
    ["POST", "/join-tokens", ({ body }) => {
      const token = { id: `j-${joinTokens.length + 2}`, profile: body.profile, region: body.region ?? null, tags: body.tags ?? {}, uses_left: 1, expires_at: canned.ahead(900), created_by: "admin", created_at: canned.ago(0), root_fingerprint: ROOT, joined: [], can: { delete: true } };
      joinTokens.unshift(token);
      join(token);
      const secret = `plj_${"Mock0123456789abcdefghijklmnop".repeat(3)}`;
      const script = ["#!/bin/sh", "set -eu", "umask 077", "work=$(mktemp -d)", "cat >\"$work/token\" <<'TOKEN'", secret, "TOKEN", ...Array.from({ length: 30 }, (_, i) => `# step ${i + 1}`)].join("\n");
      return { ...token, token: secret, command: `palisade agent --join ${body.url ?? "https://palisade.example.org:8443"} --token-file -`, script, warning: null };
    }],
    ["DELETE", "/join-tokens/:id", ({ params }) => {
      joinTokens = joinTokens.filter(({ id }) => id !== params.id);
      tell(["join-tokens"]);
      return {};
    }],
    ["GET", "/users", ({ query }) => list(everybody(), query)],
    ["POST", "/users", ({ body }) => {
      if (!/^[\w.@-]{1,64}$/.test(body.name)) return problem(400, "invalid", "`name` must be 1 to 64 of letters, digits, `.`, `_`, `-`, `@`");
      if (everybody().some(({ name }) => name === body.name)) return problem(409, "conflict", `a user \`${body.name}\` exists already`);
      users.push(user(body.name, body.role, { last_sign_in_at: null, sessions: 0 }));
      return { name: body.name, role: body.role, link: { path: `/welcome#mock-link-0123456789&name=${body.name}`, expires_at: canned.ahead(86400) } };
    }],
    ["PATCH", "/users/:name", ({ params, body }) => findUser(params.name, (found) => Object.assign(found, body))],
    ["DELETE", "/users/:name/totp", ({ params }) => findUser(params.name, (found) => Object.assign(found, { totp: false }))],
    ["GET", "/account", () => ({ name: world.account?.name, role: "admin", totp: world.totp, recovery_left: 9, password_set_at: canned.ago(4e6), password_due_at: canned.ahead(11e6) })],
    ["POST", "/users/:name/link", ({ params }) => findUser(params.name, () => ({ path: `/welcome#mock-link-9876543210&name=${params.name}`, expires_at: canned.ahead(86400) }))],
    ["GET", "/sessions", ({ query }) => list(sessions.map((session) => ({ ...session, used_at: canned.ago(session.current ? 2 : 4000), user: world.account?.name ?? "admin" })), query)],
    ["DELETE", "/sessions/:id", ({ params }) => {
      sessions = sessions.filter(({ id }) => id !== params.id);
      return {};
    }],
    ["DELETE", "/sessions", () => {
      sessions = sessions.filter(({ current }) => current);
      return { ended: 1 };
    }],
    ["POST", "/account/password", ({ body }) => (body.old === world.account?.password ? {} : problem(403, "wrong_credentials", "the present password is wrong"))],
    ["POST", "/account/totp", () => ({ secret: SECRET, uri: "otpauth://totp/Palisade", qr_svg: QR })],
    ["POST", "/account/totp/confirm", ({ body }) => {
      if (!codeFits(body.code)) return problem(400, "wrong_code", "the code is wrong", "codes change every 30 s; check the clock of your phone");
      world.totp = true;
      return { recovery: Array.from({ length: 10 }, (_, i) => `k${i}3f-9m2q-x7ta`) };
    }],
    ["DELETE", "/account/totp", ({ body }) => {
      if (body.password !== world.account?.password) return problem(403, "wrong_credentials", "password or code wrong");
      world.totp = false;
      return {};
    }],
    ["GET", "/status", () => ({ version: "0.1.0", started_at: canned.ago(250000), now: canned.ago(0), hosts_total: hosts().length, hosts_online: 36, guards: ["firewall", "access", "inventory", "upgrade", "monitor", "journal"], listen: "0.0.0.0:8443", uid: 998 })],
    ["GET", "/server/ca", () => ({
      root: { fingerprint: ROOT, not_after: canned.ahead(3e8), key: { state: "away", reason: "the root's key was taken off this server; bring it back with `palisade server ca import --from FILE`" } },
      issuer: { serial: "4be19c", not_after: canned.ahead(5e6), renew_at: canned.ahead(1e6), key: { state: "here" } },
      certificate: { fingerprint: ROOT.split("").reverse().join(""), names: ["palisade-server", "palisade.example.org", "192.0.2.10"], not_after: canned.ahead(4e6), renew_at: canned.ahead(15e5) },
      key_file: "/var/lib/palisade-key/wrap.key",
    })],
  ];
}

/** A plan over seven hosts of which not all are well. */
export function mixed(plan, state) {
  const names = plan.hosts;
  return {
    ...plan, state, reason: state === "partial" ? "1 of 7 hosts failed, 1 has not been heard of" : null,
    progress: { hosts: names.length, waiting: 1, applied: names.length - 2, failed: 1, rolled_back: 0 },
    hosts_state: names.map((host, i) => ({
      host, state: i === 2 ? "failed" : i === 5 ? "waiting" : "applied", at: i === 5 ? null : canned.ago(60 - i), error: i === 2 ? "nft: could not process rule: Device or resource busy \u001b[31m" : null, silent: i === 5 ? "unreachable" : null, ...(state === "probation" ? { path: i === 0 ? "connection" : i < 4 ? "ssh" : null } : {}),
    })),
  };
}
