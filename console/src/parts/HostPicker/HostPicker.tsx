import type { ReactNode } from "react";
import { useSearchParams } from "react-router";
import { useList } from "../../api/queries";
import filterClasses from "../FilterBar/FilterBar.module.css";
import { BlockSkeleton, EmptyState, ErrorCard } from "../Notice/Notice";
import { Card } from "../Page/Page";

const HOSTS_MAX = 1_000;

/** A page about one host at a time: `?host=NAME`, the first one when nothing is chosen. */
export function HostPicker({ label, none, doing, children }: { label: string; none: string; doing: string; children: (host: string, picker: ReactNode) => ReactNode }) {
  const [search, setSearch] = useSearchParams();
  const { rows, error, refetch } = useList("hosts", { limit: HOSTS_MAX });
  if (rows === undefined) return error ? <ErrorCard doing={doing} error={error} onRetry={refetch} /> : <BlockSkeleton height={240} />;
  const host = search.get("host") ?? rows[0]?.name;
  if (host === undefined) {
    return (
      <Card>
        <EmptyState title={none} />
      </Card>
    );
  }
  const picker = (
    <label style={{ display: "inline-flex", gap: 8, alignItems: "center" }}>
      <span className="meta">{label}</span>
      <select
        className={filterClasses.select}
        value={host}
        onChange={(event) => {
          const next = new URLSearchParams(search);
          next.set("host", event.currentTarget.value);
          setSearch(next);
        }}
      >
        {rows.map((row) => (
          <option key={row.name}>{row.name}</option>
        ))}
      </select>
    </label>
  );
  return <>{children(host, picker)}</>;
}
