import { Link, useSearchParams } from "react-router";
import type { Matrix, MatrixHost } from "../../../api/firewall";
import { HostLink } from "../../../parts/HostLink/HostLink";
import { Card } from "../../../parts/Page/Page";
import { changed } from "../../../paths";
import classes from "./Exposure.module.css";
import { showOf, stateOf } from "./grid";
import { Sign } from "./Sign";
import { text } from "./text";

/** The same as the matrix where there is no room for one: a list of ports per host. */
export function HostLists({ matrix, hosts }: { matrix: Matrix; hosts: MatrixHost[] }) {
  const [search] = useSearchParams();
  return (
    <div className={classes.lists}>
      {hosts.map((host) => (
        <Card key={host.host} label={host.host} title={<HostLink host={host.host} tab="firewall" />} aside={host.stale && <span className="meta">{text.old}</span>}>
          {host.cells.length === 0 && <p className={`meta ${classes.quiet}`}>{text.quiet}</p>}
          <div className={classes.ports}>
            {host.cells.map((cell) => {
              const port = matrix.ports[cell.port];
              if (port === undefined) return null;
              const state = stateOf(host, cell);
              return (
                <Link key={cell.port} to={changed(search, { show: showOf(host.host, port) })} preventScrollReset data-risk={port.high_risk ? "" : undefined}>
                  <b>{`${port.protocol}/${port.port}`}</b>
                  <Sign state={state} risk={port.high_risk} />
                  <span>{text.states[state]}</span>
                </Link>
              );
            })}
          </div>
        </Card>
      ))}
    </div>
  );
}
