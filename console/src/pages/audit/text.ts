export const text = {
  audit: "Audit",
  lead: "Every change that was made, tried or refused",
  doing: "read the audit log",
  empty: "No entry matches this filter.",
};
