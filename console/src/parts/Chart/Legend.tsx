import type { SeriesLook } from "../../theme/series";
import { plain } from "../../words/escape";
import { formatUnit } from "../../words/format";
import { text } from "../text";
import classes from "./Chart.module.css";
import type { Summary } from "./ticks";

interface LegendProps {
  title: string;
  unit: string;
  names: string[];
  looks: SeriesLook[];
  visible: boolean[];
  summaries: Summary[];
  only: string | null;
  onOnly: (name: string | null) => void;
  /** How many series are not listed. */
  hidden: number;
  onAll: () => void;
}

/** The series of a chart with their figures; a click shows one alone. */
export function Legend({ title, unit, names, looks, visible, summaries, only, onOnly, hidden, onAll }: LegendProps) {
  return (
    <table className={classes.legend} aria-label={`${title}: ${text.chart.series}`}>
      <thead>
        <tr>
          {(["series", "last", "min", "max", "avg"] as const).map((column) => (
            <th key={column} scope="col">
              {text.chart[column]}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {names.map((name, i) => (
          <tr key={name}>
            <td>
              <button type="button" className={classes.only} data-off={visible[i] ? undefined : ""} aria-pressed={only === name} aria-label={text.chart.only(plain(name))} title={plain(name)} onClick={() => onOnly(only === name ? null : name)}>
                <span className={classes.swatch} style={{ background: `var(--series-${looks[i]?.slot})` }} data-dash={looks[i]?.dash} aria-hidden />
                <span className="mono">{plain(name)}</span>
              </button>
            </td>
            {(["last", "min", "max", "avg"] as const).map((figure) => (
              <td key={figure}>{formatUnit(summaries[i]?.[figure], unit)}</td>
            ))}
          </tr>
        ))}
        {hidden > 0 && (
          <tr>
            <td colSpan={5}>
              <button type="button" className={classes.only} onClick={onAll}>
                {text.chart.more(hidden)}
              </button>
            </td>
          </tr>
        )}
      </tbody>
    </table>
  );
}
