import { useQuery } from "@tanstack/react-query";
import { feedQuery } from "../../api/firewall";
import { text } from "./text";

const BEHIND_S = 5;

/** How many bans are kept, as how many networks, and which hosts have not got all of them yet. */
export function FeedNote() {
  const { data } = useQuery(feedQuery);
  if (data === undefined || data.entries === 0) return null;
  const behind = data.hosts.filter((host) => host.behind_s > BEHIND_S || host.seq < data.seq);
  return (
    <p className="meta">
      {text.feed.kept(data.entries)}
      {data.aggregated > 0 && ` · ${text.feed.networks(data.aggregated)}`}
      {" · "}
      {behind.length === 0 ? text.feed.level(data.hosts.length) : text.feed.behind(behind.map((host) => host.host))}
    </p>
  );
}
