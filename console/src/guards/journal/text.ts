export const text = {
  events: "Events",
  doing: "search the events",
  empty: "Nothing has been recorded yet.",
  emptyFiltered: "No event matches this filter.",
};
