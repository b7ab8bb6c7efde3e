import { expect, test } from "vitest";
import { DASHES, looksOf, SLOT_COUNT, slotOf } from "./series";

test("a name has the same slot for ever", () => {
  expect(["web-1", "db-1", "mail-2", "größe"].map(slotOf)).toMatchInlineSnapshot(`
    [
      9,
      1,
      8,
      8,
    ]
  `);
});

test("slots are spread", () => {
  const counts = new Array<number>(SLOT_COUNT).fill(0);
  for (let i = 0; i < 1_200; i += 1) counts[slotOf(`web-${i}`) - 1]! += 1;
  expect(Math.min(...counts)).toBeGreaterThan(60);
  expect(Math.max(...counts)).toBeLessThan(150);
});

test("a clash in one chart gets another dash", () => {
  const looks = looksOf(Array.from({ length: 30 }, (_, i) => `host-${i}`));
  const seen = new Set(looks.map(({ slot, dash }) => `${slot} ${dash}`));
  expect(seen.size).toBeGreaterThan(26);
  expect(looks.every(({ dash }) => dash < DASHES.length)).toBe(true);
});
