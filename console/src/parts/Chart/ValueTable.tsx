import { plain } from "../../words/escape";
import { formatAbsolute, formatUnit, zoneName } from "../../words/format";
import { text } from "../text";
import classes from "./Chart.module.css";

const TABLE_ROWS = 120;

/** A chart's values in numbers, the newest ones. */
export function ValueTable({ title, unit, names, times, values }: { title: string; unit: string; names: string[]; times: number[]; values: (number | null)[][] }) {
  const from = Math.max(0, times.length - TABLE_ROWS);
  return (
    // Scrolls inside, so it takes the focus.
    <div className={classes.table} tabIndex={0} role="region" aria-label={`${title}: ${text.chart.asTable}`}>
      <table className={classes.legend}>
        <thead>
          <tr>
            <th scope="col">{`${text.chart.time} (${zoneName()})`}</th>
            {names.map((name) => (
              <th key={name} scope="col">
                {plain(name)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times.slice(from).map((time, i) => (
            <tr key={time}>
              <td>{formatAbsolute(time * 1000)}</td>
              {values.map((row, s) => (
                <td key={names[s]}>{formatUnit(row[from + i], unit)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      <p className={`meta ${classes.note}`}>{text.chart.rows(Math.min(TABLE_ROWS, times.length), times.length)}</p>
    </div>
  );
}
