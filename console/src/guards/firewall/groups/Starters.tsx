import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "react-router";
import { type GroupRule, type Starter, startersQuery } from "../../../api/firewall";
import { Action } from "../../../parts/Action/Action";
import { Untrusted } from "../../../parts/Command/Command";
import { BlockSkeleton, ErrorCard } from "../../../parts/Notice/Notice";
import { Card } from "../../../parts/Page/Page";
import { to } from "../../../paths";
import { newDraft } from "./draft";
import classes from "./Groups.module.css";
import { saySelector } from "./selector";
import { keepDraft } from "./stored";
import { text } from "./text";

/** Groups made of what listens now, for a server that has none. */
export function Starters({ can }: { can: true | string }) {
  const navigate = useNavigate();
  const { data, error, refetch } = useQuery(startersQuery);
  if (error && data === undefined) return <ErrorCard doing={text.doingStarters} error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <BlockSkeleton height={120} />;
  if (data.resources.length === 0 && data.left_out.length === 0) return null;
  const take = (starter: Starter) => {
    keepDraft(starter.name, newDraft(starter.spec));
    void navigate(to.group(starter.name));
  };
  return (
    <Card title={text.starters} aside={<span className="meta">{text.startersLead}</span>}>
      <ul className={classes.starters}>
        {data.resources.map((starter) => (
          <li key={starter.name} className={classes.starter}>
            <div>
              <b className="mono">{starter.name}</b> <span className="meta mono">{saySelector(starter.spec.members ?? {})}</span>
              <p className="meta">
                <Untrusted>{starter.spec.description ?? ""}</Untrusted>
              </p>
              <p className="mono">{(starter.spec.rules ?? []).map(sayRule).join(" · ")}</p>
            </div>
            <Action can={can} aria-label={text.takeOf(starter.name)} onClick={() => take(starter)}>
              {text.take}
            </Action>
          </li>
        ))}
        {data.left_out.map((why) => (
          <li key={why} className={classes.starter}>
            <span className="meta">
              <Untrusted>{why}</Untrusted>
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

/** `allow tcp 22 ← list:office`. */
function sayRule(rule: GroupRule): string {
  const what = [text.action[rule.action], rule.protocol, ...(rule.ports ?? [])].join(" ");
  return `${what} ${rule.direction === "out" ? "→" : "←"} ${rule.peers.join(" ")}`;
}
