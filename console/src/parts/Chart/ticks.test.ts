import { expect, test } from "vitest";
import { columnsOf, largestFirst, summariseBand, align, gaps, summarise, tickLabels } from "./ticks";

test("tick labels never repeat: the precision rises", () => {
  expect(tickLabels([0, 0.002, 0.004], "ratio").map((label) => label.replace("\u2009", " "))).toEqual(["0.0 %", "0.2 %", "0.4 %"]);
  expect(tickLabels([0, 1, 2], "")).toEqual(["0", "1", "2"]);
  expect(tickLabels([0, 0.5, 1], "")).toEqual(["0.0", "0.5", "1.0"]);
  expect(tickLabels([0, 2.5, 5, 7.5], "")).toEqual(["0.0", "2.5", "5.0", "7.5"]);
});

test("series of different times share one axis, and what is missing is a gap", () => {
  expect(align([[[10, 1], [20, 2]], [[20, 5], [30, null]]])).toEqual({ times: [10, 20, 30], values: [[1, 2, null], [null, 5, null]] });
});

test("a silence is a gap, a single missing step is not", () => {
  const times = [0, 60, 120, 600, 660];
  expect(gaps(times, [[1, 1, 1, 1, 1]], 0, 700, 60)).toEqual([[120, 600]]);
  expect(gaps([0, 120, 180], [[1, 1, 1]], 0, 200, 60)).toEqual([]);
});

test("a host that went silent has a gap up to now", () => {
  expect(gaps([0, 60], [[1, 1]], 0, 3_600, 60)).toEqual([[60, 3_600]]);
});

test("a summary skips gaps, and its last value is not carried on", () => {
  expect(summarise([1, null, 3])).toEqual({ last: 3, min: 1, max: 3, avg: 2 });
  expect(summarise([1, null]).last).toBeNull();
  expect(summarise([null]).avg).toBeNull();
});

test("a band has its own rows on the same times, and a gap in it stays a gap", () => {
  const columns = columnsOf([
    { points: [[0, 2], [60, null], [120, 4]], min: [1, null, 3], max: [5, null, 9] },
    { points: [[60, 7]] },
  ]);
  expect(columns).toEqual({ times: [0, 60, 120], values: [[2, null, 4], [null, 7, null]], bands: [{ min: [1, null, 3], max: [5, null, 9] }, null] });
  expect(summariseBand(columns.bands[0])).toEqual({ min: 1, max: 9 });
  expect(summariseBand(columns.bands[1])).toEqual({});
});

test("of many series those with the largest value come first, empty ones last", () => {
  const series = [{ name: "low", points: [[0, 1]] as const }, { name: "none", points: [[0, null]] as const }, { name: "high", points: [[0, 3], [60, 0]] as const }];
  expect(largestFirst(series).map(({ name }) => name)).toEqual(["high", "low", "none"]);
});
