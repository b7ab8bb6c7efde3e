import { IconPlugConnectedX } from "@tabler/icons-react";
import { Badge } from "../../../parts/Badges/Badges";
import { text } from "./text";

/** Stands beside the name of a host that is cut off. */
export function IsolatedBadge() {
  return <Badge icon={IconPlugConnectedX} color="var(--bad)" word={text.badge} tinted />;
}
