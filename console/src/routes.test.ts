import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { crumbsOf } from "./shell/crumbs";
import { changed, GUARDS, to } from "./paths";

const source = readFileSync(new URL("./routes.tsx", import.meta.url), "utf8");
const routes = [...source.matchAll(/page\("([^"]+)"/g)].map(([, path]) => path as string);

test("the addresses of the console", () => {
  expect(routes).toMatchInlineSnapshot(`
    [
      "/",
      "/hosts",
      "/hosts/:host/:tab?",
      "/findings",
      "/plans",
      "/plans/:id",
      "/firewall/groups",
      "/firewall/groups/:name",
      "/firewall/lists/:name?",
      "/firewall/policies",
      "/firewall/policies/:name",
      "/firewall/exposure",
      "/firewall/hits",
      "/firewall/bans",
      "/firewall/allow",
      "/inventory",
      "/monitor",
      "/monitor/dashboards/:name?",
      "/monitor/alarms",
      "/monitor/rules",
      "/monitor/rules/:name",
      "/monitor/silences",
      "/monitor/channels",
      "/monitor/deliveries",
      "/monitor/sampling",
      "/monitor/probes",
      "/journal/events",
      "/audit",
      "/users",
      "/account",
      "/settings",
      "/join-tokens",
      "/tokens",
      "/:guard",
      "/:guard/:section",
      "*",
      "/sign-in",
      "/welcome",
    ]
  `);
});

test("every builder leads to a route", () => {
  const built = [to.overview(), to.hosts(), to.host("web-1"), to.host("web-1", "monitor"), to.findings(), to.plans(), to.plan("p1"), to.bans(), to.allow(), to.groups(), to.group("web"), to.lists(), to.list("office"), to.policies(), to.policy("base"), to.exposure(), to.hits(), to.events(), to.audit(), to.tokens(), to.joinTokens(), to.users(), to.account(), to.settings(), to.incidents(), to.alarms(), to.dashboards(), to.dashboards("compare", { host: "web-1" }), to.rules(), to.rule("cpu"), to.silences(), to.channels(), to.deliveries(), to.probes(), to.sampling(), to.signIn()].map((address) => address.replace(/\?.*/, ""));
  for (const address of [...built, ...GUARDS.map((guard) => to.guard(guard))]) {
    const matches = routes.filter((route) => route !== "*" && matcher(route).test(address));
    expect(matches, address).not.toHaveLength(0);
  }
});

test("names in addresses are encoded, empty filters left out", () => {
  expect(to.host("a b/c", "findings", { show: "x&y", q: "" })).toBe("/hosts/a%20b%2Fc/findings?show=x%26y");
  expect(to.signIn("/findings?severity=high")).toBe("/sign-in?to=%2Ffindings%3Fseverity%3Dhigh");
  expect(changed(new URLSearchParams("a=1&show=2"), { show: null })).toBe("?a=1");
});

test("breadcrumbs lead back", () => {
  expect(crumbsOf("/hosts/web-1/firewall").map(({ title, to: address }) => [title, address])).toEqual([
    ["Hosts", "/hosts"],
    ["web-1", "/hosts/web-1"],
    ["Firewall", "/hosts/web-1/firewall"],
  ]);
  expect(crumbsOf("/firewall/bans")[0]).toEqual({ title: "Firewall", to: "/firewall/groups" });
});

const openapi = new URL("../openapi.json", import.meta.url);
test.skipIf(!existsSync(openapi))("list pages show the API's path of the same name", () => {
  const paths = Object.keys((JSON.parse(readFileSync(openapi, "utf8")) as { paths: object }).paths);
  for (const route of ["/hosts", "/findings", "/plans", "/firewall/groups", "/firewall/exposure", "/firewall/hits", "/firewall/bans", "/firewall/allow", "/journal/events", "/audit", "/tokens"]) {
    expect(paths).toContain(`/api/v1${route}`);
  }
});

function matcher(route: string): RegExp {
  return new RegExp(`^${route.replace(/\/:[a-z]+\?/g, "(/[^/]+)?").replace(/:[a-z]+/g, "[^/]+")}$`);
}
