import {
  IconActivity,
  IconArchive,
  IconArrowUpCircle,
  IconFingerprint,
  IconKey,
  IconListDetails,
  IconNotebook,
  IconRadar2,
  IconTopologyStar3,
  IconWall,
  IconWorldWww,
  type Icon,
} from "@tabler/icons-react";
import type { Guard } from "../paths";

export const GUARD_ICON: Record<Guard, Icon> = {
  firewall: IconWall,
  mesh: IconTopologyStar3,
  access: IconKey,
  backup: IconArchive,
  waf: IconWorldWww,
  intrusion: IconRadar2,
  integrity: IconFingerprint,
  inventory: IconListDetails,
  upgrade: IconArrowUpCircle,
  monitor: IconActivity,
  journal: IconNotebook,
};
