import { ActionIcon, Menu } from "@mantine/core";
import { IconDotsVertical } from "@tabler/icons-react";
import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Point } from "../../api/types";
import { looksOf } from "../../theme/series";
import { formatAbsolute, formatUnit, zoneName } from "../../words/format";
import { text } from "../text";
import classes from "./Chart.module.css";
import { draw, type Drawn } from "./draw";
import { align, summarise } from "./ticks";

export interface ChartSeries {
  name: string;
  /** What the colour follows; the name when absent. A host's own charts follow the host. */
  colorBy?: string;
  points: Point[];
}

interface ChartProps {
  title: string;
  unit: string;
  series: ChartSeries[];
  from_s: number;
  to_s: number;
  step_s: number;
  /** Why there is nothing, in the API's words. */
  reason?: string | null;
  /** Charts with the same key share the crosshair. */
  sync?: string;
  query?: string;
  onRange?: (from_s: number, to_s: number) => void;
}

const SERIES_MAX = 10;
const STOPPED_STEPS = 4;
const TABLE_ROWS = 120;

export default function Chart({ title, unit, series, from_s, to_s, step_s, reason, sync, query, onRange }: ChartProps) {
  const [only, setOnly] = useState<string | null>(null);
  const [all, setAll] = useState(false);
  const [asTable, setAsTable] = useState(false);
  const looks = useMemo(() => looksOf(series.map((s) => s.colorBy ?? s.name)), [series]);
  const listed = all ? series : series.slice(0, SERIES_MAX);
  const data = useMemo(() => align(series.map((s) => s.points)), [series]);
  const visible = series.map((s, i) => i < listed.length && (only === null || only === s.name));
  const empty = data.values.every((row) => row.every((value) => value === null));
  const first = series[0];
  // A series that has stopped has no last value: the old number must not stand for now.
  const stopped = to_s - (data.times.at(-1) ?? 0) > step_s * STOPPED_STEPS;
  const summaries = useMemo(() => data.values.map(summarise).map((s) => (stopped ? { ...s, last: null } : s)), [data, stopped]);

  return (
    <section className={classes.chart} aria-label={title}>
      <div className={classes.head}>
        <h3>{title}</h3>
        {series.length === 1 && first && <span className={classes.now}>{formatUnit(summaries[0]?.last, unit)}</span>}
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon variant="subtle" size={28} c="var(--text-2)" aria-label={text.chart.options(title)} ml={series.length === 1 ? 0 : "auto"}>
              <IconDotsVertical size={16} stroke={1.5} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => setAsTable(!asTable)}>{asTable ? text.chart.asChart : text.chart.asTable}</Menu.Item>
            {query && <Menu.Item onClick={() => void navigator.clipboard.writeText(query)}>{text.chart.asQuery}</Menu.Item>}
          </Menu.Dropdown>
        </Menu>
      </div>
      {empty ? (
        <p className={classes.none}>{reason ?? text.chart.empty}</p>
      ) : asTable ? (
        <ValueTable title={title} unit={unit} names={series.map((s) => s.name)} times={data.times} values={data.values} />
      ) : (
        <Plot
          data={data}
          names={series.map((s) => s.name)}
          looks={looks}
          visible={visible}
          unit={unit}
          from_s={from_s}
          to_s={to_s}
          step_s={step_s}
          sync={sync}
          onRange={onRange}
        />
      )}
      {series.length > 1 && !empty && (
        <table className={classes.legend} aria-label={`${title}: ${text.chart.series}`}>
          <thead>
            <tr>
              <th scope="col">{text.chart.series}</th>
              <th scope="col">{text.chart.last}</th>
              <th scope="col">{text.chart.max}</th>
              <th scope="col">{text.chart.avg}</th>
            </tr>
          </thead>
          <tbody>
            {listed.map((s, i) => (
              <tr key={s.name}>
                <td>
                  <button
                    type="button"
                    className={classes.only}
                    data-off={visible[i] ? undefined : ""}
                    aria-pressed={only === s.name}
                    aria-label={text.chart.only(s.name)}
                    onClick={() => setOnly(only === s.name ? null : s.name)}
                  >
                    <span className={classes.swatch} style={{ background: `var(--series-${looks[i]?.slot})` }} aria-hidden />
                    <span className="mono">{s.name}</span>
                  </button>
                </td>
                <td>{formatUnit(summaries[i]?.last, unit)}</td>
                <td>{formatUnit(summaries[i]?.max, unit)}</td>
                <td>{formatUnit(summaries[i]?.avg, unit)}</td>
              </tr>
            ))}
            {series.length > listed.length && (
              <tr>
                <td colSpan={4}>
                  <button type="button" className={classes.only} onClick={() => setAll(true)}>
                    {text.chart.more(series.length - listed.length)}
                  </button>
                </td>
              </tr>
            )}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Plot({ onRange, ...drawn }: Drawn & { onRange?: (from_s: number, to_s: number) => void }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [scheme, setScheme] = useState(() => document.documentElement.dataset.mantineColorScheme);
  const rangeRef = useRef(onRange);
  rangeRef.current = onRange;
  // A new plot for another shape or scheme, new data into the same plot otherwise.
  const shape = `${drawn.names.join("\n")} ${drawn.unit} ${scheme} ${drawn.sync} ${drawn.visible.join()}`;

  useEffect(() => {
    const watcher = new MutationObserver(() => setScheme(document.documentElement.dataset.mantineColorScheme));
    watcher.observe(document.documentElement, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
    return () => watcher.disconnect();
  }, []);

  const latest = useRef(drawn);
  latest.current = drawn;
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = draw(element, () => latest.current, (from, to) => rangeRef.current?.(from, to));
    plot.current = made;
    const resize = new ResizeObserver(() => made.setSize({ width: element.clientWidth - 12, height: element.clientHeight }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData([drawn.data.times, ...drawn.data.values], false);
    plot.current?.setScale("x", { min: drawn.from_s, max: drawn.to_s });
  }, [drawn.data, drawn.from_s, drawn.to_s]);

  return <div className={classes.plot} ref={box} role="img" aria-label={text.chart.zone(zoneName())} />;
}

function ValueTable({ title, unit, names, times, values }: { title: string; unit: string; names: string[]; times: number[]; values: (number | null)[][] }) {
  const from = Math.max(0, times.length - TABLE_ROWS);
  return (
    // Scrolls inside, so it takes the focus.
    <div className={classes.table} tabIndex={0} role="region" aria-label={`${title}: ${text.chart.asTable}`}>
      <table className={classes.legend}>
        <thead>
          <tr>
            <th scope="col">{`${text.chart.time} (${zoneName()})`}</th>
            {names.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times.slice(from).map((time, i) => (
            <tr key={time}>
              <td>{formatAbsolute(time * 1000)}</td>
              {values.map((row, s) => (
                <td key={names[s]}>{formatUnit(row[from + i], unit)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      <p className={`meta ${classes.note}`}>{text.chart.rows(Math.min(TABLE_ROWS, times.length), times.length)}</p>
    </div>
  );
}

