import type uPlot from "uplot";
import { plain } from "../../words/escape";
import { formatAbsolute, formatUnit } from "../../words/format";
import { text } from "../text";
import classes from "./Chart.module.css";
import type { Drawn } from "./draw";

export interface Handlers {
  onRange: (from_s: number, to_s: number) => void;
  onTime: (at_s: number) => void;
  peek: (at_s: number) => Promise<string[]>;
}

/** A drag shorter than this is a click. */
export const SELECT_MIN_PX = 6;
const ROWS_MAX = 8;
const REST_MS = 350;
const NEAR_PX = 5;

/** The values under the pointer, in a box beside it; after a rest, who did most at that moment. */
export function readout(plot: uPlot, latest: () => Drawn, handlers: Handlers): void {
  const box = document.createElement("div");
  box.className = classes.readout ?? "";
  box.hidden = true;
  box.setAttribute("aria-hidden", "true");
  plot.over.append(box);
  let rest: ReturnType<typeof setTimeout> | undefined;
  let down_px = 0;
  let asked = 0;

  const hide = () => {
    clearTimeout(rest);
    asked += 1;
    box.hidden = true;
  };
  const show = (event: MouseEvent) => {
    const { left = -1, idx } = plot.cursor;
    if (left < 0 || idx === null || idx === undefined || event.buttons !== 0) return hide();
    const at_s = plot.posToVal(left, "x");
    fill(box, plot, latest(), idx, left);
    box.hidden = false;
    const over_px = plot.over.clientWidth;
    if (left > over_px / 2) Object.assign(box.style, { left: "auto", right: `${over_px - left + 12}px` });
    else Object.assign(box.style, { right: "auto", left: `${left + 12}px` });
    clearTimeout(rest);
    asked += 1;
    const mine = asked;
    rest = setTimeout(() => {
      void handlers.peek(at_s).then(
        (lines) => mine === asked && lines.length > 0 && box.append(head(text.chart.mostly), ...lines.map((words) => row(words))),
        () => undefined,
      );
    }, REST_MS);
  };
  plot.over.addEventListener("mousemove", show);
  plot.over.addEventListener("mouseleave", hide);
  plot.over.addEventListener("mousedown", (event) => {
    down_px = event.clientX;
    hide();
  });
  plot.over.addEventListener("click", (event) => {
    if (event.shiftKey || Math.abs(event.clientX - down_px) >= SELECT_MIN_PX) return;
    handlers.onTime(Math.round(plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x")));
  });
}

function fill(box: HTMLElement, plot: uPlot, { data, names, visible, looks, unit, marks }: Drawn, idx: number, left: number): void {
  const at_s = data.times[idx];
  if (at_s === undefined) return;
  const rows = names
    .map((name, i) => ({ name, value: data.values[i]?.[idx] ?? null, slot: looks[i]?.slot, band: data.bands[i], shown: visible[i] }))
    .filter(({ shown, value }) => shown && value !== null)
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  const near = marks.filter((mark) => Math.abs(plot.valToPos(mark.at_s, "x") - left) <= NEAR_PX);
  box.replaceChildren(
    head(formatAbsolute(at_s * 1000)),
    ...rows.slice(0, ROWS_MAX).map(({ name, value, slot, band }) => {
      const low = band?.min[idx];
      const high = band?.max[idx];
      const range = low !== null && low !== undefined && high !== null && high !== undefined && low !== high ? ` (${formatUnit(low, unit)} – ${formatUnit(high, unit)})` : "";
      return row(plain(name), `${formatUnit(value, unit)}${range}`, `var(--series-${slot})`);
    }),
    ...near.slice(0, 3).map((mark) => row(plain(mark.label))),
  );
}

function head(words: string): HTMLElement {
  const element = document.createElement("b");
  element.textContent = words;
  return element;
}

function row(words: string, value?: string, color?: string): HTMLElement {
  const element = document.createElement("span");
  if (color) {
    const swatch = document.createElement("i");
    swatch.style.background = color;
    element.append(swatch);
  }
  const name = document.createElement("span");
  name.textContent = words;
  element.append(name);
  if (value !== undefined) {
    const figure = document.createElement("b");
    figure.textContent = value;
    element.append(figure);
  }
  return element;
}
