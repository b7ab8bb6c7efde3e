import uPlot from "uplot";
import { DASHES, type SeriesLook } from "../../theme/series";
import { BIT_RATE } from "../../words/format";
import { type Line, type Mark, painter, type Span } from "./marks";
import { type Handlers, readout, SELECT_MIN_PX } from "./readout";
import { type Columns, gaps, tickLabels } from "./ticks";

export interface Drawn {
  data: Columns;
  names: string[];
  looks: SeriesLook[];
  visible: boolean[];
  unit: string;
  from_s: number;
  to_s: number;
  step_s: number;
  sync?: string;
  lines: Line[];
  spans: Span[];
  marks: Mark[];
  at_s?: number | null;
  wholeLines?: boolean;
}

const FONT = '11px "Inter Variable", system-ui, sans-serif';
/** With more lines than this, bands would only hide each other. */
const BANDS_MAX = 4;

/** The columns in the order of the plot: averages, then the largest and smallest of those that have a band. */
export function dataOf(data: Columns): uPlot.AlignedData {
  return [data.times, ...data.values, ...data.bands.flatMap((band) => (band === null ? [] : [band.max, band.min]))] as uPlot.AlignedData;
}

/** Makes the plot. `latest` gives what is drawn now: the plot outlives single renders. */
export function draw(element: HTMLElement, latest: () => Drawn, handlers: Handlers): uPlot {
  const { names, looks, visible, unit, sync, data } = latest();
  const token = (name: string) => resolved(element, name);
  const grid = { stroke: token("--border"), width: 1 };
  const axis = { stroke: token("--text-2"), font: FONT, grid, ticks: { ...grid, size: 4 } };
  const colors = looks.map(({ slot }) => token(`--series-${slot}`));
  const paint = painter(token);
  const banded = data.bands.flatMap((band, i) => (band === null ? [] : [i]));
  const withBands = visible.filter(Boolean).length <= BANDS_MAX;
  // Charts that share the crosshair share its selection too: only the one under the pointer acts on it.
  let dragged = false;
  const options: uPlot.Options = {
    width: Math.max(40, element.clientWidth - 12),
    height: element.clientHeight,
    legend: { show: false },
    scales: {
      x: { time: true },
      y: { range: (_plot, _min, max) => topOf(unit, max, latest()) },
    },
    axes: [
      { ...axis, size: 26, space: 64, values: xLabels },
      { ...axis, size: 64, gap: 4, space: 28, incrs: incrementsOf(unit), values: (_plot, splits) => tickLabels(splits, unit) },
    ],
    series: [
      {},
      ...names.map((label, i) => ({
        label,
        show: visible[i],
        spanGaps: false,
        width: 1.25,
        stroke: colors[i],
        dash: DASHES[looks[i]?.dash ?? 0],
        points: { show: lonePoints, size: 4 },
      })),
      ...banded.flatMap((i) => [edge(withBands && visible[i] === true), edge(withBands && visible[i] === true)]),
    ],
    bands: banded.map((i, n) => ({ series: [names.length + 1 + 2 * n, names.length + 2 + 2 * n], fill: faded(colors[i] ?? "") })),
    cursor: {
      sync: sync ? { key: sync, setSeries: false } : undefined,
      drag: { x: true, y: false, setScale: false },
      points: { size: 6, show: (plot, i) => (i <= names.length ? dot(plot, colors[i - 1] ?? "") : (undefined as unknown as HTMLElement)) },
      bind: { mousedown: (plot, _target, begin) => (event) => {
          dragged = !event.shiftKey;
          return event.shiftKey ? pan(plot, event, handlers.onRange) : begin(event);
        },
      },
    },
    hooks: {
      drawClear: [
        (plot) => {
          paint.spans(plot, latest().spans);
          hatch(plot, latest(), token("--control"));
        },
      ],
      draw: [(plot) => paint.over(plot, latest())],
      ready: [(plot) => readout(plot, latest, handlers)],
      setSelect: [
        (plot) => {
          if (!dragged || plot.select.width < SELECT_MIN_PX) return;
          dragged = false;
          const from = plot.posToVal(plot.select.left, "x");
          const to = plot.posToVal(plot.select.left + plot.select.width, "x");
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          handlers.onRange(Math.floor(from), Math.ceil(to));
        },
      ],
    },
  };
  return new uPlot(options, dataOf(data), element);
}

/** A border of a band: there for its fill alone. */
function edge(show: boolean): uPlot.Series {
  return { show, spanGaps: false, width: 0, stroke: "transparent", points: { show: false } };
}

function dot(_plot: uPlot, color: string): HTMLElement {
  const element = document.createElement("div");
  element.style.background = color;
  return element;
}

const faded = (color: string) => color.replace(/^rgb\(([^)]+)\)$/, "rgb($1 / 0.18)").replaceAll(",", "");

/** From 0 to a little above the largest value; lines that must be seen count as values. */
function topOf(unit: string, max: number | null, { lines, wholeLines }: Drawn): [number, number] {
  const top = Math.max(max ?? 0, ...(wholeLines ? lines.map((line) => line.value) : []));
  if (unit === "ratio" && top <= 1) return [0, niceRatio(max === null && !wholeLines ? null : top)];
  return [0, top <= 0 ? 1 : top * 1.1];
}

/** Moves the range with the pointer; nothing is read before it is let go. */
function pan(plot: uPlot, down: MouseEvent, onRange: Handlers["onRange"]): null {
  const { min = 0, max = 0 } = plot.scales.x ?? {};
  const perPx = (max - min) / plot.over.clientWidth;
  const shifted = (event: MouseEvent) => Math.round((down.clientX - event.clientX) * perPx);
  const move = (event: MouseEvent) => plot.setScale("x", { min: min + shifted(event), max: max + shifted(event) });
  const up = (event: MouseEvent) => {
    document.removeEventListener("mousemove", move);
    if (shifted(event) !== 0) onRange(Math.round(min + shifted(event)), Math.round(max + shifted(event)));
  };
  document.addEventListener("mousemove", move);
  document.addEventListener("mouseup", up, { once: true });
  return null;
}

/** Steps of the y axis that are round in the unit that is printed: powers of two for bytes, of ten for bits. */
function incrementsOf(unit: string): number[] | undefined {
  if (unit === "bytes" || unit === "bytes/s") return Array.from({ length: 50 }, (_, i) => 2 ** i);
  if (unit === BIT_RATE) return Array.from({ length: 14 }, (_, i) => [1, 2, 5].map((n) => (n * 10 ** i) / 8)).flat();
  return undefined;
}

/** The top of a percent axis: whole when there is something to see above a quarter, else closer. */
function niceRatio(max: number | null): number {
  if (max === null) return 1;
  return [0.01, 0.05, 0.1, 0.25].find((top) => max <= top * 0.9) ?? 1;
}

function xLabels(_plot: uPlot, splits: number[], _axis: number, _space: number, incr: number): string[] {
  const hours = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", ...(incr < 60 ? { second: "2-digit" as const } : {}), hourCycle: "h23" });
  const days = new Intl.DateTimeFormat("en", { month: "short", day: "numeric" });
  return splits.map((split, i) => {
    const at = split * 1000;
    const before = splits[i - 1];
    const newDay = before !== undefined && new Date(before * 1000).toDateString() !== new Date(at).toDateString();
    return incr >= 86_400 || newDay ? days.format(at) : hours.format(at);
  });
}

/** A value between two gaps has no line: it is drawn as a dot. */
const lonePoints: uPlot.Series.Points.Show = (plot, index, first, last) => {
  const row = plot.data[index] ?? [];
  for (let i = first; i <= last; i += 1) {
    if (row[i] != null && row[i - 1] == null && row[i + 1] == null) return true;
  }
  return false;
};

/** Spans without any sample are hatched, so that silence never looks like zero. */
function hatch(plot: uPlot, drawn: Drawn, color: string): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = color;
  ctx.globalAlpha = 0.35;
  ctx.lineWidth = 1;
  for (const [from, to] of gaps(drawn.data.times, drawn.data.values, drawn.from_s, drawn.to_s, drawn.step_s)) {
    const left = Math.max(bbox.left, plot.valToPos(from, "x", true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(to, "x", true));
    if (right - left < 2) continue;
    ctx.beginPath();
    ctx.rect(left, bbox.top, right - left, bbox.height);
    ctx.save();
    ctx.clip();
    ctx.beginPath();
    for (let x = left - bbox.height; x < right; x += 8 * devicePixelRatio) {
      ctx.moveTo(x, bbox.top + bbox.height);
      ctx.lineTo(x + bbox.height, bbox.top);
    }
    ctx.stroke();
    ctx.restore();
  }
  ctx.restore();
}

/** A token as a colour that a canvas understands. */
function resolved(element: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}
