import { type KeyboardEvent, memo, useRef, useState } from "react";
import type { Matrix, MatrixHost, MatrixPort } from "../../../api/firewall";
import classes from "./Exposure.module.css";
import { cellsOf, moved, type Place, showOf, stateOf } from "./grid";
import { Sign } from "./Sign";
import { text } from "./text";

const PAGE_ROWS = 10;

interface MatrixGridProps {
  matrix: Matrix;
  hosts: MatrixHost[];
  selected: string | null;
  onOpen: (host: string, port: MatrixPort | null) => void;
}

/** Hosts × ports as one grid: a single stop of the tab key, arrows inside, Enter opens. */
export function MatrixGrid({ matrix, hosts, selected, onOpen }: MatrixGridProps) {
  const [at, setAt] = useState<Place>({ row: 0, column: 0 });
  const table = useRef<HTMLTableElement>(null);
  const size = { rows: hosts.length, columns: matrix.ports.length + 1 };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.metaKey) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      const host = hosts[at.row];
      if (host) onOpen(host.host, matrix.ports[at.column - 1] ?? null);
      return;
    }
    const next = moved(at, event.key, event.ctrlKey, size, PAGE_ROWS);
    if (next === null) return;
    event.preventDefault();
    setAt(next);
    const cell = table.current?.querySelector<HTMLElement>(`[data-at="${next.row},${next.column}"]`);
    cell?.focus();
    cell?.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  const column = Math.min(at.column, size.columns - 1);
  const row = Math.min(at.row, size.rows - 1);
  return (
    <div className={classes.scroll}>
      <table ref={table} className={classes.grid} role="grid" aria-label={text.matrix} aria-rowcount={matrix.hosts.length + 1} aria-colcount={size.columns} onKeyDown={onKeyDown}>
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col" className={classes.corner}>
              {text.host}
            </th>
            {matrix.ports.map((port) => (
              <th key={`${port.protocol}${port.port}`} role="columnheader" scope="col" className={classes.port} data-risk={port.high_risk ? "" : undefined}>
                <span>
                  {port.port}
                  <small>{port.protocol}</small>
                </span>
                {port.high_risk && <span className="visually-hidden">{text.highRisk}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {hosts.map((host, i) => (
            <HostRow key={host.host} host={host} ports={matrix.ports} row={i} active={i === row ? column : null} selected={selected?.startsWith(`${host.host}/`) ? selected : null} onAt={setAt} onOpen={onOpen} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface HostRowProps {
  host: MatrixHost;
  ports: MatrixPort[];
  row: number;
  /** The column that the tab key stops at, if it is in this row. */
  active: number | null;
  selected: string | null;
  onAt: (place: Place) => void;
  onOpen: (host: string, port: MatrixPort | null) => void;
}

const HostRow = memo(function HostRow({ host, ports, row, active, selected, onAt, onOpen }: HostRowProps) {
  const cells = cellsOf(host);
  const open = (column: number) => {
    onAt({ row, column });
    onOpen(host.host, ports[column - 1] ?? null);
  };
  return (
    <tr role="row">
      <th role="rowheader" scope="row" className={classes.host} data-stale={host.stale ? "" : undefined} data-at={`${row},0`} tabIndex={active === 0 ? 0 : -1} onClick={() => open(0)}>
        {host.host}
        {host.stale && <span className="meta"> {text.old}</span>}
      </th>
      {ports.map((port, i) => {
        const state = stateOf(host, cells.get(i));
        const show = showOf(host.host, port);
        return (
          <td
            key={show}
            role="gridcell"
            className={classes.cell}
            data-at={`${row},${i + 1}`}
            data-selected={selected === show ? "" : undefined}
            tabIndex={active === i + 1 ? 0 : -1}
            aria-label={text.cell(host.host, `${port.protocol}/${port.port}`, text.states[state])}
            title={text.cell(host.host, `${port.protocol}/${port.port}`, text.states[state])}
            onClick={() => open(i + 1)}
          >
            <Sign state={state} risk={port.high_risk} />
          </td>
        );
      })}
    </tr>
  );
});
