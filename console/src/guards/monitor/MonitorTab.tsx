import { useEffect } from "react";
import { useSearchParams } from "react-router";
import { act } from "../../api/queries";
import { ActionLink } from "../../parts/Action/Action";
import { ResourceDrawer } from "../../parts/ResourceForm/ResourceDrawer";
import { changed } from "../../paths";
import { HOST_BOARDS } from "./boards";
import { HostBoard } from "./HostBoard";
import { RangeBar } from "./RangeBar";
import { text } from "./text";
import { useTimes } from "./times";
import { watchFields } from "./watch";

const LIVE_EVERY_MS = 10_000;

/** How one host runs: its charts over one range, with a shared crosshair; 1 s samples while seen. */
export default function MonitorTab({ host }: { host: string }) {
  const [search, setSearch] = useSearchParams();
  const times = useTimes(true);
  useLiveSamples(host, times.live);
  const watch = (
    <ActionLink variant="subtle" to={changed(search, { show: "watch" })}>
      {text.watch}
    </ActionLink>
  );
  return (
    <>
      <RangeBar times={times} />
      <HostBoard host={host} groups={HOST_BOARDS.host} times={times} aside={{ watched: watch }} />
      <ResourceDrawer kind="ProcessWatch" title={text.watch} fields={watchFields(host)} opened={search.get("show") === "watch"} onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })}>
        <p className="meta">{text.watchLead}</p>
      </ResourceDrawer>
    </>
  );
}

/** Asks for a sample a second, again and again while somebody looks; the host stops by itself. */
export function useLiveSamples(host: string, live: boolean): void {
  useEffect(() => {
    if (!live) return;
    const ask = () => {
      // A refusal only means that the samples stay a minute apart.
      if (!document.hidden) void act.monitorLive(host).catch(() => undefined);
    };
    ask();
    const timer = setInterval(ask, LIVE_EVERY_MS);
    return () => clearInterval(timer);
  }, [host, live]);
}
