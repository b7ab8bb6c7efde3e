/** The built-in dashboards: which charts stand on them, in which groups. */

export const BOARDS = ["host", "compare", "fleet", "processes", "disks", "network"] as const;
export type BoardName = (typeof BOARDS)[number];

export type GroupName = "system" | "memory" | "disks" | "network" | "pressure" | "processes" | "space" | "io" | "latency" | "traffic" | "faults" | "tcp" | "containers" | "watched" | "agent";

export interface Group {
  name: GroupName;
  metrics: string[];
  /** Left out, with the reason in a line, where a host has none of it. */
  optional?: boolean;
}

const containers: Group = { name: "containers", metrics: ["container_cpu_ratio", "container_memory_bytes"], optional: true };
const watched: Group = { name: "watched", metrics: ["watch_processes", "watch_cpu_ratio", "watch_memory_bytes"], optional: true };

/** Dashboards of one host. */
export const HOST_BOARDS: Record<"host" | "processes" | "disks" | "network", Group[]> = {
  host: [
    { name: "system", metrics: ["cpu_usage_ratio", "cpu_mode_ratio", "load1"] },
    { name: "memory", metrics: ["memory_used_ratio", "memory_available_bytes", "swap_used_bytes"] },
    { name: "disks", metrics: ["disk_used_ratio", "disk_io_read_bytes_rate", "disk_io_write_bytes_rate"] },
    { name: "network", metrics: ["network_receive_bytes_rate", "network_transmit_bytes_rate", "tcp_connections"] },
    { name: "pressure", metrics: ["pressure_cpu_some_ratio", "pressure_memory_some_ratio", "pressure_io_some_ratio"] },
    { name: "processes", metrics: ["processes", "open_files"] },
    containers,
    watched,
  ],
  processes: [
    { name: "processes", metrics: ["process_count", "processes", "processes_created_rate"] },
    { name: "pressure", metrics: ["cpu_usage_ratio", "pressure_cpu_some_ratio", "open_files"] },
    watched,
    containers,
  ],
  disks: [
    { name: "space", metrics: ["disk_used_ratio", "disk_free_bytes", "disk_inodes_used_ratio"] },
    { name: "io", metrics: ["disk_io_read_bytes_rate", "disk_io_write_bytes_rate", "disk_io_utilization_ratio"] },
    { name: "latency", metrics: ["disk_io_read_wait_seconds", "disk_io_write_wait_seconds", "disk_io_queue_length", "pressure_io_some_ratio"] },
  ],
  network: [
    { name: "traffic", metrics: ["network_receive_bytes_rate", "network_transmit_bytes_rate", "network_receive_packets_rate", "network_transmit_packets_rate"] },
    { name: "faults", metrics: ["network_receive_errors_rate", "network_transmit_errors_rate", "network_receive_drops_rate", "network_transmit_drops_rate"] },
    { name: "tcp", metrics: ["tcp_connections", "tcp_retransmit_ratio"] },
  ],
};

/** What hosts are compared by: metrics with one series a host first. */
export const COMPARED = ["cpu_usage_ratio", "memory_used_ratio", "load1", "pressure_cpu_some_ratio", "pressure_memory_some_ratio", "pressure_io_some_ratio", "disk_used_ratio", "network_receive_bytes_rate", "network_transmit_bytes_rate"];

export interface FleetPanel {
  metric: string;
  unit: string;
  /** Name of a line → its query. */
  lines: Record<"average" | "p95" | "highest" | "sum" | "count", string | undefined>;
}

const spread = (metric: string, unit: string, of = metric): FleetPanel => ({
  metric,
  unit,
  lines: { average: `avg(${of})`, p95: `quantile(0.95, ${of})`, highest: `max(${of})`, sum: undefined, count: undefined },
});
const total = (metric: string, unit: string): FleetPanel => ({ metric, unit, lines: { average: undefined, p95: undefined, highest: undefined, sum: `sum(${metric})`, count: undefined } });

/** How all hosts run together: the spread of what matters, so that a thousand hosts are three lines. */
export const FLEET: FleetPanel[] = [
  spread("cpu_usage_ratio", "ratio"),
  spread("memory_used_ratio", "ratio"),
  spread("disk_used_ratio", "ratio", "max by (host) (disk_used_ratio)"),
  spread("pressure_io_some_ratio", "ratio"),
  total("network_receive_bytes_rate", "bytes/s"),
  total("network_transmit_bytes_rate", "bytes/s"),
  { metric: "hosts_reporting", unit: "count", lines: { average: undefined, p95: undefined, highest: undefined, sum: undefined, count: "count(uptime_seconds)" } },
];

/** The rankings of the fleet: title's metric → an instant query. */
export const RANKINGS: { metric: string; query: string }[] = [
  { metric: "cpu_usage_ratio", query: "topk(8, cpu_usage_ratio)" },
  { metric: "memory_used_ratio", query: "topk(8, memory_used_ratio)" },
  { metric: "disk_used_ratio", query: "topk(8, disk_used_ratio)" },
];

export const COMPARE_MIN = 2;
export const COMPARE_MAX = 8;
