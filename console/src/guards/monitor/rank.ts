import type { MonitorProcess } from "../../api/monitor";
import { formatBytes, formatPercent } from "../../words/format";
import { plain } from "../../words/escape";

/** What processes are ordered by. */
export const RANKS = ["cpu", "memory", "io"] as const;
export type Rank = (typeof RANKS)[number];

const PEEKED = 3;

export function amountOf(process: MonitorProcess, rank: Rank): number | null {
  if (rank === "memory") return process.rss_bytes;
  return (rank === "io" ? process.io_bytes_rate : process.cpu) ?? null;
}

/** The most first; what was not measured last. */
export function ranked<T extends MonitorProcess>(processes: readonly T[], rank: Rank): T[] {
  return processes.toSorted((a, b) => (amountOf(b, rank) ?? -1) - (amountOf(a, rank) ?? -1));
}

/** By what to look for the cause of a metric's value. */
export function rankOf(metric: string): Rank {
  if (/^(memory|swap|pressure_memory|oom|major_page)/.test(metric)) return "memory";
  if (/^(disk|pressure_io)/.test(metric)) return "io";
  return "cpu";
}

export function sayAmount(process: MonitorProcess, rank: Rank): string {
  const amount = amountOf(process, rank);
  if (rank === "cpu") return formatPercent(amount, 0);
  return rank === "memory" ? formatBytes(amount) : amount === null ? "–" : `${formatBytes(amount)}/s`;
}

/** Who did most, in a few short lines. */
export function peekLines(processes: readonly MonitorProcess[], rank: Rank): string[] {
  return ranked(processes, rank)
    .slice(0, PEEKED)
    .map((process) => `${plain(process.name)} ${sayAmount(process, rank)}`);
}
