-- Security groups, prefix lists and port policies. `before` is what stood before the plan that is on
-- probation; both are NULL or empty otherwise. A spec of NULL is a document that the plan removes.
CREATE TABLE firewall_document (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    spec TEXT,
    by_name TEXT NOT NULL,
    at BIGINT NOT NULL,
    plan TEXT NOT NULL DEFAULT '',
    before TEXT,
    PRIMARY KEY (kind, name)
);
CREATE INDEX firewall_document_plan ON firewall_document (plan);

-- Hosts that are cut off.
CREATE TABLE firewall_isolation (
    host TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    by_name TEXT NOT NULL,
    since BIGINT NOT NULL,
    ends_at BIGINT,
    plan TEXT NOT NULL
);
