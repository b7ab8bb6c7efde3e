import { useSearchParams } from "react-router";
import { ActionLink } from "../../parts/Action/Action";
import { ResourceDrawer } from "../../parts/ResourceForm/Resource";
import { changed } from "../../paths";
import { HOST_BOARDS } from "./boards";
import { HostBoard } from "./HostBoard";
import { useLiveSamples } from "./live";
import { RangeBar } from "./RangeBar";
import { text } from "./text";
import { useTimes } from "./times";
import { watchFields } from "./watch";

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
      <RangeBar times={times} clicks />
      <HostBoard host={host} groups={HOST_BOARDS.host} times={times} aside={{ watched: watch }} />
      <ResourceDrawer kind="ProcessWatch" title={text.watch} fields={watchFields(host)} opened={search.get("show") === "watch"} onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })}>
        <p className="meta">{text.watchLead}</p>
      </ResourceDrawer>
    </>
  );
}
