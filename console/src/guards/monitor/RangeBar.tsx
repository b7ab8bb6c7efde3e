import { ActionIcon, Tooltip } from "@mantine/core";
import { IconChevronLeft, IconChevronRight, IconRefresh, IconZoomOut } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { TimeRange } from "../../parts/TimeRange/TimeRange";
import { formatSpan, zoneName } from "../../words/format";
import classes from "./Monitor.module.css";
import { text } from "./text";
import type { Times } from "./times";

/** One range for all charts of a page, with the ways to move it; dragging on a chart zooms, Back undoes it.
 * `clicks` where a click on a chart shows the processes of that minute. */
export function RangeBar({ times, clicks, children }: { times: Times; clicks?: boolean; children?: ReactNode }) {
  const client = useQueryClient();
  const again = () => void client.invalidateQueries({ predicate: ({ queryKey }) => ["series", "promql", "monitor", "processes-at", "journal/events"].includes(String(queryKey[0])) });
  return (
    <div className={classes.bar}>
      <div className={classes.controls}>
        {children}
        <TimeRange />
        <span className={classes.moves}>
          <Move label={text.back} onClick={() => times.pan(-0.5)} icon={<IconChevronLeft size={16} stroke={1.5} />} />
          <Move label={text.forth} onClick={() => times.pan(0.5)} icon={<IconChevronRight size={16} stroke={1.5} />} />
          <Move label={text.widen} onClick={times.widen} icon={<IconZoomOut size={16} stroke={1.5} />} />
          <Move label={text.refresh} onClick={again} icon={<IconRefresh size={16} stroke={1.5} />} />
        </span>
      </div>
      <span className="meta">
        {times.live ? text.live : text.coarse(formatSpan(times.step_s))} · {text.zone(zoneName())} · {text.gap} · {text.dragHint}
        {clicks && `, ${text.clickHint}`}
      </span>
    </div>
  );
}

function Move({ label, icon, onClick }: { label: string; icon: ReactNode; onClick: () => void }) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="default" size="var(--control-height)" aria-label={label} onClick={onClick}>
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}
