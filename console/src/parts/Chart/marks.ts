import type uPlot from "uplot";
import { formatUnit } from "../../words/format";

/** A horizontal line of a rule: dashed for a threshold, dotted for the value it recovers at. */
export interface Line {
  value: number;
  kind: "threshold" | "recover";
  label?: string;
}

/** A stretch of time that is marked, such as a firing. */
export interface Span {
  from_s: number;
  to_s: number;
}

/** Something that happened: a tick below the axis, and a line in the readout. */
export interface Mark {
  at_s: number;
  kind: "plan" | "host" | "incident" | "alarm";
  label: string;
}

export const MARK_COLOR: Record<Mark["kind"], string> = { plan: "--accent", host: "--unknown", incident: "--critical", alarm: "--high" };
const SPAN_MIN_PX = 3;
const FONT_PX = 10;
const LABEL_PX = 40;

interface Over {
  lines: Line[];
  marks: Mark[];
  unit: string;
  at_s?: number | null;
}

/** Paints what lies under and over the lines of the series. */
export function painter(token: (name: string) => string) {
  const bad = token("--bad");
  const good = token("--good");
  const accent = token("--accent");
  const colors = Object.fromEntries(Object.entries(MARK_COLOR).map(([kind, name]) => [kind, token(name)]));

  function spans({ ctx, bbox, valToPos }: uPlot, shown: Span[]): void {
    ctx.save();
    ctx.fillStyle = bad;
    for (const { from_s, to_s } of shown) {
      const left = Math.max(bbox.left, valToPos(from_s, "x", true));
      const right = Math.min(bbox.left + bbox.width, valToPos(to_s, "x", true));
      if (right < bbox.left || left > bbox.left + bbox.width) continue;
      const width = Math.max(SPAN_MIN_PX * devicePixelRatio, right - left);
      ctx.globalAlpha = 0.14;
      ctx.fillRect(left, bbox.top, width, bbox.height);
      ctx.globalAlpha = 1;
      ctx.fillRect(left, bbox.top, width, 2 * devicePixelRatio);
    }
    ctx.restore();
  }

  function line(plot: uPlot, { value, kind, label }: Line, unit: string, beside: number): void {
    const { ctx, bbox } = plot;
    const y = Math.round(plot.valToPos(value, "y", true));
    if (y < bbox.top - 1 || y > bbox.top + bbox.height) return;
    const px = devicePixelRatio;
    ctx.strokeStyle = ctx.fillStyle = kind === "threshold" ? bad : good;
    ctx.lineWidth = px;
    ctx.setLineDash(kind === "threshold" ? [6 * px, 4 * px] : [px, 3 * px]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.font = `${FONT_PX * px}px "Inter Variable", system-ui, sans-serif`;
    // On different sides, so that they do not stand on each other.
    ctx.textAlign = kind === "threshold" ? "right" : "left";
    ctx.fillText(label ?? formatUnit(value, unit), kind === "threshold" ? bbox.left + bbox.width - (4 + beside) * px : bbox.left + (4 + beside) * px, y - 3 * px < bbox.top + FONT_PX * px ? y + (FONT_PX + 2) * px : y - 3 * px);
  }

  function over(plot: uPlot, { lines, marks, unit, at_s }: Over): void {
    const { ctx, bbox } = plot;
    const px = devicePixelRatio;
    ctx.save();
    lines.forEach((one, i) => {
      const y = plot.valToPos(one.value, "y", true);
      // Labels of one side that would stand on each other stand beside each other.
      const near = lines.slice(0, i).filter((other) => other.kind === one.kind && Math.abs(plot.valToPos(other.value, "y", true) - y) < (FONT_PX + 3) * px);
      line(plot, one, unit, near.length * LABEL_PX);
    });
    for (const mark of marks) {
      const x = plot.valToPos(mark.at_s, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.fillStyle = colors[mark.kind] ?? accent;
      ctx.fillRect(Math.round(x) - px, bbox.top + bbox.height + px, 2 * px, 7 * px);
    }
    if (at_s) {
      const x = Math.round(plot.valToPos(at_s, "x", true));
      ctx.strokeStyle = accent;
      ctx.lineWidth = px;
      if (x >= bbox.left && x <= bbox.left + bbox.width) {
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
      }
    }
    ctx.restore();
  }

  return { spans, over };
}
