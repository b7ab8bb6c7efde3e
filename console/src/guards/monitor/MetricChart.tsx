import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { processesAtQuery } from "../../api/monitor";
import { queryClient, seriesQuery } from "../../api/queries";
import Chart, { type ChartSeries } from "../../parts/Chart/Chart";
import type { Line, Mark } from "../../parts/Chart/marks";
import { BlockSkeleton, ErrorCard } from "../../parts/Notice/Notice";
import { text as words } from "../../parts/text";
import { to } from "../../paths";
import { BIT_RATE, formatSpan } from "../../words/format";
import { peekLines, rankOf } from "./rank";
import { text } from "./text";
import type { Times } from "./times";

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
  onTime?: (at_s: number) => void;
  at_s?: number | null;
  lines?: Line[];
  marks?: Mark[];
}

export const CHART_HEIGHT = 208;

export function MetricChart({ host, name, from_s, to_s, step_s, every_ms, range, sync, onRange, onTime, at_s, lines, marks }: MetricChartProps) {
  const title = text.titles[name] ?? name;
  const { data, error, refetch } = useQuery(seriesQuery({ host, name, from: from_s, to: to_s, step: step_s }, range, every_ms));
  const series = useMemo<ChartSeries[]>(
    () =>
      (data?.series ?? []).map(({ labels, points, min, max }) => {
        const label = Object.entries(labels)
          .filter(([key]) => key !== "host")
          .map(([, value]) => value)
          .join(" ");
        return { name: label === "" ? host : label, points, min, max };
      }),
    [data, host],
  );
  if (error && data === undefined) return <ErrorCard doing={text.doing(title)} error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <BlockSkeleton height={CHART_HEIGHT} />;
  const banded = data.series.some(({ max }) => max);
  return (
    <Chart
      title={title}
      unit={unitOf(data.name, data.unit)}
      series={series}
      from_s={from_s}
      to_s={to_s}
      step_s={data.step_s ?? step_s}
      reason={data.reason}
      sync={sync}
      query={`${name}{host="${host}"}`}
      caption={banded ? words.chart.rollup(formatSpan(data.step_s ?? step_s)) : undefined}
      alarm={to.rules({ show: "add", metric: name, host })}
      lines={lines}
      marks={marks}
      at_s={at_s}
      onRange={onRange}
      onTime={onTime}
      peek={async (at) => peekLines((await queryClient.fetchQuery(processesAtQuery(host, at))).items, rankOf(name))}
    />
  );
}

/** Traffic is read in bits. */
export function unitOf(metric: string, unit: string): string {
  return metric.startsWith("network_") && unit === "bytes/s" ? BIT_RATE : unit;
}

/** A chart of a page that shares its time; read only once it comes near the window. */
export function SharedChart({ times, ...rest }: Pick<MetricChartProps, "host" | "name" | "sync" | "lines" | "marks"> & { times: Times }) {
  const [box, near] = useNear();
  return (
    <div ref={box}>
      {near ? (
        <MetricChart {...rest} {...sharedTimes(times)} />
      ) : (
        <Later />
      )}
    </div>
  );
}

export function sharedTimes({ from_s, to_s, step_s, every_ms, key_text, setRange, setAt, at_s }: Times) {
  return { from_s, to_s, step_s, every_ms, range: key_text, onRange: setRange, onTime: setAt, at_s };
}

/** The place of a chart that is not read yet. */
export function Later() {
  return <div style={{ blockSize: CHART_HEIGHT }} />;
}

const NEAR_PX = 400;

/** True from the moment when an element comes near the window. */
export function useNear() {
  const box = useRef<HTMLDivElement>(null);
  const [near, setNear] = useState(false);
  useEffect(() => {
    const element = box.current;
    if (!element || near) return;
    const watcher = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setNear(true), { rootMargin: `${NEAR_PX}px` });
    watcher.observe(element);
    return () => watcher.disconnect();
  }, [near]);
  return [box, near] as const;
}
