import { expect, test } from "vitest";
import { clipped } from "./times";

const NOW_S = 1_800_000_000;

test("moving into the future stops at the present and keeps the width", () => {
  expect(clipped(NOW_S - 600, NOW_S + 600, NOW_S)).toEqual([NOW_S - 1_200, NOW_S]);
});

test("a range is never narrower than a few samples", () => {
  expect(clipped(NOW_S - 101.2, NOW_S - 100.9, NOW_S)).toEqual([NOW_S - 116, NOW_S - 101]);
});
