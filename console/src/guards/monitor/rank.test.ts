import { expect, test } from "vitest";
import { peekLines, ranked, rankOf } from "./rank";

const processes = [
  { pid: 1, name: "init", rss_bytes: 4096, cpu: 0.01 },
  { pid: 2, name: "mysqld", rss_bytes: 2 ** 30, cpu: 0.71, io_bytes_rate: 2048 },
  { pid: 3, name: "new", rss_bytes: 0, cpu: null },
];

test("processes are ranked by what was measured, unknown last", () => {
  expect(ranked(processes, "cpu").map(({ pid }) => pid)).toEqual([2, 1, 3]);
  expect(ranked(processes, "io")[0]?.pid).toBe(2);
});

test("a metric says by what its cause is looked for", () => {
  expect(["cpu_usage_ratio", "memory_used_ratio", "swap_used_bytes", "disk_io_read_bytes_rate", "pressure_io_some_ratio", "network_receive_bytes_rate"].map(rankOf)).toEqual(["cpu", "memory", "memory", "io", "io", "cpu"]);
});

test("who did most is said in three lines", () => {
  expect(peekLines(processes, "cpu")).toEqual(["mysqld 71\u2009%", "init 1\u2009%", "new –"]);
});
