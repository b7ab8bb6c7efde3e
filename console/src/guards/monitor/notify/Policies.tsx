import { useSearchParams } from "react-router";
import type { Match, Resource } from "../../../api/monitor";
import { useList } from "../../../api/queries";
import { Action, ActionLink } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { listProps } from "../../../parts/DataTable/listProps";
import { EmptyState } from "../../../parts/Notice/Notice";
import { Card } from "../../../parts/Page/Page";
import { ResourceDrawer } from "../../../parts/ResourceForm/Resource";
import { changed } from "../../../paths";
import { POLICY, sayMatch } from "./forms";
import { text } from "./text";

interface PolicySpec {
  match?: Match;
  channels?: string[];
  urgency?: string;
  repeat?: string;
}

const SHOW = "policy ";
const specOf = (row: Resource) => row.spec as PolicySpec;

/** Which alarms are told to which channels. */
export function Policies() {
  const [search, setSearch] = useSearchParams();
  const can = useCan("operator");
  const list = useList("resources/NotificationPolicy", {});
  const shown = search.get("show");
  const name = shown?.startsWith(SHOW) ? shown.slice(SHOW.length) : null;
  const existing = list.rows?.find((row) => row.name === name);
  const columns: Column<Resource>[] = [
    { key: "name", title: text.name, fit: true, phone: "first", cell: (row) => row.name },
    { key: "match", title: text.matches, cell: (row) => <Untrusted>{sayMatch(specOf(row).match)}</Untrusted> },
    { key: "channels", title: text.policy.channels, fit: true, phone: "named", cell: (row) => specOf(row).channels?.join(", ") ?? "–" },
    { key: "urgency", title: text.policy.urgency, fit: true, from: "middle", phone: "hide", cell: (row) => text.policy.urgencies[specOf(row).urgency ?? ""] },
    { key: "repeat", title: text.policy.repeat, fit: true, from: "wide", phone: "hide", kind: "mono", cell: (row) => specOf(row).repeat ?? "–" },
    {
      key: "change",
      title: "",
      fit: true,
      cell: (row) => (
        <ActionLink variant="subtle" to={changed(search, { show: SHOW + row.name })} aria-label={text.changeOf(row.name)}>
          {text.change}
        </ActionLink>
      ),
    },
  ];
  const add = can === true ? <ActionLink to={changed(search, { show: SHOW })}>{text.addPolicy}</ActionLink> : <Action can={can}>{text.addPolicy}</Action>;
  return (
    <Card title={text.policies} aside={<span className="meta">{text.policiesLead}</span>}>
      <DataTable {...listProps(list)} identity={`${list.identity} ${shown ?? ""}`} bare label={text.policies} columns={columns} idOf={(row) => row.name} doing={text.doingPolicies} command="palisade get NotificationPolicy -o json" empty={<EmptyState title={text.emptyPolicies} action={add} />} />
      {list.rows && list.rows.length > 0 && <div style={{ padding: "0 16px 12px" }}>{add}</div>}
      <ResourceDrawer
        kind="NotificationPolicy"
        title={name ? text.changePolicy(name) : text.addPolicy}
        fields={POLICY}
        existing={existing ?? null}
        opened={name === "" || existing !== undefined}
        onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })}
      />
    </Card>
  );
}
