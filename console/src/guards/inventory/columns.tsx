import type { InventoryKind, InventoryRow } from "../../api/types";
import { Untrusted } from "../../parts/Command/Command";
import type { Column } from "../../parts/DataTable/DataTable";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { formatBytes } from "../../words/format";
import { text } from "./text";

interface Look {
  /** In the order in which they are shown; fields that the API adds later follow. */
  keys: string[];
  /** The column that takes the width that is left. */
  wide: string;
  /** Shown from a middle or wide table on. */
  middle?: string[];
  late?: string[];
}

const LOOKS: Record<InventoryKind, Look> = {
  accounts: { keys: ["name", "uid", "can_log_in", "sudo", "password", "shell", "home", "last_change", "gid"], wide: "home", middle: ["shell", "last_change"], late: ["gid"] },
  ports: { keys: ["port", "protocol", "address", "process", "pid", "user", "package", "unit"], wide: "process", middle: ["user", "package"], late: ["unit", "pid"] },
  processes: { keys: ["pid", "name", "user", "started_at", "cmdline", "package", "unit", "exe", "ppid"], wide: "cmdline", middle: ["started_at"], late: ["package", "unit", "exe", "ppid"] },
  packages: { keys: ["name", "version", "arch", "manager"], wide: "version" },
  modules: { keys: ["name", "size", "taint", "used_by"], wide: "used_by" },
  autostart: { keys: ["name", "kind", "enabled", "command", "user", "package", "path"], wide: "command", middle: ["package"], late: ["user", "path"] },
  webroots: { keys: ["path", "server", "config"], wide: "config" },
};

const MONO = new Set(["address", "port", "process", "cmdline", "exe", "path", "command", "config", "home", "shell", "version", "name", "package", "unit"]);

/** The columns of a kind; keys that are not known come last, so that nothing the API says is lost. */
export function columnsOf(kind: InventoryKind, sample: InventoryRow | undefined): Column<InventoryRow>[] {
  const look = LOOKS[kind];
  const present = sample === undefined ? look.keys : look.keys.filter((key) => key in sample);
  const extra = sample === undefined ? [] : Object.keys(sample).filter((key) => key !== "host" && !look.keys.includes(key));
  return [...present, ...extra].map((key, i) => {
    const late = look.late?.includes(key) || extra.includes(key);
    return {
      key,
      title: text.columns[key] ?? key.replaceAll("_", " "),
      sortable: !extra.includes(key),
      fit: key !== look.wide,
      kind: NUMBERS.has(key) ? "number" : MONO.has(key) ? "mono" : "text",
      from: late ? "wide" : look.middle?.includes(key) ? "middle" : undefined,
      phone: i === 0 ? "first" : late || look.middle?.includes(key) ? "hide" : undefined,
      cell: (row) => <Value field={key} value={row[key]} />,
    };
  });
}

const NUMBERS = new Set(["uid", "gid", "pid", "ppid", "size"]);

function Value({ field, value }: { field: string; value: InventoryRow[string] | undefined }) {
  if (value === null || value === undefined || value === "") return <span className="meta">–</span>;
  if (typeof value === "boolean") return value ? text.yes : <span className="meta">{text.no}</span>;
  if (Array.isArray(value)) return <Untrusted>{value.join(" ")}</Untrusted>;
  if (field === "size" && typeof value === "number") return formatBytes(value);
  if (field.endsWith("_at") && typeof value === "string") return <TimeAgo time={value} dense />;
  return <Untrusted>{String(value)}</Untrusted>;
}
