import { useQueries } from "@tanstack/react-query";
import { IconX } from "@tabler/icons-react";
import { useMemo } from "react";
import { useSearchParams } from "react-router";
import { seriesQuery, useList } from "../../../api/queries";
import Chart, { type ChartSeries } from "../../../parts/Chart/Chart";
import filterClasses from "../../../parts/FilterBar/FilterBar.module.css";
import { BlockSkeleton, EmptyState, ErrorCard } from "../../../parts/Notice/Notice";
import { Card } from "../../../parts/Page/Page";
import { text as words } from "../../../parts/text";
import { slotOf } from "../../../theme/series";
import { formatSpan } from "../../../words/format";
import { COMPARE_MAX, COMPARE_MIN, COMPARED } from "../boards";
import { CHART_HEIGHT, Later, sharedTimes, unitOf, useNear } from "../MetricChart";
import classes from "../Monitor.module.css";
import { RangeBar } from "../RangeBar";
import { text } from "../text";
import { type Times, useTimes } from "../times";

/** Two to eight hosts in the same charts, each in its own colour wherever it appears. */
export default function CompareBoard() {
  const [search, setSearch] = useSearchParams();
  const times = useTimes(false);
  const { rows, error, refetch } = useList("hosts", { limit: 1_000 });
  const chosen = [...new Set(search.getAll("host"))].slice(0, COMPARE_MAX);
  const set = (hosts: string[]) => {
    const next = new URLSearchParams(search);
    next.delete("host");
    for (const host of hosts) next.append("host", host);
    setSearch(next, { preventScrollReset: true });
  };
  if (rows === undefined) return error ? <ErrorCard doing={text.doingHosts} error={error} onRetry={refetch} /> : <BlockSkeleton height={240} />;
  const others = rows.filter((row) => !chosen.includes(row.name));
  return (
    <>
      <RangeBar times={times} />
      <div className={classes.chips}>
        {chosen.map((host) => (
          <span key={host} className={classes.chip}>
            <i style={{ background: `var(--series-${slotOf(host)})` }} aria-hidden />
            {host}
            <button type="button" aria-label={text.compare.remove(host)} onClick={() => set(chosen.filter((other) => other !== host))}>
              <IconX size={14} stroke={1.5} />
            </button>
          </span>
        ))}
        {chosen.length < COMPARE_MAX && others.length > 0 && (
          <select className={filterClasses.select} aria-label={text.compare.add} value="" onChange={(event) => event.currentTarget.value !== "" && set([...chosen, event.currentTarget.value])}>
            <option value="">{text.compare.add}</option>
            {others.map((row) => (
              <option key={row.name}>{row.name}</option>
            ))}
          </select>
        )}
      </div>
      {chosen.length < COMPARE_MIN ? (
        <Card>
          <EmptyState title={rows.length < COMPARE_MIN ? text.compare.tooFew : text.compare.choose} />
        </Card>
      ) : (
        <div className={classes.charts}>
          {COMPARED.map((metric) => (
            <ComparedChart key={metric} metric={metric} hosts={chosen} times={times} />
          ))}
        </div>
      )}
    </>
  );
}

function ComparedChart(props: { metric: string; hosts: string[]; times: Times }) {
  const [box, near] = useNear();
  return <div ref={box}>{near ? <Compared {...props} /> : <Later />}</div>;
}

function Compared({ metric, hosts, times }: { metric: string; hosts: string[]; times: Times }) {
  const answers = useQueries({ queries: hosts.map((host) => seriesQuery({ host, name: metric, from: times.from_s, to: times.to_s, step: times.step_s }, times.key_text, times.every_ms)) });
  const title = text.titles[metric] ?? metric;
  const failed = answers.find((answer) => answer.error && answer.data === undefined);
  const ready = answers.every((answer) => answer.data !== undefined);
  const stamp = answers.map((answer) => answer.dataUpdatedAt).join();
  const series = useMemo<ChartSeries[]>(
    () =>
      answers.flatMap(({ data }, i) =>
        (data?.series ?? []).map(({ labels, points, min, max }) => {
          const label = Object.entries(labels)
            .filter(([key]) => key !== "host")
            .map(([, value]) => value)
            .join(" ");
          const host = hosts[i] ?? "";
          return { name: label === "" ? host : `${host} ${label}`, colorBy: host, points, min, max };
        }),
      ),
    [stamp, hosts.join()],
  );
  if (failed) return <ErrorCard doing={text.doing(title)} error={failed.error} onRetry={() => void failed.refetch()} />;
  if (!ready) return <BlockSkeleton height={CHART_HEIGHT} />;
  const first = answers[0]?.data;
  const { range: _, every_ms: __, onTime: ___, ...shared } = sharedTimes(times);
  const step_s = first?.step_s ?? times.step_s;
  return (
    <Chart
      {...shared}
      title={title}
      unit={unitOf(metric, first?.unit ?? "")}
      series={series}
      step_s={step_s}
      reason={first?.reason}
      sync="compare"
      query={`${metric}{host=~"${hosts.join("|")}"}`}
      caption={series.some(({ max }) => max) ? words.chart.rollup(formatSpan(step_s)) : undefined}
    />
  );
}
