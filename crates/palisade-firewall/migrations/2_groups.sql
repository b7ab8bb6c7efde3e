-- Security groups, prefix lists and port policies. `before` is what stood before the plan that is on
-- probation until `until`; both are NULL, and the plan empty, otherwise. A spec of NULL is a document
-- that the plan removes, a `before` of NULL one that it makes.
CREATE TABLE firewall_document (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    spec TEXT,
    by_name TEXT NOT NULL,
    at BIGINT NOT NULL,
    plan TEXT NOT NULL DEFAULT '',
    before TEXT,
    until BIGINT,
    PRIMARY KEY (kind, name)
);
CREATE INDEX firewall_document_plan ON firewall_document (plan);

-- Hosts that are cut off. On probation until `until` by `plan`; being let in again on probation until
-- `release_until` by `release_plan`.
CREATE TABLE firewall_isolation (
    host TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    by_name TEXT NOT NULL,
    since BIGINT NOT NULL,
    ends_at BIGINT,
    plan TEXT NOT NULL,
    until BIGINT,
    release_plan TEXT NOT NULL DEFAULT '',
    release_until BIGINT
);

-- Hosts as they were seen last: what other hosts' sets were made from, and what listens.
CREATE TABLE firewall_member (
    host TEXT PRIMARY KEY,
    tags TEXT NOT NULL DEFAULT '{}',
    region TEXT,
    addresses TEXT NOT NULL DEFAULT '[]',
    doors TEXT NOT NULL DEFAULT '{}'
);

-- One row: `n` rises with every change of what filters are made of; until `ended_at`, hosts have been
-- told of what has ended.
CREATE TABLE firewall_revision (id BIGINT PRIMARY KEY, n BIGINT NOT NULL, ended_at BIGINT NOT NULL DEFAULT 0);
