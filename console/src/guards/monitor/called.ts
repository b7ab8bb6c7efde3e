import type { Metric } from "../../api/monitor";

/** What one of a service's units is in the catalogue's. */
const FACTORS: Record<string, number> = {
  "": 1,
  count: 1,
  "%": 0.01,
  byte: 1,
  "byte/s": 1,
  "bit/s": 1 / 8,
  MB: 2 ** 20,
  GB: 2 ** 30,
  ms: 1e-3,
  MHz: 1e6,
  "request/s": 1,
  "count/s": 1,
  "°C": 1,
  W: 1,
};

/** What a name of a rule means: a metric of the catalogue, by its own name or by what a cloud service calls it. */
export interface Called {
  metric: Metric;
  alias: Metric["aliases"][number] | null;
}

export function calledBy(metrics: readonly Metric[], name: string): Called | null {
  for (const metric of metrics) {
    if (metric.name === name) return { metric, alias: null };
    const alias = metric.aliases.find((known) => known.name === name);
    if (alias) return { metric, alias };
  }
  return null;
}

/** The unit in which a rule that uses this name writes its thresholds. */
export function unitCalled(metrics: readonly Metric[], name: string): string {
  const called = calledBy(metrics, name);
  return called?.alias?.unit ?? called?.metric.unit ?? "";
}

/** A threshold under a service's name, in the unit of the catalogue; null where the window does not know that unit. */
export function inCatalogue(value: number, alias: Called["alias"]): number | null {
  if (alias === null) return value;
  const factor = FACTORS[alias.unit];
  return factor === undefined ? null : value * factor;
}
