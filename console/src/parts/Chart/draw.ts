import uPlot from "uplot";
import { DASHES, type SeriesLook } from "../../theme/series";
import { BIT_RATE } from "../../words/format";
import { gaps, tickLabels } from "./ticks";

export interface Drawn {
  data: { times: number[]; values: (number | null)[][] };
  names: string[];
  looks: SeriesLook[];
  visible: boolean[];
  unit: string;
  from_s: number;
  to_s: number;
  step_s: number;
  sync?: string;
}

const FONT = '11px "Inter Variable", system-ui, sans-serif';

/** Makes the plot. `latest` gives what is drawn now: the plot outlives single renders. */
export function draw(element: HTMLElement, latest: () => Drawn, onRange: (from_s: number, to_s: number) => void): uPlot {
  const { names, looks, visible, unit, sync, data } = latest();
  const token = (name: string) => resolved(element, name);
  const grid = { stroke: token("--border"), width: 1 };
  const axis = { stroke: token("--text-2"), font: FONT, grid, ticks: { ...grid, size: 4 } };
  const options: uPlot.Options = {
    width: element.clientWidth - 12,
    height: element.clientHeight,
    legend: { show: false },
    scales: {
      x: { time: true },
      y: { range: (_plot, _min, max) => (unit === "ratio" && (max === null || max <= 1) ? [0, niceRatio(max)] : [0, max === null || max <= 0 ? 1 : max * 1.1]) },
    },
    axes: [
      { ...axis, size: 24, space: 64, values: xLabels },
      { ...axis, size: 64, gap: 4, space: 28, incrs: incrementsOf(unit), values: (_plot, splits) => tickLabels(splits, unit) },
    ],
    series: [
      {},
      ...names.map((label, i) => ({
        label,
        show: visible[i],
        spanGaps: false,
        width: 1.25,
        stroke: token(`--series-${looks[i]?.slot ?? 12}`),
        dash: DASHES[looks[i]?.dash ?? 0],
        points: { show: lonePoints, size: 4 },
      })),
    ],
    cursor: {
      sync: sync ? { key: sync, setSeries: false } : undefined,
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
    },
    hooks: {
      drawClear: [(plot) => hatch(plot, latest(), token("--control"))],
      setSelect: [
        (plot) => {
          if (plot.select.width < 6) return;
          const from = plot.posToVal(plot.select.left, "x");
          const to = plot.posToVal(plot.select.left + plot.select.width, "x");
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          onRange(Math.floor(from), Math.ceil(to));
        },
      ],
    },
  };
  return new uPlot(options, [data.times, ...data.values] as uPlot.AlignedData, element);
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
