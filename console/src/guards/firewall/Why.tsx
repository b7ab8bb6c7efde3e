import { Button, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useSearchParams } from "react-router";
import { simulateQuery } from "../../api/firewall";
import { useList } from "../../api/queries";
import { Untrusted } from "../../parts/Command/Command";
import { ErrorCard } from "../../parts/Notice/Notice";
import { Card } from "../../parts/Page/Page";
import { changed, to } from "../../paths";
import { packetOf } from "./bans";
import { Verdict } from "./groups/Simulate";
import { text } from "./text";
import classes from "./Why.module.css";

const DENIED_SHOWN = 5;

/** Why an address does not get in: its bans, what was denied to it, and what the rules of a host say. */
export function Why() {
  const [search, setSearch] = useSearchParams();
  const asked = search.get("why") ?? "";
  const host = search.get("on") ?? "";
  const port = search.get("port") ?? "";
  const [form, setForm] = useState({ asked, host, port });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSearch(changed(search, { why: form.asked.trim(), on: form.host.trim(), port: form.port.trim() }), { preventScrollReset: true });
  };
  const field = (key: keyof typeof form) => ({ value: form[key], onChange: (event: { currentTarget: { value: string } }) => setForm({ ...form, [key]: event.currentTarget.value }), styles: { input: { fontFamily: "var(--mono)" } }, autoComplete: "off", spellCheck: false });
  return (
    <Card title={text.why.title} padded>
      <form className={classes.form} onSubmit={submit} role="search" aria-label={text.why.title}>
        <TextInput label={text.why.address} placeholder="203.0.113.9" {...field("asked")} />
        <TextInput label={text.why.host} placeholder={text.why.hostNote} {...field("host")} />
        <TextInput label={text.why.port} placeholder="443" inputMode="numeric" {...field("port")} />
        <Button type="submit">{text.why.ask}</Button>
      </form>
      {asked !== "" && <Answer address={asked} host={host} port={port} />}
    </Card>
  );
}

function Answer({ address, host, port }: { address: string; host: string; port: string }) {
  const bans = useList("firewall/bans", { q: address });
  const denied = useList("firewall/denied", { q: address, limit: DENIED_SHOWN });
  const packet = packetOf(address, host, port);
  const judged = useQuery({ ...simulateQuery(packet, []), enabled: host !== "" });
  const nothing = bans.rows?.length === 0 && denied.rows?.length === 0 && host === "";
  return (
    <div role="status">
      {judged.error && <ErrorCard doing={text.why.doing} error={judged.error} />}
      <ul className={classes.answer}>
        {judged.data && (
          <li>
            <span className="mono">{packet}</span> <Verdict when="" verdict={judged.data.now} />
          </li>
        )}
        {(bans.rows ?? []).map((ban) => (
          <li key={`${ban.address} ${ban.by}`}>
            {text.why.banned(ban.address, ban.by)} <Untrusted>{ban.reason || text.noReason}</Untrusted>
          </li>
        ))}
        {(denied.rows ?? []).map((row) => (
          <li key={`${row.host} ${row.rule} ${row.port}`}>
            {text.why.denied(row.packets, row.host, `${row.protocol}${row.port == null ? "" : `/${row.port}`}`)} {row.group ? <Link className="mono" to={to.group(row.group)}>{row.rule}</Link> : <span className="mono">{row.rule}</span>}
          </li>
        ))}
        {nothing && <li>{text.why.nothing}</li>}
      </ul>
    </div>
  );
}
