import { IconArrowsExchange, IconCircleMinus, IconCirclePlus, IconScissors, IconShieldHalf, type Icon } from "@tabler/icons-react";
import type { CSSProperties } from "react";
import type { EffectKind, Plan } from "../../api/types";
import { SEVERITY_RANK } from "../../theme/rank";
import { SEVERITY } from "../../theme/severity";
import { formatAgo } from "../../words/format";
import { serverNow, useNow } from "../../words/now";
import { Untrusted } from "../Command/Command";
import { HostLink } from "../HostLink/HostLink";
import { text } from "../text";
import classes from "./PlanPreview.module.css";

const KIND: Record<EffectKind, Icon> = {
  opens: IconCirclePlus,
  closes: IconCircleMinus,
  cuts: IconScissors,
  changes: IconArrowsExchange,
  keeps: IconShieldHalf,
};

const HOSTS_OPEN_MAX = 12;

/** What a change does, before it is made: sentences of effect, hosts, steps with their reasons. */
export function PlanPreview({ plan }: { plan: Plan }) {
  useNow(10_000);
  const effects = plan.effects.toSorted((a, b) => SEVERITY_RANK[b.severity] - SEVERITY_RANK[a.severity]);
  return (
    <div className={classes.plan} data-plan-preview>
      <section className={classes.section}>
        <h3>{text.plan.effects}</h3>
        {effects.length === 0 && <p>{text.plan.noEffects}</p>}
        <ul className={classes.effects}>
          {effects.map((effect, i) => {
            const Glyph = KIND[effect.kind];
            const hue = effect.kind === "keeps" ? "var(--text-2)" : SEVERITY[effect.severity].color;
            return (
              <li key={i} className={classes.effect} style={{ "--hue": hue } as CSSProperties}>
                <Glyph size={16} stroke={1.5} aria-hidden />
                <b>{text.effect[effect.kind]}</b>
                <p>
                  <Untrusted>{effect.sentence}</Untrusted>
                </p>
                {effect.hosts.length > 0 && <span className={classes.hosts}>{effect.hosts.length === 1 ? effect.hosts[0] : text.hosts(effect.hosts.length)}</span>}
              </li>
            );
          })}
        </ul>
      </section>
      {plan.hosts.length > 0 && (
        <section className={classes.section}>
          <h3>{text.plan.hosts}</h3>
          <details open={plan.hosts.length <= HOSTS_OPEN_MAX}>
            <summary>{text.hosts(plan.hosts.length)}</summary>
            <div className={classes.hostList}>
              {plan.hosts.map((host) => (
                <HostLink key={host} host={host} tab="firewall" />
              ))}
            </div>
          </details>
        </section>
      )}
      {plan.steps.length > 0 && (
        <section className={classes.section}>
          <h3>{`${text.plan.steps} · ${plan.steps.length}`}</h3>
          <ol className={classes.steps}>
            {plan.steps.map((step, i) => (
              <li key={i} className={classes.step}>
                <span className="mono">
                  {step.name} <Untrusted>{step.object}</Untrusted>
                </span>
                <span className="meta mono">{text.plan.permit(step.permit)}</span>
                <p>
                  <Untrusted>{step.reason}</Untrusted>
                </p>
              </li>
            ))}
          </ol>
        </section>
      )}
      {plan.observed_at && <p className="meta">{text.plan.planned(formatAgo(plan.observed_at, serverNow()))}</p>}
      {!plan.observed_at && plan.hosts.length > 0 && <p className="meta">{text.plan.notObserved}</p>}
    </div>
  );
}
