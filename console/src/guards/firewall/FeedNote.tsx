import { useQuery } from "@tanstack/react-query";
import { feedQuery } from "../../api/firewall";
import { formatInteger } from "../../words/format";
import { text } from "./text";

const BEHIND_S = 5;

/** How many bans are kept, as how many networks, and which hosts have not got all of them yet. */
export function FeedNote() {
  const { data } = useQuery(feedQuery);
  if (data === undefined) return null;
  const behind = data.hosts.filter((host) => host.behind_s > BEHIND_S || host.seq < data.seq);
  return (
    <p className="meta">
      {text.feed.kept(formatInteger(data.entries), formatInteger(data.aggregated))}
      {" · "}
      {behind.length === 0 ? text.feed.level(data.hosts.length) : text.feed.behind(behind.map((host) => host.host))}
    </p>
  );
}
