import { IconCheck, IconMinus } from "@tabler/icons-react";
import type { Role } from "../../api/types";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { Card } from "../../parts/Page/Page";
import { mayDo, ROLE_ROWS, ROLES, type RoleRow } from "./roles";
import { text } from "./text";

const columns: Column<RoleRow>[] = [
  { key: "what", title: text.action, phone: "first", cell: (row) => row.what },
  ...ROLES.map((role): Column<RoleRow> => ({ key: role, title: role, fit: true, phone: "named", cell: (row) => <May row={row} role={role} /> })),
];

export function RolesCard() {
  return (
    <Card title={text.matrix} aside={<span className="meta">{text.matrixLead}</span>}>
      <DataTable bare label={text.matrix} columns={columns} rows={ROLE_ROWS} total={ROLE_ROWS.length} idOf={(row) => row.endpoint} doing={text.doing} empty={null} />
    </Card>
  );
}

function May({ row, role }: { row: RoleRow; role: Role }) {
  const may = mayDo(row, role);
  const Glyph = may ? IconCheck : IconMinus;
  return (
    <span style={{ display: "inline-flex", gap: 4, alignItems: "center", minInlineSize: 64, color: may ? "var(--text)" : "var(--text-2)" }}>
      <Glyph size={16} stroke={1.5} aria-hidden />
      {may ? text.yes : text.no}
    </span>
  );
}
