import type { FindingView, Severity } from "../../api/types";
import { SEVERITY_RANK } from "../../theme/rank";

export type Grouping = "check" | "host";

export interface Group {
  key: string;
  title: string;
  worst: Severity;
  hosts: number;
  rows: FindingView[];
}

/** Findings under their check or host, in the order of the server's first row of each. */
export function groupFindings(rows: readonly FindingView[], by: Grouping): Group[] {
  const groups = new Map<string, FindingView[]>();
  for (const row of rows) {
    const key = row[by];
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups].map(([key, members]) => ({
    key,
    title: by === "check" ? (members[0]?.title ?? key) : key,
    worst: members.reduce<Severity>((worst, row) => (SEVERITY_RANK[row.severity] > SEVERITY_RANK[worst] ? row.severity : worst), "informational"),
    hosts: new Set(members.map((row) => row.host)).size,
    rows: members,
  }));
}
