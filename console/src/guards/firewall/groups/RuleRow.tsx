import { ActionIcon, Menu, Tooltip } from "@mantine/core";
import { IconAlertTriangle, IconBan, IconCheck, IconDotsVertical } from "@tabler/icons-react";
import type { KeyboardEvent } from "react";
import type { GroupRule, PeerView, RuleStats } from "../../../api/firewall";
import { Untrusted } from "../../../parts/Command/Command";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { formatInteger } from "../../../words/format";
import { useNow } from "../../../words/now";
import { isOn, priorityOf, type Row, stateOf } from "./draft";
import classes from "./Groups.module.css";
import { text } from "./text";

interface RuleRowProps {
  row: Row;
  name: string;
  stats: RuleStats | undefined;
  refusal: string | null;
  can: true | string;
  onEdit: () => void;
  onMove: (by: 1 | -1) => void;
  onCopy: () => void;
  onSwitch: (on: boolean) => void;
  onRemove: () => void;
  onBack: () => void;
}

/** One rule with what it has decided; its priority is the button that changes it. */
export function RuleRow(props: RuleRowProps) {
  const { row, name, stats, can, onEdit, onMove } = props;
  const { rule } = row;
  const state = stateOf(row);
  const may = can === true && state !== "removed";
  const onKeyDown = (event: KeyboardEvent) => {
    if (!may || !event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    onMove(event.key === "ArrowUp" ? -1 : 1);
  };
  return (
    <tr role="row" className={classes.row} data-state={state} data-off={isOn(rule) ? undefined : ""}>
      <td role="cell" className={`${classes.number} ${classes.fit}`}>
        <button type="button" className={classes.pri} data-row data-rule={row.key} aria-label={text.editOf(priorityOf(rule), name)} aria-disabled={may ? undefined : true} onClick={() => may && onEdit()} onKeyDown={onKeyDown}>
          <span className={classes.struck}>{priorityOf(rule)}</span>
        </button>
      </td>
      <td role="cell" className={classes.fit}>
        <ActionWord action={rule.action} />
      </td>
      <td role="cell" className={`${classes.mono} ${classes.fit} ${classes.struck}`}>
        {rule.protocol}
      </td>
      <td role="cell" className={`${classes.mono} ${classes.struck}`}>
        {portsOf(rule)}
      </td>
      <td role="cell" className={`${classes.mono} ${classes.struck}`} data-phone="full">
        <Peers rule={rule} views={state === "same" || state === "removed" ? stats?.peers : undefined} />
      </td>
      <td role="cell" className={classes.number} data-phone="hide">
        {stats ? formatInteger(stats.packets_24h) : <span className="meta">–</span>}
      </td>
      <td role="cell" className={classes.fit} data-phone="hide">
        <TimeAgo time={stats?.last_hit_at} dense />
      </td>
      <td role="cell" data-phone="full">
        <Notes row={row} stats={stats} refusal={props.refusal} />
      </td>
      <td role="cell" className={classes.fit}>
        {can === true && <RowMenu {...props} />}
      </td>
    </tr>
  );
}

export function ActionWord({ action }: { action: GroupRule["action"] }) {
  const Glyph = action === "allow" ? IconCheck : IconBan;
  return (
    <span className={classes.action} data-action={action}>
      <Glyph size={14} stroke={2} aria-hidden />
      {text.action[action]}
    </span>
  );
}

export function portsOf(rule: Pick<GroupRule, "protocol" | "ports" | "types">): string {
  const parts = rule.protocol === "icmp" || rule.protocol === "icmpv6" ? (rule.types ?? []) : (rule.ports ?? []);
  return parts.length === 0 ? (rule.protocol === "all" || rule.protocol === "gre" ? "–" : text.all) : parts.join(", ");
}

/** Peers that stand for several addresses. */
const COUNTED = /^(list|group|domain|host):/;

function Peers({ rule, views }: { rule: GroupRule; views: PeerView[] | undefined }) {
  return (
    <span className={classes.peers}>
      {rule.peers.map((peer) => {
        const view = views?.find((one) => one.peer === peer);
        return (
          <span key={peer}>
            <Untrusted>{peer}</Untrusted>
            {view && !view.resolved ? (
              <Tooltip label={view.why ?? text.nobodyWhy}>
                <span className={`${classes.flag} ${classes.beside}`} tabIndex={0}>
                  <IconAlertTriangle size={14} stroke={1.5} aria-hidden />
                  {text.nobody}
                </span>
              </Tooltip>
            ) : (
              view && COUNTED.test(peer) && <span className="meta"> {text.addresses(view.addresses)}</span>
            )}
          </span>
        );
      })}
    </span>
  );
}

function Notes({ row, stats, refusal }: { row: Row; stats: RuleStats | undefined; refusal: string | null }) {
  const now = useNow(60_000);
  const { rule } = row;
  const state = stateOf(row);
  return (
    <span className={classes.notes}>
      {state !== "same" && <span className={classes.mark}>{text.rowState[state]}</span>}
      {refusal && (
        <span className={classes.flag} role="alert">
          <IconAlertTriangle size={14} stroke={1.5} aria-hidden />
          {refusal}
        </span>
      )}
      {stats?.shadowed_by && state === "same" && (
        <span className={classes.flag}>
          <IconAlertTriangle size={14} stroke={1.5} aria-hidden />
          {text.shadowed(stats.shadowed_by)}
        </span>
      )}
      {!isOn(rule) && <b>{text.off}</b>}
      {rule.log && <span>{text.logged}</span>}
      {rule.ends_at && (
        <span>
          {Date.parse(rule.ends_at) < now ? text.ended : text.ends} <TimeAgo time={rule.ends_at} dense />
        </span>
      )}
      {rule.comment && (
        <span>
          <Untrusted>{rule.comment}</Untrusted>
        </span>
      )}
    </span>
  );
}

function RowMenu({ row, name, onMove, onCopy, onSwitch, onRemove, onBack, onEdit }: RuleRowProps) {
  const state = stateOf(row);
  const on = isOn(row.rule);
  return (
    <Menu position="bottom-end" width={170}>
      <Menu.Target>
        <ActionIcon variant="subtle" size={28} c="var(--text-2)" aria-label={text.menuOf(name)}>
          <IconDotsVertical size={16} stroke={1.5} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {state !== "removed" && (
          <>
            <Menu.Item onClick={onEdit}>{text.edit}</Menu.Item>
            <Menu.Item onClick={onCopy}>{text.duplicate}</Menu.Item>
            <Menu.Item onClick={() => onSwitch(!on)}>{on ? text.switchOff : text.switchOn}</Menu.Item>
            <Menu.Item onClick={() => onMove(-1)}>{text.earlier}</Menu.Item>
            <Menu.Item onClick={() => onMove(1)}>{text.later}</Menu.Item>
            <Menu.Item onClick={onRemove}>{text.removeRule}</Menu.Item>
          </>
        )}
        {row.was !== null && state !== "same" && <Menu.Item onClick={onBack}>{text.takeBack}</Menu.Item>}
      </Menu.Dropdown>
    </Menu>
  );
}
