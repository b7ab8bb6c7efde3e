import { useQueries, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { get } from "../../../api/client";
import { pointsOf, promRangeQuery } from "../../../api/monitor";
import Chart, { type ChartSeries } from "../../../parts/Chart/Chart";
import { Untrusted } from "../../../parts/Command/Command";
import { HostLink } from "../../../parts/HostLink/HostLink";
import { Meter } from "../../../parts/Meter/Meter";
import { BlockSkeleton, EmptyState, ErrorCard } from "../../../parts/Notice/Notice";
import { Card } from "../../../parts/Page/Page";
import { to } from "../../../paths";
import { FLEET, type FleetPanel, RANKINGS } from "../boards";
import { CHART_HEIGHT, Later, sharedTimes, unitOf, useNear } from "../MetricChart";
import classes from "../Monitor.module.css";
import { RangeBar } from "../RangeBar";
import { text } from "../text";
import { type Times, useTimes } from "../times";

/** All hosts at once: the spread of what matters, and who stands at the top of it. */
export default function FleetBoard() {
  const times = useTimes(false);
  return (
    <>
      <RangeBar times={times} />
      <div className={classes.rankings}>
        {RANKINGS.map((ranking) => (
          <Ranking key={ranking.metric} {...ranking} />
        ))}
      </div>
      <div className={classes.charts}>
        {FLEET.map((panel) => (
          <NearPanel key={panel.metric} panel={panel} times={times} />
        ))}
      </div>
    </>
  );
}

function NearPanel(props: { panel: FleetPanel; times: Times }) {
  const [box, near] = useNear();
  return <div ref={box}>{near ? <Panel {...props} /> : <Later />}</div>;
}

function Panel({ panel, times }: { panel: FleetPanel; times: Times }) {
  const lines = Object.entries(panel.lines).filter((line): line is [string, string] => line[1] !== undefined);
  const from_s = Math.floor(times.from_s / times.step_s) * times.step_s;
  const answers = useQueries({ queries: lines.map(([, query]) => promRangeQuery(query, from_s, times.to_s, times.step_s, times.key_text, times.every_ms)) });
  const title = text.titles[panel.metric] ?? panel.metric;
  const failed = answers.find((answer) => answer.error && answer.data === undefined);
  const ready = answers.every((answer) => answer.data !== undefined);
  const stamp = answers.map((answer) => answer.dataUpdatedAt).join();
  const series = useMemo<ChartSeries[]>(
    () =>
      answers.flatMap(({ data }, i) =>
        (data?.data.result ?? []).map(({ values }) => ({ name: text.fleet.lines[lines[i]?.[0] as keyof FleetPanel["lines"]] ?? "", points: pointsOf(values, values[0] ? from_s + ((Math.round(values[0][0]) - from_s) % times.step_s) : from_s, times.to_s, times.step_s) })),
      ),
    [stamp],
  );
  if (failed) return <ErrorCard doing={text.doing(title)} error={failed.error} onRetry={() => void failed.refetch()} />;
  if (!ready) return <BlockSkeleton height={CHART_HEIGHT} />;
  const { range: _, every_ms: __, onTime: ___, ...shared } = sharedTimes(times);
  return <Chart {...shared} title={title} unit={unitOf(panel.metric, panel.unit)} series={series} reason={text.fleet.empty} sync="fleet" query={lines[0]?.[1]} alarm={panel.metric === "hosts_reporting" ? undefined : to.rules({ show: "add", metric: panel.metric })} />;
}

interface Vector {
  data: { result: { metric: Record<string, string>; value: [number, string] }[] };
}

/** The hosts with the most of something now. */
function Ranking({ metric, query }: { metric: string; query: string }) {
  const title = text.titles[metric] ?? metric;
  const { data, error, refetch } = useQuery({
    queryKey: ["promql", "now", query],
    queryFn: ({ signal }) => get<Vector>("/monitor/prometheus/api/v1/query", { query }, signal),
    refetchInterval: 30_000,
  });
  const rows = data?.data.result.toSorted((a, b) => Number(b.value[1]) - Number(a.value[1]));
  return (
    <Card title={text.fleet.most(title)}>
      {error && data === undefined ? (
        <ErrorCard doing={text.doing(title)} error={error} onRetry={() => void refetch()} />
      ) : rows === undefined ? (
        <BlockSkeleton height={200} />
      ) : rows.length === 0 ? (
        <EmptyState title={text.fleet.empty} />
      ) : (
        <ol className={classes.ranking}>
          {rows.map(({ metric: labels, value }, i) => (
            <li key={i}>
              <span>
                {labels.host && <HostLink host={labels.host} tab="monitor" />}{" "}
                {labels.mount && (
                  <span className="meta mono">
                    <Untrusted>{labels.mount}</Untrusted>
                  </span>
                )}
              </span>
              <Meter ratio={Number(value[1])} />
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}

