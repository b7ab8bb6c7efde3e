import { Button } from "@mantine/core";
import { useRef, useState } from "react";
import type { Defaults, Direction, GroupDetail } from "../../../api/firewall";
import { Action } from "../../../parts/Action/Action";
import type { GroupDraft, Row } from "./draft";
import { directionOf, priorityOf, rowsOf, statsOf, withCopy, withMoved, withRemoved, withRowBack, withRule, withSwitched } from "./draft";
import classes from "./Groups.module.css";
import { RuleFields } from "./RuleFields";
import { RuleRow } from "./RuleRow";
import { text } from "./text";

const NEW = "new";
const COLUMNS = 9;

interface RuleTableProps {
  draft: GroupDraft;
  detail?: GroupDetail;
  defaults?: Defaults;
  direction: Direction;
  known: readonly string[];
  can: true | string;
  /** What the server refuses in the draft: the rule's index in the document. */
  refusal: { index: number; field: string | null; message: string } | null;
  onChange: (draft: GroupDraft) => void;
}

/** The rules of one direction in the order of evaluation, edited where they stand. */
export function RuleTable({ draft, detail, defaults, direction, known, can, refusal, onChange }: RuleTableProps) {
  const [editing, setEditing] = useState<string | null>(null);
  const [said, setSaid] = useState("");
  const body = useRef<HTMLTableSectionElement>(null);
  const rows = rowsOf(draft, direction);
  const sent = draft.rows.filter((row) => !row.removed);
  const refused = (row: Row) => (refusal !== null && sent[refusal.index]?.key === row.key ? refusal : null);
  // What had the focus is drawn anew; it comes back to the row that was worked on.
  const leave = (key: string | null) => {
    setEditing(null);
    requestAnimationFrame(() => (key === null ? document.querySelector<HTMLElement>("[data-add-rule]") : body.current?.querySelector<HTMLElement>(`[data-rule="${key}"]`))?.focus());
  };
  const move = (row: Row, by: 1 | -1) => {
    const next = withMoved(draft, row.key, by);
    if (next === null) return;
    onChange(next);
    setSaid(text.moved(priorityOf(next.rows.find((one) => one.key === row.key)?.rule ?? row.rule)));
    requestAnimationFrame(() => body.current?.querySelector<HTMLElement>(`[data-rule="${row.key}"]`)?.focus());
  };
  const fields = (key: string | null, row?: Row) => (
    <tr key={key ?? NEW} role="row" className={classes.editing}>
      <td role="cell" colSpan={COLUMNS}>
        <RuleFields
          title={row ? text.form.legend(nameOf(row)) : text.form.newRule}
          direction={direction}
          rule={row?.rule}
          known={known}
          refusal={row ? refused(row) : null}
          onSave={(rule) => {
            onChange(withRule(draft, key, rule));
            leave(key ?? `n${draft.next}`);
          }}
          onLeave={() => leave(key)}
        />
      </td>
    </tr>
  );
  return (
    <>
      <table className={classes.rules} role="table" aria-label={text.tab[direction]}>
        <thead role="rowgroup">
          <tr role="row">
            <Head title={text.heads.priority} number />
            <Head title={text.heads.action} />
            <Head title={text.heads.protocol} />
            <Head title={text.heads.ports} />
            <Head title={text.heads.peers[direction]} />
            <Head title={text.heads.day} number />
            <Head title={text.heads.last} />
            <Head title={text.heads.comment} />
            <th role="columnheader" scope="col">
              <span className="visually-hidden">{text.edit}</span>
            </th>
          </tr>
        </thead>
        <tbody ref={body} role="rowgroup">
          {rows.map((row) =>
            editing === row.key ? (
              fields(row.key, row)
            ) : (
              <RuleRow
                key={row.key}
                row={row}
                name={nameOf(row)}
                stats={statsOf(detail, row)}
                refusal={refused(row)?.message ?? null}
                can={can}
                onEdit={() => setEditing(row.key)}
                onMove={(by) => move(row, by)}
                onCopy={() => onChange(withCopy(draft, row.key))}
                onSwitch={(on) => onChange(withSwitched(draft, row.key, on))}
                onRemove={() => onChange(withRemoved(draft, row.key, true))}
                onBack={() => onChange(withRowBack(draft, row.key))}
              />
            ),
          )}
          {editing === NEW && fields(null)}
          {rows.length === 0 && editing !== NEW && (
            <tr role="row">
              <td role="cell" colSpan={COLUMNS}>
                <span className="meta">{text.emptyRules[direction]}</span>
              </td>
            </tr>
          )}
        </tbody>
      </table>
      <div className={classes.foot}>
        {can === true ? (
          <Button data-add-rule onClick={() => setEditing(NEW)}>
            {text.addRule}
          </Button>
        ) : (
          <Action can={can}>{text.addRule}</Action>
        )}
        <span className="meta">{defaults ? text.defaults(text.action[defaults.inbound], text.action[defaults.outbound]) : text.defaultsNew}</span>
        <span className={classes.spacer} />
        <span className="meta">{text.keys}</span>
        <span role="status" className="visually-hidden">
          {said}
        </span>
      </div>
    </>
  );
}

function Head({ title, number }: { title: string; number?: boolean }) {
  return (
    <th role="columnheader" scope="col" className={number ? classes.number : undefined}>
      {title}
    </th>
  );
}

/** How a rule is called where it has no name yet. */
function nameOf({ rule }: Row): string {
  return rule.id ?? `${directionOf(rule)} ${rule.action} ${[rule.protocol, ...(rule.ports ?? [])].join(" ")}`;
}
