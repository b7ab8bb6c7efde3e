-- The stream of bans that engines ask for. An entry that is changed gets a new number. `state`: 0 is
-- banned, 1 released, 2 given up to make room; the last two stay until no host needs to hear of them.
CREATE TABLE firewall_feed (
    seq BIGINT PRIMARY KEY,
    cidr TEXT NOT NULL UNIQUE,
    reason TEXT NOT NULL,
    by_name TEXT NOT NULL,
    since BIGINT NOT NULL,
    ends_at BIGINT,
    state BIGINT NOT NULL DEFAULT 0,
    at BIGINT NOT NULL
);
CREATE INDEX firewall_feed_ends ON firewall_feed (state, ends_at);
-- One row: the last number given, the last one forgotten that was no ban, how many are banned, how many
-- were given up since the server was installed, and how many networks are shut out for their addresses.
CREATE TABLE firewall_feed_state (
    id BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL,
    forgotten BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    dropped BIGINT NOT NULL,
    aggregated BIGINT NOT NULL
);
INSERT INTO firewall_feed_state (id, seq, forgotten, entries, dropped, aggregated) VALUES (1, 0, 0, 0, 0, 0);
-- How far each host has stored it.
CREATE TABLE firewall_feed_host (
    host TEXT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL
);
