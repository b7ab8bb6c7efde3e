// Weighs what the built console loads first and fails when it is over the budget of the design.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const KB = 1000;
const FIRST_JS_MAX = 200 * KB;
const FIRST_CSS_MAX = 40 * KB;
const FONTS_MAX = 90 * KB;
const GUARD_MAX = 40 * KB;

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const manifest = JSON.parse(readFileSync(`${dist}.vite/manifest.json`, "utf8"));
const gz = (file) => gzipSync(readFileSync(dist + file), { level: 9 }).length;

/** The files that a chunk needs before it runs: itself, its static imports, their sheets. */
function closure(keys) {
  const js = new Set();
  const css = new Set();
  const visit = (key) => {
    const chunk = manifest[key];
    if (!chunk || js.has(chunk.file)) return;
    js.add(chunk.file);
    for (const sheet of chunk.css ?? []) css.add(sheet);
    for (const next of chunk.imports ?? []) visit(next);
  };
  keys.forEach(visit);
  return { js, css };
}

const weigh = (files) => [...files].reduce((sum, file) => sum + gz(file), 0);
let over = 0;
function line(what, bytes, max) {
  const ok = bytes <= max;
  if (!ok) over += 1;
  console.log(`${ok ? "ok" : "over"}  ${what}: ${(bytes / KB).toFixed(1)} kB of ${max / KB} kB`);
}

const first = closure(["index.html", "src/pages/overview/OverviewPage.tsx"]);
line("first load, JS gzip", weigh(first.js), FIRST_JS_MAX);
line("first load, CSS gzip", weigh(first.css), FIRST_CSS_MAX);

const fonts = readdirSync(`${dist}assets`).filter((name) => name.endsWith(".woff2"));
line("fonts", fonts.reduce((sum, name) => sum + statSync(`${dist}assets/${name}`).size, 0), FONTS_MAX);

// Pages and drawers of a guard are loaded one by one: each has the budget for itself.
for (const key of Object.keys(manifest)) {
  const [, guard, part] = /^src\/guards\/([a-z]+)\/(.+)\.tsx$/.exec(key) ?? [];
  if (guard === undefined || !manifest[key].isDynamicEntry) continue;
  line(`guard ${guard}, ${part}, JS gzip beyond the first load`, weigh([...closure([key]).js].filter((file) => !first.js.has(file))), GUARD_MAX);
}
process.exit(over === 0 ? 0 : 1);
