import { lazy, Suspense } from "react";
import { Link } from "react-router";
import type { GuardState, HostDetail } from "../../api/types";
import { StateBadge } from "../../parts/Badges/Badges";
import { Untrusted } from "../../parts/Command/Command";
import { BlockSkeleton } from "../../parts/Notice/Notice";
import { Card, Facts } from "../../parts/Page/Page";
import { Tags } from "../../parts/Tags/Tags";
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
              [text.facts.address, host.address ? <span className="mono">{host.address}</span> : null],
              [text.facts.region, host.region ? <Untrusted>{host.region}</Untrusted> : null],
              [text.facts.tags, Object.keys(host.tags).length > 0 ? <Tags tags={host.tags} /> : null],
              [text.facts.profile, host.kind === "agentless" ? null : host.profile],
              [text.facts.agent, <span className="mono">{host.agent_version}</span>],
              [text.facts.generation, <span className="mono">{text.generation(host.generation.epoch, host.generation.n)}</span>],
              [text.facts.certificate, host.kind === "agentless" ? null : <Certificate host={host} />],
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
        <span className={`meta mono ${classes.spec}`}>{guard.generation.n > 0 && text.specOf(guard.generation.n)}</span>
        <span className={`meta ${classes.when}`}>
          <TimeAgo time={guard.observed_at} dense />
        </span>
      </Link>
    </li>
  );
}

function Certificate({ host: { certificate } }: { host: HostDetail }) {
  if (!certificate) return <span className="meta">{text.certificateNone}</span>;
  return (
    <>
      {certificate.not_after && (
        <>
          {text.certificateEnds} <TimeAgo time={certificate.not_after} />{" "}
        </>
      )}
      <span className="meta mono">{certificate.serial}</span>
    </>
  );
}

function missing(guard: Guard): GuardState {
  return { guard, built: false, state: "unprotected", reason: text.notBuilt, observed_at: null, fresh_until: null, generation: { epoch: 0, n: 0 }, error: null };
}
