import type { CellState, Matrix, MatrixCell, MatrixHost, MatrixPort } from "../../../api/firewall";

/** The matrix of hosts × ports without its looks: where the keys lead, which cell an address means. */

export interface Place {
  row: number;
  column: number;
}

/** Column 0 is the host's name, the ports follow. */
export interface Size {
  rows: number;
  columns: number;
}

/** Where a key leads from a cell; null for a key that is none of the grid's. */
export function moved(at: Place, key: string, ctrl: boolean, size: Size, page: number): Place | null {
  const last = { row: size.rows - 1, column: size.columns - 1 };
  const to = (row: number, column: number): Place => ({ row: Math.max(0, Math.min(last.row, row)), column: Math.max(0, Math.min(last.column, column)) });
  switch (key) {
    case "ArrowUp":
      return to(ctrl ? 0 : at.row - 1, at.column);
    case "ArrowDown":
      return to(ctrl ? last.row : at.row + 1, at.column);
    case "ArrowLeft":
      return to(at.row, ctrl ? 0 : at.column - 1);
    case "ArrowRight":
      return to(at.row, ctrl ? last.column : at.column + 1);
    case "Home":
      return to(ctrl ? 0 : at.row, 0);
    case "End":
      return to(ctrl ? last.row : at.row, last.column);
    case "PageUp":
      return to(at.row - page, at.column);
    case "PageDown":
      return to(at.row + page, at.column);
    default:
      return null;
  }
}

/** A cell as the address names it: `web-1/tcp/22`. */
export const showOf = (host: string, port: MatrixPort): string => `${host}/${port.protocol}/${port.port}`;

export interface Shown {
  host: MatrixHost;
  port: MatrixPort;
  cell: MatrixCell | undefined;
}

export function shownOf(matrix: Matrix, show: string | null): Shown | null {
  const [name, protocol, number] = show?.split("/") ?? [];
  const host = matrix.hosts.find((one) => one.host === name);
  const index = matrix.ports.findIndex((one) => one.protocol === protocol && String(one.port) === number);
  const port = matrix.ports[index];
  return host === undefined || port === undefined ? null : { host, port, cell: host.cells.find((one) => one.port === index) };
}

/** The state of a cell; a host that is not heard of has none that could be believed. */
export function stateOf(host: MatrixHost, cell: MatrixCell | undefined): CellState | "nothing" {
  if (host.stale) return "unknown";
  return cell?.state ?? "nothing";
}

/** The cells of a host by the index of their port. */
export const cellsOf = (host: MatrixHost): Map<number, MatrixCell> => new Map(host.cells.map((cell) => [cell.port, cell]));

/** The group and the rule that an id names; null where the rule is no group's. */
export function ruleOf(id: string | null | undefined): { group: string; rule: string } | null {
  const [group, rule] = id?.split("/") ?? [];
  return group === undefined || rule === undefined || ["isolation", "policy", "domain", "intra", "default"].includes(group) ? null : { group, rule };
}
