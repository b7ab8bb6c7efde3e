import type { Field } from "../../parts/ResourceForm/fields";
import { text as sampling } from "./sampling/text";
import { text } from "./text";

/** The form of a ProcessWatch: at least one of the four words, and for which hosts. */
export const watchFields = (host: string): Field[] => [
  { path: "name", label: text.watchForm.name, note: text.watchForm.nameNote, mono: true },
  { path: "unit", label: text.watchForm.unit, note: text.watchForm.unitNote, mono: true },
  { path: "user", label: text.watchForm.user, mono: true },
  { path: "command", label: text.watchForm.command, note: text.watchForm.commandNote, mono: true },
  { path: "scope.hosts", label: text.scope.hosts, note: text.scope.hostsNote, kind: "list", initial: host, mono: true },
  { path: "scope.tags", label: text.scope.tags, note: text.scope.tagsNote, kind: "pairs", mono: true },
];

/** The form of a Sampling. */
export const SAMPLING: Field[] = [
  { path: "interval", label: sampling.interval, note: sampling.intervalNote, initial: "10s", required: true, mono: true },
  { path: "scope.hosts", label: text.scope.hosts, note: text.scope.hostsNote, kind: "list", mono: true },
  { path: "scope.tags", label: text.scope.tags, note: text.scope.tagsNote, kind: "pairs", mono: true },
  { path: "scope.group", label: text.scope.group, mono: true },
];
