-- What rules have decided about, by host, rule and hour (milliseconds since 1970).
CREATE TABLE firewall_hit (
    host TEXT NOT NULL,
    rule TEXT NOT NULL,
    hour BIGINT NOT NULL,
    packets BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (host, rule, hour)
);
-- Denied packets, by who tried what.
CREATE TABLE firewall_denied (
    host TEXT NOT NULL,
    rule TEXT NOT NULL,
    source TEXT NOT NULL,
    protocol TEXT NOT NULL,
    port BIGINT NOT NULL,
    direction TEXT NOT NULL,
    packets BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (host, rule, source, protocol, port, direction)
);
CREATE INDEX firewall_denied_last ON firewall_denied (last_at);
