import { useQuery } from "@tanstack/react-query";
import { sessionQuery } from "../../api/queries";
import type { Role } from "../../api/types";
import { text } from "../text";

const ROLES: readonly Role[] = ["viewer", "operator", "admin"];

/** For what is made anew, where no row of the API can say `can`: true, or the reason why not. */
export function useCan(least: Role): true | string {
  const role = useQuery(sessionQuery).data?.role;
  return role !== undefined && ROLES.indexOf(role) >= ROLES.indexOf(least) ? true : text.needsRole(least);
}
