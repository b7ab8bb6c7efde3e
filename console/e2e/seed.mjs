// What the paths of the monitor need on a real server: made through the API as the administrator, with a
// receiver of messages and a process to watch of our own.
import { spawn } from "node:child_process";
import { createServer } from "node:http";

const WAIT_MS = 60_000;
const STEP_MS = 500;
/** An alarm that fires sooner has no past to show. */
const RING_MS = 20_000;
/** The argument that only our own process has. */
const LIFE = `${3_600 + (process.pid % 1_000)}.${process.pid}`;

/** Makes everything, waits until the alarms stand, and returns how to take the rest of it back. */
export async function seed(page, base) {
  const receiver = createServer((request, response) => {
    response.statusCode = request.url === "/fails" ? 503 : 200;
    response.end(request.url === "/fails" ? "Service Unavailable: \u202Eretry later" : "taken");
  });
  await new Promise((done) => receiver.listen(0, "127.0.0.1", done));
  const address = `http://127.0.0.1:${receiver.address().port}`;
  const sleeper = spawn("sleep", [LIFE]);
  process.on("exit", () => sleeper.kill());
  const ask = await asker(page, base);
  const host = (await ask("GET", "/hosts")).items[0].name;
  const begun = Date.now();
  await until("time for the host's ring to hold a few steps of 5 s", () => Date.now() - begun > RING_MS);
  await ask("PUT", "/monitor/secrets/pager-key", { value: "not shown again" });
  await ask("POST", "/apply", { resources: documents(address, new URL(base).port, host) });
  await until("an alarm with its cause that was told", async () => (await alarms(ask, "firing")).some((one) => one.rule === "memory-any" && one.cause && one.notified.length > 1));
  await until("an alarm of the watched process", async () => (await alarms(ask, "firing")).some((one) => one.rule === "sleeper-runs"));
  sleeper.kill();
  await until("an alarm that is over", async () => (await alarms(ask, "resolved")).some((one) => one.rule === "sleeper-runs"));
  return () => receiver.close();
}

const policy = (metric, operator, threshold, more = {}) => ({ metric, statistic: "latest", period: "raw", operator, threshold, count: 1, of: 1, ...more });

function documents(address, port, host) {
  const webhook = (path) => ({ type: "webhook", url: address + path, secret: "pager-key", allow_private: true });
  const rule = (severity, first, more = {}) => ({ severity, policies: [first], ...more });
  return [
    ["Sampling", "fine", { interval: "1s" }],
    ["ProcessWatch", "sleeper", { command: `^sleep ${LIFE}$` }],
    ["Host", "nas-1", { kind: "agentless", address: "palisade@198.51.100.9" }],
    ["ResourceGroup", "all-hosts", { hosts: [host] }],
    ["NotificationChannel", "desk", webhook("/ok")],
    ["NotificationChannel", "pager", webhook("/fails")],
    ["NotificationPolicy", "everyone", { channels: ["desk", "pager"], group_wait: "1s" }],
    ["AlarmRule", "memory-any", rule("critical", policy("memory_used_ratio", ">", 0.001))],
    ["AlarmRule", "sleeper-runs", rule("medium", policy("watch_processes", ">=", 1, { labels: { watch: "sleeper" } }), { cause: false })],
    ["AlarmRule", "cpu-busy", rule("high", { ...policy("cpu_usage_ratio", ">", 0.9, { recover: 0.8 }), statistic: "average", period: "5m", count: 3, of: 3 })],
    ["Silence", "deploy", { match: { labels: { alertname: "cpu-busy" } }, until: new Date(Date.now() + 3_600_000).toISOString(), reason: "release 41" }],
    ["PrefixList", "office", { description: "the office", prefixes: ["198.51.100.0/24", "2001:db8:10::/48"] }],
    ["PrefixList", "nobody", {}],
    // Of no host of this machine: the rules are looked at, not put in force.
    ["SecurityGroup", "web", { description: "public web servers", members: { tags: { role: "web" } }, rules: [
      { id: "web", priority: 10, action: "allow", protocol: "tcp", ports: ["80", "443"], peers: ["any"] },
      { id: "ssh", priority: 20, action: "allow", protocol: "tcp", ports: ["22"], peers: ["list:office"], comment: "the office alone" },
      { id: "app", priority: 30, action: "allow", protocol: "tcp", ports: ["8000-8080"], peers: ["list:nobody"] },
      { id: "mail", direction: "out", priority: 10, action: "deny", protocol: "tcp", ports: ["25"], peers: ["any"] },
    ] }],
    ["PortPolicy", "base", { hosts: { tags: { role: "web" } }, exceptions: [{ protocol: "tcp", ports: ["30006"], peers: ["list:office"], reason: "the move of the old shop", ends_at: new Date(Date.now() + 20 * 86_400_000).toISOString() }] }],
    ["Probe", "console", { type: "tcp", target: `127.0.0.1:${port}`, interval: "1m", timeout: "2s", allow_private: true }],
    ["Probe", "shop", { type: "http", target: `${address}/fails`, interval: "1m", timeout: "2s", allow_private: true }],
  ].map(([kind, name, spec]) => ({ kind, name, spec }));
}

const alarms = async (ask, state) => (await ask("GET", `/monitor/alarms?state=${state}`)).items;

/** Calls of the API with the page's own session. */
async function asker(page, base) {
  const { csrf } = await (await page.request.get(`${base}/api/v1/session`)).json();
  return async (method, path, data) => {
    const response = await page.request.fetch(`${base}/api/v1${path}`, { method, data, headers: { "x-palisade-csrf": csrf } });
    const body = await response.text();
    if (!response.ok()) throw new Error(`${method} ${path}: ${response.status()} ${body}`);
    return body === "" ? null : JSON.parse(body);
  };
}

async function until(what, holds) {
  for (const end = Date.now() + WAIT_MS; Date.now() < end; ) {
    if (await holds()) return;
    await new Promise((done) => setTimeout(done, STEP_MS));
  }
  throw new Error(`${what} did not come within ${WAIT_MS / 1000} s`);
}
