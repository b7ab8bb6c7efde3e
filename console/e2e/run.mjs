// Drives the console in Chromium against a running server: one line per path, then a summary.
// PALISADE_URL      https://host:port (self-signed is fine); http for the mock
// PALISADE_WELCOME  the first-run link that the server printed
// PALISADE_MOCK     1 for the mock, which shows states that a server of one host cannot have
// PALISADE_VIEWS    some of the views below, by name; all if absent
// PALISADE_ONLY    "monitor" or "firewall": only the first run and the paths of that guard
// PALISADE_DIST     a folder with a console as built: shown in place of the one inside the binary
// PALISADE_SHOTS    where the screenshots go (default: test-results beside this folder)
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { firewallPaths } from "./firewall-paths.mjs";
import { fleetPaths } from "./fleet-paths.mjs";
import { monitorPaths } from "./monitor-paths.mjs";
import { seed } from "./seed.mjs";

const URL_BASE = process.env.PALISADE_URL?.replace(/\/$/, "");
const WELCOME = process.env.PALISADE_WELCOME;
const SHOTS = process.env.PALISADE_SHOTS ?? fileURLToPath(new URL("../test-results/", import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const NAME = "admin";
const PASSWORD = "Correct-horse-7-battery";
const ADDRESS = "192.0.2.7";
const WAIT_MS = 15_000;
const DIST = process.env.PALISADE_DIST;
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

if (!URL_BASE || !WELCOME) {
  console.error("set PALISADE_URL and PALISADE_WELCOME");
  process.exit(2);
}
mkdirSync(SHOTS, { recursive: true });

let passed = 0;
let failed = 0;
function report(ok, name, why = "") {
  if (ok) passed += 1;
  else failed += 1;
  console.log(`${ok ? "ok" : "not ok"} ${name}${why ? `: ${why}` : ""}`);
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
const VIEWS = [
  { name: "light-1440", width: 1440, height: 900, scheme: "light" },
  { name: "dark-1440", width: 1440, height: 900, scheme: "dark" },
  { name: "light-390", width: 390, height: 844, scheme: "light" },
  { name: "dark-390", width: 390, height: 844, scheme: "dark" },
];

let view = VIEWS[0];
/** The page of the path that runs; others stay open and go on reading, which is not its fault. */
let current = null;
let problems = [];
/** Statuses that a path provokes on purpose. */
let expected = [];

async function open(chosen, state) {
  view = chosen;
  const context = await browser.newContext({
    viewport: { width: view.width, height: view.height },
    colorScheme: view.scheme,
    ignoreHTTPSErrors: true,
    reducedMotion: "reduce",
    storageState: state,
  });
  context.setDefaultTimeout(WAIT_MS);
  if (DIST) await context.route((url) => !url.pathname.startsWith("/api/"), (route) => built(route));
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() !== "error" || current !== page) return;
    // Named with its address below.
    if (message.text().startsWith("Failed to load resource")) return;
    problems.push(message.text());
  });
  page.on("response", (response) => {
    if (current === page && response.status() >= 400 && !expected.includes(response.status())) problems.push(`${response.status()} ${new URL(response.url()).pathname}`);
  });
  page.on("pageerror", (error) => current === page && problems.push(`uncaught: ${error.message}`));
  return page;
}

/** The console from its folder, under the headers that the server gives. */
async function built(route) {
  const { pathname } = new URL(route.request().url());
  const file = join(DIST, pathname.includes(".") ? pathname : "index.html");
  const response = await route.fetch({ url: `${URL_BASE}/`, maxRetries: 3 });
  await route.fulfill({ status: 200, headers: { ...response.headers(), "content-type": TYPES[extname(file)] ?? "application/octet-stream" }, body: readFileSync(file) });
}

/** One path: what is done, then everything that holds on every page. */
async function path(page, name, act, { status = [] } = {}) {
  const full = `${name} (${view.name})`;
  problems = [];
  current = page;
  expected = status;
  try {
    await act();
    await settle(page);
    const faults = await audit(page);
    await page.screenshot({ path: `${SHOTS}/${name.replace(/[^a-z0-9]+/gi, "-")}-${view.name}.png`, animations: "disabled" });
    const why = [...faults, ...problems].join("; ");
    report(why === "", full, why);
  } catch (error) {
    await page.screenshot({ path: `${SHOTS}/failed-${name.replace(/[^a-z0-9]+/gi, "-")}-${view.name}.png` }).catch(() => undefined);
    report(false, full, `${String(error.message ?? error).split("\n")[0]}${problems.length > 0 ? `; ${problems.join("; ")}` : ""}`);
  }
}

async function settle(page) {
  await page.waitForFunction(() => document.querySelector("h1") !== null && document.querySelector('[role="status"][aria-label="Loading"]') === null, undefined, { timeout: WAIT_MS });
  await page.waitForFunction(() => document.getAnimations().every((a) => a.playState !== "running"), undefined, { timeout: 2_000 }).catch(() => undefined);
}

async function audit(page) {
  const faults = [];
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wider > 0) faults.push(`page is ${wider} px wider than the window`);
  // Through the debugger, which the page's own policy does not bind.
  await page.evaluate(AXE);
  const violations = await page.evaluate(async (rules) => {
    const result = await globalThis.axe.run(document, { runOnly: { type: "tag", values: rules } });
    return result.violations.map(({ id, nodes }) => `${id} ×${nodes.length} at ${nodes[0].target.join(" ")} (${nodes[0].any[0]?.message ?? nodes[0].all[0]?.message ?? nodes[0].none[0]?.message ?? ""})`);
  }, RULES);
  return [...faults, ...violations.map((v) => `axe: ${v}`)];
}

const go = (page, address) => page.goto(URL_BASE + address, { waitUntil: "domcontentloaded" });
const heading = (page, name) => page.getByRole("heading", { level: 1, name }).waitFor();
const table = (page, name) => page.getByRole("table", { name }).first();

// First run: the printed link makes the first account and leads to the overview.
let page = await open(VIEWS[0]);
await path(page, "first run", async () => {
  await page.goto(WELCOME);
  await heading(page, "First administrator");
  if (page.url().includes("#")) throw new Error("the token stays in the address");
});
await path(page, "first run refuses a short password", async () => {
  await page.getByLabel("Name").fill(NAME);
  await page.getByRole("textbox", { name: "Password", exact: true }).fill("short");
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.getByText("This is shorter than eight characters.").waitFor();
});
await path(page, "first run leads to the overview", async () => {
  await page.getByRole("textbox", { name: "Password", exact: true }).fill(PASSWORD);
  await page.getByRole("textbox", { name: "Password again" }).fill(PASSWORD);
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.waitForURL(`${URL_BASE}/`);
  await page.getByRole("heading", { level: 2, name: "Practices" }).waitFor();
});
await path(page, "live light", async () => {
  await page.locator('[data-word="live"]').waitFor();
});

const MOCK = process.env.PALISADE_MOCK === "1";
if (!MOCK) {
  await path(page, "what the monitor's paths need", async () => {
    await seed(page, URL_BASE);
  });
}
const fleet = fleetPaths({ path, go, heading, table, mock: MOCK, name: NAME, password: PASSWORD });
const monitor = monitorPaths({ path, go, heading, table, mock: MOCK });
const firewall = firewallPaths({ path, go, heading, table, mock: MOCK });
const firstHost = async (page) => {
  await go(page, "/hosts?verdict=online");
  await page.locator("[data-row]").first().waitFor();
  return (await page.locator("[data-row]").first().innerText()).trim();
};

async function pages(page) {
  await path(page, "overview", async () => {
    await go(page, "/");
    await page.getByRole("heading", { level: 2, name: "Do next" }).waitFor();
  });
  await path(page, "hosts", async () => {
    await go(page, "/hosts");
    await table(page, "Hosts").waitFor();
  });
  const host = await firstHost(page);
  await path(page, "hosts add", async () => {
    await go(page, "/hosts?show=add");
    await page.getByRole("dialog", { name: "Add a host" }).waitFor();
  });
  for (const tab of ["overview", "findings", "inventory", "monitor", "firewall", "backup", "access"]) {
    await path(page, `host ${tab}`, async () => {
      await go(page, tab === "overview" ? `/hosts/${host}` : `/hosts/${host}/${tab}`);
      await heading(page, host);
      await page.getByRole("navigation", { name: "Parts of this host" }).waitFor();
      if (tab === "overview") await page.getByRole("main").getByRole("heading", { level: 2, name: "Guards" }).waitFor();
      if (tab === "monitor") await page.getByRole("region", { name: "CPU", exact: true }).waitFor();
      if (tab === "firewall") await page.getByRole("heading", { level: 2, name: "Listeners" }).waitFor();
      if (tab === "backup") await page.getByText("this guard is not built yet").waitFor();
    });
  }
  for (const kind of ["ports", "processes", "packages", "modules", "autostart", "webroots"]) {
    await path(page, `host inventory ${kind}`, async () => {
      await go(page, `/hosts/${host}/inventory?what=${kind}`);
      await heading(page, host);
    });
  }
  await path(page, "findings", async () => {
    await go(page, "/findings");
    await heading(page, "Findings");
  });
  await path(page, "findings flat", async () => {
    await go(page, "/findings?group=flat");
    await heading(page, "Findings");
    await page.locator("[data-row]").first().waitFor();
  });
  await path(page, "finding drawer", async () => {
    await page.locator("[data-row]").first().press("Enter");
    await page.getByRole("dialog").getByText("Evidence", { exact: true }).waitFor();
    if (!page.url().includes("show=")) throw new Error("the drawer is not in the address");
  });
  await path(page, "finding drawer closes with Esc and Back opens it", async () => {
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.goBack();
    await page.getByRole("dialog").getByText("Evidence", { exact: true }).waitFor();
  });
  await path(page, "findings filtered to nothing", async () => {
    await go(page, "/findings?q=nothing-has-this-name");
    await page.getByText("No finding matches this filter.").waitFor();
  });
  await path(page, "bans", async () => {
    await go(page, "/firewall/bans");
    await heading(page, "Bans");
  });
  await path(page, "allow-list", async () => {
    await go(page, "/firewall/allow");
    await heading(page, "Allow-list");
  });
  for (const [address, name] of [
    ["/plans", "Plans"],
    ["/journal/events", "Events"],
    ["/audit", "Audit"],
    ["/tokens", "API tokens"],
    ["/inventory", "Inventory"],
    ["/monitor", "Dashboards"],
    ["/mesh", "Mesh"],
    ["/access", "Access"],
    ["/upgrade", "Upgrade"],
    ["/intrusion/incidents", "Incidents"],
    ["/monitor/alarms", "Alarms"],
    ["/nothing/is/here", "No such page"],
  ]) {
    await path(page, `page ${address}`, async () => {
      await go(page, address);
      await heading(page, name);
    });
  }
  await path(page, "unknown host", async () => {
    await go(page, "/hosts/no-such-host");
    await page.getByRole("alert").waitFor();
  }, { status: [404] });
  await fleet.looks(page, host);
  await monitor.looks(page, host);
  await firewall.looks(page, host);
}

async function ban(page) {
  await path(page, "ban form", async () => {
    await go(page, "/firewall/bans");
    await page.getByRole("link", { name: "Ban an address" }).first().click();
    await page.getByRole("dialog").getByRole("button", { name: "Preview plan" }).click();
    await page.getByText("An address is needed.").waitFor();
  });
  await path(page, "ban of nonsense is refused with the API's words", async () => {
    await page.getByLabel("Address or network").fill("not an address");
    await page.getByRole("button", { name: "Preview plan" }).click();
    await page.getByRole("dialog").getByRole("alert").waitFor();
  }, { status: [400, 422] });
  await path(page, "ban plan preview", async () => {
    await page.getByLabel("Address or network").fill(ADDRESS);
    await page.getByLabel("Reason").fill("tried by the browser test");
    await page.getByRole("button", { name: "Preview plan" }).click();
    await page.locator("[data-plan-preview]").waitFor();
    await page.getByText("What it does").waitFor();
  });
  await path(page, "ban applied", async () => {
    await page.getByRole("button", { name: "Apply", exact: true }).click();
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.getByRole("cell", { name: ADDRESS, exact: true }).waitFor();
  });
  await path(page, "ban in the plans", async () => {
    await go(page, "/plans");
    await page.getByRole("link", { name: new RegExp(ADDRESS.replaceAll(".", "\\.")) }).first().click();
    await page.getByRole("heading", { level: 2, name: "What the hosts reported" }).waitFor();
  });
  await path(page, "ban released", async () => {
    await go(page, "/firewall/bans");
    await page.getByRole("button", { name: `Release ${ADDRESS}` }).click();
    await page.getByText(`${ADDRESS} is released`).waitFor();
    await page.getByRole("cell", { name: ADDRESS, exact: true }).waitFor({ state: "hidden" });
  });
}

async function shellPaths(page) {
  await path(page, "go to anything", async () => {
    await go(page, "/");
    await heading(page, /./);
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox").fill("audit");
    await page.keyboard.press("Enter");
    await heading(page, "Audit");
  });
  await path(page, "keys", async () => {
    await page.keyboard.press("g");
    await page.keyboard.press("h");
    await heading(page, "Hosts");
    await page.locator("[data-row]").first().waitFor();
    await page.keyboard.press("j");
    if (!(await page.evaluate(() => document.activeElement?.hasAttribute("data-row")))) throw new Error("j does not reach a row");
    await page.keyboard.press("/");
    if (!(await page.evaluate(() => document.activeElement?.hasAttribute("data-filter")))) throw new Error("/ does not reach the filter");
  });
  await path(page, "list of keys", async () => {
    await page.keyboard.press("Escape");
    await page.evaluate(() => document.activeElement?.blur());
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  });
  await path(page, "token made and deleted", async () => {
    await go(page, "/tokens?show=add");
    await page.getByLabel("Name").fill("browser-test");
    await page.getByRole("dialog").getByRole("button", { name: "Make a token" }).click();
    await page.getByText("It is shown only now.").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
    await page.getByRole("button", { name: "Delete the token browser-test" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete the token browser-test" }).click();
    await page.getByRole("cell", { name: "browser-test", exact: true }).waitFor({ state: "hidden" });
  });
}

const only = { monitor, firewall }[process.env.PALISADE_ONLY];
if (only) {
  const host = await firstHost(page);
  await only.acts(page, host);
  const state = await page.context().storageState();
  for (const chosen of VIEWS.filter(({ name }) => process.env.PALISADE_VIEWS?.split(",").includes(name) ?? true)) {
    page = await open(chosen, state);
    await only.looks(page, host);
    await page.context().close();
  }
  await browser.close();
  console.log(`console: ${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

await ban(page);
await shellPaths(page);
await monitor.acts(page, await firstHost(page));
await firewall.acts(page, await firstHost(page));
await fleet.acts(page, await firstHost(page));
const state = await page.context().storageState();
await pages(page);
const last = page;
const wanted = process.env.PALISADE_VIEWS ? process.env.PALISADE_VIEWS.split(",") : null;
for (const chosen of VIEWS.slice(1).filter(({ name }) => wanted?.includes(name) ?? true)) {
  page = await open(chosen, state);
  await pages(page);
  if (chosen.width < 768) {
    await path(page, "menu", async () => {
      await go(page, "/");
      await page.getByRole("button", { name: "Open the menu" }).click();
      await page.getByRole("dialog").getByRole("link", { name: "Audit" }).waitFor();
    });
  }
  await page.context().close();
}

// Out, and back in with the wrong and the right words.
view = VIEWS[0];
page = last;
const signOut = (name) =>
  path(page, name, async () => {
    await go(page, "/");
    await page.getByRole("button", { name: /^Account of/ }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await heading(page, "Sign in");
  }, { status: [401] });
await signOut("sign out");
await path(page, "wrong password is refused without saying which", async () => {
  await page.getByLabel("Name").fill(NAME);
  await page.getByRole("textbox", { name: "Password", exact: true }).fill("not the password");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("name or password wrong").waitFor();
}, { status: [401] });
await path(page, "a page that needs signing in comes back to itself", async () => {
  await go(page, "/audit");
  await heading(page, "Sign in");
  await page.getByLabel("Name").fill(NAME);
  await page.getByRole("textbox", { name: "Password", exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await heading(page, "Audit");
}, { status: [401] });
await fleet.secondFactor(page, signOut);
const dark = await open(VIEWS[3]);
await path(dark, "sign in page", async () => {
  await go(dark, "/sign-in");
  await heading(dark, "Sign in");
}, { status: [401] });
await path(dark, "a link without its token", async () => {
  await go(dark, "/welcome");
  await heading(dark, "The link is not complete");
}, { status: [401] });

await fleet.asViewer(await open(VIEWS[0]));

await browser.close();
console.log(`console: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
