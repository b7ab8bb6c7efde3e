import { Tooltip } from "@mantine/core";
import { formatAbsolute, formatAgo } from "../../words/format";
import { serverNow, useNow } from "../../words/now";

/** "12 min ago", with the absolute time and its zone on hover, focus and tap. In tables (`dense`) it
 * is no stop of the tab key. */
export function TimeAgo({ time, dense }: { time: string | null | undefined; dense?: boolean }) {
  useNow(5_000);
  if (time === null || time === undefined) return <span className="meta">–</span>;
  return (
    <Tooltip label={formatAbsolute(time)}>
      <time dateTime={time} tabIndex={dense ? undefined : 0} style={{ whiteSpace: "nowrap" }}>
        {formatAgo(time, serverNow())}
      </time>
    </Tooltip>
  );
}
