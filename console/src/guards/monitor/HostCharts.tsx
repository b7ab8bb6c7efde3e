import { to } from "../../paths";
import { serverNow, useNow } from "../../words/now";
import { useNavigate } from "react-router";
import { MetricChart } from "./MetricChart";

const NAMES = ["cpu_usage_ratio", "memory_used_ratio", "disk_used_ratio", "network_receive_bytes_rate"];
const SPAN_S = 3_600;
const STEP_S = 60;

/** Four charts of the last hour, for the overview of a host; a drag or a click leads to the monitor. */
export default function HostCharts({ host }: { host: string }) {
  useNow(30_000);
  const navigate = useNavigate();
  const to_s = Math.floor(serverNow() / 1000 / 30) * 30;
  const go = (params: Record<string, string>) => void navigate(to.host(host, "monitor", params));
  return NAMES.map((name) => (
    <MetricChart
      key={name}
      host={host}
      name={name}
      from_s={to_s - SPAN_S}
      to_s={to_s}
      step_s={STEP_S}
      every_ms={30_000}
      range="1h"
      sync={`overview ${host}`}
      onRange={(from, until) => go({ from: String(from), to: String(until) })}
      onTime={(at) => go({ at: String(at) })}
    />
  ));
}
