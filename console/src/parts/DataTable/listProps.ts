import type { ListState } from "../../api/queries";

/** What a list says to its table. */
export function listProps<T>(list: ListState<T, unknown>) {
  return {
    rows: list.rows,
    total: list.total,
    error: list.error,
    onRetry: list.refetch,
    more: list.next ? { load: list.next, loading: list.readingNext } : null,
    refreshing: list.outdated,
    identity: list.identity,
  };
}
