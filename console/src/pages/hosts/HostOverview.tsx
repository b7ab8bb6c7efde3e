import { lazy, Suspense } from "react";
import { Link } from "react-router";
import type { GuardState, HostDetail } from "../../api/types";
import { StateBadge } from "../../parts/Badges/Badges";
import { Untrusted } from "../../parts/Command/Command";
import { BlockSkeleton } from "../../parts/Notice/Notice";
import { Card, Facts } from "../../parts/Page/Page";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { type Guard, GUARDS, type HostTab, to } from "../../paths";
import { GUARD_ICON } from "../../theme/guards";
import { formatSpan } from "../../words/format";
import classes from "./HostPage.module.css";
import { text } from "./text";

const HostCharts = lazy(() => import("../../guards/monitor/HostCharts"));

/** Eleven guards with state, evidence and age; what the host is; four charts. */
export function HostOverview({ host }: { host: HostDetail }) {
  const guards = GUARDS.map((name) => host.guards.find((guard) => guard.guard === name) ?? missing(name));
  return (
    <>
      <div className={classes.columns}>
        <Card title={text.guards} aside={<span className="meta">{text.guardsLead}</span>}>
          <ul>
            {guards.map((guard) => (
              <GuardRow key={guard.guard} guard={guard} host={host.name} />
            ))}
          </ul>
        </Card>
        <Card title={text.about} padded>
          <Facts
            pairs={[
              [text.facts.system, host.os],
              [text.facts.kernel, <span className="mono">{host.kernel}</span>],
              [text.facts.uptime, host.uptime_s == null ? null : formatSpan(host.uptime_s)],
              [text.facts.addresses, host.addresses.map((address) => <div key={address} className="mono">{address}</div>)],
              [text.facts.tags, host.tags.length > 0 ? <span className="mono">{host.tags.join(" ")}</span> : null],
              [text.facts.agent, <span className="mono">{host.agent_version}</span>],
              [text.facts.generation, <span className="mono">{text.generation(host.generation.epoch, host.generation.n)}</span>],
              [text.facts.observed, <TimeAgo time={host.observed_at} />],
            ]}
          />
        </Card>
      </div>
      <div className={classes.charts}>
        <Suspense fallback={<BlockSkeleton height={186} />}>
          <HostCharts host={host.name} />
        </Suspense>
      </div>
    </>
  );
}

function GuardRow({ guard, host }: { guard: GuardState; host: string }) {
  const Glyph = GUARD_ICON[guard.guard as Guard];
  return (
    <li>
      <Link className={classes.guard} to={to.host(host, guard.guard as HostTab)}>
        <Glyph size={18} stroke={1.5} aria-hidden />
        <span>{text.tab[guard.guard as HostTab]}</span>
        <StateBadge state={guard.state} />
        <span className={classes.reason}>
          <Untrusted>{guard.error ?? guard.reason}</Untrusted>
        </span>
        <span className={`meta ${classes.when}`}>
          <TimeAgo time={guard.observed_at} dense />
        </span>
      </Link>
    </li>
  );
}

function missing(guard: Guard): GuardState {
  return { guard, built: false, state: "unprotected", reason: text.notBuilt, observed_at: null, fresh_until: null, generation: { epoch: 0, n: 0 }, error: null };
}
