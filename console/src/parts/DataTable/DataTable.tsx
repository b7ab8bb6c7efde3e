import { ActionIcon, Button, Menu } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconDotsVertical } from "@tabler/icons-react";
import { type ReactNode, useRef, useState } from "react";
import { Link, useSearchParams } from "react-router";
import { changed } from "../../paths";
import { nextSort, parseSort } from "../../words/filters";
import { formatInteger } from "../../words/format";
import { RowsSkeleton, ErrorCard } from "../Notice/Notice";
import { text } from "../text";
import classes from "./DataTable.module.css";
import { toggleDensity } from "./density";
import { save, toCsv } from "./export";
import { holdRows } from "./held";

export interface Column<T> {
  key: string;
  title: string;
  cell: (row: T) => ReactNode;
  /** The server can sort by `key`. */
  sortable?: boolean;
  kind?: "text" | "mono" | "number";
  /** As narrow as its content; the others share what is left. */
  fit?: boolean;
  /** At least this wide, in px; lines up the columns of tables that stand under each other. */
  width?: number;
  /** From which width on it is shown; absent: always. */
  from?: "middle" | "wide" | "widest";
  /** Its place in the two-line row of a phone; `named` puts its title before the value there. */
  phone?: "lead" | "first" | "named" | "hide";
}

interface DataTableProps<T> {
  label: string;
  columns: Column<T>[];
  rows: T[] | undefined;
  idOf: (row: T) => string;
  total: number;
  /** Verb phrase for the error card: "list the hosts". */
  doing: string;
  error?: unknown;
  onRetry?: () => void;
  empty: ReactNode;
  more?: { load: () => void; loading: boolean } | null;
  /** Where a row leads; the first cell carries the link. */
  linkOf?: (row: T) => string;
  selected?: string | null;
  /** Old rows are greyed, dead ones (mended, gone) too. */
  stale?: boolean;
  isDead?: (row: T) => boolean;
  refreshing?: boolean;
  /** Rows under titles: the title of a row's group. Groups come in the order of their first row. */
  groupOf?: (row: T) => string;
  /** Changes when another list is meant (filter, sort), or when a row was taken out here: then
   * nothing is held back. */
  identity?: string;
  command?: string;
  bare?: boolean;
  /** Rows only: column titles stay for screen readers, the foot goes. For a table under a title of its own. */
  plain?: boolean;
}

export function DataTable<T extends object>(props: DataTableProps<T>) {
  const { columns, rows, idOf, label } = props;
  const [search] = useSearchParams();
  const { shown, fresh, release, hold } = useHeldRows(rows, idOf, props.identity ?? label);
  const sort = parseSort(search.get("sort"));

  if (props.error && rows === undefined) return <ErrorCard doing={props.doing} error={props.error} onRetry={props.onRetry} />;
  const box = [classes.box, props.bare && classes.bare, props.stale && classes.stale, props.refreshing && classes.dim].filter(Boolean).join(" ");
  if (shown === undefined) {
    return (
      <div className={box}>
        <div className={classes.pad}>
          <RowsSkeleton />
        </div>
      </div>
    );
  }
  if (shown.length === 0) return <div className={box}>{props.empty}</div>;

  return (
    <div className={box} {...hold}>
      {fresh > 0 && (
        <button type="button" className={classes.fresh} onClick={release}>
          {text.table.fresh(fresh)}
        </button>
      )}
      <table className={classes.table} role="table" aria-label={label}>
        <thead role="rowgroup" className={props.plain ? "visually-hidden" : undefined}>
          <tr role="row">
            {columns.map((column) => {
              const sorted = sort?.key === column.key ? (sort.descending ? "descending" : "ascending") : undefined;
              return (
                <th
                  key={column.key}
                  role="columnheader"
                  scope="col"
                  className={column.kind === "number" ? `${classes.head} ${classes.end}` : classes.head}
                  data-from={column.from}
                  aria-sort={sorted}
                >
                  {column.sortable ? (
                    <Link className={classes.sort} to={changed(search, { sort: nextSort(sort, column.key) })} preventScrollReset replace>
                      {column.title}
                      {sorted === "ascending" && <IconArrowUp size={12} stroke={2} aria-hidden />}
                      {sorted === "descending" && <IconArrowDown size={12} stroke={2} aria-hidden />}
                    </Link>
                  ) : (
                    column.title
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        {groupsOf(shown, props.groupOf).map(([title, rows]) => (
          <tbody key={title} role="rowgroup">
            {props.groupOf && (
              <tr role="row">
                <th role="rowheader" scope="rowgroup" colSpan={columns.length} className={classes.groupHead}>
                  {title}
                  <span className="meta">{formatInteger(rows.length)}</span>
                </th>
              </tr>
            )}
            {rows.map((row) => (
              <Row key={idOf(row)} row={row} {...props} />
            ))}
          </tbody>
        ))}
      </table>
      {!props.plain && <Foot {...props} shown={shown} />}
    </div>
  );
}

function groupsOf<T>(rows: T[], groupOf: ((row: T) => string) | undefined): [title: string, rows: T[]][] {
  if (groupOf === undefined) return [["", rows]];
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const title = groupOf(row);
    const group = groups.get(title);
    if (group) group.push(row);
    else groups.set(title, [row]);
  }
  return [...groups];
}

function Row<T extends object>({ row, columns, idOf, linkOf, selected, isDead }: DataTableProps<T> & { row: T }) {
  const id = idOf(row);
  const linkColumn = columns.find((column) => column.phone === "first") ?? columns[0];
  return (
    <tr role="row" className={classes.row} data-selected={selected === id ? "" : undefined} data-dead={isDead?.(row) ? "" : undefined}>
      {columns.map((column) => {
        const content = column.cell(row);
        const kind = column.kind === "number" ? classes.number : column.kind === "mono" ? classes.mono : "";
        return (
          <td key={column.key} role="cell" className={`${classes.cell} ${kind} ${column.fit || column.kind === "number" ? classes.fit : ""}`} data-from={column.from} data-phone={column.phone} data-title={column.phone === "named" ? column.title : undefined} style={column.width ? { minInlineSize: column.width, inlineSize: column.width } : undefined}>
            {linkOf && column === linkColumn ? (
              <Link className={classes.open} to={linkOf(row)} data-row preventScrollReset={linkOf(row).startsWith("?")}>
                {content}
              </Link>
            ) : (
              content
            )}
          </td>
        );
      })}
    </tr>
  );
}

function Foot<T extends object>({ shown, total, more, label, command }: DataTableProps<T> & { shown: T[] }) {
  const name = label.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return (
    <div className={classes.foot}>
      <span className="num">{shown.length < total ? text.table.shown(shown.length, formatInteger(total)) : text.table.all(shown.length)}</span>
      {more && (
        <Button variant="subtle" loading={more.loading} onClick={more.load}>
          {text.table.more}
        </Button>
      )}
      <span className={classes.spacer} />
      <Menu position="bottom-end" width={200}>
        <Menu.Target>
          <ActionIcon variant="subtle" size={28} c="var(--text-2)" aria-label={`${text.table.options}: ${label}`}>
            <IconDotsVertical size={16} stroke={1.5} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{`${text.table.export}: ${text.table.exportNote}`}</Menu.Label>
          <Menu.Item onClick={() => save(`${name}.csv`, "text/csv", toCsv(shown))}>{text.table.exportCsv}</Menu.Item>
          <Menu.Item onClick={() => save(`${name}.json`, "application/json", JSON.stringify(shown, null, 2))}>{text.table.exportJson}</Menu.Item>
          {command && <Menu.Item onClick={() => void navigator.clipboard.writeText(command)}>{text.table.exportCommand}</Menu.Item>}
          <Menu.Divider />
          <Menu.Item onClick={toggleDensity}>{text.table.density}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}

/** While the pointer or the focus is inside, rows neither move nor vanish. */
function useHeldRows<T extends object>(rows: T[] | undefined, idOf: (row: T) => string, identity: string) {
  const [inside, setInside] = useState(false);
  const [, render] = useState(0);
  const held = useRef<{ identity: string; rows: T[]; count: number } | null>(null);
  let result = { shown: rows, fresh: 0 };
  if (rows !== undefined) {
    const before = held.current;
    const grew = before !== null && rows.length >= before.rows.length + 2 && rows.slice(0, before.rows.length).every((row, i) => idOf(row) === idOf(before.rows[i] as T));
    if (inside && before !== null && before.identity === identity && !grew) result = holdRows(before.rows, rows, idOf);
    held.current = { identity, rows: result.shown ?? rows, count: rows.length };
  }
  return {
    ...result,
    release: () => {
      held.current = null;
      render((n) => n + 1);
    },
    hold: {
      onPointerEnter: () => setInside(true),
      onPointerLeave: () => setInside(false),
      onFocus: () => setInside(true),
      onBlur: () => setInside(false),
    },
  };
}
