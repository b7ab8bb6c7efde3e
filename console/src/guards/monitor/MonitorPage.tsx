import { Navigate } from "react-router";
import { to } from "../../paths";

/** The guard's first page is its dashboards. */
export default function MonitorPage() {
  return <Navigate to={to.dashboards()} replace />;
}
