/** What an event carries beside its sentence: the plan that it belongs to, values before and after,
 * and the rest as it is. Every shape may come; what is not understood stays in the rest. */
export interface EventData {
  plan: string | null;
  changes: Change[];
  /** What is left, or null when that is nothing. */
  rest: unknown;
}

export interface Change {
  path: string;
  before: unknown;
  after: unknown;
}

/** Deeper objects are compared as a whole. */
const DEPTH_MAX = 4;

export function readData(data: unknown): EventData {
  if (!isObject(data)) return { plan: null, changes: [], rest: data ?? null };
  const { plan, before, after, changes, ...others } = data;
  const listed = Array.isArray(changes) && changes.every(isChange) ? changes : null;
  const compared = "before" in data && "after" in data ? differences("", before, after, 0) : null;
  const rest = {
    ...(plan === undefined || typeof plan === "string" ? {} : { plan }),
    ...(changes === undefined || listed ? {} : { changes }),
    ...(compared ? {} : { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }),
    ...others,
  };
  return { plan: typeof plan === "string" ? plan : null, changes: listed ?? compared ?? [], rest: Object.keys(rest).length === 0 ? null : rest };
}

function differences(path: string, before: unknown, after: unknown, depth: number): Change[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (depth >= DEPTH_MAX || !isObject(before) || !isObject(after)) return [{ path, before, after }];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) => differences(path === "" ? key : `${path}.${key}`, before[key], after[key], depth + 1));
}

function isChange(value: unknown): value is Change {
  return isObject(value) && typeof value.path === "string" && ("before" in value || "after" in value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
