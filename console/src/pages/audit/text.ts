export const text = {
  audit: "Audit",
  lead: "Every change that was made, tried or refused",
  doing: "read the audit log",
  sinceAll: "any time",
  since: { "15m": "last 15 min", "1h": "last hour", "6h": "last 6 h", "24h": "last 24 h", "7d": "last 7 days", "30d": "last 30 days" },
  empty: "No entry matches this filter.",
};
