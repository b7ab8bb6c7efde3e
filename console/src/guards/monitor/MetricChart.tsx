import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { seriesQuery } from "../../api/queries";
import Chart, { type ChartSeries } from "../../parts/Chart/Chart";
import { BlockSkeleton, ErrorCard } from "../../parts/Notice/Notice";
import { BIT_RATE } from "../../words/format";
import { text } from "./text";

interface MetricChartProps {
  host: string;
  name: string;
  from_s: number;
  to_s: number;
  step_s: number;
  /** A relative range moves on: it is read again this often. */
  every_ms?: number;
  /** Keeps the query the same while a relative range moves on. */
  range: string;
  sync?: string;
  onRange?: (from_s: number, to_s: number) => void;
}

export function MetricChart({ host, name, from_s, to_s, step_s, every_ms, range, sync, onRange }: MetricChartProps) {
  const title = text.titles[name] ?? name;
  const { data, error, refetch } = useQuery(seriesQuery({ host, name, from: from_s, to: to_s, step: step_s }, range, every_ms));
  const series = useMemo<ChartSeries[]>(
    () =>
      (data?.series ?? []).map(({ labels, points }) => {
        const label = Object.entries(labels)
          .filter(([key]) => key !== "host")
          .map(([, value]) => value)
          .join(" ");
        return label === "" ? { name: host, points } : { name: label, points };
      }),
    [data, host],
  );
  if (error && data === undefined) return <ErrorCard doing={text.doing(title)} error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <BlockSkeleton height={186} />;
  return (
    <Chart
      title={title}
      unit={data.name.startsWith("network_") && data.unit === "bytes/s" ? BIT_RATE : data.unit}
      series={series}
      from_s={from_s}
      to_s={to_s}
      step_s={step_s}
      reason={data.reason}
      sync={sync}
      query={`${name}{host="${host}"}`}
      onRange={onRange}
    />
  );
}
