import { Link } from "react-router";
import { type HostTab, to } from "../../paths";

export function HostLink({ host, tab }: { host: string; tab?: HostTab }) {
  return (
    <Link className="mono" to={to.host(host, tab)}>
      {host}
    </Link>
  );
}
