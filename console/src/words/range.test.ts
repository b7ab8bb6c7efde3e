import { expect, test } from "vitest";
import { rangeOf, stepOf } from "./range";

const NOW_S = 1_800_000_000;

test("a relative range ends now, a chosen one stands", () => {
  expect(rangeOf(new URLSearchParams("range=6h"), NOW_S)).toEqual({ key: "6h", from_s: NOW_S - 21_600, to_s: NOW_S });
  expect(rangeOf(new URLSearchParams("from=100&to=200"), NOW_S)).toEqual({ key: null, from_s: 100, to_s: 200 });
});

test("nonsense in the address falls back to the last hour", () => {
  for (const text of ["", "range=99y", "from=5", "from=200&to=100", "range=toString"]) expect(rangeOf(new URLSearchParams(text), NOW_S).key).toBe("1h");
});

test("steps keep the number of points bounded", () => {
  for (const key of ["15m", "1h", "6h", "24h", "7d", "30d"]) {
    const range = rangeOf(new URLSearchParams(`range=${key}`), NOW_S);
    expect((range.to_s - range.from_s) / stepOf(range, false)).toBeLessThanOrEqual(400);
  }
});
