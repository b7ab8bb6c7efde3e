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
CREATE INDEX firewall_hit_hour ON firewall_hit (hour);
-- Denied packets, by who tried what; -1 is no port, or further ports of one that tries many.
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

-- Of which source at which rule the journal has been told, and what came since.
CREATE TABLE firewall_denied_told (
    host TEXT NOT NULL,
    rule TEXT NOT NULL,
    source TEXT NOT NULL,
    told_at BIGINT NOT NULL,
    packets BIGINT NOT NULL,
    PRIMARY KEY (host, rule, source)
);
CREATE INDEX firewall_denied_told_at ON firewall_denied_told (told_at);

-- Events that wait to be taken into the journal.
CREATE TABLE firewall_event (
    seq BIGINT PRIMARY KEY,
    event TEXT NOT NULL
);

-- Who spoke with whom when a host was asked last.
CREATE TABLE firewall_connections (
    host TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    body TEXT NOT NULL
);
