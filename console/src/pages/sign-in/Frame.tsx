import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef } from "react";
import { signInFacts } from "../../api/queries";
import { ErrorCard } from "../../parts/Notice/Notice";
import { Logo } from "../../shell/Logo";
import classes from "./SignIn.module.css";
import { text } from "./text";

/** The card of an anonymous page, with the server's name and the fingerprint of its certificate below. */
export function Frame({ title, children }: { title: string; children: ReactNode }) {
  const { data, error, refetch } = useQuery(signInFacts);
  const h1 = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body) h1.current?.focus({ preventScroll: true });
  }, []);
  return (
    <main className={classes.page}>
      <title>{`${title} · Palisade`}</title>
      <div className={classes.brand}>
        <Logo /> Palisade
      </div>
      <div className={classes.card}>
        <h1 ref={h1} tabIndex={-1}>
          {title}
        </h1>
        {children}
      </div>
      {error && !data && <ErrorCard doing={text.doingFacts} error={error} onRetry={() => void refetch()} />}
      {data && (
        <dl className={classes.facts}>
          <dt>{text.server}</dt>
          <dd className="mono">{data.server_name}</dd>
          <dt>{text.fingerprint}</dt>
          <dd className="mono">{data.fingerprint}</dd>
        </dl>
      )}
    </main>
  );
}
