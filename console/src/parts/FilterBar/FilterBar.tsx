import { Button, TextInput, Tooltip } from "@mantine/core";
import { IconFilter, IconX } from "@tabler/icons-react";
import { type FormEvent, type ReactNode, useEffect, useState } from "react";
import { useSearchParams } from "react-router";
import { type Filters, filtersOf, pairsOf, parseFilter, printFilter, withoutValue } from "../../words/filters";
import { plain } from "../../words/escape";
import { text } from "../text";
import classes from "./FilterBar.module.css";

export interface Choice {
  key: string;
  options: readonly string[];
  /** What an option is called, where its word alone would not do. */
  words?: Record<string, string>;
  /** What stands there while nothing is chosen, if not "any KEY". */
  none?: string;
}

/** The filters of a page, kept in the address; `/` puts the cursor into the bar. */
export function useFilters(keys: readonly string[]): { filters: Filters; set: (next: Filters) => void } {
  const [search, setSearch] = useSearchParams();
  const filters = filtersOf(search, keys);
  const set = (next: Filters) => {
    const query = new URLSearchParams(search);
    for (const key of [...keys, "q"]) query.delete(key);
    for (const [key, value] of pairsOf(next)) query.append(key, value);
    setSearch(query, { preventScrollReset: true });
  };
  return { filters, set };
}

/** One bar for typed words (`severity:high host:web-1 ssh`), selects for words with few values.
 * `typed` is false for a list that the server filters by its choices only. */
export function FilterBar({ keys, choices = [], typed: withText = true, children }: { keys: readonly string[]; choices?: Choice[]; typed?: boolean; children?: ReactNode }) {
  const { filters, set } = useFilters(keys);
  const chosen = new Set(choices.map((choice) => choice.key));
  const typed = Object.fromEntries(Object.entries(filters).filter(([key]) => !chosen.has(key)));
  const printed = printFilter(typed);
  const [draft, setDraft] = useState(printed);
  useEffect(() => setDraft(printed), [printed]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const kept = Object.fromEntries(Object.entries(filters).filter(([key]) => chosen.has(key)));
    set({ ...kept, ...parseFilter(draft, keys) });
  };
  const choose = ({ key }: Choice, value: string) => set({ ...Object.fromEntries(Object.entries(filters).filter(([other]) => other !== key)), ...(value === "" ? {} : { [key]: value }) });

  return (
    <form className={classes.bar} role="search" onSubmit={submit}>
      {withText && <Tooltip label={text.filter.keys(keys)} disabled={keys.length === 0}>
        <TextInput
          className={classes.field}
          size="xs"
          data-filter
          aria-label={text.filter.label}
          placeholder={text.filter.placeholder}
          leftSection={<IconFilter size={16} stroke={1.5} />}
          rightSection={<kbd>/</kbd>}
          value={draft}
          onChange={(event) => setDraft(event.currentTarget.value)}
          styles={{ input: { fontSize: 13 } }}
        />
      </Tooltip>}
      {choices.map((choice) => (
        <Select key={choice.key} choice={choice} value={filters[choice.key]} onChoose={(value) => choose(choice, value)} />
      ))}
      {Object.keys(typed).length > 0 && (
        <span className={classes.chips}>
          {pairsOf(typed).map(([key, value]) => (
            <span key={`${key} ${value}`} className={classes.chip}>
              <span>
                {key === "q" ? "" : `${key} `}
                <b>{plain(value)}</b>
              </span>
              <button type="button" className={classes.remove} aria-label={text.filter.remove(key === "q" ? value : `${key} ${value}`)} onClick={() => set(withoutValue(filters, key, value))}>
                <IconX size={14} stroke={1.5} />
              </button>
            </span>
          ))}
        </span>
      )}
      {Object.keys(filters).length > 0 && (
        <Button variant="subtle" onClick={() => set({})}>
          {text.filter.clear}
        </Button>
      )}
      {children}
    </form>
  );
}

function Select({ choice: { key, options, words, none }, value, onChoose }: { choice: Choice; value: string | string[] | undefined; onChoose: (value: string) => void }) {
  const chosen = typeof value === "string" ? value : "";
  const known = chosen === "" || options.includes(chosen) ? options : [...options, chosen];
  return (
    <select className={classes.select} aria-label={key} data-set={chosen === "" ? undefined : ""} value={chosen} onChange={(event) => onChoose(event.currentTarget.value)}>
      <option value="">{none ?? text.filter.any(key)}</option>
      {known.map((option) => (
        <option key={option} value={option}>
          {words?.[option] ?? option}
        </option>
      ))}
    </select>
  );
}
