import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

type Rgb = [number, number, number];

const css = readFileSync(new URL("./tokens.css", import.meta.url), "utf8");
const tokens = new Map([...css.matchAll(/--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g)].map(([, name, light, dark]) => [name as string, [light, dark] as [string, string]]));
const TINT = [0.1, 0.16];

function rgb(name: string, scheme: number): Rgb {
  const hex = tokens.get(name)?.[scheme];
  if (hex === undefined) throw new Error(`no token ${name}`);
  return [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16)) as Rgb;
}

/** WCAG 2 relative luminance and contrast. */
function luminance(color: Rgb): number {
  const [r, g, b] = color.map((part) => {
    const c = part / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: Rgb, b: Rgb): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

const tinted = (color: Rgb, on: Rgb, share: number) => color.map((part, i) => part * share + (on[i] as number) * (1 - share)) as Rgb;

const HUES = ["critical", "high", "medium", "low", "informational", "good", "attention", "bad", "unprotected", "unknown", "accent"];

describe.each([
  ["light", 0],
  ["dark", 1],
])("%s", (_name, scheme) => {
  const surface = rgb("surface", scheme);

  test.each(["text", "text-2", "text-3", ...HUES])("%s is read on the surface", (name) => {
    expect(contrast(rgb(name, scheme), surface)).toBeGreaterThanOrEqual(4.7);
  });

  test.each(HUES)("%s is read on its own tint", (name) => {
    const hue = rgb(name, scheme);
    expect(contrast(hue, tinted(hue, surface, TINT[scheme] as number))).toBeGreaterThanOrEqual(4.7);
  });

  test("text is read on page, raised, sunken and hover", () => {
    for (const under of ["page", "raised", "sunken", "hover"]) {
      expect(contrast(rgb("text", scheme), rgb(under, scheme))).toBeGreaterThanOrEqual(4.7);
      expect(contrast(rgb("text-2", scheme), rgb(under, scheme))).toBeGreaterThanOrEqual(4.7);
    }
  });

  test("the word on an accent button is read", () => expect(contrast(rgb("on-accent", scheme), rgb("accent", scheme))).toBeGreaterThanOrEqual(4.7));

  test("borders of controls are seen", () => expect(contrast(rgb("control", scheme), surface)).toBeGreaterThanOrEqual(3.1));

  test.each(Array.from({ length: 12 }, (_, i) => `series-${i + 1}`))("%s is seen on the surface", (name) => {
    expect(contrast(rgb(name, scheme), surface)).toBeGreaterThanOrEqual(5);
  });
});
