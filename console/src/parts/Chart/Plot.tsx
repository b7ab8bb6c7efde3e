import { useEffect, useRef, useState } from "react";
import type uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { zoneName } from "../../words/format";
import { text } from "../text";
import classes from "./Chart.module.css";
import { dataOf, draw, type Drawn } from "./draw";

interface Handlers {
  onRange?: (from_s: number, to_s: number) => void;
  onTime?: (at_s: number) => void;
  peek?: (at_s: number) => Promise<string[]>;
}

/** The canvas of a chart. A new plot for another shape or scheme, new data into the same plot otherwise. */
export default function Plot(props: Omit<Drawn, "lines" | "spans" | "marks"> & Partial<Pick<Drawn, "lines" | "spans" | "marks">> & Handlers & { title: string }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [scheme, setScheme] = useState(() => document.documentElement.dataset.mantineColorScheme);
  const drawn: Drawn & Handlers = { ...props, lines: props.lines ?? [], spans: props.spans ?? [], marks: props.marks ?? [] };
  const latest = useRef(drawn);
  latest.current = drawn;
  const shape = `${drawn.names.join("\n")} ${drawn.data.bands.map((band) => band !== null).join()} ${drawn.unit} ${scheme} ${drawn.sync} ${drawn.visible.join()}`;

  useEffect(() => {
    const watcher = new MutationObserver(() => setScheme(document.documentElement.dataset.mantineColorScheme));
    watcher.observe(document.documentElement, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
    return () => watcher.disconnect();
  }, []);

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = draw(element, () => latest.current, {
      onRange: (from, to) => latest.current.onRange?.(from, to),
      onTime: (at) => latest.current.onTime?.(at),
      peek: (at) => latest.current.peek?.(at) ?? Promise.resolve([]),
    });
    plot.current = made;
    const resize = new ResizeObserver(() => made.setSize({ width: Math.max(40, element.clientWidth - 12), height: element.clientHeight }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(dataOf(drawn.data), false);
    plot.current?.setScale("x", { min: drawn.from_s, max: drawn.to_s });
  }, [drawn.data, drawn.from_s, drawn.to_s]);

  const overlay = JSON.stringify([drawn.lines, drawn.spans, drawn.marks.length, drawn.at_s]);
  useEffect(() => {
    // Without new paths: those would take the range of before, which is still being set.
    plot.current?.redraw(false);
  }, [overlay]);

  return <div className={classes.plot} ref={box} role="img" aria-label={`${props.title}, ${text.chart.zone(zoneName())}`} data-clickable={props.onTime ? "" : undefined} />;
}
