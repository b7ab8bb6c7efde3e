import { ActionIcon, Menu, Tooltip, useMantineColorScheme } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { IconCheck, IconCircleFilled, IconHourglass, IconMenu2, IconPlayerPause, IconSearch, IconUser } from "@tabler/icons-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { Link, useLocation, useNavigate } from "react-router";
import { act, useList } from "../api/queries";
import { setCsrf } from "../api/client";
import { useLive } from "../api/stream";
import type { Session } from "../api/types";
import { to } from "../paths";
import { formatClock } from "../words/format";
import { crumbsOf } from "./crumbs";
import classes from "./Shell.module.css";
import { text } from "./text";

const PhoneNav = lazy(() => import("./PhoneNav"));

export function TopBar({ session, onSearch, onKeys }: { session: Session; onSearch: () => void; onKeys: () => void }) {
  const [menu, setMenu] = useState(false);
  const { pathname } = useLocation();
  useEffect(() => setMenu(false), [pathname]);
  const probation = useList("plans", { state: "probation" }).total;
  return (
    <header className={classes.topbar}>
      <ActionIcon className={classes.onlyPhone} variant="subtle" size={44} c="var(--text)" aria-label={text.menu} onClick={() => setMenu(true)}>
        <IconMenu2 size={20} stroke={1.5} />
      </ActionIcon>
      <Suspense>{menu && <PhoneNav onClose={() => setMenu(false)} />}</Suspense>
      <Crumbs />
      <span className={classes.spacer} />
      {probation > 0 && (
        <Link className={classes.chip} to={to.plans({ state: "probation" })}>
          <IconHourglass size={14} stroke={1.5} aria-hidden />
          {probation} <span>{text.onProbation}</span>
        </Link>
      )}
      <LiveLight />
      <button type="button" className={classes.search} onClick={onSearch} title={text.searchLabel}>
        <IconSearch size={16} stroke={1.5} aria-hidden />
        <span>{text.search}</span>
        <kbd aria-hidden>⌘K</kbd>
      </button>
      <Account session={session} onKeys={onKeys} />
    </header>
  );
}

function Crumbs() {
  const { pathname } = useLocation();
  const crumbs = crumbsOf(pathname);
  return (
    <nav aria-label={text.breadcrumb} style={{ minWidth: 0 }}>
      <ol className={classes.crumbs}>
        {crumbs.map((crumb, i) => (
          <li key={crumb.to}>
            {i > 0 && <span aria-hidden>/</span>}
            {i === crumbs.length - 1 ? <span aria-current="page">{crumb.title}</span> : <Link to={crumb.to}>{crumb.title}</Link>}
          </li>
        ))}
      </ol>
    </nav>
  );
}

/** Whether what is seen is live, and the clock of the last sign of life. */
export function LiveLight() {
  const { word, at } = useLive();
  const Glyph = word === "stopped" ? IconPlayerPause : IconCircleFilled;
  return (
    <Tooltip label={text.liveTitle[word]}>
      <span className={classes.live} data-word={word} tabIndex={0} role="status">
        <Glyph size={word === "stopped" ? 14 : 8} aria-hidden />
        {text.live[word]}
        {at !== null && <span className={classes.liveClock}>{formatClock(at)}</span>}
      </span>
    </Tooltip>
  );
}

function Account({ session, onKeys }: { session: Session; onKeys: () => void }) {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const client = useQueryClient();
  const navigate = useNavigate();
  const signOut = async () => {
    await act.signOut();
    setCsrf(null);
    client.clear();
    await navigate(to.signIn());
  };
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <button type="button" className={classes.account} aria-label={text.account(session.name)}>
          <IconUser size={18} stroke={1.5} aria-hidden />
          <span>{session.name}</span>
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session.name} · {text.role(session.role)}
          <br />
          {text.server(session.server.name, session.server.version)}
        </Menu.Label>
        <Menu.Divider />
        <Menu.Label>{text.theme}</Menu.Label>
        {(["light", "dark", "auto"] as const).map((choice) => (
          <Menu.Item key={choice} onClick={() => setColorScheme(choice)} rightSection={colorScheme === choice ? <IconCheck size={14} stroke={1.5} /> : null}>
            {text.themes[choice]}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item component={Link} to={to.account()}>
          {text.yourAccount}
        </Menu.Item>
        <Menu.Item onClick={onKeys} rightSection={<kbd>?</kbd>}>
          {text.shortcuts}
        </Menu.Item>
        <Menu.Item onClick={() => void signOut()}>{text.signOut}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
