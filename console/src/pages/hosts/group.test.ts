import { expect, test } from "vitest";
import type { HostView, VerdictWord } from "../../api/types";
import { byGroup, groupingOf, groupTitle, tagKeys } from "./group";

const host = (name: string, region: string | null, tags: Record<string, string>, word: VerdictWord = "online") =>
  ({ name, region, tags, verdict: { word, since: "2026-03-01T12:00:00Z" } }) as unknown as HostView;
const HOSTS = [host("a", null, {}, "online"), host("b", "us", { role: "web" }, "killed"), host("c", "eu", { role: "db", env: "x" }, "ended"), host("d", "us", { role: "db" }, "killed")];
const names = (hosts: HostView[]) => hosts.map(({ name }) => name).join("");

test("hosts of one region stand together in their order, those without one last", () => {
  expect(names(byGroup(HOSTS, "region"))).toBe("cbda");
  expect(groupTitle(HOSTS[0] as HostView, "region")).toBe("no region");
});

test("hosts are grouped by the values of a tag", () => {
  expect(names(byGroup(HOSTS, "tag:role"))).toBe("cdba");
  expect(groupTitle(HOSTS[1] as HostView, "tag:role")).toBe("role=web");
  expect(groupTitle(HOSTS[0] as HostView, "tag:role")).toBe("no tag role");
});

test("the verdicts that need somebody come first", () => expect(names(byGroup(HOSTS, "verdict"))).toBe("bdca"));

test("nonsense in the address groups by nothing", () => {
  for (const asked of [null, "", "tag:", "colour"]) expect(groupingOf(asked)).toBe("none");
});

test("the most used key of a tag is offered first", () => expect(tagKeys(HOSTS)).toEqual(["role", "env"]));
