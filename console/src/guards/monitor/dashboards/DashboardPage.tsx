import { lazy, Suspense } from "react";
import { useParams, useSearchParams } from "react-router";
import { useList } from "../../../api/queries";
import { VerdictNote } from "../../../parts/Badges/VerdictBadge";
import { HostPicker } from "../../../parts/HostPicker/HostPicker";
import { BlockSkeleton, StaleNote } from "../../../parts/Notice/Notice";
import { Page } from "../../../parts/Page/Page";
import { Segments } from "../../../parts/Tabs/Tabs";
import { to } from "../../../paths";
import NotFoundPage from "../../../shell/NotFoundPage";
import { isHeard } from "../../../theme/verdict";
import { BOARDS, type BoardName, HOST_BOARDS } from "../boards";
import { HostBoard } from "../HostBoard";
import { MonitorTabs } from "../MonitorTabs";
import { useLiveSamples } from "../live";
import { RangeBar } from "../RangeBar";
import { text } from "../text";
import { useTimes } from "../times";

const CompareBoard = lazy(() => import("./CompareBoard"));
const FleetBoard = lazy(() => import("./FleetBoard"));

/** Grids of charts that share their time; what they show is in the address. */
export default function DashboardPage() {
  const { name = "host" } = useParams();
  const [search] = useSearchParams();
  const board = BOARDS.find((known) => known === name);
  if (board === undefined) return <NotFoundPage />;
  return (
    <Page title={text.parts.dashboards}>
      <MonitorTabs current="dashboards" />
      <div>
        <Segments label={text.boardsLabel} current={board} options={BOARDS.map((key) => ({ key, title: text.boards[key], to: to.dashboards(key, kept(search)) }))} />
      </div>
      <Suspense fallback={<BlockSkeleton height={320} />}>{board === "compare" ? <CompareBoard /> : board === "fleet" ? <FleetBoard /> : <OneHost key={board} board={board} />}</Suspense>
    </Page>
  );
}

/** Host and time go along from one dashboard to the next. */
function kept(search: URLSearchParams): Record<string, string | undefined> {
  return Object.fromEntries(["host", "range", "from", "to"].map((key) => [key, search.get(key) ?? undefined]));
}

function OneHost({ board }: { board: Exclude<BoardName, "compare" | "fleet"> }) {
  return (
    <HostPicker label={text.pick} none={text.pickNone} doing={text.doingHosts}>
      {(host, picker) => <HostCharts key={host} host={host} board={board} picker={picker} />}
    </HostPicker>
  );
}

function HostCharts({ host, board, picker }: { host: string; board: Exclude<BoardName, "compare" | "fleet">; picker: React.ReactNode }) {
  const times = useTimes(true);
  useLiveSamples(host, times.live);
  const { rows } = useList("hosts", { limit: 1_000 });
  const verdict = rows?.find((row) => row.name === host)?.verdict;
  return (
    <>
      <RangeBar times={times} clicks>{picker}</RangeBar>
      {verdict && !isHeard(verdict.word) && (
        <StaleNote>
          {text.silent} <VerdictNote verdict={verdict} />
        </StaleNote>
      )}
      <HostBoard host={host} groups={HOST_BOARDS[board]} times={times} processesFirst={board === "processes"} />
    </>
  );
}
