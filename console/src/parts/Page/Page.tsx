import { type ReactNode, useEffect, useRef } from "react";
import classes from "./Page.module.css";

let opened = false;

/** A page: its title in the document and as `h1`, which takes the focus after a change of route. */
export function Page({ title, heading, lead, actions, children }: { title: string; heading?: ReactNode; lead?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  const h1 = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (opened) h1.current?.focus({ preventScroll: true });
    opened = true;
  }, []);
  return (
    <div className={classes.page}>
      <title>{`${title} · Palisade`}</title>
      <header className={classes.head}>
        <div style={{ minWidth: 0 }}>
          <h1 ref={h1} tabIndex={-1}>
            {heading ?? title}
          </h1>
          {lead && <div className={classes.lead}>{lead}</div>}
        </div>
        {actions && <div className={classes.actions}>{actions}</div>}
      </header>
      {children}
    </div>
  );
}

export function Card({ title, aside, padded, children, label }: { title?: ReactNode; aside?: ReactNode; padded?: boolean; children: ReactNode; label?: string }) {
  return (
    <section className={classes.card} aria-label={label ?? (typeof title === "string" ? title : undefined)}>
      {title && (
        <div className={classes.cardHead}>
          <h2>{title}</h2>
          {aside}
        </div>
      )}
      {padded ? <div className={classes.padded}>{children}</div> : children}
    </section>
  );
}

/** Names and values, one pair a line; pairs without a value are left out. */
export function Facts({ pairs }: { pairs: [string, ReactNode][] }) {
  return (
    <dl className={classes.facts}>
      {pairs
        .filter(([, value]) => value !== null && value !== undefined && value !== "")
        .map(([name, value]) => (
          <div key={name} style={{ display: "contents" }}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
