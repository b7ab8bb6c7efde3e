import { createBrowserRouter, type RouteObject } from "react-router";
import { RouteError } from "./shell/RouteError";
import { Shell } from "./shell/Shell";

const page = (path: string, load: () => Promise<{ default: React.ComponentType }>): RouteObject => ({
  path,
  lazy: async () => ({ Component: (await load()).default }),
});

/** Every address of the console: the API's path without its prefix, guard word first. */
const pages: RouteObject[] = [
  page("/", () => import("./pages/overview/OverviewPage")),
  page("/hosts", () => import("./pages/hosts/HostsPage")),
  page("/hosts/:host/:tab?", () => import("./pages/hosts/HostPage")),
  page("/findings", () => import("./pages/findings/FindingsPage")),
  page("/plans", () => import("./pages/plans/PlansPage")),
  page("/plans/:id", () => import("./pages/plans/PlanPage")),
  page("/firewall/groups", () => import("./guards/firewall/groups/GroupsPage")),
  page("/firewall/groups/:name", () => import("./guards/firewall/groups/GroupPage")),
  page("/firewall/lists/:name?", () => import("./guards/firewall/lists/ListsPage")),
  page("/firewall/policies", () => import("./guards/firewall/policies/PoliciesPage")),
  page("/firewall/policies/:name", () => import("./guards/firewall/policies/PolicyPage")),
  page("/firewall/exposure", () => import("./guards/firewall/exposure/ExposurePage")),
  page("/firewall/hits", () => import("./guards/firewall/hits/HitsPage")),
  page("/firewall/bans", () => import("./guards/firewall/BansPage")),
  page("/firewall/allow", () => import("./guards/firewall/BansPage")),
  page("/inventory", () => import("./guards/inventory/InventoryPage")),
  page("/monitor", () => import("./guards/monitor/MonitorPage")),
  page("/monitor/dashboards/:name?", () => import("./guards/monitor/dashboards/DashboardPage")),
  page("/monitor/alarms", () => import("./guards/monitor/alarms/AlarmsPage")),
  page("/monitor/rules", () => import("./guards/monitor/rules/RulesPage")),
  page("/monitor/rules/:name", () => import("./guards/monitor/rules/RulePage")),
  page("/monitor/silences", () => import("./guards/monitor/notify/SilencesPage")),
  page("/monitor/channels", () => import("./guards/monitor/notify/ChannelsPage")),
  page("/monitor/deliveries", () => import("./guards/monitor/notify/DeliveriesPage")),
  page("/monitor/sampling", () => import("./guards/monitor/sampling/SamplingPage")),
  page("/monitor/probes", () => import("./guards/monitor/probes/ProbesPage")),
  page("/journal/events", () => import("./guards/journal/EventsPage")),
  page("/audit", () => import("./pages/audit/AuditPage")),
  page("/users", () => import("./pages/users/UsersPage")),
  page("/account", () => import("./pages/account/AccountPage")),
  page("/settings", () => import("./pages/settings/SettingsPage")),
  page("/join-tokens", () => import("./pages/tokens/JoinTokensPage")),
  page("/tokens", () => import("./pages/tokens/TokensPage")),
  page("/:guard", () => import("./pages/guard/GuardPage")),
  page("/:guard/:section", () => import("./pages/guard/GuardPage")),
  page("*", () => import("./shell/NotFoundPage")),
];

/** While the first page is on its way nothing is shown: a spinner would only blink. */
const HydrateFallback = () => null;

export const routes: RouteObject[] = [
  { ...page("/sign-in", () => import("./pages/sign-in/SignInPage")), HydrateFallback },
  { ...page("/welcome", () => import("./pages/sign-in/WelcomePage")), HydrateFallback },
  { element: <Shell />, HydrateFallback, errorElement: <RouteError />, children: [{ errorElement: <RouteError />, children: pages }] },
];

export const router = createBrowserRouter(routes);
