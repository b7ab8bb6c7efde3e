-- How the newest look of each probe ended; `body` is JSON, `at` Unix milliseconds.
CREATE TABLE monitor_probe_last (
  name TEXT PRIMARY KEY,
  version BIGINT NOT NULL,
  at BIGINT NOT NULL,
  body TEXT NOT NULL
);

-- The one key that the server logs in to hosts without an agent with; the private half is sealed.
CREATE TABLE monitor_agentless_key (
  id BIGINT PRIMARY KEY,
  sealed TEXT NOT NULL,
  public TEXT NOT NULL,
  made_at BIGINT NOT NULL
);

-- What is known of each host without an agent; times are Unix milliseconds. `pinned` is the
-- fingerprint that an operator has confirmed, `seen` the one that the host showed last.
CREATE TABLE monitor_agentless (
  host TEXT PRIMARY KEY,
  pinned TEXT,
  pinned_at BIGINT,
  seen TEXT,
  seen_at BIGINT,
  looked_at BIGINT,
  ok BIGINT NOT NULL,
  error TEXT,
  failures BIGINT NOT NULL,
  told BIGINT NOT NULL
);
