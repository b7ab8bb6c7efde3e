-- The stream of bans that engines ask for. An entry that is changed gets a new number; one that is
-- released stays with `released = 1` until the stream no longer needs it.
CREATE TABLE firewall_feed (
    seq BIGINT PRIMARY KEY,
    cidr TEXT NOT NULL UNIQUE,
    reason TEXT NOT NULL,
    by_name TEXT NOT NULL,
    since BIGINT NOT NULL,
    ends_at BIGINT,
    released BIGINT NOT NULL DEFAULT 0
);
