import { Drawer } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "react-router";
import { findingQuery } from "../../api/queries";
import type { FindingView } from "../../api/types";
import { Action } from "../../parts/Action/Action";
import { SeverityBadge } from "../../parts/Badges/Badges";
import { Command, Untrusted } from "../../parts/Command/Command";
import { EvidenceBlock } from "../../parts/EvidenceBlock/EvidenceBlock";
import { HostLink } from "../../parts/HostLink/HostLink";
import { BlockSkeleton, ErrorCard } from "../../parts/Notice/Notice";
import { Facts } from "../../parts/Page/Page";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { text as words } from "../../parts/text";
import { changed, to } from "../../paths";
import { plain } from "../../words/escape";
import classes from "./FindingsTable.module.css";
import { text } from "./text";

/** `?show=ID`: one finding with its evidence, its reason and its mend. */
export function FindingDrawer() {
  const [search, setSearch] = useSearchParams();
  const id = search.get("show");
  const { data, error, refetch } = useQuery({ ...findingQuery(id ?? ""), enabled: id !== null });
  return (
    <Drawer
      opened={id !== null}
      onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })}
      position="right"
      size={600}
      title={data && data.id === id ? plain(data.title) : text.findings}
      closeButtonProps={{ "aria-label": words.close }}
    >
      {error ? <ErrorCard doing={text.doingOne} error={error} onRetry={() => void refetch()} /> : data === undefined ? <BlockSkeleton height={320} /> : <Detail finding={data} />}
    </Drawer>
  );
}

function Detail({ finding }: { finding: FindingView }) {
  return (
    <div className={classes.detail}>
      <div className={classes.badges}>
        <SeverityBadge severity={finding.severity} tinted />
        <span className="meta">{words.findingState[finding.state]}</span>
        <HostLink host={finding.host} />
        <span className="mono">
          <Untrusted>{finding.object}</Untrusted>
        </span>
      </div>
      <section>
        <h2>{text.evidence}</h2>
        <EvidenceBlock evidence={finding.evidence} host={finding.host} time={finding.observed_at} />
      </section>
      <section>
        <h2>{text.why}</h2>
        <p>{finding.why}</p>
      </section>
      <section>
        <h2>{text.fix}</h2>
        <p style={{ marginBlockEnd: 8 }}>
          <Untrusted>{finding.fix.text}</Untrusted>
        </p>
        {finding.fix.command && <Command command={finding.fix.command} on={finding.host} as={text.asRoot} />}
        {finding.fix.plan && <p className="meta">{text.byPlan(finding.fix.plan)}</p>}
      </section>
      {Object.keys(finding.can).length > 0 && (
        <div className={classes.buttons}>
          {finding.can.mend !== undefined && (
            <Action variant="filled" can={finding.can.mend}>
              {text.mend}
            </Action>
          )}
          {finding.can.accept !== undefined && <Action can={finding.can.accept}>{text.accept}</Action>}
        </div>
      )}
      <Facts
        pairs={[
          [text.facts.check, <Link className="mono" to={to.findings({ check: finding.check })}>{finding.check}</Link>],
          [text.facts.practice, <Link to={to.findings({ practice: finding.practice })}>{finding.practice}</Link>],
          [text.facts.first, <TimeAgo time={finding.first_seen} />],
          [text.facts.last, <TimeAgo time={finding.last_seen} />],
          [text.facts.mended, finding.mended_at ? <TimeAgo time={finding.mended_at} /> : null],
          [text.reference, finding.reference ?? null],
          [text.facts.id, <span className="mono">{finding.id}</span>],
        ]}
      />
    </div>
  );
}
