import type { Role } from "../../api/types";
import { text } from "./text";

/** What a role may do, and one endpoint that stands for it: a test holds it against the permissions
 * that the server's own tests found. */
export interface RoleRow {
  what: string;
  least: Role;
  endpoint: string;
}

export const ROLE_ROWS: RoleRow[] = [
  { what: text.may.see, least: "viewer", endpoint: "GET /api/v1/hosts" },
  { what: text.may.audit, least: "viewer", endpoint: "GET /api/v1/audit" },
  { what: text.may.look, least: "operator", endpoint: "POST /api/v1/orders" },
  { what: text.may.ban, least: "operator", endpoint: "POST /api/v1/firewall/bans" },
  { what: text.may.keep, least: "operator", endpoint: "POST /api/v1/plans/{id}/confirm" },
  { what: text.may.tag, least: "operator", endpoint: "PATCH /api/v1/hosts/{host}" },
  { what: text.may.seeJoin, least: "operator", endpoint: "GET /api/v1/join-tokens" },
  { what: text.may.join, least: "admin", endpoint: "POST /api/v1/join-tokens" },
  { what: text.may.retire, least: "admin", endpoint: "POST /api/v1/hosts/{host}/retire" },
  { what: text.may.tokens, least: "admin", endpoint: "POST /api/v1/tokens" },
  { what: text.may.users, least: "admin", endpoint: "POST /api/v1/users" },
  { what: text.may.ca, least: "admin", endpoint: "POST /api/v1/server/ca/rotate" },
];

export const ROLES: readonly Role[] = ["viewer", "operator", "admin"];

export function mayDo(row: RoleRow, role: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(row.least);
}
