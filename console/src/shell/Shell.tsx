import { useQuery, useQueryClient } from "@tanstack/react-query";
import { IconLayoutSidebarLeftCollapse, IconLayoutSidebarLeftExpand } from "@tabler/icons-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { Link, Navigate, Outlet, ScrollRestoration, useLocation } from "react-router";
import { isSignedOut } from "../api/errors";
import { sessionQuery, useList } from "../api/queries";
import { openStream } from "../api/stream";
import type { Session } from "../api/types";
import { ErrorCard } from "../parts/Notice/Notice";
import { ProbationBar } from "../parts/ProbationBar/ProbationBar";
import { Toasts } from "../parts/Toasts/Toasts";
import { to } from "../paths";
import { Logo } from "./Logo";
import { Nav } from "./Nav";
import classes from "./Shell.module.css";
import { text } from "./text";
import { TopBar } from "./TopBar";
import { useShortcuts } from "./shortcuts";

const Palette = lazy(() => import("./Palette"));
const Keys = lazy(() => import("./Keys"));

const NARROW_KEY = "palisade.sidebar";

/** The frame around every page behind the sign-in. */
export function Shell() {
  const session = useQuery(sessionQuery);
  const location = useLocation();
  if (isSignedOut(session.error)) return <Navigate to={to.signIn(location.pathname + location.search)} replace />;
  if (session.error && !session.data) {
    return (
      <main style={{ padding: 24 }}>
        <ErrorCard doing={text.cannotStart} error={session.error} onRetry={() => void session.refetch()} />
      </main>
    );
  }
  if (session.data?.password_due && location.pathname !== to.account()) return <Navigate to={to.account()} replace />;
  if (!session.data) return <div className={classes.shell} aria-busy />;
  return <Frame session={session.data} />;
}

function Frame({ session }: { session: Session }) {
  const client = useQueryClient();
  const [narrow, setNarrow] = useState(() => localStorage.getItem(NARROW_KEY) === "narrow");
  const [dialog, setDialog] = useState<"palette" | "keys" | null>(null);
  const probation = useList("plans", { state: "probation" }).total > 0;
  useEffect(() => openStream(client), [client]);
  useSignOutWatch();
  useShortcuts({ onPalette: () => setDialog("palette"), onKeys: () => setDialog("keys") });

  const toggle = () => {
    localStorage.setItem(NARROW_KEY, narrow ? "wide" : "narrow");
    setNarrow(!narrow);
  };
  return (
    <div className={classes.shell} data-narrow={narrow ? "" : undefined} data-probation={probation ? "" : undefined}>
      <a className={classes.skip} href="#content">
        {text.skip}
      </a>
      <div className={classes.sidebar}>
        <Link to={to.overview()} className={classes.brand}>
          <Logo />
          <span className={classes.word}>{text.product}</span>
        </Link>
        <Nav />
        <div className={classes.foot}>
          <button type="button" className={`${classes.item} ${classes.narrowButton}`} onClick={toggle} aria-label={narrow ? text.expand : text.collapse}>
            {narrow ? <IconLayoutSidebarLeftExpand size={18} stroke={1.5} /> : <IconLayoutSidebarLeftCollapse size={18} stroke={1.5} />}
          </button>
        </div>
      </div>
      <div className={classes.main}>
        <TopBar session={session} onSearch={() => setDialog("palette")} onKeys={() => setDialog("keys")} />
        <ProbationBar />
        <main id="content" tabIndex={-1} className={classes.content}>
          <Outlet />
        </main>
      </div>
      <Suspense>
        {dialog === "palette" && <Palette onClose={() => setDialog(null)} />}
        {dialog === "keys" && <Keys onClose={() => setDialog(null)} />}
      </Suspense>
      <Toasts />
      <ScrollRestoration />
    </div>
  );
}

/** Any answer "signed out" sends the whole console to the sign-in page, and back afterwards. */
function useSignOutWatch(): void {
  const client = useQueryClient();
  useEffect(
    () =>
      client.getQueryCache().subscribe((event) => {
        if (event.type === "updated" && event.action.type === "error" && isSignedOut(event.action.error) && event.query.queryKey[0] !== "session") {
          void client.resetQueries({ queryKey: sessionQuery.queryKey });
        }
      }),
    [client],
  );
}
