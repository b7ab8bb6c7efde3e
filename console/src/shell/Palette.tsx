import { Modal, TextInput } from "@mantine/core";
import { IconFileText, IconSearch, IconServer2, type Icon } from "@tabler/icons-react";
import { type KeyboardEvent, useId, useMemo, useState } from "react";
import { useNavigate } from "react-router";
import { useList } from "../api/queries";
import { GUARDS, to } from "../paths";
import { GUARD_ICON } from "../theme/guards";
import classes from "./Shell.module.css";
import { text } from "./text";

interface Place {
  title: string;
  kind: string;
  to: string;
  icon: Icon;
}

const PLACES: Place[] = [
  ...[
    [text.overview, to.overview()],
    [text.hosts, to.hosts()],
    [text.findings, to.findings()],
    [text.plans, to.plans()],
    [text.groups, to.groups()],
    [text.lists, to.lists()],
    [text.policies, to.policies()],
    [text.exposure, to.exposure()],
    [text.hits, to.hits()],
    [text.bans, to.bans()],
    [text.allow, to.allow()],
    [text.events, to.events()],
    [text.alarms, to.alarms()],
    [text.dashboards, to.dashboards()],
    [text.rules, to.rules()],
    [text.silences, to.silences()],
    [text.channels, to.channels()],
    [text.probes, to.probes()],
    [text.sampling, to.sampling()],
    [text.audit, to.audit()],
    [text.tokens, to.tokens()],
    [text.joinTokens, to.joinTokens()],
    [text.users, to.users()],
    [text.yourAccount, to.account()],
    [text.settings, to.settings()],
  ].map(([title, address]) => ({ title: title as string, kind: text.page, to: address as string, icon: IconFileText })),
  ...GUARDS.map((guard) => ({ title: text.guardNames[guard], kind: text.guard, to: to.guard(guard), icon: GUARD_ICON[guard] })),
];

const SHOWN_MAX = 12;

/** Goes to any host, page or guard by name. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const navigate = useNavigate();
  const id = useId();
  const { rows } = useList("hosts", { limit: 200 });
  const found = useMemo(() => {
    const hosts = (rows ?? []).map((host) => ({ title: host.name, kind: text.host, to: to.host(host.name), icon: IconServer2 }));
    const wanted = typed.trim().toLowerCase();
    return [...PLACES, ...hosts].filter((place) => place.title.toLowerCase().includes(wanted)).slice(0, SHOWN_MAX);
  }, [typed, rows]);
  const go = (place: Place | undefined) => {
    if (!place) return;
    onClose();
    void navigate(place.to);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt((at + 1) % Math.max(1, found.length));
    else if (event.key === "ArrowUp") setAt((at + found.length - 1) % Math.max(1, found.length));
    else if (event.key === "Enter") go(found[at]);
    else return;
    event.preventDefault();
  };
  return (
    <Modal opened onClose={onClose} withCloseButton={false} size={520} yOffset="12vh" centered={false} aria-label={text.searchLabel}>
      <TextInput
        data-autofocus
        role="combobox"
        aria-expanded
        aria-controls={`${id}-list`}
        aria-activedescendant={found[at] ? `${id}-${at}` : undefined}
        aria-label={text.searchLabel}
        placeholder={text.search}
        leftSection={<IconSearch size={16} stroke={1.5} />}
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKey}
      />
      <div className={classes.options} role="listbox" id={`${id}-list`} aria-label={text.searchLabel}>
        {found.map((place, i) => (
          <div key={`${place.kind} ${place.to}`} id={`${id}-${i}`} role="option" aria-selected={i === at} className={classes.option} onClick={() => go(place)} onPointerMove={() => setAt(i)}>
            <place.icon size={16} stroke={1.5} aria-hidden />
            <span className={place.kind === text.host ? "mono" : undefined}>{place.title}</span>
            <span className={classes.aside}>{place.kind}</span>
          </div>
        ))}
      </div>
      <p className="meta" style={{ marginBlockStart: 8 }}>
        {found.length === 0 ? text.searchEmpty : text.searchHint}
      </p>
    </Modal>
  );
}
