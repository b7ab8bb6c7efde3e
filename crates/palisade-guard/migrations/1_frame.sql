CREATE TABLE frame_host (
  id TEXT PRIMARY KEY,
  facts TEXT NOT NULL,
  joined_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL
);
CREATE TABLE frame_section (
  host TEXT NOT NULL, guard TEXT NOT NULL, section TEXT NOT NULL,
  body TEXT NOT NULL,
  observed_at BIGINT NOT NULL,
  PRIMARY KEY (host, guard, section)
);
CREATE TABLE frame_freshness (
  host TEXT NOT NULL, guard TEXT NOT NULL,
  observed_at BIGINT NOT NULL, fresh_until BIGINT NOT NULL,
  error TEXT, runs TEXT NOT NULL,
  PRIMARY KEY (host, guard)
);
CREATE TABLE frame_finding (
  id TEXT PRIMARY KEY,
  host TEXT NOT NULL, guard TEXT NOT NULL,
  state TEXT NOT NULL, body TEXT NOT NULL,
  first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL, mended_at BIGINT
);
CREATE INDEX frame_finding_host ON frame_finding (host, guard);
CREATE TABLE frame_plan (
  n BIGINT PRIMARY KEY,
  guard TEXT NOT NULL, open BIGINT NOT NULL, deadline BIGINT, body TEXT NOT NULL
);
CREATE INDEX frame_plan_open ON frame_plan (open);
CREATE TABLE frame_spec (
  host TEXT NOT NULL, guard TEXT NOT NULL,
  epoch BIGINT NOT NULL, n BIGINT NOT NULL,
  PRIMARY KEY (host, guard)
);
CREATE TABLE frame_stream (
  host TEXT NOT NULL, guard TEXT NOT NULL, seq BIGINT NOT NULL,
  PRIMARY KEY (host, guard)
);
