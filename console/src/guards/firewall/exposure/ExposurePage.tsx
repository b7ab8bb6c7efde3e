import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { type CellState, type Matrix, matrixQuery } from "../../../api/firewall";
import { FilterBar, useFilters } from "../../../parts/FilterBar/FilterBar";
import { BlockSkeleton, EmptyState, ErrorCard } from "../../../parts/Notice/Notice";
import { Card, Page } from "../../../parts/Page/Page";
import { changed, to } from "../../../paths";
import { FirewallTabs } from "../FirewallTabs";
import classes from "./Exposure.module.css";
import { showOf, shownOf } from "./grid";
import { HostLists } from "./HostLists";
import { MatrixGrid } from "./MatrixGrid";
import { Sign } from "./Sign";
import { text } from "./text";

const CellDrawer = lazy(() => import("./CellDrawer"));

/** Rows that are drawn at first: the rest is a click away, so that the page stays quick. */
const HOSTS_SHOWN = 60;

export default function ExposurePage() {
  const { filters } = useFilters([]);
  const q = typeof filters.q === "string" ? filters.q : "";
  const { data, error, refetch } = useQuery(matrixQuery(q));
  return (
    <Page title={text.exposure} lead={text.lead}>
      <FirewallTabs current="exposure" />
      <FilterBar keys={[]} />
      {data !== undefined ? <Shown matrix={data} filtered={q !== ""} /> : error ? <ErrorCard doing={text.doing} error={error} onRetry={() => void refetch()} /> : <BlockSkeleton height={360} />}
    </Page>
  );
}

function Shown({ matrix, filtered }: { matrix: Matrix; filtered: boolean }) {
  const [search, setSearch] = useSearchParams();
  const navigate = useNavigate();
  const [limit, setLimit] = useState(HOSTS_SHOWN);
  const hosts = matrix.hosts.slice(0, limit);
  const show = search.get("show");
  const seen = matrix.hosts.some((host) => host.observed_at);
  if (matrix.hosts.length === 0 || matrix.ports.length === 0) {
    return (
      <Card>
        <EmptyState title={filtered ? text.emptyFiltered : (matrix.reason ?? (seen ? text.quiet : text.empty))}>{filtered || seen ? null : text.emptyLead}</EmptyState>
      </Card>
    );
  }
  const more = matrix.hosts.length - hosts.length;
  return (
    <>
      <Legend />
      <div className={classes.wide}>
        <Card label={text.matrix}>
          <MatrixGrid matrix={matrix} hosts={hosts} selected={show} onOpen={(host, port) => (port ? setSearch(changed(search, { show: showOf(host, port) }), { preventScrollReset: true }) : void navigate(to.host(host, "firewall")))} />
          <div className={classes.foot}>
            <span className="meta">{text.shown(matrix.hosts.length, matrix.ports.length)}</span>
            <span className="meta">{text.keys}</span>
            {matrix.reason && <span className="meta">{matrix.reason}</span>}
          </div>
        </Card>
      </div>
      <HostLists matrix={matrix} hosts={hosts} />
      {more > 0 && (
        <div>
          <Button onClick={() => setLimit(limit + HOSTS_SHOWN)}>{text.more(more)}</Button>
        </div>
      )}
      <Suspense>
        <CellDrawer opened={show !== null} shown={shownOf(matrix, show)} onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })} />
      </Suspense>
    </>
  );
}

function Legend() {
  return (
    <ul className={classes.legend} aria-label={text.legend}>
      {(Object.keys(text.states) as (CellState | "nothing")[]).map((state) => (
        <li key={state}>
          <Sign state={state} />
          {text.states[state]}
        </li>
      ))}
      <li>{text.highRiskShort}</li>
    </ul>
  );
}
