import { expect, test } from "vitest";
import { formatAgo, formatBitRate, formatBytes, formatCountdown, formatPercent, formatSpan, formatUnit } from "./format";

const plainSpaces = (text: string) => text.replaceAll("\u2009", " ");

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1536, "1.5 KiB"],
  [17_179_869_184, "16 GiB"],
  [null, "–"],
])("bytes are binary: %s is %s", (bytes, said) => expect(plainSpaces(formatBytes(bytes))).toBe(said));

test.each([
  [0, "0 bit/s"],
  [125, "1 kbit/s"],
  [12_500_000, "100 Mbit/s"],
])("rates are decimal bits: %s is %s", (rate, said) => expect(plainSpaces(formatBitRate(rate))).toBe(said));

test.each([
  [5, "5 s"],
  [59.6, "1 min"],
  [720, "12 min"],
  [11_100, "3 h 5 min"],
  [3_564_000, "41 d 6 h"],
])("spans have their two largest units: %s is %s", (seconds, said) => expect(plainSpaces(formatSpan(seconds))).toBe(said));

const NOW = Date.parse("2026-03-01T12:00:00Z");
test.each([
  ["2026-03-01T11:48:00Z", "12 min ago"],
  ["2026-03-01T12:00:01Z", "now"],
  ["2026-03-01T15:00:00Z", "in 3 h"],
  ["2026-02-20T12:00:00Z", "Feb 20, 2026"],
  ["nonsense", "–"],
  [null, "–"],
])("ages switch to a date after seven days: %s is %s", (time, said) => expect(plainSpaces(formatAgo(time, NOW))).toBe(said));

test("a countdown never shows less than nothing", () => {
  expect(formatCountdown(46_100)).toBe("00:47");
  expect(formatCountdown(3_723_000)).toBe("1:02:03");
  expect(formatCountdown(-5)).toBe("00:00");
});

test("a percent and a unit", () => {
  expect(plainSpaces(formatPercent(0.125, 1))).toBe("12.5 %");
  expect(plainSpaces(formatUnit(0.071, "ratio"))).toBe("7.1 %");
  expect(formatUnit(1_234_567, "")).toBe("1,234,567");
});

test("units of hardware and of services stand behind their number", () => {
  expect(plainSpaces(formatUnit(41.5, "celsius"))).toBe("41.5 °C");
  expect(plainSpaces(formatUnit(61, "days"))).toBe("61 d");
  expect(plainSpaces(formatUnit(2_400_000_000, "hertz"))).toBe("2.4 GHz");
  expect(plainSpaces(formatUnit(0.012, "seconds"))).toBe("12 ms");
});
