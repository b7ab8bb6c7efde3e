import { useEffect, useRef } from "react";
import { Link } from "react-router";
import { formatInteger } from "../../words/format";
import classes from "./Tabs.module.css";

export interface Tab {
  key: string;
  title: string;
  to: string;
  count?: number;
  /** Shown, but nothing is behind it yet. */
  off?: boolean;
}

/** Tabs are links: the address is the state. */
export function Tabs({ tabs, current, label }: { tabs: Tab[]; current: string; label: string }) {
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    const active = nav.current?.querySelector<HTMLElement>(`[data-tab="${CSS.escape(current)}"]`);
    if (active && nav.current) nav.current.scrollLeft = Math.max(0, active.offsetLeft - nav.current.offsetLeft - 48);
  }, [current]);
  return (
    <nav className={classes.tabs} aria-label={label} ref={nav}>
      {tabs.map((tab) => (
        <Link
          key={tab.key}
          to={tab.to}
          data-tab={tab.key}
          className={tab.off ? `${classes.tab} ${classes.off}` : classes.tab}
          aria-current={tab.key === current ? "page" : undefined}
          preventScrollReset
        >
          {tab.title}
          {tab.count !== undefined && tab.count > 0 && <span className={classes.count}>{formatInteger(tab.count)}</span>}
        </Link>
      ))}
    </nav>
  );
}

/** A small choice whose options are addresses. */
export function Segments({ options, current, label }: { options: { key: string; title: string; to: string }[]; current: string; label: string }) {
  return (
    <nav className={classes.segments} aria-label={label}>
      {options.map((option) => (
        <Link key={option.key} to={option.to} className={classes.segment} aria-current={option.key === current ? "true" : undefined} preventScrollReset replace>
          {option.title}
        </Link>
      ))}
    </nav>
  );
}
