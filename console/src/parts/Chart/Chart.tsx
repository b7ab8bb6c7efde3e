import { ActionIcon, Menu } from "@mantine/core";
import { IconDotsVertical } from "@tabler/icons-react";
import { lazy, Suspense, useMemo, useState } from "react";
import { Link } from "react-router";
import type { Point } from "../../api/types";
import { looksOf } from "../../theme/series";
import { formatUnit } from "../../words/format";
import { text } from "../text";
import classes from "./Chart.module.css";
import { Legend } from "./Legend";
import type { Line, Mark, Span } from "./marks";
import { columnsOf, largestFirst, summarise, summariseBand } from "./ticks";
import { ValueTable } from "./ValueTable";

export interface ChartSeries {
  name: string;
  /** What the colour follows; the name when absent. A host's own charts follow the host. */
  colorBy?: string;
  points: Point[];
  /** Smallest and largest value behind each point, where a point stands for several. */
  min?: (number | null)[] | null;
  max?: (number | null)[] | null;
}

export interface ChartProps {
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
  /** The same as PromQL. */
  query?: string;
  /** Thresholds and recovery lines. */
  lines?: Line[];
  /** Marked stretches of time. */
  spans?: Span[];
  /** What happened, below the axis. */
  marks?: Mark[];
  /** What a point stands for. */
  caption?: string;
  /** Where "as alarm" leads. */
  alarm?: string;
  /** The moment that is looked at. */
  at_s?: number | null;
  /** Always shows the lines, even far above the values. */
  wholeLines?: boolean;
  tall?: boolean;
  onRange?: (from_s: number, to_s: number) => void;
  onTime?: (at_s: number) => void;
  /** Who did most at a moment; asked when the pointer rests. */
  peek?: (at_s: number) => Promise<string[]>;
}

/** The canvas comes by itself; titles, figures and legends do not wait for it. */
const Plot = lazy(() => import("./Plot"));

const SERIES_MAX = 20;
const SERIES_SHOWN = 10;
const STOPPED_STEPS = 4;

/** Series over a range: the one chart of the console. */
export default function Chart(props: ChartProps) {
  const { title, unit, to_s, step_s, reason, caption } = props;
  const [only, setOnly] = useState<string | null>(null);
  const [all, setAll] = useState(false);
  const [asTable, setAsTable] = useState(false);
  const series = useMemo(() => (props.series.length > SERIES_MAX ? largestFirst(props.series) : props.series), [props.series]);
  const looks = useMemo(() => looksOf(series.map((s) => s.colorBy ?? s.name)), [series]);
  const listed = all || series.length <= SERIES_MAX ? series : series.slice(0, SERIES_SHOWN);
  const data = useMemo(() => columnsOf(series), [series]);
  const visible = series.map((s, i) => i < listed.length && (only === null || only === s.name));
  const empty = data.values.every((row) => row.every((value) => value === null));
  // A series that has stopped has no last value: the old number must not stand for now.
  const stopped = to_s - (data.times.at(-1) ?? 0) > step_s * STOPPED_STEPS;
  const summaries = useMemo(
    () => data.values.map((row, i) => ({ ...summarise(row), ...summariseBand(data.bands[i]), ...(stopped ? { last: null } : {}) })),
    [data, stopped],
  );
  const names = series.map((s) => s.name);
  return (
    <section className={classes.chart} aria-label={title} data-tall={props.tall ? "" : undefined}>
      <div className={classes.head}>
        <h3>{title}</h3>
        {series.length === 1 && <span className={classes.now}>{formatUnit(summaries[0]?.last, unit)}</span>}
        <Options {...props} asTable={asTable} onTable={() => setAsTable(!asTable)} single={series.length === 1} />
      </div>
      {empty ? (
        <p className={classes.none}>{reason ?? text.chart.empty}</p>
      ) : asTable ? (
        <ValueTable title={title} unit={unit} names={names} times={data.times} values={data.values} />
      ) : (
        <Suspense fallback={<div className={classes.plot} />}>
          <Plot {...props} data={data} names={names} looks={looks} visible={visible} />
        </Suspense>
      )}
      {series.length > 1 && !empty && (
        <Legend title={title} unit={unit} names={names.slice(0, listed.length)} looks={looks} visible={visible} summaries={summaries} only={only} onOnly={setOnly} hidden={series.length - listed.length} onAll={() => setAll(true)} />
      )}
      {!empty && !asTable && (caption || series.length === 1) && (
        <p className={classes.caption}>
          <span>{caption}</span>
          {series.length === 1 && summaries[0] && <span>{text.chart.summary(formatUnit(summaries[0].min, unit), formatUnit(summaries[0].avg, unit), formatUnit(summaries[0].max, unit))}</span>}
        </p>
      )}
    </section>
  );
}

function Options({ title, query, alarm, asTable, onTable, single }: ChartProps & { asTable: boolean; onTable: () => void; single: boolean }) {
  const copy = (what: string) => void navigator.clipboard.writeText(what);
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <ActionIcon variant="subtle" size={28} c="var(--text-2)" aria-label={text.chart.options(title)} ml={single ? 0 : "auto"}>
          <IconDotsVertical size={16} stroke={1.5} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={onTable}>{asTable ? text.chart.asChart : text.chart.asTable}</Menu.Item>
        {query && (
          <>
            <Menu.Label className="mono" style={{ overflowWrap: "anywhere" }}>
              {query}
            </Menu.Label>
            <Menu.Item onClick={() => copy(query)}>{text.chart.asQuery}</Menu.Item>
            <Menu.Item onClick={() => copy(`palisade monitor query '${query}'`)}>{text.chart.asCommand}</Menu.Item>
          </>
        )}
        {alarm && (
          <Menu.Item component={Link} to={alarm}>
            {text.chart.asAlarm}
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
